"""Downloads: the files in the archive, their names, and the CSV."""

import csv
import io
import tracemalloc
from datetime import UTC, datetime
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from pytest_django import Settings

from generations.engines.registry import all_offers
from generations.models import Generation, Member, Picture, Status
from tests.builders import make_generation, make_member, png_bytes
from tests.conftest import client_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def make_pictures(**columns: Any) -> list[Picture]:
    defaults: dict[str, Any] = {"status": Status.SUCCEEDED, "created_at": NOON} | columns
    return list(make_generation(**defaults).pictures.order_by("index"))


def post(client: Client, pictures: list[Any], **fields: str) -> Any:
    keys = [getattr(picture, "pk", picture) for picture in pictures]
    return client.post("/pictures/download", {"picture": keys} | fields)


def zip_of(client: Client, pictures: list[Any], **fields: str) -> ZipFile:
    response = post(client, pictures, **fields)
    assert response.status_code == 200
    return ZipFile(io.BytesIO(response.getvalue()))


def csv_in(archive: ZipFile) -> list[dict[str, str]]:
    text = archive.read("images.csv").decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def stored(picture: Picture) -> bytes:
    with picture.file.open("rb") as file:
        return bytes(file.read())


# --- files ------------------------------------------------------------------------------------


def test_archive_contains_the_original_bytes(stranger_client: Client, owner: Member) -> None:
    pictures = make_pictures(owner=owner, n=3)
    archive = zip_of(stranger_client, pictures)
    assert archive.testzip() is None
    assert [archive.read(name) for name in archive.namelist()[:-1]] == [
        stored(picture) for picture in pictures
    ]
    assert {entry.compress_type for entry in archive.infolist()} == {ZIP_STORED}


def test_archive_is_streamed_and_not_cached(owner_client: Client) -> None:
    response = post(owner_client, make_pictures())
    assert isinstance(response, StreamingHttpResponse)
    assert response["Content-Type"] == "application/zip"
    assert response["Cache-Control"] == "private, no-store"
    assert response["Content-Disposition"].startswith('attachment; filename="klingweb ')
    assert response["Content-Disposition"].endswith(' 1 image.zip"')


def test_webp_format_contains_the_previews(owner_client: Client) -> None:
    [picture] = make_pictures()
    archive = zip_of(owner_client, [picture], format="webp")
    [name, _csv] = archive.namelist()
    assert name.endswith(".webp")
    with picture.preview.open("rb") as preview:
        assert archive.read(name) == preview.read()


def test_file_name_has_date_owner_prompt_and_number(owner_client: Client) -> None:
    lan = make_member("lan")
    first, second = make_pictures(owner=lan, n=2, prompt="Pear on dark ground")
    names = zip_of(owner_client, [first, second]).namelist()
    pk = first.generation_id
    assert names == [
        f"2026-11-24 lan pear-on-dark-ground {pk}-1.png",
        f"2026-11-24 lan pear-on-dark-ground {pk}-2.png",
        "images.csv",
    ]


@pytest.mark.parametrize(
    ("prompt", "slug"),
    [
        ("Cà phê sữa đá, buổi sáng", "cà-phê-sữa-đá-buổi-sáng"),
        ("山水", "山水"),
        ("../../etc/passwd", "etcpasswd"),
        ('a<b>:"c"|d?*\\e...', "abcde"),
        ("🍐🍐🍐", "image"),
        ("CON.", "con"),
        ("line\nbreak", "line-break"),
    ],
)
def test_file_name_is_valid_on_every_file_system(
    owner_client: Client, prompt: str, slug: str
) -> None:
    [picture] = make_pictures(owner=make_member("lan"), prompt=prompt)
    assert zip_of(owner_client, [picture]).namelist()[0] == (
        f"2026-11-24 lan {slug} {picture.generation_id}-1.png"
    )


def test_long_file_name_is_truncated_by_bytes(owner_client: Client) -> None:
    person = make_member("long", first_name="\U00020000" * 100, last_name="山" * 100)
    name = zip_of(owner_client, make_pictures(owner=person, prompt="\U00020000" * 400)).namelist()[
        0
    ]
    assert len(name.encode()) < 255


