"""`manage.py restore`: an install from its archives."""

from pathlib import Path

from django.core.management.base import CommandParser

from generations.keeping.errors import KeepingError
from generations.keeping.restore import Restore, restore
from generations.management.reports import Options, Report, ReportCommand
from generations.operations.errors import OperationError


class Command(ReportCommand):
    help = "Restore an archive of manage.py backup into an empty install."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "archives",
            nargs="+",
            type=Path,
            metavar="ARCHIVE",
            help="The archive; before an incremental one, all earlier ones in their order",
        )
        parser.add_argument(
            "--without-encryption-key",
            action="store_true",
            help="Restore although the stored API keys cannot be read then",
        )

    def report(self, options: Options) -> Report:
        try:
            done = restore(
                options["archives"], without_encryption_key=options["without_encryption_key"]
            )
        except KeepingError as error:
            raise OperationError(str(error)) from error
        return Report(_data(done), _text(done), notes=_notes(done))


def _data(done: Restore) -> dict[str, object]:
    return {
        "id": done.head.id,
        "created_at": done.head.created_at,
        "version": done.head.version,
        "rows": done.rows,
        "files": done.files,
        "missing_files": done.missing,
        "is_paused": done.is_paused,
        "unreadable_secrets": done.lost_secrets,
        "ledger_differences": done.differences,
    }


def _text(done: Restore) -> str:
    lines = [
        f"Restored the backup of {done.head.created_at}: {done.rows:,} rows and {done.files:,} "
        "files, as many as were backed up, each file with its checksum.",
    ]
    if done.is_paused:
        lines.append(
            "Generation is paused: requests that were queued may have been sent after the backup. "
            "Check the page Queue, then resume there. The old install must not run any more."
        )
    lines.append("Start klingweb with make run. Everybody signs in again.")
    return "\n".join(lines)


def _notes(done: Restore) -> list[str]:
    notes = []
    if done.missing:
        notes.append(f"{done.missing} files were missing when the backup was made.")
    if done.lost_secrets:
        notes.append(
            f"{done.lost_secrets} stored secrets cannot be read: enter the API keys again on the "
            "page Engines and keys, and let people set up their second factor again."
        )
    if done.differences:
        notes.append(
            f"The ledger does not explain {done.differences} figures: see manage.py ledger check."
        )
    return notes
