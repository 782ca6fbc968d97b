"""Simplified Chinese: year before month before day."""
