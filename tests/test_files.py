"""Image files: permissions, caching and content types."""

from unittest.mock import patch

import pytest
from django.db.models.fields.files import FieldFile
from django.test import Client

from generations.models import Member, Picture, ReferenceImage, Status
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
