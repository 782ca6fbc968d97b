"""The data folder, private to the user that klingweb runs as."""

import contextlib
import fcntl
import os
import stat
import tempfile
from pathlib import Path
from typing import IO

from django.core.management.utils import get_random_secret_key

from klingweb.environment import API_KEY, ENCRYPTION_KEY, SettingError

FOLDER_MODE, FILE_MODE = 0o700, 0o600
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# At least one of them is in every data folder that klingweb has used.
OWN_NAMES = {"klingweb.db", "secret-key", "run.lock", "static", "files"}


def prepare(variable: str, folder: Path) -> Path:
    """Create the folder, or close an existing one to other users; return its absolute path."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
        folder = folder.resolve()
        if folder.stat().st_mode & OPEN_TO_OTHERS:
            _close_to_others(variable, folder)
    except OSError as error:
        raise SettingError(
            f"{variable}: the folder {folder} cannot be used ({error.strerror}): "
            "choose a folder that this user may write to."
        ) from error
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise SettingError(
            f"{variable}: this user may not write to the folder {folder}: "
            "change its permissions, or choose another folder."
        )
    return folder


def _close_to_others(variable: str, folder: Path) -> None:
    """Do not lock others out of a folder that was made for something else, such as /tmp."""
    names = {path.name for path in folder.iterdir()} - {"lost+found"}
    if names and not names & OWN_NAMES:
        raise SettingError(
            f"{variable}: the folder {folder} is open to other users and has other files "
            f"in it: choose a folder for klingweb alone, such as {folder / 'klingweb'}."
        )
    try:
        folder.chmod(FOLDER_MODE)
    except PermissionError as error:
        raise SettingError(
            f"{variable}: the folder {folder} is open to other users and belongs to one of "
            f"them: choose a folder of your own, such as {folder / 'klingweb'}."
        ) from error


def private_file(path: Path) -> Path:
    """Create the file if needed, and close it to other users. SQLite copies its permissions."""
    try:
        if not path.exists():
            path.touch(mode=FILE_MODE)
        if path.stat().st_mode & OPEN_TO_OTHERS:
            path.chmod(FILE_MODE)
    except OSError as error:
        raise SettingError(f"The file {path} cannot be used: {error.strerror}.") from error
    return path


def stored_secret_key(folder: Path) -> str:
    """Read the key from the data folder; create it first if needed.

    It must survive a restart, which would otherwise end all sessions.
    """
    path = folder / "secret-key"
    try:
        if not path.exists():
            _create(path, get_random_secret_key())
        key = private_file(path).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"The file {path} cannot be used: {error}.") from error
    if not key:
        raise SettingError(f"The file {path} is empty: delete it, and a new key is created.")
    return key


def _create(path: Path, text: str) -> None:
    """Write a whole file, or leave the one that another process has just written."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(file.name, path)


def old_upstream_key_file(folder: Path) -> Path:
    """Where earlier releases stored the API key, which is now encrypted in the database."""
    return folder / "upstream-key"


def old_upstream_key(folder: Path) -> str:
    """Return the API key that an earlier release has stored; empty if there is none."""
    path = old_upstream_key_file(folder)
    try:
        key = private_file(path).read_text("ascii").strip() if path.exists() else ""
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"The file {path} cannot be read: delete it, or mend it.") from None
    if not API_KEY.fullmatch(key):
        raise SettingError(f"The file {path} contains no API key: delete it, or write one into it.")
    return key


def gateway_mark(folder: Path) -> Path:
    """A file that says that an API key is stored in the database, which settings cannot read."""
    return folder / "uses-gateway"


def uses_gateway(folder: Path) -> bool:
    """Whether an API key was entered: then the demo is over, also after its removal."""
    return gateway_mark(folder).exists() or bool(old_upstream_key(folder))


def encryption_key_file(folder: Path) -> Path:
    return folder / "encryption-key"


def second_encryption_key_file(folder: Path) -> Path:
    """Has newer keys while the first file is lost or wrong: a backup of it may be put back."""
    return folder / "encryption-key-2"


def encryption_keys(folder: Path) -> list[str]:
    """Return the keys that encrypt the stored API keys, the newest first; empty without a file.

    Raises SettingError.
    """
    files = (second_encryption_key_file(folder), encryption_key_file(folder))
    return [key for path in files for key in _keys_in(path)]


def _keys_in(path: Path) -> list[str]:
    try:
        keys = private_file(path).read_text("ascii").split() if path.exists() else []
    except (OSError, UnicodeDecodeError):
        raise SettingError(f"The file {path} cannot be read: restore it from a backup.") from None
    if not all(map(ENCRYPTION_KEY.fullmatch, keys)):
        raise SettingError(f"The file {path} has no valid key: restore it from a backup.")
    return keys


def create_encryption_key(path: Path, key: str) -> None:
    """Store the first key of this file, unless it has one. Raises OSError."""
    _create(path, key)
    sync_names(path.parent)


def write_encryption_keys(folder: Path, keys: list[str]) -> None:
    """Replace all keys of the newest file at once, durably. Raises OSError."""
    second = second_encryption_key_file(folder)
    write_private(second if second.exists() else encryption_key_file(folder), "\n".join(keys))


def join_encryption_key_files(folder: Path) -> None:
    """Use one file again, with all keys. Raises OSError or SettingError."""
    second = second_encryption_key_file(folder)
    if second.exists():
        keys = list(dict.fromkeys(encryption_keys(folder)))
        write_private(encryption_key_file(folder), "\n".join(keys))
        second.unlink()


def write_private(path: Path, text: str) -> None:
    """Replace the whole file at once; only this user may read it. Raises OSError."""
    with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii", delete=False) as file:
        new = Path(file.name)
        try:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            new.replace(path)
        except BaseException:
            new.unlink()
            raise
    sync_names(path.parent)


# --- one program at a time, and unfinished restores ----------------------------------------------


RUN_LOCK = "run.lock"  # of `manage.py run` and of a restore


class FolderInUse(Exception):
    """Another process holds the lock."""


def lock(folder: Path, name: str) -> IO[str]:
    """Allow one process with this lock. It ends with the process, even if that is killed.

    Raises FolderInUse or OSError.
    """
    file = (folder / name).open("w", encoding="ascii")
    os.set_inheritable(file.fileno(), False)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise FolderInUse from error
    return file


def restore_mark(folder: Path) -> Path:
    """A file that is there from the first step of a restore to its last: nothing may start."""
    return folder / "restore-unfinished"


def unfinished_restore(folder: Path) -> str:
    """Return a sentence if a restore was interrupted; else ""."""
    if not restore_mark(folder).exists():
        return ""
    return (
        f"A restore into {folder} was interrupted, so this install is not complete: run "
        "manage.py restore again, with the same archives."
    )


def create_private(path: Path) -> IO[bytes]:
    """Open a new or emptied file that only this user may read. Raises OSError."""
    return open(path, "wb", opener=_open_private)  # pathlib has no opener


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)


def sync_names(folder: Path) -> None:
    """Make new names in the folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
