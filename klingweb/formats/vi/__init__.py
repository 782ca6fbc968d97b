"""Vietnamese: day before month, in figures."""
