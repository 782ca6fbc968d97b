"""An append-only file of JSON lines."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file whose lines survive a kill of the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600)
        self._drop_incomplete_line()

    def _drop_incomplete_line(self) -> None:
        # A kill can leave half a line; the next append would continue it.
        content = self._path.read_bytes()
        if content and not content.endswith(b"\n"):
            os.ftruncate(self._file, content.rfind(b"\n") + 1)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield every line, oldest first."""
        for line in self._path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)

    def append(self, line: dict[str, Any]) -> None:
        """Write one line in a single system call: the kernel has it when this returns."""
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def clear(self) -> None:
        """Delete every line."""
        os.ftruncate(self._file, 0)
