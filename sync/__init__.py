"""Move the data and follow up: a pure core in an imperative shell."""
