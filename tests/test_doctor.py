"""`manage.py doctor`: each fault is found, named and comes with advice; nothing is changed."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from generations.keeping import contents, disk, doctor, growth, machine, orphans
from generations.keeping.finding import Finding, Level
from generations.models import (
    ApiKey,
    AuditAction,
    AuditEntry,
    Generation,
    Picture,
    Status,
    append_only,
    raw_answers,
)
from generations.operations import ledger_check
from klingweb import data_folder
from tests.builders import make_generation, make_submission
from tests.commands import refusal, run, run_json

pytestmark = pytest.mark.django_db

OLD = timedelta(hours=2)


@pytest.fixture(autouse=True)
def _install(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data folder of its own; the triggers that conftest.py removes count as present."""
    settings.DATA_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "files"
    tmp_path.chmod(0o700)
    monkeypatch.setattr(append_only, "is_protected", lambda _connection: True)


def finding(subject: str) -> Finding:
    """The finding about this subject, which must be the only one that is not ok."""
    bad = [each for each in doctor.examine() if each.level is not Level.OK]
    (found,) = [each for each in bad if each.subject != "worker"]  # none runs in tests
    assert found.subject == subject, found
    assert found.advice
    return found


def stored_picture() -> Picture:
    return Picture.objects.get(generation=make_generation(Status.SUCCEEDED))


def age(name: str) -> None:
    at = (timezone.now() - OLD).timestamp()
    os.utime(default_storage.path(name), (at, at))


def test_sound_install_has_no_problem_and_is_not_changed(tmp_path: Path) -> None:
    stored_picture()
    before = sorted(tmp_path.rglob("*"))
    found = run_json("doctor")
    assert found["problems"] == 0
    assert {each["subject"] for each in found["findings"] if each["level"] == "ok"} >= {
        "settings", "permissions", "storage", "disk", "database", "key", "clock", "ledger",
        "files", "growth",
    }  # fmt: skip
    assert sorted(tmp_path.rglob("*")) == before
    assert "ok       ledger" in run("doctor").stdout


