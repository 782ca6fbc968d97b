"""Image files: permissions, caching, ranges, names and content types."""

import io
import re
import unicodedata
from unittest.mock import patch
from urllib.parse import unquote
from zipfile import ZipFile

import pytest
from django.db.models.fields.files import FieldFile
from django.test import Client

from generations.models import Generation, Member, Picture, ReferenceImage, Status
from tests.builders import make_admin, make_generation, make_member, upload
from tests.conftest import client_for
from tests.forms import form_data

pytestmark = pytest.mark.django_db


@pytest.fixture
def picture(owner: Member) -> Picture:
    row = make_generation(Status.SUCCEEDED, owner=owner, prompt="Birne auf dunklem Grund, süß")
    return row.pictures.get()


@pytest.mark.parametrize("variant", ["original", "preview", "thumbnail"])
def test_file_is_visible_to_the_team(
    owner_client: Client, stranger_client: Client, picture: Picture, variant: str
) -> None:
    for client in (owner_client, stranger_client):
        response = client.get(f"/files/{picture.pk}/{variant}")
        assert response.status_code == 200
        assert response["Content-Type"] == ("image/png" if variant == "original" else "image/webp")
        assert response["Cache-Control"] == "private, max-age=31536000, immutable"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response.getvalue()


@pytest.mark.parametrize("variant", ["original", "preview", "thumbnail"])
def test_file_requires_sign_in(client: Client, picture: Picture, variant: str) -> None:
    assert client.get(f"/files/{picture.pk}/{variant}").status_code == 302


def test_cached_file_is_not_opened(owner_client: Client, picture: Picture) -> None:
    etag = owner_client.get(f"/files/{picture.pk}/original")["ETag"]
    assert etag == f'"{picture.sha256}"'
    with patch.object(FieldFile, "open", side_effect=AssertionError):
        response = owner_client.get(
            f"/files/{picture.pk}/original", headers={"If-None-Match": etag}
        )
    assert response.status_code == 304


def test_variants_have_different_etags(owner_client: Client, picture: Picture) -> None:
    variants = ("original", "preview", "thumbnail")
    assert (
        len({owner_client.get(f"/files/{picture.pk}/{variant}")["ETag"] for variant in variants})
        == 3
    )


def test_file_name_contains_the_prompt(owner_client: Client, picture: Picture) -> None:
    disposition = owner_client.get(f"/files/{picture.pk}/original")["Content-Disposition"]
    assert disposition.startswith("inline")
    assert f"birne-auf-dunklem-grund-s%C3%BC%C3%9F-{picture.generation_id}-1.png" in disposition


def names_of(client: Client, prompt: str) -> tuple[str, str, str]:
    """The name of the file in ASCII and in full, and its name inside a zip; without numbers."""
    row = make_generation(Status.SUCCEEDED, prompt=prompt)
    picture = row.pictures.get()
    response = client.get(f"/files/{picture.pk}/original")
    header = response["Content-Disposition"]
    found = re.fullmatch(r"inline; filename=\"([ -~]+?)\"(?:; filename\*=UTF-8''(\S+))?", header)
    assert found
    end = f"-{row.pk}-1.png"
    archive = client.post("/pictures/download", {"picture": [picture.pk]})
    zipped = ZipFile(io.BytesIO(archive.getvalue())).namelist()[0]
    return (
        found[1].removesuffix(end),
        unquote(found[2] or found[1], errors="strict").removesuffix(end),
        zipped.split(" ", 2)[2].removesuffix(f" {row.pk}-1.png"),
    )


@pytest.mark.parametrize(
    ("prompt", "fallback", "name"),
    [
        ("Cà phê sữa đá", "ca-phe-sua-da", "cà-phê-sữa-đá"),
        (unicodedata.normalize("NFD", "Cà phê sữa đá"), "ca-phe-sua-da", "cà-phê-sữa-đá"),
        ("ที่นี่น้ำใส", "image", unicodedata.normalize("NFKC", "ที่นี่น้ำใส")),
        ("مَرْحَبًا بِكُم", "image", unicodedata.normalize("NFKC", "مَرْحَبًا-بِكُم")),
        ("हिन्दी में नदी", "image", "हिन्दी-में-नदी"),
        ("q\u0323\u0307 mark", "q-mark", "q\u0323\u0307-mark"),
        ("山水", "image", "山水"),
        ("🍐🍐🍐", "image", "image"),
        ("evil\u202egnp.exe", "evilgnpexe", "evilgnpexe"),
        ('a"b\r\nX-Header: c', "ab-x-header-c", "ab-x-header-c"),
    ],
)
def test_file_name_keeps_letters_with_their_marks(
    owner_client: Client, prompt: str, fallback: str, name: str
) -> None:
    assert names_of(owner_client, prompt) == (fallback, name, name)


