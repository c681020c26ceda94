"""Name what the data are: coordinates, dictionaries, studies, one schema a form. Pure."""
