"""Commands as machines start them: exit status, and what is on which stream."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import environment, manage
from tests.installation import ROOT

PASSWORD = "a long and quiet sentence"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of an install with a prepared database."""
    folder = tmp_path_factory.mktemp("commands") / "data"
    assert manage(folder, "migrate", "--verbosity", "0").returncode == 0
    return folder


def document(ran: subprocess.CompletedProcess[bytes]) -> Any:
    """The only thing on stdout."""
    return json.loads(ran.stdout)


def test_unattended_install(folder: Path) -> None:
    """People, prices and limits of a new install, and its figures, without a page."""
    added = manage(
        folder, "member", "add", "lan", "--role", "owner", "--password-stdin", "--json",
        stdin=f"{PASSWORD}\n".encode(),
    )  # fmt: skip
    assert (added.returncode, document(added)) == (0, {"name": "lan", "role": "owner"})
    assert PASSWORD.encode() not in added.stdout + added.stderr
    for command in (
        ["price", "set", "kling", "kling-v1", "0,0267"],
        ["limit", "set", "--team", "--month-money", "100"],
        ["ledger", "check"],
        ["ledger", "export"],
    ):
        ran = manage(folder, *command)
        assert (ran.returncode, ran.stderr) == (0, b""), command
    assert document(manage(folder, "usage", "--json"))["upstream"] == "live"
    assert document(manage(folder, "price", "--json", "list"))["prices"][0]["amount"] == "0.0267"


@pytest.mark.parametrize(
    "command",
    [
        ["price", "set", "kling", "kling-v1", "-1"],  # refused by the operation
        ["price", "set", "kling"],  # refused by the parser
        ["usage", "--moth", "2026-11"],
        ["member", "disable", b"\xff"],
    ],
    ids=str,
)
def test_refusal_has_status_1_and_one_sentence(folder: Path, command: list[str | bytes]) -> None:
    ran = manage(folder, *command)
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.startswith(b"CommandError: ")
    assert ran.stderr.count(b"\n") == 1
    ran = manage(folder, *command, "--json")
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert list(document(ran)) == ["error"]


def test_database_without_tables_is_one_sentence(tmp_path: Path) -> None:
    expected = "The database is not prepared. Run manage.py migrate first."
    ran = manage(tmp_path / "new", "member", "list", "--json")
    assert (ran.returncode, document(ran)) == (1, {"error": expected})
    ran = manage(tmp_path / "new", "member", "list")
    assert (ran.returncode, ran.stderr.decode()) == (1, f"CommandError: {expected}\n")


def test_damaged_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "klingweb.db").write_bytes(b"not a database" * 1000)
    ran = manage(tmp_path, "member", "list", "--json")
    assert ran.returncode == 1
    assert "is damaged" in document(ran)["error"]


def test_reader_that_goes_away_gets_no_traceback(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "manage.py", "price", "export"],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_help_is_no_refusal(folder: Path) -> None:
    ran = manage(folder, "limit", "set", "--help")
    assert ran.returncode == 0
    assert b"--month-money" in ran.stdout
