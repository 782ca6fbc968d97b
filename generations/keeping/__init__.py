"""Backups of an install, their restore, and the check-up of `manage.py doctor`."""
