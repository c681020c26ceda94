"""Hold one module a command group: parse, call one workflow, render, choose the exit code."""