def test_long_file_name_ends_with_a_whole_letter(owner_client: Client) -> None:
    _fallback, name, zipped = names_of(owner_client, "ที่" * 150)
    assert name == zipped == "ที่" * (len(name) // 3)
    assert 100 < len(name.encode()) < 200


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", ["original", "preview", "thumbnail"])
@pytest.mark.parametrize(
    ("header", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=10-19", 10, 19),
        ("bytes=50-", 50, None),
        ("bytes=-20", -20, None),
        ("bytes=0-999999999", 0, None),
        ("bytes=-999999999", 0, None),
        ("BYTES = 5-6 ", 5, 6),
    ],
)
def test_range_is_answered_with_that_part(
    owner_client: Client, picture: Picture, variant: str, header: str, first: int, last: int | None
) -> None:
    address = f"/files/{picture.pk}/{variant}"
    whole = owner_client.get(address)
    content = whole.getvalue()
    start = len(content) + first if first < 0 else first
    end = len(content) - 1 if last is None else last
    response = owner_client.get(address, headers={"Range": header})
    assert (response.status_code, whole["Accept-Ranges"]) == (206, "bytes")
    assert response.getvalue() == content[start : end + 1]
    assert response["Content-Range"] == f"bytes {start}-{end}/{len(content)}"
    assert response["Content-Length"] == str(end + 1 - start)
    for name in ("ETag", "Content-Type", "Content-Disposition", "Cache-Control", "Accept-Ranges"):
        assert response[name] == whole[name]


@pytest.mark.parametrize("header", ["bytes=9999999-", "bytes=-0", f"bytes={'9' * 5000}-"])
def test_range_outside_the_file_is_not_satisfiable(
    owner_client: Client, picture: Picture, header: str
) -> None:
    response = owner_client.get(f"/files/{picture.pk}/original", headers={"Range": header})
    assert (response.status_code, response.getvalue()) == (416, b"")
    assert response["Content-Range"] == f"bytes */{picture.size_bytes}"


@pytest.mark.parametrize(
    "header", ["bytes=0-1,5-6", "bytes=5-2", "bytes=-", "bytes=x-1", "items=0-1", "bytes=٣-٤", ""]
)
def test_other_ranges_are_answered_with_the_whole_file(
    owner_client: Client, picture: Picture, header: str
) -> None:
    response = owner_client.get(f"/files/{picture.pk}/original", headers={"Range": header})
    assert response.status_code == 200
    assert len(response.getvalue()) == picture.size_bytes


def test_range_of_a_changed_file_is_answered_with_the_whole_file(
    owner_client: Client, picture: Picture
) -> None:
    address, etag = f"/files/{picture.pk}/original", f'"{picture.sha256}"'
    for if_range, status in {
        etag: 206,
        f"W/{etag}": 200,
        '"another"': 200,
        "Wed, 25 Nov 2026 10:00:00 GMT": 200,
    }.items():
        headers = {"Range": "bytes=1-2", "If-Range": if_range}
        assert owner_client.get(address, headers=headers).status_code == status


def test_range_gives_way_to_a_valid_cache_and_to_head(
    owner_client: Client, picture: Picture
) -> None:
    address = f"/files/{picture.pk}/original"
    headers = {"Range": "bytes=1-2", "If-None-Match": f'"{picture.sha256}"'}
    assert owner_client.get(address, headers=headers).status_code == 304
    head = owner_client.head(address, headers={"Range": "bytes=1-2"})
    assert (head.status_code, head["Content-Length"]) == (200, str(picture.size_bytes))


def test_range_of_a_private_picture_is_not_found(stranger_client: Client, picture: Picture) -> None:
    Generation.objects.filter(pk=picture.generation_id).update(is_private=True)
    response = stranger_client.get(f"/files/{picture.pk}/original", headers={"Range": "bytes=0-1"})
    assert response.status_code == 404


def test_unsafe_content_type_is_an_attachment(owner_client: Client, picture: Picture) -> None:
    Picture.objects.filter(pk=picture.pk).update(content_type="image/svg+xml")
    response = owner_client.get(f"/files/{picture.pk}/original")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")


def test_missing_file_is_not_found(owner_client: Client, owner: Member, picture: Picture) -> None:
    wanted = make_generation(Status.FETCHING, owner=owner).pictures.get()
    for address in (f"{wanted.pk}/original", f"{picture.pk}/secret", "0/original", "9" * 30 + "/x"):
        assert owner_client.get(f"/files/{address}").status_code == 404
    picture.file.delete(save=False)
    assert owner_client.get(f"/files/{picture.pk}/original").status_code == 404


def test_reference_image_is_private_until_it_is_used(
    owner_client: Client, stranger_client: Client
) -> None:
    owner_client.post("/", form_data(prompt="", image=upload()))
    reference = ReferenceImage.objects.get()
    address = f"/references/{reference.pk}"
    admin_client = client_for(make_admin())
    assert [c.get(address).status_code for c in (owner_client, stranger_client, admin_client)] == [
        200,
        404,
        404,
    ]
    make_generation(owner=make_member(), reference=reference)
    assert stranger_client.get(address).status_code == 200
    assert owner_client.get(address)["Content-Type"] == "image/png"
