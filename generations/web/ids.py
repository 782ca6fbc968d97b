"""Database ids in query strings and forms."""

MAX_ID_DIGITS = 18  # more do not fit into the database's integer


def parse_id(text: str) -> int | None:
    """Return the id, or None when the text is not one."""
    return int(text) if text.isdecimal() and len(text) <= MAX_ID_DIGITS else None
