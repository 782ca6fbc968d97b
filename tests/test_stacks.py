"""Stacks in the gallery: one tile for the images of a request that pass the filter."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from generations.models import Favourite, Generation, Member, Picture, Status, bulk
from tests.builders import make_generation, picture_ids
from tests.forms import HTMX

pytestmark = pytest.mark.usefixtures("media_root")


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, prompt="A pear", n=4)


def tiles(client: Client, url: str = "/gallery/") -> list[tuple[int, list[int]]]:
    """The tiles on a page: the picture that is shown, and all that it stands for."""
    body = client.get(url).content.decode()
    found = re.findall(r'<li class="tile[^>]* id="[po](\d+)" data-images="([\d ]+)"', body)
    return [(int(cover), [int(pk) for pk in images.split()]) for cover, images in found]


def test_images_of_a_request_are_one_tile(owner_client: Client, row: Generation) -> None:
    single = make_generation(Status.SUCCEEDED, created_at=timezone.now() - timedelta(days=1))
    ids, [alone] = picture_ids(row), picture_ids(single)
    assert tiles(owner_client) == [(ids[0], ids), (alone, [alone])]
    body = owner_client.get("/gallery/").content.decode()
    assert "5 images" in body
    assert body.count('class="badge"') == 1


def test_cover_is_the_first_favourite_of_the_viewer(
    owner_client: Client, stranger_client: Client, row: Generation, owner: Member
) -> None:
    ids = picture_ids(row)
    bulk.favourite(ids[2:], owner)
    assert tiles(owner_client) == [(ids[2], ids)]
    assert tiles(stranger_client) == [(ids[0], ids)]


def test_stack_has_only_images_that_pass_the_filter(
    owner_client: Client, row: Generation, owner: Member
) -> None:
    ids = picture_ids(row)
    bulk.favourite(ids[1:3], owner)
    assert tiles(owner_client, "/gallery/?favourite=1") == [(ids[1], ids[1:3])]
    assert "2 images" in owner_client.get("/gallery/?favourite=1").content.decode()
    assert tiles(owner_client, f"/gallery/stacks/{row.pk}/?favourite=1") == [
        (pk, [pk]) for pk in ids[1:3]
    ]
    Picture.objects.filter(pk__in=ids[:3]).trash(owner)
    assert tiles(owner_client) == [(ids[3], ids[3:])]
    assert 'class="badge"' not in owner_client.get("/gallery/").content.decode()
    Picture.objects.filter(pk__in=ids[3:]).trash(owner)
    assert owner_client.get(f"/gallery/stacks/{row.pk}/").status_code == 404


def test_open_stack_says_what_it_is(owner_client: Client, row: Generation) -> None:
    body = owner_client.get(f"/gallery/stacks/{row.pk}/", headers=HTMX).content.decode()
    assert "A pear" in body
    assert "4 images by owner" in " ".join(body.split())
    assert "/compare/?picture=" in body
    assert "<html" not in body


def test_of_more_than_four_images_the_first_are_compared(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=5)
    body = owner_client.get(f"/gallery/stacks/{row.pk}/").content.decode()
    assert "Compare the first 4" in body
    [query] = re.findall(r"/compare/\?([^\"]+)", body)
    pictures = QueryDict(unescape(query)).getlist("picture")
    assert pictures == [str(pk) for pk in picture_ids(row)[:4]]


def test_stack_opens_without_scripts(owner_client: Client, row: Generation) -> None:
    ids = picture_ids(row)
    body = owner_client.get("/gallery/?q=pear").content.decode()
    [url] = re.findall(r'class="badge" href="([^"]*)"', body)
    assert url == f"?q=pear&amp;stack={row.pk}#p{ids[0]}"
    page = f"/gallery/{url.replace('&amp;', '&')}"
    assert tiles(owner_client, page) == [(ids[0], ids), *((pk, [pk]) for pk in ids)]
    assert 'href="?q=pear">Close' in owner_client.get(page).content.decode()


def test_private_stack_is_closed_to_others(
    stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, is_private=True)
    for client in (stranger_client, admin_client):
        assert client.get(f"/gallery/stacks/{row.pk}/").status_code == 404
        assert tiles(client, f"/gallery/?stack={row.pk}") == []
        assert "0 images" in client.get("/gallery/counts").content.decode()


def test_member_lists_every_image_instead(
    owner_client: Client, stranger_client: Client, row: Generation, owner: Member
) -> None:
    ids = picture_ids(row)
    response = owner_client.post("/gallery/stacks", {"show": "0", "next": "/gallery/?q=pear"})
    assert response.url == "/gallery/?q=pear"  # type: ignore[attr-defined]
    assert tiles(owner_client) == [(pk, [pk]) for pk in ids]
    assert tiles(stranger_client) == [(ids[0], ids)]
    owner_client.post("/gallery/stacks", {"show": "1"})
    assert tiles(owner_client) == [(ids[0], ids)]


def test_page_has_thirty_stacks(owner_client: Client, owner: Member) -> None:
    for age in range(42):
        make_generation(
            Status.SUCCEEDED, owner=owner, n=2, created_at=timezone.now() - timedelta(minutes=age)
        )
    assert len(tiles(owner_client)) == 30
    Member.objects.filter(pk=owner.pk).update(shows_stacks=False)
    assert len(tiles(owner_client)) == 60


def test_checkbox_of_a_stack_selects_all_its_images(
    owner_client: Client, row: Generation, owner: Member
) -> None:
    ids = picture_ids(row)
    body = owner_client.get("/gallery/?select=1").content.decode()
    [value] = re.findall(r'name="picture"\s+value="([\d,]+)"', body)
    owner_client.post("/pictures/bulk/favourite", {"picture": value})
    assert {each.picture_id for each in Favourite.objects.all()} == set(ids)
    response = owner_client.get("/compare/", {"picture": value})
    assert response.status_code == 200


def test_counts_follow_the_filter(owner_client: Client, row: Generation, owner: Member) -> None:
    month = f"{timezone.localdate(row.created_at):%Y-%m}"
    Picture.objects.filter(pk__in=picture_ids(row)[:1]).trash(owner)
    url = f"/gallery/counts?q=pear&shown={month}&shown=x&shown=2020-01&shown=9999-12"
    body = " ".join(owner_client.get(url).content.decode().split()).replace(" <", "<")
    assert 'id="total">3 images<' in body
    assert f'id="count-{month}">3 images<' in body
    assert 'id="count-2020-01">0 images<' in body
    assert "Show 3 images" in body


@pytest.mark.parametrize(
    ("query", "clean"),
    [
        ("q=bottle&collection=&since=&until=&tag=&reference=&state=", "/gallery/?q=bottle"),
        ("q=&collection=", "/gallery/"),
        ("by=1&by=&month=2026-11&select=1&q=", "/gallery/?by=1&month=2026-11&select=1"),
    ],
)
def test_empty_fields_leave_the_address(owner_client: Client, query: str, clean: str) -> None:
    response = owner_client.get(f"/gallery/?{query}")
    assert response.status_code == 302
    assert response.url == clean  # type: ignore[attr-defined]


def test_groups_of_aspect_ratios(owner_client: Client, owner: Member) -> None:
    rows = {
        ratio: make_generation(Status.SUCCEEDED, owner=owner, aspect_ratio=ratio)
        for ratio in ("16:9", "1:1", "2:3")
    }
    for group, ratios in {
        "ratio=wide": ["16:9"],
        "ratio=square": ["1:1"],
        "ratio=tall": ["2:3"],
        "ratio=tall&ratio=16:9": ["2:3", "16:9"],
    }.items():
        found = [cover for cover, _images in tiles(owner_client, f"/gallery/?{group}")]
        assert found == picture_ids(*(rows[ratio] for ratio in ratios))
