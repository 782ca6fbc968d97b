"""Database ids in query strings and forms."""

import re

MAX_ID_DIGITS = 18  # more do not fit into the database's integer
_ROW = re.compile(rf"([0-9]{{1,{MAX_ID_DIGITS}}}):([0-9]{{1,9}})")


def parse_id(text: str) -> int | None:
    """Return the id, or None when the text is not one."""
    return int(text) if text.isdecimal() and len(text) <= MAX_ID_DIGITS else None


def parse_row(text: str) -> tuple[int, int] | None:
    """Return the key and the version of "12:3", a row as the page showed it; None for others."""
    found = _ROW.fullmatch(text)
    return (int(found[1]), int(found[2])) if found else None
