"""Answer one `content` of the API each: handlers by subject, joined in `sync.sandbox.dispatch`."""
