"""The error of a backup or restore that did not happen."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class KeepingError(Exception):
    """One sentence for the operator: what went wrong, and what to do."""


@contextmanager
def disk_errors(folder: Path, outcome: str) -> Iterator[None]:
    """Turn errors of the disk into one sentence. `outcome` says what is there now."""
    try:
        yield
    except OSError as error:
        raise KeepingError(f"{explain(error, folder)} {outcome}") from error


def explain(error: OSError, folder: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk of {folder} is full: free some space, and try again."
    where = error.filename or folder
    return f"{where} cannot be used: {error.strerror or error}."
