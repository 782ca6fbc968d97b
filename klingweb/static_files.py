"""The storage of static files."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage

_IMPORT = re.compile(r'^@import url\("([\w.-]+\.css)"\);\n', re.MULTILINE)


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # no types
    """Replaces the imports of a stylesheet by their text, so that a page needs one stylesheet.

    A browser finds an import only after it has the file, and on a slow line each wait for another
    file delays the first paint.
    """

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        whole = {
            name: (self, name) for name in paths if not dry_run and self._write_whole(paths, name)
        }
        yield from super().post_process({**paths, **whole}, dry_run, **options)

    def _write_whole(self, paths: dict[str, Any], name: str) -> bool:
        """Write a stylesheet with its imports. False for any other file."""
        if not name.endswith(".css"):
            return False
        text = _read(paths, name)
        whole = _with_imports(paths, name, text)
        if whole == text:
            return False
        Path(self.path(name)).write_text(whole, encoding="utf-8")
        return True


def _with_imports(paths: dict[str, Any], name: str, text: str) -> str:
    def imported(match: re.Match[str]) -> str:
        other = str(Path(name).with_name(match[1]))
        return _with_imports(paths, other, _read(paths, other))

    return _IMPORT.sub(imported, text)


def _read(paths: dict[str, Any], name: str) -> str:
    storage, path = paths[name]
    with storage.open(path) as file:
        content: bytes = file.read()
    return content.decode()
