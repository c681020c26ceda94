"""Tell people of trouble, once: by a command, a webhook or e-mail, and never with a value in it."""
