"""The file of an answer that was paid, and that nobody can ask for again.

One process at a time holds it: its sender from before the POST until the outcome is recorded, or
the one that takes over what a killed sender has left. The lock ends with its process.
"""

import fcntl
import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO

UNREAD = ".unread"  # suffix of an answer that could not be read
MIN_FREE_BYTES = 256 * 1024 * 1024  # an answer and its images, some times over


class AnswerFile:
    """An answer on this machine's disk. `path` is also the name for the files of its images."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[bytes] | None = None

    def create(self) -> IO[bytes]:
        """Open it empty, and hold it. Raises OSError, also when little room is left."""
        folder = self.path.parent
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if free < MIN_FREE_BYTES:
            raise OSError(f"only {free // 2**20} MB are free for the answer")
        if not self._hold(os.O_RDWR | os.O_CREAT):
            raise OSError("another process holds the file for the answer")
        assert self._file is not None
        self._file.truncate()
        return self._file

    def take_over(self) -> bool:
        """Hold an answer that its process has left. False: it is held, or gone."""
        try:
            return self._hold(os.O_RDWR)
        except FileNotFoundError:
            return False

    def _hold(self, flags: int) -> bool:
        with ExitStack() as stack:
            file = stack.enter_context(os.fdopen(os.open(self.path, flags, 0o600), "r+b"))
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its holder may have deleted it, or set it aside, before this process got the lock.
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    self._file = file
                    stack.pop_all()
            except (BlockingIOError, FileNotFoundError):
                pass
        return self._file is not None

    @property
    def is_empty(self) -> bool:
        """Whether nothing has arrived: the body of a success goes here, no other."""
        return not self.path.exists() or not self.path.stat().st_size

    def sync(self) -> None:
        """Write it to the disk, durably."""
        assert self._file is not None
        self._file.flush()
        os.fsync(self._file.fileno())

    def set_aside(self) -> None:
        """Keep an answer that cannot be used, under a name of its own; then release it."""
        if self.is_empty:
            self.discard()
            return
        self.path.replace(self.path.with_name(self.path.name + UNREAD))
        self._delete_images()
        self.release()

    def discard(self) -> None:
        """Delete the answer and the images that were taken out of it; then release it."""
        self._delete_images()
        self.path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the answer to the next heartbeat, of any process."""
        if self._file is not None:
            with suppress(OSError):  # a full disk
                self._file.close()
            self._file = None

    def _delete_images(self) -> None:
        for file in self.path.parent.glob(f"{self.path.name}.*"):
            if file.suffix != UNREAD:
                file.unlink(missing_ok=True)
