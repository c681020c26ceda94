"""Hold one file a verb: what the program does, written against the ports and nothing else."""
