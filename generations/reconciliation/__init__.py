"""The gateway's log against the ledger: reading a log, matching it, and what a person decides."""
