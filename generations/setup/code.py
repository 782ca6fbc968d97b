"""The one-time code that `manage.py run` prints: without it, a stranger cannot take the install.

Only a hash of the code is stored, in a private file, so each start prints a new code.
"""

import base64
import hashlib
import hmac
import re
import secrets
from pathlib import Path

from django.conf import settings

from klingweb import data_folder

CODE_BYTES = 10
GROUP_CHARACTERS = 4


def renew() -> str:
    """Return a new code, such as `ab2c-...`; the last one ends. Raises OSError."""
    code = base64.b32encode(secrets.token_bytes(CODE_BYTES)).decode("ascii").lower()
    data_folder.write_private(_path(), _hash(code))
    starts = range(0, len(code), GROUP_CHARACTERS)
    return "-".join(code[start : start + GROUP_CHARACTERS] for start in starts)


def exists() -> bool:
    return _path().exists()


def matches(typed: str) -> bool:
    """Compare in constant time. Spaces, dashes and capitals do not matter."""
    try:
        stored = _path().read_text("ascii")
    except FileNotFoundError:
        return False
    return hmac.compare_digest(_hash(re.sub(r"[\s-]", "", typed).lower()), stored)


def discard() -> None:
    """End the code: a person exists. Raises OSError."""
    _path().unlink(missing_ok=True)


def _path() -> Path:
    folder: Path = settings.DATA_DIR
    return folder / "setup-code"


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode(errors="replace")).hexdigest()