def test_equal_prompts_have_different_file_names(owner_client: Client, owner: Member) -> None:
    pictures = [picture for _row in range(5) for picture in make_pictures(owner=owner, n=2)]
    names = zip_of(owner_client, pictures).namelist()
    assert len(set(names)) == len(names) == 11


def test_newest_image_is_first_in_any_order_of_selection(owner_client: Client) -> None:
    older = make_pictures(created_at=NOON.replace(hour=1), n=2)
    newer = make_pictures(n=2)
    rows = csv_in(zip_of(owner_client, [older[1], newer[1], older[0], newer[0]]))
    assert [int(row["Image"]) for row in rows] == [p.pk for p in (*newer, *older)]


# --- permissions -----------------------------------------------------------------------------


def test_archive_excludes_private_images_of_others(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private, shared = make_pictures(owner=owner, is_private=True), make_pictures(owner=owner)
    both = [*private, *shared]
    assert len(zip_of(owner_client, both).namelist()) == 3
    for client in (stranger_client, admin_client):
        archive = zip_of(client, both)
        assert [int(row["Image"]) for row in csv_in(archive)] == [shared[0].pk]
        assert len(archive.namelist()) == 2


def test_archive_excludes_trashed_images(owner_client: Client, owner: Member) -> None:
    first, second = make_pictures(owner=owner, n=2)
    Picture.objects.filter(pk=first.pk).trash(owner)
    assert [row["Image"] for row in csv_in(zip_of(owner_client, [first, second]))] == [
        str(second.pk)
    ]
    response = post(owner_client, [first])
    assert response.status_code == 422
    assert b"These images are no longer available" in response.content


def test_image_made_private_during_the_download_is_skipped(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    pictures = make_pictures(owner=owner)
    response = post(stranger_client, pictures)
    Generation.objects.update(is_private=True)
    assert ZipFile(io.BytesIO(response.getvalue())).namelist() == ["images.csv"]


def test_download_requires_sign_in_and_post(client: Client, owner_client: Client) -> None:
    pictures = make_pictures()
    assert post(client, pictures).status_code == 302
    assert owner_client.get("/pictures/download", {"picture": pictures[0].pk}).status_code == 405


def test_download_checks_the_csrf_token(owner: Member) -> None:
    checked = Client(enforce_csrf_checks=True)
    checked.force_login(owner)
    assert post(checked, make_pictures()).status_code == 403


# --- errors -----------------------------------------------------------------------------------


def test_selection_over_the_limit_is_refused(owner_client: Client) -> None:
    response = post(owner_client, list(range(1, 1002)))
    assert response.status_code == 422
    assert b"A download can have up to 1,000 images." in response.content
    assert b"You selected 1,001." in response.content


@pytest.mark.parametrize("keys", [[], ["x", "-1", "", "9" * 40, "1.5", "1\x00"]])
def test_empty_selection_is_refused(owner_client: Client, keys: list[str]) -> None:
    response = post(owner_client, keys)
    assert response.status_code == 422
    assert b"Select at least one image" in response.content


def test_invalid_ids_are_ignored(owner_client: Client) -> None:
    [picture] = make_pictures()
    keys = ["x", "9" * 18, picture.pk, "", picture.pk, "9" * 40]
    assert len(csv_in(zip_of(owner_client, keys))) == 1


def test_all_results_of_a_filter_are_downloaded(owner_client: Client, owner: Member) -> None:
    plums = make_pictures(owner=owner, prompt="Plums", n=2)
    make_pictures(owner=owner)
    response = owner_client.post("/pictures/download", {"select_all": "q=plums"})
    rows = csv_in(ZipFile(io.BytesIO(response.getvalue())))
    assert [int(row["Image"]) for row in rows] == [picture.pk for picture in plums]


def test_missing_file_is_noted_in_the_csv(owner_client: Client) -> None:
    first, second, third = make_pictures(n=3)
    second.file.storage.delete(str(second.file))
    archive = zip_of(owner_client, [first, second, third])
    assert archive.testzip() is None
    assert len(archive.namelist()) == 3
    notes = {int(row["Image"]): (row["File"], row["Note"]) for row in csv_in(archive)}
    assert notes[second.pk] == ("", "The file is missing.")
    for picture in (first, third):
        name, note = notes[picture.pk]
        assert archive.read(name) == stored(picture)
        assert note == ""


def test_incomplete_file_is_noted_in_the_csv(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db.models.fields.files import FieldFile

    def breaking(self: FieldFile, _size: int) -> Any:
        yield b"the first bytes"
        raise OSError("the disk is broken")

    monkeypatch.setattr(FieldFile, "chunks", breaking)
    archive = zip_of(owner_client, make_pictures())
    assert archive.testzip() is None
    [row] = csv_in(archive)
    assert row["Note"] == "The file is incomplete."


# --- the CSV ----------------------------------------------------------------------------------


def test_csv_contains_all_settings(owner_client: Client, settings: Settings) -> None:
    settings.URL = "https://pictures.example"
    picture = make_pictures(
        owner=make_member("lan", first_name="Lan", last_name="Trần"), n=2,
        prompt='Pear, "dark"\n山水', negative_prompt="birds", aspect_ratio="3:4",
    )[1]  # fmt: skip
    archive = zip_of(owner_client, [picture])
    assert archive.read("images.csv").startswith(b"\xef\xbb\xbf")
    assert csv_in(archive) == [
        {
            "File": f"2026-11-24 lan-trần pear-dark-山水 {picture.generation_id}-2.png",
            "Image": str(picture.pk),
            "Number": "2",
            "Generation": str(picture.generation_id),
            "Prompt": 'Pear, "dark"\n山水',
            "Sent as": "",
            "Negative prompt": "birds",
            "Aspect ratio": "3:4",
            "Images": "2",
            "Created by": "Lan Trần",
            "Created": "2026-11-24 12:00:00+00:00",
            "Reference image": "No",
            "Similarity": "",
            "Model": "Kling 1",
            "Prompt as revised": "",
            **{field.label: "" for offer in all_offers() for field in offer.fields},
            "Cost": "",
            "Source": "Demo simulator",
            "Width": str(picture.width),
            "Height": str(picture.height),
            "URL": f"https://pictures.example/pictures/{picture.pk}/",
            "Note": "",
        }
    ]


def test_csv_says_whether_there_was_a_reference_image_without_its_url(owner_client: Client) -> None:
    pictures = make_pictures(reference_url="https://a.example/b.png")
    [row] = csv_in(zip_of(owner_client, pictures))
    assert row["Reference image"] == "Yes"
    assert "a.example" not in "".join(row.values())


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_csv_cells_are_never_formulas(owner_client: Client, start: str) -> None:
    formula = f"{start}HYPERLINK(1)"
    pictures = make_pictures(prompt=formula, negative_prompt=formula, owner=make_member(formula))
    [row] = csv_in(zip_of(owner_client, pictures))
    for column in ("Prompt", "Negative prompt", "Created by"):
        assert row[column] == f"'{formula}"


# --- memory --------------------------------------------------------------------------------------


def make_thousand() -> list[int]:
    """Create a thousand pictures that share one file."""
    [picture] = make_pictures(image=lambda _index: png_bytes(edge=300) + bytes(300_000))
    columns = {
        field.attname: getattr(picture, field.attname)
        for field in Picture._meta.concrete_fields
        if field.name not in ("id", "index")
    }
    Picture.objects.bulk_create(Picture(**columns, index=index) for index in range(1, 1000))
    return list(Picture.objects.values_list("pk", flat=True))


def test_large_archive_is_not_held_in_memory(owner: Member) -> None:
    keys = make_thousand()
    response = post(client_for(owner), keys)
    sent, largest = 0, 0
    tracemalloc.start()
    try:
        for chunk in response.streaming_content:
            sent, largest = sent + len(chunk), max(largest, len(chunk))
        _now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sent > 1000 * 300_000
    assert largest <= 64 * 1024
    assert peak < 4_000_000
