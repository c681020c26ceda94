"""Say what the workflows ask of the world: Protocols whose docstrings are contracts, and the values they speak in."""
