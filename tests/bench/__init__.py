"""Figures, side by side, with their conditions; never a test."""
