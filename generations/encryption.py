"""Encrypts what the database stores in secret, such as API keys, with keys that it does not have.

The encryption keys are in KLINGWEB_ENCRYPTION_KEY, else in a private file of the data folder (two
after one was lost), which is read each time: so a rotation needs no restart. The first key
encrypts, all of them decrypt.
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


FILE_ERRORS = (OSError, SettingError)  # of the file with the encryption keys


def encrypt(text: str) -> str:
    """Encrypt with the newest key; the first call creates one. Raises OSError or SettingError.

    Call it with the team's row locked: a rotation at the same time would else lose the text.
    """
    remember_secret(text)
    if not keys():
        path = data_folder.encryption_key_file(settings.DATA_DIR)
        data_folder.create_encryption_key(path, new_key())
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


def keys_changed_at() -> int:
    """When an API key was last stored, in nanoseconds: the time of a file. 0: never."""
    try:
        return data_folder.gateway_mark(settings.DATA_DIR).stat().st_mtime_ns
    except OSError:
        return 0


def is_token(text: str) -> bool:
    """Whether `encrypt` has made this text: its version and the high bytes of its time."""
    return text.startswith("gAAAAA")


def encrypt_again(token: str) -> str:
    """Return the same text, encrypted with the newest key. Raises CannotDecrypt."""
    return encrypt(decrypt(token))


def is_current(token: str) -> bool:
    """Whether the newest key alone decrypts it."""
    newest = keys()[:1]
    return bool(newest) and fits(newest[0], token)


def fits(key: str, token: str) -> bool:
    """Whether this key decrypts it."""
    from cryptography.fernet import InvalidToken

    try:
        _cipher([key]).decrypt(token.encode())
    except InvalidToken:
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


def keep_for_backup() -> None:
    """Encrypt with a key in a second file from now on: the first one is lost or wrong.

    So a backup of the first can be put back, and then both fit. Raises OSError.
    """
    if not settings.ENCRYPTION_KEYS:
        path = data_folder.second_encryption_key_file(settings.DATA_DIR)
        data_folder.create_encryption_key(path, new_key())


def join_key_files() -> None:
    """Use one file again: everything can be read. Raises OSError or SettingError."""
    if not settings.ENCRYPTION_KEYS:
        data_folder.join_encryption_key_files(settings.DATA_DIR)


def forget_old_keys() -> None:
    """Keep only the newest key. Raises OSError."""
    data_folder.write_encryption_keys(settings.DATA_DIR, keys()[:1])


def _cipher(known: list[str]) -> "MultiFernet":
    from cryptography.fernet import Fernet, MultiFernet

    return MultiFernet([Fernet(key) for key in known])
