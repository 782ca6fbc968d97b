"""What `manage.py backup` refuses, and what it says about files that are not as stored."""

import errno
import os
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from pytest_django import Settings

from generations.keeping import archive, backup
from generations.keeping.errors import KeepingError
from generations.models import AuditEntry, Picture, Status
from klingweb import data_folder
from tests.builders import make_generation
from tests.commands import refusal, run, run_json

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _data_folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path / "data"
    settings.MEDIA_ROOT = tmp_path / "data/files"
    settings.DATA_DIR.mkdir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


def picture() -> Picture:
    return Picture.objects.get(generation=make_generation(Status.SUCCEEDED))


def test_folder_gets_an_archive_with_the_time_and_the_audit_log_an_entry(folder: Path) -> None:
    picture()
    done = run_json("backup", str(folder))
    (path,) = folder.iterdir()
    assert path.name.startswith("klingweb-20")
    assert str(path) == done["archive"]
    assert done["size_bytes"] == path.stat().st_size
    assert archive.verify(path).counts["generations_picture"] == 1
    assert AuditEntry.objects.get().target_label == "backup"


def test_paths_that_cannot_take_an_archive_are_refused(folder: Path, settings: Settings) -> None:
    older = folder / "older.tar"
    older.write_bytes(b"older")
    (settings.MEDIA_ROOT).mkdir()
    for path, reason in (
        (older, "exists already"),
        (folder / "none/a.tar", "does not exist"),
        (folder / "a.zip", "does not end with .tar"),
        (settings.MEDIA_ROOT, "is the folder of the images"),
    ):
        assert reason in refusal("backup", str(path))
    assert older.read_bytes() == b"older"
    assert [each.name for each in folder.iterdir()] == ["older.tar"]


def test_full_disk_is_one_sentence_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture()
    add = archive.ArchiveWriter.add

    def fill_up(writer: archive.ArchiveWriter, name: str, *arguments: object) -> str:
        if name.startswith("files/"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return add(writer, name, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(archive.ArchiveWriter, "add", fill_up)
    sentence = refusal("backup", str(folder))
    assert sentence == (
        f"The disk of {folder} is full: free some space, and try again. No archive was written."
    )
    assert list(folder.iterdir()) == []
    assert not AuditEntry.objects.exists()


def test_missing_and_changed_files_are_named(folder: Path) -> None:
    lost, changed = picture(), picture()
    default_storage.delete(str(lost.file))
    Path(changed.file.path).write_bytes(b"other content")
    printed = run("backup", str(folder / "a.tar"))
    assert str(lost.file) in printed.stderr
    assert str(changed.file) in printed.stderr
    archive.verify(folder / "a.tar")


def test_damaged_archive_is_no_base_of_an_incremental_one(folder: Path) -> None:
    base = folder / "base.tar"
    run("backup", str(base))
    base.write_bytes(base.read_bytes()[:2000])
    assert "not a whole archive" in refusal("backup", str(folder / "b.tar"), "--since", str(base))
    assert [each.name for each in folder.iterdir()] == ["base.tar"]


def test_two_backups_at_once_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def in_use(*_arguments: object) -> None:
        raise data_folder.FolderInUse

    monkeypatch.setattr(data_folder, "lock", in_use)  # one process could lock the file twice
    with pytest.raises(KeepingError, match="Another backup is running"):
        backup.back_up(folder)


def test_file_that_appears_during_the_backup_is_of_the_next_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture()
    write = backup._write

    def later(*arguments: object) -> None:
        picture()
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backup, "_write", later)
    done = run_json("backup", str(folder / "a.tar"))
    assert (done["files"], done["missing_count"]) == (3, 0)
    assert archive.read_head(folder / "a.tar").counts["generations_picture"] == 1


def test_install_in_use_is_never_restored_over(folder: Path) -> None:
    picture()
    run("backup", str(folder / "a.tar"))
    assert "This install is not empty" in refusal("restore", str(folder / "a.tar"))
    assert Picture.objects.count() == 1


def test_running_install_is_never_restored_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", str(folder / "a.tar"))

    def in_use(*_arguments: object) -> None:
        raise data_folder.FolderInUse

    monkeypatch.setattr(data_folder, "lock", in_use)
    assert "is running with the data folder" in refusal("restore", str(folder / "a.tar"))
