"""Hold the documentation to the program."""
