"""Pages where members manage their own account."""
