"""Normalization of text for search."""

import re
import unicodedata

# Scripts written without spaces: each character is a separate word, so that any part is found.
_UNSPACED = re.compile(
    "([\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])"
)
_WORD = re.compile(r"[^\W_]+")  # the search index does not count the underscore as a letter either
# Letters that Unicode does not decompose into a base letter and a diacritic.
_PLAIN = str.maketrans({"đ": "d", "ð": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe"})


def normalize(text: str) -> list[str]:
    """Split into words without case and diacritics: "Cà phê, 山水" -> ["ca", "phe", "山", "水"]."""
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(letter)
    )
    plain = unicodedata.normalize("NFC", bare).translate(_PLAIN)
    return _WORD.findall(_UNSPACED.sub(r" \1 ", plain))
