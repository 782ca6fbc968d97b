"""An index of many files in a temporary database on disk, so that memory stays small."""

import sqlite3
from collections.abc import Iterator
from types import TracebackType
from typing import NamedTuple, Self

ROWS_AT_ONCE = 1000


class IndexedFile(NamedTuple):
    """A name with the SHA-256 of the content, in hex. Empty: unknown."""

    name: str
    sha256: str


class FileIndex:
    """Names of files with their hashes and marks. SQLite deletes it when it is closed."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE files (name TEXT PRIMARY KEY, sha256 TEXT, is_marked INTEGER DEFAULT 0)"
            " WITHOUT ROWID"
        )
        self._database.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._database.close()

    def add(self, name: str, sha256: str = "") -> bool:
        """False if the name is there already: then nothing is changed."""
        added = self._database.execute(
            "INSERT OR IGNORE INTO files (name, sha256) VALUES (?, ?)", (name, sha256)
        )
        return added.rowcount == 1

    def sha256_of(self, name: str) -> str | None:
        """None: the name is unknown."""
        query = self._database.execute("SELECT sha256 FROM files WHERE name = ?", (name,))
        row = query.fetchone()
        return row and str(row[0])

    def mark(self, name: str) -> bool:
        """Mark a file. False if the name is unknown, or marked already."""
        marked = self._database.execute(
            "UPDATE files SET is_marked = 1 WHERE name = ? AND NOT is_marked", (name,)
        )
        return marked.rowcount == 1

    def marked(self) -> Iterator[IndexedFile]:
        yield from self._read(" AND is_marked")

    def unmarked(self) -> Iterator[IndexedFile]:
        yield from self._read(" AND NOT is_marked")

    def __iter__(self) -> Iterator[IndexedFile]:
        yield from self._read("")

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM files").fetchone()[0])

    def _read(self, condition: str) -> Iterator[IndexedFile]:
        """In blocks by name, so that the caller may change rows meanwhile."""
        query = f"SELECT name, sha256 FROM files WHERE name > ?{condition} ORDER BY name LIMIT ?"  # noqa: S608
        last = ""
        while rows := self._database.execute(query, (last, ROWS_AT_ONCE)).fetchall():
            yield from (IndexedFile(*row) for row in rows)
            last = rows[-1][0]