def test_problem_ends_with_status_1_and_the_same_findings(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert refusal("doctor").startswith("Problems: 1.")
    found = finding("permissions")
    assert (found.level, found.advice) == ("problem", f"Run: chmod 700 {tmp_path}")


def test_open_key_file_is_a_problem(tmp_path: Path) -> None:
    key = data_folder.encryption_key_file(tmp_path)
    key.write_text(Fernet.generate_key().decode())
    key.chmod(0o644)
    found = list(machine.permission_findings())
    assert [each.advice for each in found] == [f"Run: chmod 600 {key}"]


def test_missing_file_is_a_problem_with_its_name() -> None:
    picture = stored_picture()
    default_storage.delete(str(picture.preview))
    found = finding("files")
    assert found.level == "problem"
    assert found.names == (picture.preview.name,)


def test_file_without_a_row_is_a_warning_once_it_is_old() -> None:
    stored_picture()
    name = default_storage.save("pictures/ab/orphan.png", ContentFile(b"x"))
    assert list(orphans.orphans()) == []
    age(name)
    found = finding("files")
    assert (found.level, found.names) == ("warning", (name,))
    assert run("doctor", "--list-orphans").stdout == f"{name}\n"
    assert default_storage.exists(name)


def test_image_stored_while_the_files_are_read_is_no_orphan(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its row is written after its file, and perhaps after the rows were read."""
    compare = orphans._compare

    def store_meanwhile(*arguments: Any) -> None:
        compare(*arguments)
        picture = stored_picture()
        for name in picture.file_names:
            age(name)
            arguments[1].add(name)

    monkeypatch.setattr(orphans, "_compare", store_meanwhile)
    assert list(orphans.orphans()) == []


def test_wrong_encryption_key_is_a_problem(admin: Any, tmp_path: Path) -> None:
    ApiKey.objects.put(ApiKey.Slot.FIRST, "sk-a-key-of-the-team-1234", admin)
    assert [each.level for each in contents.key_findings()] == ["ok"]
    data_folder.encryption_key_file(tmp_path).write_text(Fernet.generate_key().decode())
    found = finding("key")
    assert "does not fit 1 stored secrets" in found.text


def test_broken_key_file_stops_no_other_check(tmp_path: Path) -> None:
    data_folder.encryption_key_file(tmp_path).write_text("no key")
    data_folder.encryption_key_file(tmp_path).chmod(0o600)
    assert "has no valid key" in finding("key").text


def test_full_storage_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(default_storage, "save", full)
    assert "No space left" in finding("storage").text


@pytest.mark.parametrize(("free", "level"), [(2 * 2**30, "warning"), (2**20, "problem")])
def test_little_space_is_told(monkeypatch: pytest.MonkeyPatch, free: int, level: str) -> None:
    monkeypatch.setattr(machine, "free_bytes", lambda _folder: free)
    assert finding("disk").level == level


def test_space_of_a_folder_to_come_is_that_of_its_disk(tmp_path: Path) -> None:
    assert disk.device(tmp_path / "a/b") == disk.device(tmp_path)
    assert disk.free_bytes(tmp_path / "a/b") > 0


def test_rows_later_than_now_are_a_problem() -> None:
    row = make_generation()
    Generation.objects.filter(pk=row.pk).update(created_at=timezone.now() + timedelta(hours=1))
    assert "later than now" in finding("clock").text


def test_ledger_that_does_not_explain_a_figure_is_a_problem(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger_check, "differences", lambda: ["charged of the team: 2"])
    assert "charged of the team: 2" in finding("ledger").text


def test_missing_triggers_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(append_only, "is_protected", lambda _connection: False)
    assert "triggers" in finding("database").text


def test_interrupted_restore_is_a_problem(tmp_path: Path) -> None:
    data_folder.restore_mark(tmp_path).touch()
    assert "was interrupted" in finding("restore").text


def test_database_that_is_away_is_one_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(contents, "database_findings", away)
    assert "disk I/O error" in finding("database").text


def test_real_install_without_a_recent_backup_is_warned(settings: Settings) -> None:
    settings.DEMO = False
    assert "no backup yet" in next(contents.backup_findings()).text
    AuditEntry.objects.record(AuditAction.EXPORTED, None, label="backup")
    assert next(contents.backup_findings()).level == "ok"
    AuditEntry.objects.update(at=timezone.now() - timedelta(days=8))
    assert next(contents.backup_findings()).level == "warning"


def test_table_beyond_its_bound_is_told() -> None:
    Session.objects.create(session_key="a", expire_date=timezone.now() - timedelta(hours=1))
    assert [each.level for each in growth.growth_findings()] == ["ok"]  # deleted within a day
    Session.objects.create(session_key="b", expire_date=timezone.now() - timedelta(days=3))
    assert "1 sessions have ended" in finding("growth").text


@pytest.mark.parametrize("bound", growth.BOUNDS, ids=lambda bound: bound.what)
def test_every_bound_can_be_counted(bound: growth.Bound) -> None:
    assert 0 <= bound.beyond() <= bound.tolerated


def test_raw_answers_are_emptied_when_they_are_old() -> None:
    young = answered(timedelta(days=170))
    old = answered(timedelta(days=183))
    in_progress = answered(timedelta(days=183), status=Status.RUNNING)
    assert raw_answers.due_since(timezone.now() - growth.LATE) == 1
    assert raw_answers.prune() == 1
    assert raw_answers.prune() == 0
    for row, text in ((young, "a"), (old, ""), (in_progress, "a")):
        row.refresh_from_db()
        assert (row.last_response, row.submissions.get().response) == (text, text)


def answered(ago: timedelta, status: Status = Status.SUCCEEDED) -> Generation:
    row = make_generation(status, last_response="a", created_at=timezone.now() - ago)
    make_submission(row, response="a")
    return row
