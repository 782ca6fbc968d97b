"""The prompt library: prompts of a member's own and of the team."""
