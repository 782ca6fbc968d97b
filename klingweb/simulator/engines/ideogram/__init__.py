"""Ideogram 3.0: a form, answered with links (docs/engines.md, section 4)."""
