"""A file that appears under its name only when it is whole."""

import errno
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from klingweb import data_folder

_ENDING = ".partial"
_LEFT_BEHIND = re.compile(r"\..+\.tar(\.database)?\.partial(-journal|-wal|-shm)?")


@contextmanager
def partial_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden file beside `path`, for this user only; give it its name at the end, durably.

    After an error nothing is left. What a killed process left behind is deleted by the next one:
    its lock has ended. Raises OSError.
    """
    with temporary_file(path) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        Path(file.name).rename(path)  # not a link, which many disks for backups do not have
    data_folder.sync_names(path.parent)


@contextmanager
def temporary_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a hidden file beside `path`, for this user only, which is deleted at the end."""
    hidden = path.with_name(f".{path.name}{_ENDING}")
    with data_folder.create_private(hidden) as file:
        try:
            with suppress(OSError):  # some network disks have no locks
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            hidden.unlink(missing_ok=True)


def delete_left_behind(folder: Path) -> None:
    """Delete the hidden files of processes that were killed."""
    for path in folder.iterdir():
        if _LEFT_BEHIND.fullmatch(path.name):
            with path.open("rb") as file, suppress(OSError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink(missing_ok=True)
