"""Middleware: access, time zones, errors and compression."""
