"""Downloading many: what is in the zip, what its files are called, and what its table says."""

import csv
import io
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from pytest_django import Settings

from generations.models import Generation, Member, Picture, Status
from tests.builders import make_generation, make_member, png_bytes
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _own_files(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def made(**columns: Any) -> list[Picture]:
    wish: dict[str, Any] = {"status": Status.SUCCEEDED, "created_at": NOON} | columns
    return list(make_generation(**wish).pictures.order_by("index"))


def press(client: Client, pictures: list[Any], **fields: str) -> Any:
    keys = [getattr(picture, "pk", picture) for picture in pictures]
    return client.post("/pictures/download", {"picture": keys} | fields)


def zip_of(client: Client, pictures: list[Any], **fields: str) -> ZipFile:
    answer = press(client, pictures, **fields)
    assert answer.status_code == 200
    return ZipFile(io.BytesIO(answer.getvalue()))


def table_in(archive: ZipFile) -> list[dict[str, str]]:
    text = archive.read("pictures.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def stored(picture: Picture) -> bytes:
    with picture.file.open("rb") as file:
        return bytes(file.read())


# --- the files ------------------------------------------------------------------------------------


def test_the_originals_are_in_it_byte_for_byte(stranger_client: Client, owner: Member) -> None:
    pictures = made(owner=owner, n=3)
    archive = zip_of(stranger_client, pictures)
    assert archive.testzip() is None
    assert [archive.read(name) for name in archive.namelist()[:-1]] == [
        stored(picture) for picture in pictures
    ]
    assert {entry.compress_type for entry in archive.infolist()} == {ZIP_STORED}


def test_it_is_a_stream_that_nobody_else_keeps(owner_client: Client) -> None:
    answer = press(owner_client, made())
    assert isinstance(answer, StreamingHttpResponse)
    assert answer["Content-Type"] == "application/zip"
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["Content-Disposition"].startswith('attachment; filename="klingweb ')
    assert answer["Content-Disposition"].endswith(' 1 picture.zip"')


def test_webp_is_the_small_form(owner_client: Client) -> None:
    [picture] = made()
    archive = zip_of(owner_client, [picture], form="webp")
    [name, _table] = archive.namelist()
    assert name.endswith(".webp")
    with picture.preview.open("rb") as preview:
        assert archive.read(name) == preview.read()


def test_names_say_when_who_what_and_which(owner_client: Client) -> None:
    lan = make_member("lan")
    first, second = made(owner=lan, n=2, prompt="Pear on dark ground")
    names = zip_of(owner_client, [first, second]).namelist()
    pk = first.generation_id
    assert names == [
        f"2026-11-24 lan pear-on-dark-ground {pk}-1.png",
        f"2026-11-24 lan pear-on-dark-ground {pk}-2.png",
        "pictures.csv",
    ]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Cà phê sữa đá, buổi sáng", "cà-phê-sữa-đá-buổi-sáng"),
        ("山水", "山水"),
        ("../../etc/passwd", "etcpasswd"),
        ('a<b>:"c"|d?*\\e...', "abcde"),
        ("🍐🍐🍐", "picture"),
        ("CON.", "con"),
        ("line\nbreak", "line-break"),
    ],
)
def test_names_are_good_in_every_file_system(owner_client: Client, prompt: str, words: str) -> None:
    [picture] = made(owner=make_member("lan"), prompt=prompt)
    assert zip_of(owner_client, [picture]).namelist()[0] == (
        f"2026-11-24 lan {words} {picture.generation_id}-1.png"
    )


def test_long_names_are_cut_by_bytes(owner_client: Client) -> None:
    person = make_member("long", first_name="\U00020000" * 100, last_name="山" * 100)
    name = zip_of(owner_client, made(owner=person, prompt="\U00020000" * 400)).namelist()[0]
    assert len(name.encode()) < 255


def test_equal_prompts_have_names_of_their_own(owner_client: Client, owner: Member) -> None:
    pictures = [picture for _row in range(5) for picture in made(owner=owner, n=2)]
    names = zip_of(owner_client, pictures).namelist()
    assert len(set(names)) == len(names) == 11


def test_newest_first_whatever_the_order_of_the_form(owner_client: Client) -> None:
    older = made(created_at=NOON.replace(hour=1), n=2)
    newer = made(n=2)
    rows = table_in(zip_of(owner_client, [older[1], newer[1], older[0], newer[0]]))
    assert [int(row["picture"]) for row in rows] == [p.pk for p in (*newer, *older)]


# --- who may -----------------------------------------------------------------------------------


