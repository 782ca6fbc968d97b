"""Normalization of text for search."""

import re
import unicodedata

# Scripts written without spaces: each character is a separate word, so that any part is found.
UNSPACED = (
    "[\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)
_UNSPACED = re.compile(f"({UNSPACED})")
_WORD = re.compile(r"[^\W_]+")  # the search index does not count the underscore as a letter either
_MARKS = "^`\u2044"  # in a category of symbols, but marks between words: "½" is "1\u20442"
_EMOJI = range(0x1F000, 0x1FB00)  # Python's table lacks the newest, so the category is not enough
# Letters that Unicode does not decompose into a base letter and a diacritic.
_PLAIN = str.maketrans({"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})


def normalize(text: str) -> list[str]:
    """Split into words without case and diacritics: "Cà phê, 山水" -> ["ca", "phe", "山", "水"].

    Each symbol or emoji is a word too, spelled as its code point, since the indexes of both
    databases leave out symbols: "5 €" -> ["5", "u0020ac"].
    """
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text).casefold()  # "™" is "TM"
        if not unicodedata.combining(letter)
    )
    plain = unicodedata.normalize("NFC", bare).translate(_PLAIN)
    spelled = "".join(_spell(letter) if _is_symbol(letter) else letter for letter in plain)
    return _WORD.findall(_UNSPACED.sub(r" \1 ", spelled))


def _is_symbol(letter: str) -> bool:
    """Numbers in circles are symbols too: PostgreSQL leaves them out."""
    if letter in _MARKS:
        return False
    category = unicodedata.category(letter)
    return category.startswith("S") or category == "No" or ord(letter) in _EMOJI


def _spell(symbol: str) -> str:
    """All of one length, so that none is the beginning of another."""
    return f" u{ord(symbol):06x} "
