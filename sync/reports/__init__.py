"""Turn results into text and documents; nothing here prints or decides."""