def test_what_is_private_to_others_is_not_in_it(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private, shared = made(owner=owner, is_private=True), made(owner=owner)
    both = [*private, *shared]
    assert len(zip_of(owner_client, both).namelist()) == 3
    for client in (stranger_client, admin_client):
        archive = zip_of(client, both)
        assert [int(row["picture"]) for row in table_in(archive)] == [shared[0].pk]
        assert len(archive.namelist()) == 2


def test_what_is_in_the_trash_is_not_in_it(owner_client: Client, owner: Member) -> None:
    first, second = made(owner=owner, n=2)
    Picture.objects.filter(pk=first.pk).trash(owner)
    assert [row["picture"] for row in table_in(zip_of(owner_client, [first, second]))] == [
        str(second.pk)
    ]
    answer = press(owner_client, [first])
    assert answer.status_code == 422
    assert b"None of these pictures is here any more" in answer.content


def test_one_that_is_made_private_while_it_is_sent_is_left_out(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    pictures = made(owner=owner)
    answer = press(stranger_client, pictures)
    Generation.objects.update(is_private=True)
    assert ZipFile(io.BytesIO(answer.getvalue())).namelist() == ["pictures.csv"]


def test_nobody_downloads_without_signing_in_or_by_an_address(
    client: Client, owner_client: Client
) -> None:
    pictures = made()
    assert press(client, pictures).status_code == 302
    assert owner_client.get("/pictures/download", {"picture": pictures[0].pk}).status_code == 405


def test_a_form_of_another_site_downloads_nothing(owner: Member) -> None:
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(owner)
    assert press(checked, made()).status_code == 403


# --- what is refused, and what is told --------------------------------------------------------


def test_a_thousand_and_one_are_too_many(owner_client: Client) -> None:
    answer = press(owner_client, list(range(1, 1002)))
    assert answer.status_code == 422
    assert b"1000 pictures fit into one download" in answer.content
    assert b"these are 1001" in answer.content


@pytest.mark.parametrize("keys", [[], ["x", "-1", "", "9" * 40, "1.5", "1\x00"]])
def test_nothing_chosen_is_said(owner_client: Client, keys: list[str]) -> None:
    answer = press(owner_client, keys)
    assert answer.status_code == 422
    assert b"Choose a picture first" in answer.content


def test_what_is_no_key_is_left_out(owner_client: Client) -> None:
    [picture] = made()
    keys = ["x", "9" * 18, picture.pk, "", picture.pk, "9" * 40]
    assert len(table_in(zip_of(owner_client, keys))) == 1


def test_all_that_a_filter_shows_can_be_downloaded(owner_client: Client, owner: Member) -> None:
    plums = made(owner=owner, prompt="Plums", n=2)
    made(owner=owner)
    answer = owner_client.post("/pictures/download", {"select_all": "q=plums"})
    rows = table_in(ZipFile(io.BytesIO(answer.getvalue())))
    assert [int(row["picture"]) for row in rows] == [picture.pk for picture in plums]


def test_a_file_that_is_gone_is_told_and_breaks_nothing(owner_client: Client) -> None:
    first, second, third = made(n=3)
    second.file.storage.delete(str(second.file))
    archive = zip_of(owner_client, [first, second, third])
    assert archive.testzip() is None
    assert len(archive.namelist()) == 3
    notes = {int(row["picture"]): (row["file"], row["note"]) for row in table_in(archive)}
    assert notes[second.pk] == ("", "Its file is gone.")
    for picture in (first, third):
        name, note = notes[picture.pk]
        assert archive.read(name) == stored(picture)
        assert note == ""


def test_a_file_that_breaks_off_is_told_too(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db.models.fields.files import FieldFile

    def breaking(self: FieldFile, _size: int) -> Any:
        yield b"the first bytes"
        raise OSError("the disk is broken")

    monkeypatch.setattr(FieldFile, "chunks", breaking)
    archive = zip_of(owner_client, made())
    assert archive.testzip() is None
    [row] = table_in(archive)
    assert row["note"] == "Its file could not be read to the end."


# --- the table --------------------------------------------------------------------------------


def test_the_table_tells_all_that_a_picture_was_made_with(
    owner_client: Client, settings: Settings
) -> None:
    settings.URL = "https://pictures.example"
    picture = made(
        owner=make_member("lan", first_name="Lan", last_name="Trần"), n=2,
        prompt='Pear, "dark"\n山水', negative_prompt="birds", aspect_ratio="3:4",
    )[1]  # fmt: skip
    archive = zip_of(owner_client, [picture])
    assert archive.read("pictures.csv").startswith(b"\xef\xbb\xbf")
    assert table_in(archive) == [
        {
            "file": f"2026-11-24 lan-trần pear-dark-山水 {picture.generation_id}-2.png",
            "picture": str(picture.pk),
            "generation": str(picture.generation_id),
            "prompt": 'Pear, "dark"\n山水',
            "leave out": "birds",
            "shape": "3:4",
            "pictures asked for": "2",
            "number": "2",
            "person": "Lan Trần",
            "when": "2026-11-24 12:00:00+00:00",
            "width": str(picture.width),
            "height": str(picture.height),
            "reference": "no",
            "address": f"https://pictures.example/pictures/{picture.pk}/",
            "note": "",
        }
    ]


def test_it_says_when_there_was_a_reference(owner_client: Client) -> None:
    pictures = made(reference_url="https://a.example/b.png")
    assert table_in(zip_of(owner_client, pictures))[0]["reference"] == "yes"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_no_cell_is_a_formula(owner_client: Client, start: str) -> None:
    evil = f"{start}HYPERLINK(1)"
    pictures = made(prompt=evil, negative_prompt=evil, owner=make_member(evil))
    [row] = table_in(zip_of(owner_client, pictures))
    for column in ("prompt", "leave out", "person"):
        assert row[column] == f"'{evil}"


# --- a thousand ---------------------------------------------------------------------------------


def make_thousand() -> list[int]:
    """Of one file, as rows are made for benches."""
    [picture] = made(image=lambda _index: png_bytes(edge=300) + bytes(300_000))
    columns = {
        field.attname: getattr(picture, field.attname)
        for field in Picture._meta.concrete_fields
        if field.name not in ("id", "index")
    }
    Picture.objects.bulk_create(Picture(**columns, index=index) for index in range(1, 1000))
    return list(Picture.objects.values_list("pk", flat=True))


def test_a_thousand_are_sent_without_being_held(owner: Member) -> None:
    keys = make_thousand()
    answer = press(client_for(owner), keys)
    sent, most = 0, 0
    tracemalloc.start()
    try:
        for chunk in answer.streaming_content:
            sent, most = sent + len(chunk), max(most, len(chunk))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 1000 * 300_000
    assert most <= 64 * 1024
    assert peak < 4_000_000
