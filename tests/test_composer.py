"""The composer: pictures as references, last settings, collections, similar images, history."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import Collection, Generation, Member, Picture, ReferenceImage, Status
from tests.builders import make_generation, png_bytes
from tests.forms import HTMX, form_data, nonce_from

pytestmark = pytest.mark.usefixtures("media_root")


def picture_of(row: Generation) -> Picture:
    return row.pictures.get(index=0)


# --- a stored picture as the reference -----------------------------------------


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_stored_picture_can_be_used_as_reference(
    owner_client: Client, owner: Member, stranger: Member, form: str
) -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=stranger, image=lambda _index: png_bytes(form=form)
    )
    source = picture_of(row)
    page = owner_client.get(f"/?use={source.pk}").content.decode()
    assert 'name="picture" id="picture"' in page
    assert f"/files/{source.pk}/thumbnail" in page
    owner_client.post("/", form_data(picture=source.pk))
    reference = Generation.objects.get(owner=owner).reference
    assert reference
    assert (reference.picture, reference.owner) == (source, owner)
    owner_client.post("/", form_data(picture=source.pk, prompt="Another"))
    assert ReferenceImage.objects.count() == 1


def test_small_picture_is_rejected_as_reference(owner_client: Client, stranger: Member) -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=stranger, image=lambda _index: png_bytes(edge=200)
    )
    response = owner_client.post("/", form_data(picture=picture_of(row).pk))
    assert response.status_code == 422
    assert 'id="picture-error"' in response.content.decode()
    assert not Generation.objects.exclude(pk=row.pk).exists()


def test_picture_stays_chosen_when_another_field_is_invalid(
    owner_client: Client, stranger: Member
) -> None:
    source = picture_of(make_generation(Status.SUCCEEDED, owner=stranger))
    response = owner_client.post("/", form_data(picture=source.pk, prompt=""))
    stored = ReferenceImage.objects.get()
    assert 'name="reference" id="reference"' in response.content.decode()
    owner_client.post("/", form_data(reference=stored.pk))
    assert Generation.objects.latest("pk").reference == stored


def test_private_picture_of_another_member_is_rejected_as_reference(
    owner_client: Client, stranger: Member
) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    source = picture_of(hidden)
    assert owner_client.get(f"/?use={source.pk}").status_code == 404
    assert owner_client.post("/", form_data(picture=source.pk)).status_code == 422


@pytest.mark.parametrize("query", ["use=x", "use=-1", "use=" + "9" * 40, "remix=1&use=2"])
def test_unknown_ids_in_the_address_are_a_404(owner_client: Client, query: str) -> None:
    assert owner_client.get(f"/?{query}").status_code == 404


def test_picture_without_a_file_is_rejected_as_reference(
    owner_client: Client, stranger: Member
) -> None:
    source = picture_of(make_generation(Status.SUCCEEDED, owner=stranger))
    source.file.delete(save=False)
    response = owner_client.post("/", form_data(picture=source.pk))
    assert "The file of this image could not be read." in response.content.decode()


# --- last settings and collections -----------------------------------------


def test_form_starts_with_the_last_settings(owner_client: Client, owner: Member) -> None:
    spring = Collection.objects.create(name="Spring", created_by=owner)
    make_generation(owner=owner, n=4, aspect_ratio="16:9", is_private=True, collection=spring)
    page = owner_client.get("/").content.decode()
    assert re.search(r'name="n" value="4"[^>]* checked', page)
    assert re.search(r'value="16:9"[^>]* checked', page)
    assert re.search(r'id="is_private" value="1" checked', page)
    assert re.search(rf'<option value="{spring.pk}" selected', page)


def test_new_collection_is_created_once_and_used(owner_client: Client, owner: Member) -> None:
    data = form_data(new_collection="Ridges", is_private="1")
    owner_client.post("/", data)
    owner_client.post("/", data)
    row = Generation.objects.get()
    assert row.is_private
    assert row.collection == Collection.objects.get(name="Ridges", created_by=owner)
    owner_client.post("/", form_data(collection=row.collection.pk, prompt="More"))
    assert Generation.objects.latest("pk").collection == row.collection


def test_privacy_is_part_of_the_request(owner_client: Client, owner: Member) -> None:
    data = form_data()
    owner_client.post("/", data)
    owner_client.post("/", data | {"is_private": "1"})
    assert Generation.objects.count() == 2


@pytest.mark.parametrize(
    ("field", "value"), [("new_collection", "x" * 81), ("collection", "99"), ("collection", "x")]
)
def test_invalid_collection_is_reported_beside_its_field(
    owner_client: Client, owner: Member, field: str, value: str
) -> None:
    Collection.objects.create(name="Spring", created_by=owner)
    response = owner_client.post("/", form_data(**{field: value}))
    assert response.status_code == 422
    assert f'id="{field}-error"' in response.content.decode()
    assert Collection.objects.count() == 1


# --- similar images -----------------------------------------


def similar(client: Client, prompt: str, **more: str) -> list[int]:
    page = client.get("/similar", {"prompt": prompt, "aspect_ratio": "3:2", **more}, headers=HTMX)
    assert page.status_code == 200
    return [int(pk) for pk in re.findall(r'name="picture" value="(\d+)"', page.content.decode())]


def test_similar_finds_equal_and_nearly_equal_prompts(
    owner_client: Client, stranger: Member
) -> None:
    prompt = "A red bicycle against a white wall in the hard light of noon"
    made = picture_of(make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt))
    assert similar(owner_client, prompt) == [made.pk]
    assert similar(owner_client, prompt.upper()) == [made.pk]
    assert similar(owner_client, prompt.replace("bicycle", "tricycle")) == [made.pk]
    assert similar(owner_client, "A red bicycle") == []
    assert similar(owner_client, "red bicycle") == []
    assert similar(owner_client, prompt, aspect_ratio="1:1") == []
    assert similar(owner_client, prompt, image_url="https://x.example/1.png") == []
    assert similar(owner_client, prompt, aspect_ratio="nonsense", reference="x") == []


def test_similar_leaves_out_private_trashed_and_failed(
    owner_client: Client, stranger: Member
) -> None:
    prompt = "A red bicycle against a white wall"
    make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt, is_private=True)
    gone = make_generation(Status.SUCCEEDED, owner=stranger, prompt=prompt)
    Picture.objects.filter(generation=gone).trash(stranger)
    make_generation(Status.FAILED, owner=stranger, prompt=prompt)
    assert similar(owner_client, prompt) == []


# --- prompt history -----------------------------------------


def test_prompt_history_lists_and_searches_own_prompts(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    now = timezone.now()
    for days, prompt in enumerate(("Dunes", "A pear", "A pear", "Cà phê")):
        make_generation(
            Status.SUCCEEDED, owner=owner, prompt=prompt, created_at=now - timedelta(days)
        )
    make_generation(Status.SUCCEEDED, owner=stranger, prompt="A pear of another")
    page = owner_client.get("/history/").content.decode()
    prompts = re.findall(r'<p class="prompt" dir="auto">([^<]+)<', page)
    assert prompts == ["Dunes", "A pear", "Cà phê"]
    assert "2 times" in page
    assert "Cà phê" in owner_client.get("/history/?q=ca").content.decode()
    assert "No results for “zebra”" in owner_client.get("/history/?q=zebra").content.decode()
    assert owner_client.get("/history/?q=%00&before=x").status_code == 404


def test_invalid_form_keeps_collection_and_privacy(owner_client: Client, owner: Member) -> None:
    response = owner_client.post("/", form_data(prompt="", new_collection="Ridges", is_private="1"))
    page = response.content.decode()
    assert 'value="Ridges"' in page
    assert 'id="is_private" value="1" checked' in page
    assert nonce_from(response.content)
