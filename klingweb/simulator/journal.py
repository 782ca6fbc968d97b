"""Lines of JSON in a file that is only ever appended to."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class Journal:
    """A line that was appended is found again after the process was killed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._file = os.open(path, flags, 0o600)
        self._mend()

    def _mend(self) -> None:
        # A kill can tear the last line; the next one must not be glued to it.
        whole = self._path.read_bytes()
        if whole and not whole.endswith(b"\n"):
            os.ftruncate(self._file, whole.rfind(b"\n") + 1)

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line, oldest first."""
        for line in self._path.read_text(encoding="utf-8").splitlines():
            yield json.loads(line)

    def append(self, line: dict[str, Any]) -> None:
        """Write one line in one piece; the kernel has it when this returns."""
        os.write(self._file, json.dumps(line).encode() + b"\n")

    def clear(self) -> None:
        """Forget every line."""
        os.ftruncate(self._file, 0)
