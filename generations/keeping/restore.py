"""`manage.py restore`: an install from its archives, in an empty data folder and database.

All archives are read and compared with their checksums before the first change. A mark in the data
folder lasts from the first change to the last, so that an interrupted restore is known: nothing
starts, and another restore begins anew.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import connection, transaction

from generations.models import UpstreamGate, append_only
from generations.operations import ledger_check
from klingweb import data_folder
from klingweb.environment import SettingError

from . import archive, database, encryption_keys, stored_files
from .archive_head import Head
from .disk import free_bytes
from .errors import KeepingError, disk_errors
from .file_index import FileIndex
from .member_file import MemberFile

NOTHING_RESTORED = "Nothing was restored."
DUMP = "restore-database"
MAX_SHOWN = 3


@dataclass(frozen=True)
class Restore:
    """What was restored and compared. `missing` files are named by rows, and in no archive."""

    head: Head
    files: int
    rows: int
    missing: int
    is_paused: bool
    lost_secrets: int  # that no encryption key fits
    differences: int  # that the ledger does not explain


def restore(archives: Sequence[Path], *, without_encryption_key: bool = False) -> Restore:
    """Restore the last archive; the earlier ones have the files that it does not.

    Raises KeepingError.
    """
    with FileIndex() as files, _alone():
        heads = _verified(archives, files)
        head = heads[-1]
        _check_fit(head)
        is_again = bool(data_folder.unfinished_restore(settings.DATA_DIR))
        if not is_again:
            _check_empty()
        keys = _keys(archives[-1], head, without_encryption_key)
        _check_room(archives, heads)
        with _marked(is_again):
            _put_files(archives, files, keys)
        return _prove(head, files)


# --- before the first change ---------------------------------------------------------------------


@contextmanager
def _alone() -> Iterator[None]:
    """Raises KeepingError while klingweb or another restore runs here."""
    try:
        with disk_errors(settings.DATA_DIR, NOTHING_RESTORED):
            lock = data_folder.lock(settings.DATA_DIR, data_folder.RUN_LOCK)
    except data_folder.FolderInUse:
        raise KeepingError(
            f"klingweb, or another restore, is running with the data folder {settings.DATA_DIR}: "
            f"stop it first. {NOTHING_RESTORED}"
        ) from None
    with lock:
        yield


def _verified(archives: Sequence[Path], files: FileIndex) -> list[Head]:
    """Read all archives; `files` gets those of the last one. Raises KeepingError."""
    heads = [archive.verify(path) for path in archives[:-1]]
    heads.append(archive.verify(archives[-1], files))
    given, head = [each.id for each in heads[:-1]], heads[-1]
    if given != head.previous:
        raise KeepingError(
            f"{archives[-1]} needs {len(head.previous)} earlier archives, all of them and in "
            f"their order, before it: {_ids(head.previous)}. Given: {_ids(given)}. "
            f"{NOTHING_RESTORED}"
        )
    return heads


def _ids(ids: Sequence[str]) -> str:
    return ", ".join(each[:8] for each in ids) or "none"


def _check_fit(head: Head) -> None:
    """Raises KeepingError if this version or database cannot take the archive."""
    if head.database != database.vendor():
        raise KeepingError(
            f"The backup is of a database in {head.database}, but KLINGWEB_DATABASE_URL leads to "
            f"{database.vendor()}. {NOTHING_RESTORED}"
        )
    if unknown := database.unknown_migrations(head.migrations):
        raise KeepingError(
            f"The backup was made by a newer klingweb ({head.version}; {unknown[0]}): restore it "
            f"with that version. {NOTHING_RESTORED}"
        )
    extra = set(database.applied_migrations()) - set(head.migrations)
    if extra and connection.vendor == "postgresql":
        raise KeepingError(
            "The database was prepared by a newer klingweb than the backup: restore into a new "
            f"database without tables. {NOTHING_RESTORED}"
        )


def _check_empty() -> None:
    """Raises KeepingError if anybody has used this install."""
    found = [f"{count} {name}" for name, count in database.uses().items()]
    if not stored_files.is_empty():
        found.append(f"files in {settings.MEDIA_ROOT}")
    if found:
        raise KeepingError(
            f"This install is not empty: it has {' and '.join(found)}. Restore with a new "
            f"KLINGWEB_DATA_DIR and, on PostgreSQL, a new database. {NOTHING_RESTORED}"
        )


def _keys(path: Path, head: Head, without: bool) -> list[str]:
    """Return the encryption keys to store: those of the archive. Raises KeepingError."""
    try:
        if encryption_keys.are_here(head.encryption_keys):
            return []
    except SettingError as error:
        raise KeepingError(f"{error} {NOTHING_RESTORED}") from None
    if head.has_encryption_key and not settings.ENCRYPTION_KEYS:
        for member in archive.members(path):
            if member.name == archive.KEY:
                return b"".join(member.chunks()).decode("ascii").split()
    if without:
        return []
    raise KeepingError(
        f"The encryption key of the backup is not here: {encryption_keys.place()} does not have "
        "it. Put the key of the old install there; or restore with --without-encryption-key, "
        "then API keys must be entered again, and codes of second factors stop working. "
        f"{NOTHING_RESTORED}"
    )


def _check_room(archives: Sequence[Path], heads: Sequence[Head]) -> None:
    """Raises KeepingError if the archives are larger than what the disk has left."""
    needed = sum(path.stat().st_size for path in archives)
    if needed > free_bytes(settings.DATA_DIR):
        raise KeepingError(
            f"The disk of {settings.DATA_DIR} has too little space for these archives: "
            f"free some, or choose another KLINGWEB_DATA_DIR. {NOTHING_RESTORED}"
        )


# --- the changes ---------------------------------------------------------------------------------


@contextmanager
def _marked(is_again: bool) -> Iterator[None]:
    """Mark the restore as unfinished, until `_prove` has removed the mark.

    An error before the database was replaced leaves the install as empty as before. After an
    earlier restore that was interrupted the mark stays: its database may be there.
    """
    mark = data_folder.restore_mark(settings.DATA_DIR)
    with disk_errors(settings.DATA_DIR, NOTHING_RESTORED):
        data_folder.write_private(mark, "")
        try:
            if is_again:
                _delete_files()
            yield
        except (OSError, KeepingError):
            _delete_files()
            if not is_again:
                mark.unlink(missing_ok=True)
            raise


def _put_files(archives: Sequence[Path], files: FileIndex, keys: list[str]) -> None:
    """Store the files, then replace the database: no row is there before its file."""
    dumped = settings.DATA_DIR / DUMP
    for path in archives:
        for member in archive.members(path):
            if member.name.startswith(archive.FOLDER):
                _put_file(path, member, files)
            elif path == archives[-1] and member.name in archive.DATABASES.values():
                with data_folder.create_private(dumped) as file:
                    for chunk in member.chunks():
                        file.write(chunk)
    for lacking in files.unmarked():
        raise KeepingError(f"{lacking.name} is in none of the archives. {NOTHING_RESTORED}")
    if keys:
        data_folder.write_private(
            data_folder.encryption_key_file(settings.DATA_DIR),
            "\n".join(dict.fromkeys([*keys, *data_folder.encryption_keys(settings.DATA_DIR)])),
        )
    os.sync()  # all files at once: one by one they would take hours
    try:
        database.tools().load(dumped)
    finally:
        dumped.unlink(missing_ok=True)


def _put_file(path: Path, member: archive.Member, files: FileIndex) -> None:
    """Files of an earlier archive that the install had lost since are left out."""
    expected = files.sha256_of(member.name)
    if expected is None:
        return
    name = member.name.removeprefix(archive.FOLDER)
    with closing(MemberFile(member)) as content:
        saved = default_storage.save(name, content)
    if saved != name or member.sha256 != expected or not files.mark(member.name):
        raise KeepingError(f"{member.name} of {path} has changed meanwhile. {NOTHING_RESTORED}")


def _delete_files() -> None:
    for name in stored_files.stored():
        default_storage.delete(name)


# --- the proof -----------------------------------------------------------------------------------


def _prove(head: Head, files: FileIndex) -> Restore:
    """Compare the install with the archive, bring it up to date, and remove the mark.

    Raises KeepingError: then the mark stays.
    """
    counts = database.counts(head.counts)
    for table, expected in head.counts.items():
        if counts.get(table) != expected:
            raise KeepingError(
                f"The restored table {table} has {counts.get(table, 'no')} rows instead of "
                f"{expected}. {data_folder.unfinished_restore(settings.DATA_DIR)}"
            )
    # Only now: our models know the tables of this version.
    call_command("migrate", verbosity=0, interactive=False)
    missing = _missing(files)
    if not append_only.is_protected(connection):
        append_only.protect(connection)
    differences = len(ledger_check.check())
    is_paused = _pause(head)
    if head.uses_gateway:
        data_folder.gateway_mark(settings.DATA_DIR).touch(mode=data_folder.FILE_MODE)
    lost_secrets = encryption_keys.unreadable()
    data_folder.restore_mark(settings.DATA_DIR).unlink()
    data_folder.sync_names(settings.DATA_DIR)
    return Restore(
        head,
        files=len(files),
        rows=sum(head.counts.values()),
        missing=missing,
        is_paused=is_paused,
        lost_secrets=lost_secrets,
        differences=differences,
    )


def _missing(files: FileIndex) -> int:
    """How many files rows name that the archives do not have."""
    with FileIndex() as missing:
        for named in stored_files.named():
            if files.sha256_of(archive.FOLDER + named.name) is None:
                missing.add(named.name)
        return len(missing)


def _pause(head: Head) -> bool:
    """Send nothing until an admin agrees: what was queued may have been sent after the backup."""
    if head.upstream != "live":
        return False
    with transaction.atomic():
        return UpstreamGate.pause_all(
            head.upstream,
            f"Restored from the backup of {head.created_at}. Requests that were queued then may "
            "have been sent since: check the queue, then resume.",
        )
