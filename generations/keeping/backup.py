"""`manage.py backup`: one archive of the database and its files, while klingweb is running.

The database is copied as of one moment, with a list of the files that its rows name. They are
added afterwards, without a transaction: files never change, and are written before their rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from uuid import uuid4

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.translation import gettext_noop

from generations import encryption
from generations.models import AuditAction, AuditEntry
from generations.models.audit_entry import BY_COMMAND
from klingweb import data_folder

from . import archive, database, encryption_keys, stored_files
from .archive_head import Head
from .errors import KeepingError, disk_errors
from .file_index import FileIndex
from .partial_file import delete_left_behind, partial_file, temporary_file

NOTHING_WRITTEN = "No archive was written."
LOCK = "backup.lock"
LABEL = gettext_noop("backup")  # of its entry in the audit log
MAX_NAMES = 20  # of files, in the report


@dataclass
class Backup:
    """What was written. `missing` files have a row and no content; `changed` ones another hash."""

    path: Path
    head: Head
    size_bytes: int = 0
    files: int = 0
    earlier_files: int = 0
    missing: list[str] = field(default_factory=list)
    missing_count: int = 0
    changed: list[str] = field(default_factory=list)
    changed_count: int = 0

    def add_missing(self, name: str) -> None:
        self.missing_count += 1
        if len(self.missing) < MAX_NAMES:
            self.missing.append(name)

    def add_changed(self, name: str) -> None:
        self.changed_count += 1
        if len(self.changed) < MAX_NAMES:
            self.changed.append(name)


def back_up(to: Path, *, since: Path | None = None, with_encryption_key: bool = False) -> Backup:
    """Write an archive. `since`: only the files that this earlier archive does not have.

    Raises KeepingError; then nothing is left in the folder.
    """
    path = _path_of_archive(to)
    with (
        disk_errors(path.parent, NOTHING_WRITTEN),
        _alone(),
        FileIndex() as files,
        FileIndex() as earlier,
    ):
        delete_left_behind(path.parent)
        before = archive.verify(since, earlier) if since else None
        with temporary_file(path.with_name(f"{path.name}.database")) as dumped:
            head = _dump(Path(dumped.name), files, before, with_encryption_key)
            backup = Backup(path, head)
            with partial_file(path) as file:
                _write(backup, file, Path(dumped.name), files, earlier)
                backup.size_bytes = file.tell()
    AuditEntry.objects.record(AuditAction.EXPORTED, None, label=LABEL, note=BY_COMMAND)
    return backup


def _path_of_archive(to: Path) -> Path:
    """Raises KeepingError."""
    path = to.absolute()
    if path.is_dir():
        path /= f"klingweb-{datetime.now(UTC):%Y%m%d-%H%M%S}.tar"
    if path.suffix != ".tar":
        raise KeepingError(f"{path} is no folder, and does not end with .tar. {NOTHING_WRITTEN}")
    if not path.parent.is_dir():
        raise KeepingError(f"The folder {path.parent} does not exist. {NOTHING_WRITTEN}")
    if path.exists():
        raise KeepingError(f"{path} exists already. {NOTHING_WRITTEN}")
    if path.resolve().is_relative_to(Path(settings.MEDIA_ROOT).resolve()):
        raise KeepingError(
            f"{path.parent} is the folder of the images: choose another one. {NOTHING_WRITTEN}"
        )
    return path


@contextmanager
def _alone() -> Iterator[None]:
    """Let one backup run at a time. Raises KeepingError."""
    try:
        lock = data_folder.lock(settings.DATA_DIR, LOCK)
    except data_folder.FolderInUse:
        raise KeepingError(f"Another backup is running. {NOTHING_WRITTEN}") from None
    with lock:
        yield


def _dump(to: Path, files: FileIndex, before: Head | None, with_encryption_key: bool) -> Head:
    """Copy the database, and list the files of the same moment."""
    tools = database.tools()
    with tools.snapshot() as snapshot:
        tools.dump(to, snapshot)
        for named in stored_files.named():
            files.add(named.name, named.sha256)
        return Head(
            id=uuid4().hex,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=settings.VERSION,
            database=database.vendor(),
            upstream=settings.UPSTREAM_MODE,
            migrations=database.applied_migrations(),
            counts=database.counts(),
            encryption_keys=encryption_keys.needed(),
            has_encryption_key=with_encryption_key and bool(encryption.keys()),
            uses_gateway=data_folder.uses_gateway(settings.DATA_DIR),
            previous=[*before.previous, before.id] if before else [],
        )


def _write(
    backup: Backup, file: IO[bytes], dumped: Path, files: FileIndex, earlier: FileIndex
) -> None:
    writer = archive.ArchiveWriter(file)
    try:
        writer.add_bytes(archive.HEAD, backup.head.as_json())
        with dumped.open("rb") as database_file:
            name = archive.DATABASES[backup.head.database]
            writer.add(name, database_file, dumped.stat().st_size)
        if backup.head.has_encryption_key:
            writer.add_bytes(archive.KEY, "\n".join(encryption.keys()).encode("ascii"))
        with FileIndex() as all_files:
            for named in files:
                _add_file(backup, writer, named.name, named.sha256, earlier, all_files)
            writer.write_lists(all_files)
    finally:
        writer.close()


def _add_file(
    backup: Backup,
    writer: archive.ArchiveWriter,
    name: str,
    expected: str,
    earlier: FileIndex,
    all_files: FileIndex,
) -> None:
    member = archive.FOLDER + name
    if not archive.is_safe(member):
        raise KeepingError(f"The file {name} has a name that no archive may have.")
    if sha256 := earlier.sha256_of(member):
        backup.earlier_files += 1
    else:
        try:
            with default_storage.open(name, "rb") as file:
                sha256 = writer.add(member, file, file.size)
        except FileNotFoundError:
            backup.add_missing(name)
            return
        backup.files += 1
    all_files.add(member, sha256)
    if expected and sha256 != expected:
        backup.add_changed(name)
