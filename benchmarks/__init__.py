"""Measure Syncline against the work that nobody can avoid; each module is one benchmark to run by hand.

``python -m benchmarks.NAME --help`` tells what each can be asked. All data are invented. They need nothing but the
development set-up, print a table of ratios and medians, and leave nothing behind.
"""
