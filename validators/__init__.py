"""Say what is wrong with the data: checks in, findings out. Pure."""
