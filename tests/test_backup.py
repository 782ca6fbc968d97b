"""Backup and restore of whole installs, by commands in processes of their own."""

import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from klingweb import data_folder
from tests.installation import Visitor, wait_until
from tests.keeping import Install, install
from tests.simulator import Simulator

COUNT_ROWS = "SELECT count(*) AS n FROM generations_picture"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Install]:
    """An install with images, which no test changes."""
    with install(tmp_path_factory.mktemp("source") / "data", upstream_key="") as made:
        made.prepare()
        made.fill()
        yield made


@pytest.fixture(scope="module")
def full(source: Install, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "full.tar"
    done = source.run("backup", path)
    assert done.returncode == 0, done.stderr
    assert "The encryption key is NOT in this archive." in done.stdout
    return path


@pytest.fixture
def target(source: Install, tmp_path: Path) -> Iterator[Install]:
    """An empty install that has the encryption key of the source."""
    with install(tmp_path / "data", upstream_key="") as made:
        made.folder.mkdir(mode=0o700)
        shutil.copy(data_folder.encryption_key_file(source.folder), made.folder)
        yield made


def assert_restored(target: Install, source: Install) -> None:
    assert target.files() == source.files()
    assert target.rows(COUNT_ROWS) == source.rows(COUNT_ROWS)
    assert not data_folder.restore_mark(target.folder).exists()


def test_restored_install_has_the_same_rows_files_and_secrets(
    source: Install, full: Path, target: Install
) -> None:
    done = target.run_json("restore", full)
    assert (done["files"], done["missing_files"]) == (len(source.files()), 0)
    assert (done["unreadable_secrets"], done["ledger_differences"]) == (0, 0)
    assert done["is_paused"]
    assert_restored(target, source)
    assert full.stat().st_mode & 0o777 == 0o600
    paused = "SELECT paused_at, pause_reason FROM generations_upstreamgate"
    assert all(row["pause_reason"].startswith("Restored from") for row in target.rows(paused))
    found = target.run_json("doctor")
    assert found["problems"] == 0, found
    assert "is not empty" in target.refusal("restore", full)


def test_incremental_archive_has_new_files_only_and_needs_the_earlier_one(
    full: Path, target: Install, tmp_path: Path
) -> None:
    """Restored, filled and backed up again: the second restore is of both archives."""
    assert target.run("restore", full).returncode == 0
    target.fill(1)
    path = tmp_path / "second.tar"
    done = target.run_json("backup", path, "--since", full)
    assert (done["files"], done["files_in_earlier_archives"]) == (6, 18)
    with install(tmp_path / "other", upstream_key="") as other:
        other.folder.mkdir(mode=0o700)
        shutil.copy(data_folder.encryption_key_file(target.folder), other.folder)
        assert "needs 1 earlier archives" in other.refusal("restore", path)
        assert "needs 0 earlier archives" in other.refusal("restore", path, full)
        assert other.run_json("restore", full, path)["files"] == 24
        assert_restored(other, target)


def test_install_without_the_encryption_key_is_refused_until_that_is_wanted(
    full: Path, source: Install, target: Install
) -> None:
    key = data_folder.encryption_key_file(target.folder)
    for wrong in ("A" * 43 + "=", None):
        if wrong:
            key.write_text(wrong)
        else:
            key.unlink()
        assert "encryption key of the backup is not here" in target.refusal("restore", full)
    assert target.files() == {}
    done = target.run_json("restore", full, "--without-encryption-key")
    assert done["unreadable_secrets"] == 1
    assert_restored(target, source)
    assert target.run_json("doctor")["problems"] == 1


def test_archive_with_the_encryption_key_needs_nothing_else(
    source: Install, target: Install, tmp_path: Path
) -> None:
    path = tmp_path / "with-key.tar"
    done = source.run("backup", path, "--with-encryption-key")
    assert "The encryption key IS in this archive" in done.stdout
    data_folder.encryption_key_file(target.folder).unlink()
    assert target.run_json("restore", path)["unreadable_secrets"] == 0
    assert data_folder.encryption_keys(target.folder) == data_folder.encryption_keys(source.folder)


def test_tampered_archive_changes_nothing(full: Path, target: Install, tmp_path: Path) -> None:
    tampered = tmp_path / "tampered.tar"
    content = bytearray(full.read_bytes())
    with tarfile.open(full) as tar:
        place = next(each for each in tar if each.name.startswith("files/")).offset_data
    content[place] ^= 1
    tampered.write_bytes(content)
    assert "the checksum of files/" in target.refusal("restore", tampered)
    assert target.files() == {}
    assert not data_folder.restore_mark(target.folder).exists()


@pytest.mark.parametrize("step", ["_put_file", "_prove"])
def test_killed_restore_says_so_and_can_be_done_again(
    source: Install, full: Path, target: Install, step: str
) -> None:
    target.killed_at(f"generations.keeping.restore:{step}", "restore", full)
    assert "was interrupted" in target.refusal("run")
    assert target.run("restore", full).returncode == 0
    assert_restored(target, source)


@pytest.mark.parametrize("command", ["run", "web", "worker"])
def test_nothing_starts_on_an_unfinished_restore(tmp_path: Path, command: str) -> None:
    data_folder.restore_mark(tmp_path).touch()
    assert "was interrupted" in Install(tmp_path).refusal(command)


@pytest.mark.parametrize("step", ["_add_file", "archive.ArchiveWriter.write_lists"])
def test_killed_backup_leaves_no_archive(source: Install, tmp_path: Path, step: str) -> None:
    path = tmp_path / "a.tar"
    source.killed_at(f"generations.keeping.backup:{step}", "backup", path)
    assert not path.exists()
    assert list(tmp_path.glob(".*.partial"))
    assert source.run("backup", path).returncode == 0
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_running_install_is_backed_up_and_its_copy_shows_the_same_pages(tmp_path: Path) -> None:
    with (
        Simulator(seconds=(0.2, 0.4)) as simulator,
        install(tmp_path / "data", upstream_url=simulator.url) as running,
        install(tmp_path / "copy", upstream_url=simulator.url) as copy,
    ):
        visitor = running.prepare().open()
        for number in range(4):
            visitor.generate(f"a pear, number {number}", n=2)
        wait_until(lambda: running.statuses().get("succeeded"), what="one has images")
        done = running.run_json("backup", tmp_path / "a.tar")  # others are still in progress
        assert done["missing_count"] == done["changed_count"] == 0
        copy.folder.mkdir(mode=0o700)
        assert copy.run("restore", tmp_path / "a.tar").returncode == 0
        copy.manage("collectstatic", "--verbosity", "0", "--no-input")
        copied = copy.open()
        wait_until(copy.is_idle, what="the worker of the copy finishes what was in progress")
        for path in ("/", "/gallery/", "/admin/", "/admin/queue/"):
            assert copied.get(path).status_code == 200, path
        stored = "SELECT id, sha256 FROM generations_picture WHERE state = 'stored'"
        for row in copy.rows(stored):
            assert image_of(copied, row["id"]) == image_of(visitor, row["id"])
        assert copied.get("/gallery/").text.count("a pear") > 0


def image_of(visitor: Visitor, pk: int) -> bytes:
    response = visitor.get(f"/files/{pk}/original")
    assert response.ok
    return response.content
