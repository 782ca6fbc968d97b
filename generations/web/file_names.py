"""Names of downloaded files, in every script."""

import re
import unicodedata
from urllib.parse import quote

from django.http.response import HttpResponseBase

# Letters of the Latin script that have no decomposition into a letter and its marks.
_LATIN = str.maketrans(
    {"đ": "d", "ð": "d", "ł": "l", "ø": "o", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
)
_KEPT = "LMN"  # categories of Unicode: letters, marks, numbers
_UNQUOTED = "!#$&+-.^_`|~"  # RFC 8187, attr-char


def slug(text: str) -> str:
    """Return letters with their marks, numbers and hyphens: valid on every file system.

    `django.utils.text.slugify` drops the marks, which are vowels and tones in Thai, Hindi, Arabic
    and others.
    """
    text = unicodedata.normalize("NFKC", text).lower()
    kept = "".join(c for c in text if unicodedata.category(c)[0] in _KEPT or c in "-_ \t\r\n")
    return re.sub(r"[-\s]+", "-", unicodedata.normalize("NFC", kept)).strip("-_")


def truncate(text: str, max_bytes: int) -> str:
    """Return the start of the text, never a letter without its marks."""
    end = len(text.encode()[:max_bytes].decode(errors="ignore"))
    while 0 < end < len(text) and unicodedata.category(text[end])[0] == "M":
        end -= 1
    return text[:end].strip("-_")


def set_disposition(response: HttpResponseBase, name: str, *, as_attachment: bool = False) -> None:
    """Name the file (RFC 6266): in ASCII for old programs, and as it is for all others."""
    kind = "attachment" if as_attachment else "inline"
    fallback = _ascii(name)
    value = f'{kind}; filename="{fallback}"'
    if fallback != name:
        value += f"; filename*=UTF-8''{quote(name, safe=_UNQUOTED)}"
    response.headers["Content-Disposition"] = value


def _ascii(name: str) -> str:
    """Return `phong-canh-12-1.png` for `phong-cảnh-12-1.png`; `image-12-1.png` for no letter."""
    plain = unicodedata.normalize("NFKD", name.translate(_LATIN)).encode("ascii", "ignore").decode()
    stem, dot, extension = re.sub(r'[^ -~]|["\\/%]', "", plain).rpartition(".")
    stem = re.sub(r"-{2,}", "-", stem).strip("-_ ")
    return f"{stem if re.search('[A-Za-z]', stem) else f'image-{stem}'.rstrip('-')}{dot}{extension}"
