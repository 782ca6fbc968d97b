"""`manage.py backup`: one archive of the database and the files."""

from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandParser

from generations.keeping import encryption_keys
from generations.keeping.backup import Backup, back_up
from generations.keeping.errors import KeepingError
from generations.management.reports import Options, Report, ReportCommand
from generations.operations.errors import OperationError


class Command(ReportCommand):
    help = "Write one archive of the database and the images, also while klingweb is running."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "to", type=Path, metavar="PATH", help="A folder, or a new file that ends with .tar"
        )
        parser.add_argument(
            "--since",
            type=Path,
            metavar="ARCHIVE",
            help="Leave out the images that this earlier archive, or one before it, has",
        )
        parser.add_argument(
            "--with-encryption-key",
            action="store_true",
            help="Put the encryption key into the archive; then keep it as safe as a password",
        )

    def report(self, options: Options) -> Report:
        try:
            done = back_up(
                options["to"],
                since=options["since"],
                with_encryption_key=options["with_encryption_key"],
            )
        except KeepingError as error:
            raise OperationError(str(error)) from error
        return Report(_data(done), _text(done), notes=_notes(done))


def _data(done: Backup) -> dict[str, object]:
    return {
        "archive": str(done.path),
        "id": done.head.id,
        "size_bytes": done.size_bytes,
        "files": done.files,
        "files_in_earlier_archives": done.earlier_files,
        "missing": done.missing,
        "missing_count": done.missing_count,
        "changed": done.changed,
        "changed_count": done.changed_count,
        "has_encryption_key": done.head.has_encryption_key,
        "encryption_key": _about_key(done),
    }


def _text(done: Backup) -> str:
    files = f"{done.files} files"
    if done.head.is_incremental:
        files += f" ({done.earlier_files} more are in {len(done.head.previous)} earlier archives)"
    rows = sum(done.head.counts.values())
    lines = [f"Wrote {done.path}: {done.size_bytes:,} bytes, {rows:,} rows, {files}."]
    return "\n".join([*lines, _about_key(done)])


def _about_key(done: Backup) -> str:
    """Whether the encryption key is inside, in words."""
    if done.head.has_encryption_key:
        return (
            "The encryption key IS in this archive: whoever has the archive can read the API keys. "
            "Keep it as safe as a password."
        )
    if not done.head.encryption_keys:
        return "No stored secret needs an encryption key."
    return (
        f"The encryption key is NOT in this archive. Keep {encryption_keys.place()} in another "
        "place: without it, stored API keys cannot be read, and codes of second factors stop "
        "working."
    )


def _notes(done: Backup) -> list[str]:
    notes = []
    if done.missing_count:
        notes.append(
            f"Not in the archive, because the file is missing in {settings.MEDIA_ROOT}: "
            f"{_named(done.missing, done.missing_count)}. See manage.py doctor."
        )
    if done.changed_count:
        notes.append(
            "Not the content that was stored (the disk may be failing): "
            f"{_named(done.changed, done.changed_count)}."
        )
    return notes


def _named(names: list[str], count: int) -> str:
    more = f" and {count - len(names)} more" if count > len(names) else ""
    return ", ".join(names) + more
