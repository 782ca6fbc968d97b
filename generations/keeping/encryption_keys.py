"""Which encryption keys the stored secrets need, and whether they are there.

An archive names them by fingerprints, which tell nothing about a key.
"""

import hashlib

from django.conf import settings

from generations import encryption
from generations.operations import key_rotation
from klingweb import data_folder


def fingerprint(key: str) -> str:
    return hashlib.sha256(f"klingweb encryption key {key}".encode()).hexdigest()


def needed() -> list[str]:
    """Return the fingerprints of the keys that stored secrets are encrypted with.

    Secrets that no key fits are left out: a backup makes them neither better nor worse.
    """
    tokens, known, found = key_rotation.stored_tokens(), encryption.keys(), []
    for key in known:
        fitting = {token for token in tokens if encryption.fits(key, token)}
        if fitting:
            found.append(fingerprint(key))
        tokens = [token for token in tokens if token not in fitting]
    return found


def unreadable() -> int:
    """How many stored secrets no key fits."""
    known = encryption.keys()
    tokens = key_rotation.stored_tokens()
    return sum(not any(encryption.fits(key, token) for key in known) for token in tokens)


def are_here(fingerprints: list[str]) -> bool:
    return set(fingerprints) <= set(map(fingerprint, encryption.keys()))


def place() -> str:
    """Where the keys of this install are, for people."""
    if settings.ENCRYPTION_KEYS:
        return "the setting KLINGWEB_ENCRYPTION_KEY"
    files = (
        data_folder.encryption_key_file(settings.DATA_DIR),
        data_folder.second_encryption_key_file(settings.DATA_DIR),
    )
    found = [str(path) for path in files if path.exists()]
    return "the file " + " and ".join(found or [str(files[0])])
