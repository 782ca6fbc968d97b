"""Picture files: behind the right of the page, cached for ever, never guessed at by a browser."""

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
    made = make_generation(Status.SUCCEEDED, owner=owner, prompt="Birne auf dunklem Grund, süß")
    return made.pictures.get()


@pytest.mark.parametrize("variant", ["original", "preview", "thumbnail"])
def test_the_whole_team_may_see_it(
    owner_client: Client, stranger_client: Client, picture: Picture, variant: str
) -> None:
    for client in (owner_client, stranger_client):
        answer = client.get(f"/files/{picture.pk}/{variant}")
        assert answer.status_code == 200
        assert answer["Content-Type"] == ("image/png" if variant == "original" else "image/webp")
        assert answer["Cache-Control"] == "private, max-age=31536000, immutable"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer.getvalue()


@pytest.mark.parametrize("variant", ["original", "preview", "thumbnail"])
def test_nobody_sees_it_without_signing_in(client: Client, picture: Picture, variant: str) -> None:
    assert client.get(f"/files/{picture.pk}/{variant}").status_code == 302


def test_what_the_browser_has_is_not_even_opened(owner_client: Client, picture: Picture) -> None:
    etag = owner_client.get(f"/files/{picture.pk}/original")["ETag"]
    assert etag == f'"{picture.sha256}"'
    with patch.object(FieldFile, "open", side_effect=AssertionError):
        answer = owner_client.get(f"/files/{picture.pk}/original", headers={"If-None-Match": etag})
    assert answer.status_code == 304


def test_the_previews_are_other_files_than_the_original(
    owner_client: Client, picture: Picture
) -> None:
    variants = ("original", "preview", "thumbnail")
    assert (
        len({owner_client.get(f"/files/{picture.pk}/{variant}")["ETag"] for variant in variants})
        == 3
    )


def test_it_has_a_name_that_is_useful_in_a_folder(owner_client: Client, picture: Picture) -> None:
    said = owner_client.get(f"/files/{picture.pk}/original")["Content-Disposition"]
    assert said.startswith("inline")
    assert f"birne-auf-dunklem-grund-s%C3%BC%C3%9F-{picture.generation_id}-1.png" in said


def test_what_a_browser_might_run_is_only_downloaded(
    owner_client: Client, picture: Picture
) -> None:
    Picture.objects.filter(pk=picture.pk).update(content_type="image/svg+xml")
    answer = owner_client.get(f"/files/{picture.pk}/original")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_what_is_not_here_is_a_404(owner_client: Client, owner: Member, picture: Picture) -> None:
    wanted = make_generation(Status.FETCHING, owner=owner).pictures.get()
    for address in (f"{wanted.pk}/original", f"{picture.pk}/secret", "0/original", "9" * 30 + "/x"):
        assert owner_client.get(f"/files/{address}").status_code == 404
    picture.file.delete(save=False)
    assert owner_client.get(f"/files/{picture.pk}/original").status_code == 404


def test_a_reference_is_its_owners_until_it_is_used(
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
