"""One archive: a tar file with checksums, written and read in one pass with little memory.

Its members, in order: `backup.json`, the database, `keys/encryption-key` if that is included, the
new files as `files/...`, `FILES` (the hashes of all files of the install, also of those in earlier
archives) and `SHA256SUMS` (the hashes of all other members). Both lists can be checked with
`sha256sum -c`. An archive without `SHA256SUMS` at its end is not complete.
"""

import hashlib
import io
import re
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Protocol

from .archive_head import Head
from .errors import KeepingError
from .file_index import FileIndex

HEAD, KEY, FILES, SUMS = "backup.json", "keys/encryption-key", "FILES", "SHA256SUMS"
DATABASES = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}
FOLDER = "files/"
MODE = 0o600
CHUNK_BYTES = 2**17
MAX_HEAD_BYTES = 4 * 2**20
MAX_NAME_CHARACTERS = 250
# Names of stored files: parts of letters, digits and a few signs, none of which begins with a dot.
_FILE_NAME = re.compile(r"files(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)\n")
FIXED_NAMES = {HEAD, KEY, FILES, SUMS, *DATABASES.values()}


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


def is_safe(name: str) -> bool:
    """Whether a member may have this name: no path leads out of the folder of files."""
    if name in FIXED_NAMES:
        return True
    return len(name) <= MAX_NAME_CHARACTERS and bool(_FILE_NAME.fullmatch(name))


class _Hashing:
    """Passes bytes on, and hashes them."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self._hash.update(data)
        return data

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


# --- writing -------------------------------------------------------------------------------------


class ArchiveWriter:
    """Writes the members to an open file. `write_lists` ends a whole archive."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.GNU_FORMAT)  # noqa: SIM115
        self._sums = FileIndex()

    def add_bytes(self, name: str, content: bytes) -> None:
        self.add(name, io.BytesIO(content), len(content))

    def add(self, name: str, source: Readable, size: int) -> str:
        """Add a member of exactly this size; return its SHA-256."""
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = size, MODE, int(time.time())
        hashing = _Hashing(source)
        self._tar.addfile(member, hashing)  # it only reads
        self._tar.members = []  # type: ignore[attr-defined]  # else it remembers all of them
        self._sums.add(name, hashing.sha256)
        return hashing.sha256

    def write_lists(self, files: FileIndex) -> None:
        """Write the hashes of all files of the install, those of the members, and the end."""
        self._add_list(FILES, files)
        self._add_list(SUMS, self._sums)
        self._tar.close()

    def close(self) -> None:
        """Release what is open. Call it in any case, while the file is open."""
        with suppress(OSError):  # after another error, which says more
            self._tar.close()
        self._sums.close()

    def _add_list(self, name: str, index: FileIndex) -> None:
        size = sum(len(_line(*each)) for each in index)
        self.add(name, _Lines(_line(*each) for each in index), size)


def _line(name: str, sha256: str) -> bytes:
    return f"{sha256}  {name}\n".encode()


class _Lines:
    """Lines as a file."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines, self._rest = lines, b""

    def read(self, size: int, /) -> bytes:
        while len(self._rest) < size and (line := next(self._lines, b"")):
            self._rest += line
        data, self._rest = self._rest[:size], self._rest[size:]
        return data


# --- reading -------------------------------------------------------------------------------------


class Member:
    """One member while the archive is read. Read it before the next one."""

    def __init__(self, path: Path, name: str, size: int, source: Readable) -> None:
        self.name, self.size = name, size
        self._path, self._source = path, _Hashing(source)

    def chunks(self) -> Iterator[bytes]:
        """Raises KeepingError."""
        with _reading(self._path):
            while data := self._source.read(CHUNK_BYTES):
                yield data

    def lines(self) -> Iterator[tuple[str, str]]:
        """Yield name and SHA-256 of each line. Raises KeepingError."""
        rest = b""
        for chunk in self.chunks():
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (_parsed(line + b"\n") for line in lines)
        if rest:
            raise KeepingError(f"A line of {self.name} in the archive cannot be read.")

    @property
    def sha256(self) -> str:
        """Of the whole member: reads what was not read yet."""
        for _chunk in self.chunks():
            pass
        return self._source.sha256


def _parsed(line: bytes) -> tuple[str, str]:
    found = _LINE.fullmatch(line.decode("ascii", "replace"))
    if not found:
        raise KeepingError("A line of the checksums in the archive cannot be read.")
    return found[2], found[1]


def members(path: Path) -> Iterator[Member]:
    """Yield the members of an archive in their order. Raises KeepingError.

    Nothing is written: names are checked, and links, folders and devices are refused.
    """
    with _reading(path), tarfile.open(path, "r|") as tar:
        while (info := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # else it remembers all of them
            if not info.isreg() or not is_safe(info.name):
                raise KeepingError(
                    f"{path} has a member that no backup has ({info.name!r}). "
                    "Do not use this archive: somebody may have changed it."
                )
            source = tar.extractfile(info)
            if source is None:  # of a regular file there is always one
                raise KeepingError(f"{path} cannot be read at {info.name}.")
            yield Member(path, info.name, info.size, source)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (tarfile.TarError, EOFError) as error:
        raise KeepingError(
            f"{path} is not a whole archive: it is damaged, or was cut off. Use another backup."
        ) from error
    except OSError as error:
        raise KeepingError(f"{path} cannot be read: {error.strerror or error}.") from error


def read_head(path: Path) -> Head:
    """Read the head alone, without checking the archive. Raises KeepingError."""
    for member in members(path):
        return _head(path, member)
    raise KeepingError(f"{path} is empty.")


def _head(path: Path, member: Member) -> Head:
    if member.name != HEAD or member.size > MAX_HEAD_BYTES:
        raise KeepingError(f"{path} is not a backup of klingweb: it does not begin with {HEAD}.")
    return Head.from_json(b"".join(member.chunks()))


def verify(path: Path, files: FileIndex | None = None) -> Head:
    """Read the whole archive, and compare each member with its checksum. Raises KeepingError.

    `files` gets the names and hashes of `FILES`: all files of the install, as stored.
    """
    head: Head | None = None
    with FileIndex() as found:
        for member in members(path):
            if head is None:
                head = _head(path, member)
            elif member.name == SUMS:
                _compare(path, member, found)
                return head
            elif member.name == FILES and files is not None:
                for name, sha256 in member.lines():
                    files.add(name, sha256)
            if not found.add(member.name, member.sha256):
                raise KeepingError(f"{path} has {member.name} twice. Do not use this archive.")
    raise KeepingError(f"{path} is not complete: it has no checksums at its end.")


def _compare(path: Path, sums: Member, found: FileIndex) -> None:
    for name, sha256 in sums.lines():
        if found.sha256_of(name) != sha256 or not found.mark(name):
            raise KeepingError(
                f"{path} is damaged: the checksum of {name} does not fit. Use another backup."
            )
    for unlisted in found.unmarked():
        raise KeepingError(f"{path} has {unlisted.name}, which has no checksum.")
