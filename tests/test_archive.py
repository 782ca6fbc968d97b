"""Archives of backups: whole or refused, and written and read with little memory."""

import io
import subprocess
import tarfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from generations.keeping import archive
from generations.keeping.archive_head import Head
from generations.keeping.errors import KeepingError
from generations.keeping.file_index import FileIndex
from generations.keeping.partial_file import delete_left_behind, partial_file

HEAD = Head(
    id="a" * 32,
    created_at="2026-11-28T15:00:00+00:00",
    version="0.1.0",
    database="sqlite",
    upstream="live",
    migrations=["generations.0001_initial"],
    counts={"generations_member": 2},
    encryption_keys=[],
    has_encryption_key=False,
    uses_gateway=False,
)
PEAR, FIG = "files/pictures/ab/pear.webp", "files/pictures/cd/fig.webp"


def make_archive(path: Path, **contents: bytes) -> Path:
    """Write an archive with these files, whose names are PEAR and FIG by default."""
    files = contents or {PEAR: b"a pear", FIG: b"a fig" * 1000}
    with path.open("wb") as file, FileIndex() as index:
        writer = archive.ArchiveWriter(file)
        writer.add_bytes(archive.HEAD, HEAD.as_json())
        writer.add_bytes("database.sqlite3", b"rows")
        for name, content in files.items():
            index.add(name, writer.add(name, io.BytesIO(content), len(content)))
        writer.write_lists(index)
        writer.close()
    return path


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    return make_archive(tmp_path / "whole.tar")


def rewrite(
    source: Path,
    to: Path,
    change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]],
) -> Path:
    """Copy an archive, with changed members."""
    with tarfile.open(source) as old, tarfile.open(to, "w") as new:
        for info in old:
            content = old.extractfile(info)
            changed, data = change(info, content.read() if content else b"")
            changed.size = len(data)
            new.addfile(changed, io.BytesIO(data))
    return to


def test_whole_archive_is_verified_and_lists_its_files(whole: Path) -> None:
    with FileIndex() as files:
        assert archive.verify(whole, files) == HEAD
        assert [each.name for each in files] == [PEAR, FIG]


def test_checksums_can_be_checked_without_klingweb(whole: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-xf", whole, "-C", tmp_path], check=True)
    for each in ("SHA256SUMS", "FILES"):
        done = subprocess.run(["sha256sum", "-c", each], cwd=tmp_path, capture_output=True)
        assert done.returncode == 0


def test_archive_is_verified_only_as_it_was_written(whole: Path, tmp_path: Path) -> None:
    """Any changed byte, in any member."""
    size = whole.stat().st_size
    content = whole.read_bytes()
    broken = tmp_path / "broken.tar"
    end = content.rindex(b"SHA256SUMS") + 1024  # behind it there is padding
    for place in range(600, min(end, size), 487):
        if content[place] == 0:
            continue  # padding, or a header without that field
        changed = bytearray(content)
        changed[place] ^= 1
        broken.write_bytes(changed)
        with pytest.raises(KeepingError):
            archive.verify(broken)


@pytest.mark.parametrize("name", ["database.sqlite3", PEAR])
def test_tampered_member_is_named(whole: Path, tmp_path: Path, name: str) -> None:
    def tamper(info: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        return info, data.swapcase() if info.name == name else data

    with pytest.raises(KeepingError, match=f"the checksum of {name} does not fit"):
        archive.verify(rewrite(whole, tmp_path / "tampered.tar", tamper))


def test_archive_that_was_cut_off_is_refused_wherever_it_ends(whole: Path, tmp_path: Path) -> None:
    content, cut = whole.read_bytes(), tmp_path / "cut.tar"
    end = content.rindex(b"SHA256SUMS")
    for length in range(0, end, 500):
        cut.write_bytes(content[:length])
        with pytest.raises(KeepingError):
            archive.verify(cut)


@pytest.mark.parametrize(
    "name",
    [
        "../outside.webp", "/etc/passwd", "files/../../outside.webp", "files/./a", "files//a",
        "files/.hidden", "files/a\nb", "files/a\\b", "other/a.webp", "files", "files/é.webp",
        "files/" + "a" * 300,
    ],
)  # fmt: skip
def test_name_that_leads_elsewhere_is_refused(whole: Path, tmp_path: Path, name: str) -> None:
    def rename(info: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        info.name = name if info.name == PEAR else info.name
        return info, data

    with pytest.raises(KeepingError, match="a member that no backup has"):
        archive.verify(rewrite(whole, tmp_path / "evil.tar", rename))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("backup.json")
        info.type, info.linkname = kind, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(KeepingError, match="a member that no backup has"):
        archive.verify(path)


def test_file_without_checksum_is_refused(whole: Path, tmp_path: Path) -> None:
    def forget(info: tarfile.TarInfo, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
        lines = data.splitlines(keepends=True)
        kept = b"".join(line for line in lines if b"fig" not in line)
        return info, kept if info.name == archive.SUMS else data

    with pytest.raises(KeepingError, match="has no checksum"):
        archive.verify(rewrite(whole, tmp_path / "more.tar", forget))


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 10_240])
def test_other_file_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.tar"
    path.write_bytes(content)
    for read in (archive.verify, archive.read_head):
        with pytest.raises(KeepingError):
            read(path)


def test_memory_does_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        tracemalloc.start()
        files = {f"files/pictures/{n % 256:02x}/{n:032x}.webp": b"x" for n in range(count)}
        base = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with FileIndex() as index:
            archive.verify(make_archive(tmp_path / f"{count}.tar", **files), index)
        used = tracemalloc.get_traced_memory()[1] - base
        tracemalloc.stop()
        return used

    assert peak(4000) < peak(400) + 1_000_000  # all members alone would take 4 MB


def test_archive_gets_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with partial_file(path) as file:
        file.write(b"content")
        assert not path.exists()
        delete_left_behind(tmp_path)  # of another backup: this one is locked
    assert path.read_bytes() == b"content"
    assert [each.name for each in tmp_path.iterdir()] == ["a.tar"]


def test_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), partial_file(tmp_path / "a.tar"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_file_that_appeared_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with pytest.raises(FileExistsError), partial_file(path):
        path.write_bytes(b"older")
    assert path.read_bytes() == b"older"


def test_what_a_killed_process_left_behind_is_deleted(tmp_path: Path) -> None:
    for name in (".a.tar.partial", ".a.tar.database.partial", ".a.tar.database.partial-journal"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".profile").touch()
    delete_left_behind(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [".profile"]
