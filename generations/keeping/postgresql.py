"""The dump of a PostgreSQL database by its own tools, and its return."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from klingweb.environment import process_variables

from .errors import KeepingError


@contextmanager
def snapshot() -> Iterator[str]:
    """Let all queries and `dump` see one moment. Yields the name of the snapshot."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot()")
        yield str(cursor.fetchone()[0])


def dump(to: Path, snapshot: str) -> None:
    """Raises KeepingError."""
    _run(
        [
            *("pg_dump", "--format=custom", "--no-owner", "--no-privileges", "--no-password"),
            *(f"--snapshot={snapshot}", f"--file={to}", f"--dbname={_address()}"),
        ],
        to.parent,
    )


def load(dumped: Path) -> None:
    """Replace the tables by those of the dump, in one transaction. Raises KeepingError."""
    connection.close()
    _run(
        [
            *("pg_restore", "--single-transaction", "--clean", "--if-exists", "--no-comments"),
            *("--no-owner", "--no-privileges", "--no-password"),
            *(f"--dbname={_address()}", str(dumped)),
        ],
        dumped.parent,
    )


def _address() -> str:
    """The database without its password, which other users of the machine could see."""
    from psycopg.conninfo import make_conninfo

    database: dict[str, Any] = connection.settings_dict
    options = {name: value for name, value in database["OPTIONS"].items() if name != "password"}
    return make_conninfo(
        **options,
        dbname=database["NAME"],
        user=database["USER"] or None,
        host=database["HOST"] or None,
        port=database["PORT"] or None,
    )


def _run(command: Sequence[str], folder: Path) -> None:
    password = connection.settings_dict["PASSWORD"]
    variables = process_variables(LC_ALL="C", **({"PGPASSWORD": password} if password else {}))
    try:
        done = subprocess.run(  # noqa: S603
            command, env=variables, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
    except FileNotFoundError:
        raise KeepingError(
            f"The program {command[0]} was not found: install PostgreSQL's client programs, "
            "of the server's version or newer."
        ) from None
    if done.returncode == 0:
        return
    reason = (done.stderr.strip().splitlines() or ["no reason given"])[0]
    if "No space left" in done.stderr:
        raise KeepingError(
            f"The disk of {folder} or of the database is full: free some space, and try again."
        )
    raise KeepingError(f"{command[0]} failed: {reason.removeprefix(f'{command[0]}: ')}.")
