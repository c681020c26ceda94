"""Tests of the logic language: reading it, evaluating it, explaining it."""
