"""Answer the REDCap API on loopback from a project's own XML: a REDCap-API-compatible sandbox.

It shares no code with the client side (only the grammar of the logic language), so that a misreading of the
protocol cannot cancel out. What is not known from a recording is listed in `guesses`.
"""
