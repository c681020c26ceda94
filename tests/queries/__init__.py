"""Test the query lifecycle. All records and values are invented."""
