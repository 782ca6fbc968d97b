"""Masks what looks like a secret before it is stored for others to read.

Callers must not pass secrets; this is the second line of defence for one who does.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings

from klingweb.known_secrets import mask

from . import known_keys

MASK = "•••"
MAX_CHARACTERS = 2000  # of one value
MIN_SECRET_CHARACTERS = 6  # a shorter one is part of ordinary words
_NAMES = {"password", "passwd", "secret", "token", "key", "credential"}
_LAST_FOUR = re.compile(r"\W*\w{0,4}")  # such as …ab12, which tells keys apart


def masked_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Mask texts of names such as `api_key`, except a key's last four characters."""
    return {name: _masked(name, value) for name, value in values.items()}


def masked_text(text: str) -> str:
    """Mask the secrets of the settings, those that are known, and those in links."""
    known_keys.refresh()
    return mask(text, MASK, _secrets_of_settings())


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return masked_values(value)
    if isinstance(value, list | tuple):
        return [_masked(name, each) for each in value]
    if not isinstance(value, str):
        return value
    words = {word.removesuffix("s") for word in re.split(r"[^a-z]+", name.lower())}
    if words & _NAMES and not _LAST_FOUR.fullmatch(value):
        return MASK
    return masked_text(value)[:MAX_CHARACTERS]


def _secrets_of_settings() -> Iterator[str]:
    databases = (database.get("PASSWORD") for database in settings.DATABASES.values())
    found = (
        settings.SECRET_KEY,
        settings.UPSTREAM_KEY,
        settings.ACCOUNT_KEY,
        settings.ADMIN_PASSWORD,
        settings.OIDC_CLIENT_SECRET,
        settings.EMAIL_HOST_PASSWORD,
        *settings.ENCRYPTION_KEYS,
        *databases,
    )
    return (each for each in found if each and len(each) >= MIN_SECRET_CHARACTERS)
