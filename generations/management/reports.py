"""Commands that report: text for people, and one JSON document for machines with `--json`.

Every refusal ends with exit status 1, also that of wrong arguments. Its sentence goes to stderr,
or with `--json` to stdout, as {"error": "..."}.
"""

import json
import os
import re
import sys
from argparse import SUPPRESS
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from generations.database_errors import explain, is_unavailable
from generations.operations.errors import OperationError

Options = dict[str, Any]
# What argparse takes for a value, not for an option: also -0,05 and -Infinity.
_NEGATIVE_NUMBER = re.compile(r"-([\d.,]|inf|nan)", re.IGNORECASE)
_ALIGNED_RIGHT = re.compile(r"-?[\d.]+|-|none")


@dataclass(frozen=True)
class Report:
    """What a command prints: `data` with `--json`, else `text`; `notes` on stderr.

    With `error`, a sentence, the exit status is 1.
    """

    data: dict[str, Any]
    text: str
    notes: Iterable[str] = ()
    error: str = ""


# Parts of a long output are printed one by one.
Output = Report | Iterator[str]


class ReportCommand(BaseCommand):
    """A command that returns what it prints."""

    def report(self, options: Options) -> Output:
        """Do the work. Raises OperationError."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        _add_json_option(parser, default=False)

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> CommandParser:
        """Let the parser raise CommandError, instead of ending the process with status 2."""
        self._called_from_command_line = False
        return super().create_parser(prog_name, subcommand, **options)

    def run_from_argv(self, argv: list[str]) -> None:
        """Report wrong arguments, too: Django reads them before it handles errors."""
        try:
            super().run_from_argv(argv)
        except CommandError as error:
            if "--traceback" in argv:
                raise
            reason = str(error).removeprefix("Error: ").rstrip(".")
            sentence = f"{reason[:1].upper()}{reason[1:]}. See manage.py {argv[1]} --help."
            if "--json" in argv:
                self._print_json({"error": sentence})
            else:
                self.stderr.write(f"CommandError: {sentence}")
            sys.exit(1)

    def execute(self, *args: Any, **options: Any) -> None:
        try:
            super().execute(*args, **options)
            self.stdout.flush()
        except BrokenPipeError:  # as in `manage.py ledger export | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except (OperationError, CommandError, DatabaseError) as error:
            refusal = _refusal(error)
            if refusal and options["as_json"]:
                self._print_json({"error": refusal.sentence} | refusal.details)
                sys.exit(1)
            if refusal and not isinstance(error, CommandError):
                raise CommandError(str(refusal)) from error
            raise

    def handle(self, *args: Any, **options: Any) -> None:
        _check_encoding(options)
        output = self.report(options)
        if isinstance(output, Report):
            self._print(output, as_json=options["as_json"])
        else:
            for part in output:
                self.stdout.write(part, ending="")

    def _print(self, report: Report, *, as_json: bool) -> None:
        for note in report.notes:
            self.stderr.write(note)
        if report.error and as_json:
            raise OperationError(report.error, details=report.data)
        if as_json:
            self._print_json(report.data)
        elif report.text:
            self.stdout.write(report.text)
        if report.error:
            raise CommandError(report.error)

    def _print_json(self, data: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(data, indent=2))


class ActionCommand(ReportCommand):
    """A command with several actions, such as `member add` and `member list`."""

    def add_actions(self) -> None:
        """Call `add_action` for each."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        self._actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
        self.add_actions()

    def add_action(self, name: str, run: Callable[[Options], Output], help: str) -> CommandParser:
        parser: CommandParser = self._actions.add_parser(name, help=help, description=help)
        _add_json_option(parser, default=SUPPRESS)
        parser._negative_number_matcher = _NEGATIVE_NUMBER
        parser.set_defaults(run=run)
        return parser

    def report(self, options: Options) -> Output:
        output: Output = options["run"](options)
        return output


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align columns; those of numbers to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    columns = []
    for name, *values in zip_longest(header, *cells):
        width = max(map(len, (name, *values)))
        is_number = all(map(_ALIGNED_RIGHT.fullmatch, values))
        columns.append([f"{each:{'>' if is_number else '<'}{width}}" for each in (name, *values)])
    return "\n".join("  ".join(line).rstrip() for line in zip(*columns, strict=True))


def _add_json_option(parser: CommandParser, default: Any) -> None:
    """Both `member --json list` and `member list --json` are valid."""
    parser.add_argument(
        "--json",
        action="store_true",
        dest="as_json",
        default=default,
        help="Print one JSON document, errors too",
    )


def _check_encoding(options: Options) -> None:
    try:
        for value in options.values():
            if isinstance(value, str):
                value.encode()
    except UnicodeEncodeError:
        raise OperationError("The arguments are not text in UTF-8.") from None


# --- errors --------------------------------------------------------------------------------------


def _refusal(error: Exception) -> OperationError | None:
    """Return what to say about an error; None if it is a fault of ours."""
    if isinstance(error, OperationError):
        return error
    if isinstance(error, CommandError):
        return OperationError(str(error))
    if _is_unprepared():
        return OperationError("The database is not prepared. Run manage.py migrate first.")
    return OperationError(explain(error)) if is_unavailable(error) else None


def _is_unprepared() -> bool:
    """Whether a table may be missing because migrations were not applied."""
    try:
        executor = MigrationExecutor(connection)
        return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    except DatabaseError:
        return False
