"""The first start: the one-time code, the first owner and the team, and the test of an API key."""
