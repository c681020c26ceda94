"""Hold the checks that logic cannot say, one subject a file; `catalogue` lists them by name."""
