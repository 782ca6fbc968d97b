"""Rows without their files, and files without a row. Finds them with little memory.

Work goes on meanwhile: what seems to be missing or left over is looked up a second time.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from itertools import islice

from django.conf import settings
from django.core.files.storage import default_storage
from django.template.defaultfilters import filesizeformat
from django.utils import timezone

from . import stored_files
from .file_index import FileIndex
from .finding import Finding, ok, problem, warning
from .machine import PROBE

# A file is stored before its row: a younger one is no orphan yet.
SETTLED = timedelta(hours=1)
MAX_NAMES = 20


def file_findings() -> Iterator[Finding]:
    with FileIndex() as named, FileIndex() as candidates:
        _compare(named, candidates)
        missing, missing_count = _missing(named)
        names, size, count = _orphans(candidates)
        total = len(named)
    if missing_count:
        yield problem(
            "files",
            f"{missing_count:,} of {total:,} files that rows name are missing.",
            f"Take them from a backup: tar -xf ARCHIVE -C {settings.DATA_DIR} files/NAME for each.",
            missing,
        )
    if count:
        yield warning(
            "files",
            f"{count:,} files belong to no row ({filesizeformat(size)}).".replace("\xa0", " "),
            "No page shows them. After a restore of the database alone they may be images that "
            "were paid for; else delete them: manage.py doctor --list-orphans prints all.",
            names,
        )
    if not missing_count and not count:
        yield ok("files", f"Each of {total:,} files has a row, and each row its files.")


def orphans() -> Iterator[str]:
    """Yield the names of all files that belong to no row."""
    with FileIndex() as named, FileIndex() as candidates:
        _compare(named, candidates)
        yield from (name for name, _size in _settled(candidates))


def _compare(named: FileIndex, candidates: FileIndex) -> None:
    """Mark the names that the storage has; `candidates` gets the files without a row."""
    for each in stored_files.named():
        named.add(each.name)
    for name in stored_files.stored():
        if not named.mark(name) and not name.startswith(PROBE):
            candidates.add(name)


def _missing(named: FileIndex) -> tuple[tuple[str, ...], int]:
    """The first names and the number of files that rows still name, and that are still missing."""
    with FileIndex() as absent:
        for each in named.unmarked():
            if not default_storage.exists(each.name):
                absent.add(each.name)
        if len(absent):
            for row in stored_files.named():
                absent.mark(row.name)
        names = tuple(each.name for each in islice(absent.marked(), MAX_NAMES))
        return names, sum(1 for _each in absent.marked())


def _orphans(candidates: FileIndex) -> tuple[tuple[str, ...], int, int]:
    """The first names, all bytes, and the number of files that belong to no row."""
    names: list[str] = []
    size = count = 0
    for name, size_bytes in _settled(candidates):
        size, count = size + size_bytes, count + 1
        if count <= MAX_NAMES:
            names.append(name)
    return tuple(names), size, count


def _settled(candidates: FileIndex) -> Iterator[tuple[str, int]]:
    """The names and sizes of those that still have no row, and are old enough to have one."""
    if len(candidates):
        for row in stored_files.named():
            candidates.mark(row.name)
    before = timezone.now() - SETTLED
    for each in candidates.unmarked():
        with suppress(FileNotFoundError):
            if default_storage.get_modified_time(each.name) < before:
                yield each.name, default_storage.size(each.name)
