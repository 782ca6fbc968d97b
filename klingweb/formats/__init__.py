"""Date and time formats by language (FORMAT_MODULE_PATH), where Django's do not fit the pages."""
