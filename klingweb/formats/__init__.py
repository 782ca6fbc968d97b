"""Date and time formats for each language (FORMAT_MODULE_PATH)."""
