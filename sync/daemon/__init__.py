"""Stay up and run each site at its time: a pure schedule, and the loop that keeps it."""
