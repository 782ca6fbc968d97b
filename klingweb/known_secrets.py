"""The secrets that this process has seen, such as API keys, and the masking of them in texts."""

import hashlib
import re
from collections.abc import Iterable, Iterator

MIN_CHARACTERS = 8  # the simulator's key is shorter, and may be part of a word
_LINK = re.compile(r"(/invitations/|/accounts/reset/[^/\s]+/)[^/\s'\"?]+")
_WORD = re.compile(rf"[^\s'\"]{{{MIN_CHARACTERS},}}")
_PART = re.compile(rf"[A-Za-z0-9_.~+/-]{{{MIN_CHARACTERS},}}")
_seen: set[str] = set()
_fingerprints: set[str] = set()


def remember_secret(text: str) -> None:
    """Mask this text in the logs and the audit log of this process from now on."""
    if len(text) >= MIN_CHARACTERS:
        _seen.add(text)


def remember_fingerprints(fingerprints: Iterable[str]) -> None:
    """Mask the API keys with these fingerprints, which this process has not seen itself."""
    _fingerprints.update(fingerprints)


def fingerprint_of(key: str) -> str:
    """Recognizes an API key. Of a random key, a hash tells nothing."""
    return hashlib.sha256(f"klingweb API key {key}".encode(errors="replace")).hexdigest()


def mask(text: str, mark: str = "***", others: Iterable[str] = ()) -> str:
    """Replace each secret by the mark: those known, these `others`, and those of links."""
    for word in _words(text) if _fingerprints else ():
        if word not in _seen and fingerprint_of(word) in _fingerprints:
            _seen.add(word)
    for secret in sorted({*_seen, *others}, key=len, reverse=True):  # one may contain another
        text = text.replace(secret, mark)
    return _LINK.sub(rf"\1{mark}", text)


def _words(text: str) -> Iterator[str]:
    """What may be a key: a word, alone or as a part of `key=...`, `(...)` or `...,`."""
    for word in _WORD.findall(text):
        yield word
        yield from (part for part in _PART.findall(word) if part != word)
        yield word.rstrip(".,:;!?)")
