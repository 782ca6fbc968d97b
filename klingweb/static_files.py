"""Static files: when they are collected, and how they are stored."""

import hashlib
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage

# Whole lines, so that no import of another form is taken for one of ours.
_IMPORTS = {
    ".css": re.compile(r'^@import url\("([\w./-]+\.css)"\);\n', re.MULTILINE),
    ".js": re.compile(r'^import "([\w./-]+\.js)";\n', re.MULTILINE),
}


def collect() -> None:
    """Collect and compress all files, which takes seconds, unless none has changed since."""
    collected = Path(settings.STATIC_ROOT) / "sources.sha256"
    sources = _digest_of_sources()
    if collected.is_file() and collected.read_text("ascii") == sources:
        return
    collected.unlink(missing_ok=True)
    call_command("collectstatic", verbosity=0, interactive=False)
    collected.write_text(sources, "ascii")


def _digest_of_sources() -> str:
    """Name, size and time of change of each file; contents would have to be read."""
    lines = [str(settings.STORAGES["staticfiles"])]
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            lines.append(f"{name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()


class StaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # no types
    """Replaces imports by the imported text, so that a page needs one stylesheet and one script.

    A browser finds an import only after it has the file, and on a slow line each wait for another
    file delays the page. Scripts are imported for their effects only: see `_with_imports`.
    """

    def post_process(
        self, paths: dict[str, Any], dry_run: bool = False, **options: Any
    ) -> Iterator[Any]:
        whole = {
            name: (self, name) for name in paths if not dry_run and self._write_whole(paths, name)
        }
        yield from super().post_process({**paths, **whole}, dry_run, **options)

    def _write_whole(self, paths: dict[str, Any], name: str) -> bool:
        """Write a file with its imports. False for a file without any."""
        if Path(name).suffix not in _IMPORTS:
            return False
        text = _read(paths, name)
        whole = _with_imports(paths, name, text)
        if whole == text:
            return False
        Path(self.path(name)).write_text(whole, encoding="utf-8")
        return True


def _with_imports(paths: dict[str, Any], name: str, text: str) -> str:
    def imported(match: re.Match[str]) -> str:
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1]))
        whole = _with_imports(paths, other, _read(paths, other))
        # In a block the names of a module stay its own.
        return f"{{\n{whole}}}\n" if other.endswith(".js") else whole

    return _IMPORTS[Path(name).suffix].sub(imported, text)


def _read(paths: dict[str, Any], name: str) -> str:
    storage, path = paths[name]
    with storage.open(path) as file:
        content: bytes = file.read()
    return content.decode()
