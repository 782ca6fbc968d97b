"""Encrypts what the database stores in secret, such as API keys, with keys that it does not have.

The encryption keys are in KLINGWEB_ENCRYPTION_KEY, else in a private file of the data folder, which
is read each time: so a rotation needs no restart. The first key encrypts, all of them decrypt.
`cryptography` is imported late: most processes never need its 16 MB.
"""

from typing import TYPE_CHECKING

from django.conf import settings

from klingweb import data_folder
from klingweb.environment import SettingError
from klingweb.known_secrets import remember_secret

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class CannotDecrypt(Exception):
    """None of the encryption keys fits, or there is none. The text has no secret."""


def encrypt(text: str) -> str:
    """Encrypt with the newest key; the first call creates one. Raises OSError or SettingError.

    Call it with the team's row locked: a rotation at the same time would else lose the text.
    """
    remember_secret(text)
    if not keys():
        data_folder.create_encryption_key(settings.DATA_DIR, new_key())
    return _cipher(keys()).encrypt(text.encode()).decode("ascii")


def decrypt(token: str) -> str:
    """Raises CannotDecrypt."""
    from cryptography.fernet import InvalidToken

    try:
        known = keys()
        text = _cipher(known).decrypt(token.encode()).decode() if known else ""
    except (InvalidToken, SettingError):
        text = ""
    # Outside the except clause, so that no traceback leads to the keys.
    if not text:
        raise CannotDecrypt("The encryption key does not fit.")
    remember_secret(text)
    return text


def encrypt_again(token: str) -> str:
    """Return the same text, encrypted with the newest key. Raises CannotDecrypt."""
    return encrypt(decrypt(token))


def is_current(token: str) -> bool:
    """Whether the newest key alone decrypts it."""
    from cryptography.fernet import InvalidToken

    try:
        _cipher(keys()[:1]).decrypt(token.encode())
    except (InvalidToken, ValueError):
        return False
    return True


# --- the encryption keys -------------------------------------------------------------------------


def keys() -> list[str]:
    """The newest first. Raises SettingError for a file that cannot be used."""
    known = list(settings.ENCRYPTION_KEYS) or data_folder.encryption_keys(settings.DATA_DIR)
    for key in known:
        remember_secret(key)
    return known


def new_key() -> str:
    from cryptography.fernet import Fernet

    return Fernet.generate_key().decode("ascii")


def add_key() -> None:
    """Put a new key before the others, durably. Raises OSError."""
    data_folder.write_encryption_keys(settings.DATA_DIR, [new_key(), *keys()])


def forget_old_keys() -> None:
    """Keep only the newest key. Raises OSError."""
    data_folder.write_encryption_keys(settings.DATA_DIR, keys()[:1])


def _cipher(known: list[str]) -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in known])
