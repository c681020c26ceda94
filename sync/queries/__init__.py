"""Follow up findings as queries: states, ledger, fingerprints, reconciliation, decisions of people."""
