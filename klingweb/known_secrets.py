"""The secrets that this process has seen, such as API keys, and the masking of them in texts."""

import re
from collections.abc import Iterable

MIN_CHARACTERS = 8  # the simulator's key is shorter, and may be part of a word
_LINK = re.compile(r"(/invitations/|/accounts/reset/[^/\s]+/)[^/\s'\"?]+")
_seen: set[str] = set()


def remember_secret(text: str) -> None:
    """Mask this text in the logs and the audit log of this process from now on."""
    if len(text) >= MIN_CHARACTERS:
        _seen.add(text)


def mask(text: str, mark: str = "***", others: Iterable[str] = ()) -> str:
    """Replace each secret by the mark: those seen, these `others`, and those of links."""
    for secret in sorted({*_seen, *others}, key=len, reverse=True):  # one may contain another
        text = text.replace(secret, mark)
    return _LINK.sub(rf"\1{mark}", text)
