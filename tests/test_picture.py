"""The page of one image: details, permissions, previous and next; and the comparison."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import (
    Collection,
    Generation,
    Member,
    Picture,
    ReferenceImage,
    Status,
    bulk,
)
from tests.builders import make_generation, picture_ids
from tests.forms import HTMX

pytestmark = pytest.mark.usefixtures("media_root")


def walk(client: Client, address: str, rel: str) -> list[str]:
    """Return the URLs on the way when one arrow is followed to its end."""
    visited = []
    while address:
        visited.append(address)
        body = client.get(address).content.decode()
        arrow = re.search(rf'class="arrow[^"]*" href="([^"]+)" rel="{rel}"', body)
        address = arrow[1].replace("&amp;", "&") if arrow else ""
    return visited


def test_arrows_lead_through_the_gallery_in_both_directions(
    owner_client: Client, owner: Member
) -> None:
    moment = timezone.now()
    rows = [
        make_generation(
            Status.SUCCEEDED, owner=owner, n=place % 2 + 1, created_at=moment - timedelta(place)
        )
        for place in range(4)
    ]
    order = picture_ids(*rows)
    bulk.favourite([order[0], order[3]], owner)
    assert walk(owner_client, f"/pictures/{order[0]}/", "next") == [
        f"/pictures/{pk}/" for pk in order
    ]
    back = [f"/pictures/{pk}/" for pk in reversed(order)]
    assert walk(owner_client, f"/pictures/{order[-1]}/", "prev") == back
    hearts = [f"/pictures/{pk}/?favourite=1" for pk in (order[0], order[3])]
    assert walk(owner_client, hearts[0], "next") == hearts


def test_page_shows_the_settings_of_the_image(owner_client: Client, owner: Member) -> None:
    row = make_generation(
        Status.SUCCEEDED, owner=owner, n=2, prompt="A pear <b>", negative_prompt="birds"
    )
    [first, _second] = picture_ids(row)
    bulk.tag([first], owner, "Fruit")
    collection = Collection.objects.create(name="Spring", created_by=owner)
    collection.add([first], owner)
    body = owner_client.get(f"/pictures/{first}/").content.decode()
    for words in ("A pear &lt;b&gt;", "birds", "Fruit", "Spring", "1 of 2", f"?remix={row.pk}",
                  f"?use={first}", "Make all 2 private", "Move to trash"):  # fmt: skip
        assert words in body, words


def test_other_members_cannot_trash_or_hide_an_image(
    stranger_client: Client, owner: Member
) -> None:
    [pk] = picture_ids(make_generation(Status.SUCCEEDED, owner=owner))
    body = stranger_client.get(f"/pictures/{pk}/").content.decode()
    assert "Make private" not in body
    assert "/pictures/bulk/trash" not in body


@pytest.mark.parametrize(
    ("n", "is_private", "label"),
    [
        (1, False, "Make private"),
        (3, False, "Make all 3 private"),
        (1, True, "Share with the team"),
        (3, True, "Share all 3 with the team"),
    ],
)
def test_privacy_button_names_all_images_of_the_request(
    owner_client: Client, owner: Member, n: int, is_private: bool, label: str
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=n, is_private=is_private)
    page = owner_client.get(f"/pictures/{picture_ids(row)[0]}/").content.decode()
    [button] = re.findall(r'id="viewer-private">([^<]+)<', page)
    assert button.strip() == label


def test_related_images_are_shown_only_if_visible(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    source = make_generation(Status.SUCCEEDED, owner=stranger)
    [first] = picture_ids(source)
    reference = ReferenceImage.objects.create(
        owner=owner, file="x.png", name="x.png", content_type="image/png", width=300, height=300,
        size_bytes=1, sha256="0" * 64, picture_id=first,
    )  # fmt: skip
    used = make_generation(Status.SUCCEEDED, owner=owner, reference=reference)
    [second] = picture_ids(used)
    assert f'href="/pictures/{first}/"' in owner_client.get(f"/pictures/{second}/").content.decode()
    assert f'href="/pictures/{second}/"' in owner_client.get(f"/pictures/{first}/").content.decode()
    Generation.objects.filter(pk=source.pk).update(is_private=True)
    assert (
        f'href="/pictures/{first}/"'
        not in owner_client.get(f"/pictures/{second}/").content.decode()
    )


def test_lightbox_gets_the_viewer_only(owner_client: Client, owner: Member) -> None:
    [pk] = picture_ids(make_generation(Status.SUCCEEDED, owner=owner))
    body = owner_client.get(f"/pictures/{pk}/", headers=HTMX).content.decode()
    assert 'id="viewer"' in body
    assert "<html" not in body


def test_number_of_queries_is_bounded(
    owner_client: Client, owner: Member, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [make_generation(Status.SUCCEEDED, owner=owner, n=9) for _ in range(3)]
    with django_assert_max_num_queries(16):
        assert owner_client.get(f"/pictures/{picture_ids(rows[1])[0]}/").status_code == 200


def test_comparison_needs_two_to_four_images(owner_client: Client, owner: Member) -> None:
    order = picture_ids(make_generation(Status.SUCCEEDED, owner=owner, n=6))
    for count, status in ((1, 422), (2, 200), (4, 200), (5, 422)):
        query = "&".join(f"picture={pk}" for pk in order[:count])
        assert owner_client.get(f"/compare/?{query}").status_code == status
    assert Picture.objects.count() == 6


def test_selection_is_compared_at_an_address_without_the_token(owner_client: Client) -> None:
    form = {"picture": ["1", "2"], "csrfmiddlewaretoken": "secret", "next": "/gallery/"}
    response = owner_client.post("/compare/", form)
    assert response.status_code == 303
    assert response["Location"] == "/compare/?picture=1&picture=2"
