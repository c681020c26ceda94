"""Stand in the way of numpy, which comes with pandas; see there."""

raise ModuleNotFoundError("No module named 'numpy'")
