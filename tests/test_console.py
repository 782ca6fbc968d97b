"""What the console brings along: a picture of ours as reference, the last settings, where it is
saved, what was already made, and one's own earlier prompts."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import Collection, Generation, Member, Picture, ReferenceImage, Status
from tests.builders import make_generation, png_bytes
from tests.forms import HTMX, nonce_in, wish


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def picture_of(row: Generation) -> Picture:
    return row.pictures.get(index=0)


# --- a picture of ours as the reference -----------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_any_picture_of_ours_becomes_the_reference(
    owners: Client, owner: Member, stranger: Member, form: str
) -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=stranger, image=lambda _index: png_bytes(form=form)
    )
    source = picture_of(row)
    page = owners.get(f"/?use={source.pk}").content.decode()
    assert 'name="picture" id="picture"' in page
    assert f"/files/{source.pk}/thumbnail" in page
    owners.post("/", wish(picture=source.pk))
    reference = Generation.objects.get(owner=owner).reference
    assert reference
    assert (reference.picture, reference.owner) == (source, owner)
    owners.post("/", wish(picture=source.pk, prompt="Another"))
    assert ReferenceImage.objects.count() == 1


def test_a_picture_that_is_too_small_is_refused_beside_it(owners: Client, stranger: Member) -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=stranger, image=lambda _index: png_bytes(edge=200)
    )
    answer = owners.post("/", wish(picture=picture_of(row).pk))
    assert answer.status_code == 422
    assert 'id="picture-error"' in answer.content.decode()
    assert not Generation.objects.exclude(pk=row.pk).exists()


def test_it_is_kept_when_another_field_is_wrong(owners: Client, stranger: Member) -> None:
    source = picture_of(make_generation(Status.SUCCEEDED, owner=stranger))
    answer = owners.post("/", wish(picture=source.pk, prompt=""))
    kept = ReferenceImage.objects.get()
    assert 'name="reference" id="reference"' in answer.content.decode()
    owners.post("/", wish(reference=kept.pk))
    assert Generation.objects.latest("pk").reference == kept


def test_anothers_private_picture_is_no_reference(owners: Client, stranger: Member) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    source = picture_of(hidden)
    assert owners.get(f"/?use={source.pk}").status_code == 404
    assert owners.post("/", wish(picture=source.pk)).status_code == 422


@pytest.mark.parametrize("query", ["use=x", "use=-1", "use=" + "9" * 40, "again=1&use=2"])
def test_an_address_of_nothing_is_not_found(owners: Client, query: str) -> None:
    assert owners.get(f"/?{query}").status_code == 404


def test_a_lost_file_is_told(owners: Client, stranger: Member) -> None:
    source = picture_of(make_generation(Status.SUCCEEDED, owner=stranger))
    source.file.delete(save=False)
    answer = owners.post("/", wish(picture=source.pk))
    assert "The file of that picture cannot be read." in answer.content.decode()


# --- the last settings, and where it is saved -----------------------------------------


def test_the_form_comes_as_one_left_it(owners: Client, owner: Member) -> None:
    spring = Collection.objects.create(name="Spring", created_by=owner)
    make_generation(owner=owner, n=4, aspect_ratio="16:9", is_private=True, collection=spring)
    page = owners.get("/").content.decode()
    assert re.search(r'name="n" value="4"[^>]* checked', page)
    assert re.search(r'value="16:9"[^>]* checked', page)
    assert re.search(r'id="is_private" value="1" checked', page)
    assert re.search(rf'<option value="{spring.pk}" selected', page)


def test_it_is_saved_where_one_said(owners: Client, owner: Member) -> None:
    press = wish(new_collection="Ridges", is_private="1")
    owners.post("/", press)
    owners.post("/", press)
    row = Generation.objects.get()
    assert row.is_private
    assert row.collection == Collection.objects.get(name="Ridges", created_by=owner)
    owners.post("/", wish(collection=row.collection.pk, prompt="More"))
    assert Generation.objects.latest("pk").collection == row.collection


def test_another_place_is_another_wish(owners: Client, owner: Member) -> None:
    press = wish()
    owners.post("/", press)
    owners.post("/", press | {"is_private": "1"})
    assert Generation.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"), [("new_collection", "x" * 81), ("collection", "99"), ("collection", "x")]
)
def test_a_wrong_place_is_told_beside_it(
    owners: Client, owner: Member, field: str, value: str
) -> None:
    Collection.objects.create(name="Spring", created_by=owner)
    answer = owners.post("/", wish(**{field: value}))
    assert answer.status_code == 422
    assert f'id="{field}-error"' in answer.content.decode()
    assert Collection.objects.count() == 1


# --- already made -----------------------------------------


def alike(client: Client, prompt: str, **more: str) -> list[int]:
    page = client.get("/alike", {"prompt": prompt, "aspect_ratio": "3:2", **more}, headers=HTMX)
    assert page.status_code == 200
    return [int(pk) for pk in re.findall(r'href="/pictures/(\d+)/"', page.content.decode())]


def test_the_same_and_nearly_the_same_are_shown(owners: Client, stranger: Member) -> None:
    prompt = "A red bicycle against a white wall in the hard light of noon"
    made = picture_of(make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt))
    assert alike(owners, prompt) == [made.pk]
    assert alike(owners, prompt.upper()) == [made.pk]
    assert alike(owners, prompt.replace("bicycle", "tricycle")) == [made.pk]
    assert alike(owners, "A red bicycle") == []
    assert alike(owners, "red bicycle") == []
    assert alike(owners, prompt, aspect_ratio="1:1") == []
    assert alike(owners, prompt, image_url="https://x.example/1.png") == []
    assert alike(owners, prompt, aspect_ratio="nonsense", reference="x") == []


def test_what_is_private_or_gone_is_not_offered(owners: Client, stranger: Member) -> None:
    prompt = "A red bicycle against a white wall"
    make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt, is_private=True)
    gone = make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt)
    Picture.objects.filter(generation=gone).trash(stranger)
    make_generation(Status.FAILED, owner=stranger, prompt=prompt)
    assert alike(owners, prompt) == []


# --- earlier prompts -----------------------------------------


def test_ones_own_prompts_are_found_again(owners: Client, owner: Member, stranger: Member) -> None:
    now = timezone.now()
    for days, prompt in enumerate(("Dunes", "A pear", "A pear", "Cà phê")):
        make_generation(
            Status.SUCCEEDED, owner=owner, prompt=prompt, created_at=now - timedelta(days)
        )
    make_generation(Status.SUCCEEDED, owner=stranger, prompt="A pear of another")
    page = owners.get("/history/").content.decode()
    told = re.findall(r'<p class="prompt" dir="auto">([^<]+)<', page)
    assert told == ["Dunes", "A pear", "Cà phê"]
    assert "2 times" in page
    assert "Cà phê" in owners.get("/history/?q=ca").content.decode()
    assert "None of your prompts has" in owners.get("/history/?q=zebra").content.decode()
    assert owners.get("/history/?q=%00&before=x").status_code == 404


def test_a_refused_form_keeps_all_that_was_said(owners: Client, owner: Member) -> None:
    answer = owners.post("/", wish(prompt="", new_collection="Ridges", is_private="1"))
    page = answer.content.decode()
    assert 'value="Ridges"' in page
    assert 'id="is_private" value="1" checked' in page
    assert nonce_in(answer.content)
