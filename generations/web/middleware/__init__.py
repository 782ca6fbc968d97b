"""Middleware: access, errors and compression."""
