"""More like this: the gallery with images of the same words or the same reference image."""

import pytest
from django.test import Client

from generations.models import Generation, Member, ReferenceImage, Status
from generations.search import keys_like
from tests.builders import make_generation, picture_ids
from tests.test_gallery import tiles_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(
        Status.SUCCEEDED, owner=owner, prompt="Layered mountain ridges at dawn, teal"
    )


def made(owner: Member, prompt: str, **columns: object) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, prompt=prompt, **columns)  # type: ignore[arg-type]


def test_same_words_are_found_and_as_many_of_them_as_others_have(
    owner: Member, row: Generation
) -> None:
    three = made(owner, "Mountain ridges, layered, in winter")
    two = made(owner, "A layered mountain cake")
    made(owner, "A mountain")
    assert set(keys_like(row, owner)) == {row.pk, three.pk}
    three.pictures.all().delete()
    three.transitions.all().delete()
    three.delete()
    assert set(keys_like(row, owner)) == {row.pk, two.pk}


def test_private_ones_of_others_are_neither_shown_nor_decide(
    owner: Member, stranger: Member, stranger_client: Client, row: Generation
) -> None:
    made(owner, "Layered mountain ridges, secret", is_private=True)
    two = made(owner, "A layered mountain cake")
    address = f"/gallery/?like={picture_ids(row)[0]}"
    assert tiles_in(stranger_client, address) == picture_ids(two, row)


def test_same_reference_image_is_found(
    owner: Member, owner_client: Client, row: Generation
) -> None:
    first, second = (
        made(owner, prompt, reference_url="https://pictures.example/1.png")
        for prompt in ("A pear", "A plum")
    )
    made(owner, "A quince", reference_url="https://pictures.example/2.png")
    address = f"/gallery/?like={picture_ids(first)[0]}"
    assert tiles_in(owner_client, address) == picture_ids(second, first)
    assert ReferenceImage.objects.count() == 0


def test_filter_is_described_and_can_be_left(owner_client: Client, row: Generation) -> None:
    [pk] = picture_ids(row)
    link = f"/gallery/?like={pk}"
    assert link in owner_client.get(f"/pictures/{pk}/").content.decode()
    page = owner_client.get(f"{link}&ratio=3:2").content.decode()
    assert "Like “Layered mountain ridges at dawn, teal”" in page
    assert 'href="/gallery/?ratio=3%3A2"' in page
    assert f'name="like" value="{pk}"' in page
    saved = owner_client.get(f"/collections/smart/new/?like={pk}").content.decode()
    assert "Like “Layered" in saved


def test_combines_with_other_filters(
    owner: Member, owner_client: Client, row: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    cake = made(owner, "A layered mountain ridges cake")
    address = f"/gallery/?like={picture_ids(row)[0]}"
    assert tiles_in(owner_client, address) == picture_ids(cake, row)
    assert tiles_in(owner_client, f"{address}&q=cake") == picture_ids(cake)
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", 0)
    assert tiles_in(owner_client, f"{address}&q=cake") == picture_ids(cake)


@pytest.mark.parametrize("key", ["x", "0", "999999999999999999999"])
def test_unknown_image_is_ignored(owner_client: Client, row: Generation, key: str) -> None:
    assert tiles_in(owner_client, f"/gallery/?like={key}") == picture_ids(row)


def test_private_image_of_another_is_unknown(
    owner: Member, stranger_client: Client, row: Generation
) -> None:
    hidden = made(owner, "A pear", is_private=True)
    page = stranger_client.get(f"/gallery/?like={picture_ids(hidden)[0]}").content.decode()
    assert "Like" not in page
