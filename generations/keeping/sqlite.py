"""The copy of a SQLite database, made while others write, and its return."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from klingweb import data_folder

from .errors import KeepingError

SIDE_FILES = ("-wal", "-shm", "-journal")


@contextmanager
def snapshot() -> Iterator[str]:
    """Let all queries and the copy see one moment. Others can write meanwhile. Yields ""."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield ""
        finally:
            cursor.execute("ROLLBACK")


def dump(to: Path, _snapshot: str) -> None:
    """Copy the database as this snapshot sees it. Raises KeepingError."""
    try:
        with closing(sqlite3.connect(to)) as copy:
            # In one step: in several, each write of another process would start it again.
            connection.connection.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # one file, without -wal
            (found,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        if "full" in str(error):
            raise KeepingError(
                f"The disk of {to.parent} is full: free some space, and try again."
            ) from error
        raise KeepingError(f"The database could not be copied: {error}.") from error
    if found != "ok":
        raise KeepingError(f"The database is damaged ({found}): restore it from an earlier backup.")


def load(dumped: Path) -> None:
    """Replace the database by this file, at once. Raises OSError or KeepingError."""
    path = Path(settings.DATABASES["default"]["NAME"])
    new = path.with_name(f"{path.name}.restored")
    try:
        with closing(sqlite3.connect(dumped)) as database:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise KeepingError(f"The database in the archive cannot be read: {error}.") from error
    if found != "ok":
        raise KeepingError(f"The database in the archive is damaged: {found}.")
    connection.close()
    dumped.chmod(data_folder.FILE_MODE)
    dumped.replace(new)  # of the same folder
    for ending in SIDE_FILES:
        path.with_name(path.name + ending).unlink(missing_ok=True)
    new.replace(path)
    data_folder.sync_names(path.parent)
