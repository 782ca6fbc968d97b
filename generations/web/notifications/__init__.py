"""Notifications of a member: the bell in the header, and the page."""
