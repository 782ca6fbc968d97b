"""The studio: the composer, its form and uploads, and what fills it."""
