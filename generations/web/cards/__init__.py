"""Cards: one generation as its viewer sees it, its live updates and its actions."""
