"""Without a usable database: pages answer 503, health JSON, and the start says what to do."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import DatabaseError, OperationalError, ProgrammingError, connection
from django.test import Client
from pytest_django import Settings

from generations.database_errors import explain, is_unavailable
from tests.builders import make_admin
from tests.conftest import client_for
from tests.installation import ROOT, Installation, free_port

PAGES = [
    "/", "/cards/changes", "/gallery/", "/pictures/1/", "/collections/", "/trash/", "/history/",
    "/admin/queue/", "/settings/", "/files/1/original", "/compare/", "/accounts/login/", "/admin/",
    "/admin/generations/generation/",
]  # fmt: skip
DAMAGED = b"This is not a database. " * 200


@pytest.fixture(params=["damaged", "not permitted"])
def away(
    request: pytest.FixtureRequest, transactional_db: None, tmp_path: Path
) -> Iterator[Client]:
    """The client of an admin who signed in before the database went away."""
    client = client_for(make_admin("an-admin"))
    client.raise_request_exception = False
    connection.close()
    usual = dict(connection.settings_dict)
    if connection.vendor == "postgresql":
        connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(free_port())}
    elif request.param == "damaged":
        (tmp_path / "damaged.db").write_bytes(DAMAGED)
        connection.settings_dict["NAME"] = tmp_path / "damaged.db"
    else:
        connection.settings_dict["NAME"] = tmp_path  # root may open every file, but no folder
    yield client
    connection.close()
    connection.settings_dict.update(usual)


def test_pages_answer_503_and_say_when_to_try_again(
    away: Client, caplog: pytest.LogCaptureFixture
) -> None:
    for page in PAGES:
        response = away.get(page)
        assert (page, response.status_code) == (page, 503)
        assert response["Retry-After"] == "5"
        assert "This page is temporarily unavailable." in response.content.decode()
    assert len(caplog.records) == len(PAGES)  # one line each
    assert not any(record.exc_info for record in caplog.records)


def test_prompt_that_was_sent_is_shown_again(away: Client) -> None:
    response = away.post("/", {"prompt": "A <pear>"})
    assert response.status_code == 503
    page = response.content.decode()
    assert ">A &lt;pear&gt;</textarea>" in page
    assert "an-admin" not in page


def test_unreadable_form_still_gets_the_page(away: Client) -> None:
    response = away.post("/", b"no parts", content_type="multipart/form-data; boundary=x")
    assert response.status_code == 503


def test_health_is_json(away: Client) -> None:
    for client in (away, Client()):
        response = client.get("/healthz")
        assert response.status_code == 503
        assert response.json() == {"database": "down", "worker": "down"}


def test_errors_of_queries_are_not_excused() -> None:
    assert is_unavailable(OperationalError())
    assert is_unavailable(DatabaseError("database disk image is malformed"))
    assert not is_unavailable(ProgrammingError())
    assert not is_unavailable(ValueError())


# --- the start -------------------------------------------------------------------------------


def start(data: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    installation = Installation(data, **variables)
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env=installation.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def assert_one_sentence(stopped: subprocess.CompletedProcess[str], *texts: str) -> None:
    assert stopped.returncode == 1
    assert len(stopped.stderr.splitlines()) == 1, stopped.stderr
    for text in texts:
        assert text in stopped.stderr


@pytest.mark.parametrize("command", ["run", "migrate"])
def test_damaged_database_file_stops_the_start(tmp_path: Path, command: str) -> None:
    (tmp_path / "klingweb.db").write_bytes(DAMAGED)
    stopped = start(tmp_path, command)
    assert_one_sentence(stopped, f"{tmp_path}/klingweb.db is damaged", "restore it from a backup")


def test_malformed_database_stops_the_start(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "klingweb.db")) as database:
        database.executescript("CREATE TABLE a (b); CREATE TABLE c (d);")
    content = bytearray((tmp_path / "klingweb.db").read_bytes())
    content[100:4096] = bytes(b ^ 0x5A for b in content[100:4096])  # the schema's page
    (tmp_path / "klingweb.db").write_bytes(content)
    assert_one_sentence(start(tmp_path, "run"), "is damaged")


def test_closed_port_of_postgresql_stops_the_start(tmp_path: Path) -> None:
    url = f"postgres://lan:s3cret@127.0.0.1:{free_port()}/klingweb"
    stopped = start(tmp_path, "run", database_url=url)
    assert_one_sentence(stopped, "KLINGWEB_DATABASE_URL", "127.0.0.1")
    assert "s3cret" not in stopped.stderr


def test_file_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "static").write_text("where a folder should be")
    assert_one_sentence(start(tmp_path, "run"), f"{tmp_path}/static", "permissions")


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("database or disk is full", "free some space"),
        ("attempt to write a readonly database", "check the permissions"),
        ("unable to open database file", "check the permissions"),
        ("database is locked", "stop the other program"),
        ("disk I/O error", "cannot be used: disk I/O error"),
    ],
)
def test_advice_for_sqlite(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, error: str, advice: str
) -> None:
    database = settings.DATABASES["default"]
    monkeypatch.setitem(database, "ENGINE", "django.db.backends.sqlite3")
    monkeypatch.setitem(database, "NAME", "/d/k.db")
    sentence = explain(OperationalError(error))
    assert sentence.startswith("The database /d/k.db ")
    assert advice in sentence
