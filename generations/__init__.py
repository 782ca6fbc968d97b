"""Everything klingweb is: what a member asked for, and what became of it."""
