"""The gallery: visibility, order, pages and filters."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import (
    Batch,
    Collection,
    Failure,
    Favourite,
    Generation,
    Member,
    Picture,
    Status,
    Tag,
    bulk,
)
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for
from tests.forms import HTMX

pytestmark = pytest.mark.usefixtures("media_root")


def tiles_in(client: Client, address: str = "/gallery/", **more: str) -> list[int]:
    """Return the ids of the images on the page, those in stacks too, in order."""
    page = client.get(address, headers=more or None)
    assert page.status_code == 200, page.content.decode()
    tiles = re.findall(r'<li class="tile[^>]* data-images="([\d ]+)"', page.content.decode())
    return [int(pk) for images in tiles for pk in images.split()]


def make_images(age_days: float = 0, **more: object) -> Generation:
    moment = timezone.now() - timedelta(days=age_days)
    return make_generation(Status.SUCCEEDED, created_at=moment, **more)  # type: ignore[arg-type]


def test_gallery_shows_shared_images_newest_first(owner_client: Client, stranger: Member) -> None:
    old = make_images(2, owner=stranger, n=2)
    new = make_images(1, n=3)
    make_images(0, is_private=True, owner=stranger)
    make_generation(Status.RUNNING)
    make_generation(Status.FAILED)
    assert tiles_in(owner_client) == picture_ids(new, old)


def test_private_image_is_visible_to_its_owner_only(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    row = make_images(owner=owner, is_private=True)
    [pk] = picture_ids(row)
    assert tiles_in(owner_client) == [pk]
    for other in (stranger_client, admin_client):
        assert tiles_in(other) == []
        assert tiles_in(other, "/gallery/?q=pear") == []
        assert tiles_in(other, f"/gallery/?by={owner.pk}") == []
        assert other.get(f"/pictures/{pk}/").status_code == 404
        assert other.get(f"/generations/{row.pk}/").status_code == 404
        assert other.get(f"/compare/?picture={pk}&picture={pk}").status_code == 422
        for variant in ("original", "preview", "thumbnail"):
            assert other.get(f"/files/{pk}/{variant}").status_code == 404


def test_pages_have_no_gap_in_either_direction(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 4)
    monkeypatch.setattr("generations.web.gallery.gallery.PICTURES_A_PAGE", 5)
    moment = timezone.now()
    rows = [
        make_generation(
            Status.SUCCEEDED, n=place % 3 + 1, created_at=moment - timedelta(place // 2)
        )
        for place in range(15)
    ]
    rows.sort(key=lambda row: (row.created_at, row.pk), reverse=True)
    seen, address, starts = [], "/gallery/", []
    while address:
        starts.append(address)
        seen += tiles_in(owner_client, address)
        body = owner_client.get(address).content.decode()
        older = re.search(r'href="(\?[^"]*before=[\d-]+)">Older images', body)
        address = f"/gallery/{older[1]}" if older else ""
    assert seen == picture_ids(*rows)
    newer = re.search(r'href="(\?after=[\d-]+)"', owner_client.get(starts[-1]).content.decode())
    assert newer
    back = tiles_in(owner_client, f"/gallery/{newer[1]}")
    first = seen.index(tiles_in(owner_client, starts[-1])[0])
    assert back == seen[first - len(back) : first]


def test_next_page_does_not_repeat_the_month_heading(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 1)
    moment = datetime(2026, 3, 9, tzinfo=UTC)
    for minutes in range(3):
        make_generation(Status.SUCCEEDED, created_at=moment - timedelta(minutes=minutes))
    body = owner_client.get("/gallery/").content.decode()
    assert "March 2026" in body
    assert "3 images" in body
    more = re.search(r'data-more="([^"]+)"', body)
    assert more
    rest = owner_client.get(
        f"/gallery/{more[1].replace('&amp;', '&')}", headers=HTMX
    ).content.decode()
    assert 'class="tile' in rest
    assert "March" not in rest
    assert "<html" not in rest


def test_month_link_starts_at_the_newest_image_of_the_month(owner_client: Client) -> None:
    rows = [
        make_generation(Status.SUCCEEDED, created_at=datetime(2026, month, 20, tzinfo=UTC))
        for month in (1, 3, 5)
    ]
    assert tiles_in(owner_client, "/gallery/?month=2026-03") == picture_ids(rows[1], rows[0])
    assert tiles_in(owner_client, "/gallery/?month=2026-02") == picture_ids(rows[0])
    page = owner_client.get("/gallery/").content.decode()
    assert 'data-month="2026-01"' in page


@pytest.mark.parametrize(
    "address",
    [
        "?before=x", "?before=1-2-3", f"?before={'9' * 30}-1", "?month=2026-13", "?month=x",
        "?after=-1", "?month=9999-12", "?month=0001-01",
    ],
)  # fmt: skip
def test_invalid_page_key_does_not_fail(owner_client: Client, address: str) -> None:
    assert owner_client.get(f"/gallery/{address}").status_code in (200, 404)


@pytest.mark.parametrize(
    "query",
    [
        "by=x", "by=999999999999999999999999", "ratio=7:5", "since=2026-99-99", "until=tomorrow",
        "tag=x", "collection=-1", "state=gone", "reference=maybe", "q=%00", f"q={'x' * 300}",
        "favourite=perhaps", "by=1&by=1&by=2", "since=0001-01-01&until=9999-12-31",
    ],
)  # fmt: skip
def test_invalid_filter_value_is_ignored(owner_client: Client, query: str) -> None:
    assert owner_client.get(f"/gallery/?{query}").status_code == 200


@pytest.mark.parametrize("name", ["collection", "tag", "batch", "like"])
def test_filter_by_a_deleted_row_says_that_it_is_ignored(owner_client: Client, name: str) -> None:
    body = owner_client.get(f"/gallery/?{name}=99").content.decode()
    assert "Ignored, because it was deleted or is private" in body
    assert "Ignored, because" not in owner_client.get("/gallery/").content.decode()


def test_filter_by_a_private_image_of_somebody_else_says_that_it_is_ignored(
    owner: Member, stranger_client: Client
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, prompt="A pear", is_private=True)
    body = stranger_client.get(f"/gallery/?like={picture_ids(row)[0]}").content.decode()
    assert "Ignored, because it was deleted or is private" in body
    assert "A pear" not in body


def test_invalid_date_shows_an_error_at_its_field(owner_client: Client) -> None:
    body = owner_client.get("/gallery/?since=yesterday").content.decode()
    assert 'id="since-error"' in body
    assert 'value="yesterday"' in body


def test_filters_select_images_alone_and_combined(owner_client: Client, owner: Member) -> None:
    lan = make_member("lan")
    pear = make_images(1, owner=lan, prompt="A pear", aspect_ratio="1:1", n=2)
    dune = make_images(
        2, owner=owner, prompt="Dunes", aspect_ratio="3:2", reference_url="https://x/y.png"
    )
    mine = make_images(3, owner=owner, prompt="Secret pear", aspect_ratio="16:9", is_private=True)
    failed = make_generation(Status.FAILED, prompt="No pear", owner=lan)
    first, second = picture_ids(pear)
    bulk.favourite([second], owner)
    bulk.tag([first], owner, "Fruit")
    collection = Collection.objects.create(name="Spring", created_by=owner)
    collection.add([second, *picture_ids(dune)], owner)
    day = timezone.localdate() - timedelta(days=1)
    tag = Picture.objects.get(pk=first).tags.get()
    wanted = {
        "q=pear": picture_ids(pear, mine),
        f"by={lan.pk}": picture_ids(pear),
        f"by={lan.pk}&by={owner.pk}": picture_ids(pear, dune, mine),
        "ratio=1:1&ratio=3:2": picture_ids(pear, dune),
        "favourite=1": [second],
        f"tag={tag.pk}": [first],
        f"collection={collection.pk}": [second, *picture_ids(dune)],
        f"collection={collection.pk}&favourite=1": [second],
        "reference=with": picture_ids(dune),
        "reference=without": picture_ids(pear, mine),
        "private=1": picture_ids(mine),
        f"since={day}": picture_ids(pear),
        f"until={day - timedelta(days=1)}": picture_ids(dune, mine),
        "q=pear&ratio=16:9": picture_ids(mine),
    }
    assert {query: tiles_in(owner_client, f"/gallery/?{query}") for query in wanted} == wanted
    body = owner_client.get("/gallery/?state=failed").content.decode()
    assert f'href="/generations/{failed.pk}/"' in body
    assert "1 request" in body


@pytest.mark.parametrize("query", ["shape=1:1&state=made", "ratio=1:1&state=done", "ratio=1:1"])
def test_former_parameter_names_still_work(owner_client: Client, query: str) -> None:
    square = make_images(aspect_ratio="1:1")
    make_images(aspect_ratio="16:9")
    assert tiles_in(owner_client, f"/gallery/?{query}") == picture_ids(square)


def test_empty_box_says_why_and_whose(owner_client: Client, owner: Member) -> None:
    lan = make_member("lan", first_name="Lan")
    make_generation(Status.FAILED, owner=lan, failure=Failure.POLICY, prompt="A storm")
    make_generation(Status.CANCELED, owner=owner, prompt="A calm")
    failed = owner_client.get("/gallery/?state=failed").content.decode()
    assert '<span class="fact">Rejected by the content check, Lan</span>' in failed
    canceled = owner_client.get("/gallery/?state=canceled").content.decode()
    assert '<span class="fact">Canceled' in canceled


def test_former_parameter_names_are_replaced_in_links(owner_client: Client) -> None:
    make_images(aspect_ratio="1:1")
    body = owner_client.get("/gallery/?shape=1:1&state=made").content.decode()
    assert re.findall(r'href="/pictures/\d+/\?([^"]+)"', body) == ["ratio=1%3A1&amp;state=done"]


def test_empty_result_suggests_a_filter_to_drop(owner_client: Client, owner: Member) -> None:
    make_images(owner=owner, prompt="Lighthouse")
    body = owner_client.get("/gallery/?q=lighthouse&favourite=1").content.decode()
    assert "No results for “lighthouse”" in body
    assert "1 result without the filter “favourites”." in body
    assert 'href="?q=lighthouse"' in body


def test_empty_search_suggests_to_drop_the_search(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    body = owner_client.get("/gallery/?q=nothing-is-like-that").content.decode()
    assert "1 result without the search." in body


def test_count_stops_at_its_limit(owner_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.web.counts.MAX_COUNT", 3)
    make_images(n=4)
    assert "3+ images" in owner_client.get("/gallery/").content.decode()


@pytest.mark.parametrize(
    ("query", "max_queries"),
    [
        ("", 7),
        ("?favourite=1", 10),
        ("?q=pear", 11),
        ("?by=1&since=2020-01-01", 10),
        ("?tag=1", 11),
    ],
)
def test_number_of_queries_is_bounded(
    owner_client: Client,
    owner: Member,
    query: str,
    max_queries: int,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    tag = Tag.objects.create(pk=1, name="fruit")
    for place in range(12):
        row = make_images(place * 20, owner=owner, prompt=f"A pear {place}", n=3)
        for picture in row.pictures.all():
            Favourite.objects.create(member=owner, picture=picture)
            picture.tags.add(tag)
    with django_assert_max_num_queries(max_queries):
        assert (
            len(tiles_in(owner_client, "/gallery/" + query.replace("by=1", f"by={owner.pk}"))) == 36
        )


def test_gallery_requires_sign_in(client: Client) -> None:
    for address in ("/gallery/", "/pictures/1/", "/compare/"):
        assert client.get(address).status_code == 302


def test_filter_finds_images_beyond_the_sort_limit(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", 1)
    rows = [make_images(place, owner=owner) for place in range(3)]
    make_images(1)
    bulk.favourite(picture_ids(*rows), owner)
    assert tiles_in(owner_client, "/gallery/?favourite=1") == picture_ids(*rows)


@pytest.mark.parametrize("max_sorted_rows", [0, 2, 5000])
def test_conditions_hold_together_whichever_is_read_first(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch, max_sorted_rows: int
) -> None:
    """Of pears there are three, of favourites two, of tagged images one."""
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", max_sorted_rows)
    pears = [make_images(place, owner=owner, prompt="a pear") for place in range(3)]
    plum = make_images(3, owner=owner, prompt="a plum")
    bulk.favourite(picture_ids(pears[0], plum), owner)
    bulk.tag(picture_ids(plum), owner, "fruit")
    tag = Tag.objects.get().pk
    for query, rows in {
        "?q=pear": pears,
        "?favourite=1": [pears[0], plum],
        "?q=pear&favourite=1": pears[:1],
        f"?q=pear&tag={tag}": [],
        f"?favourite=1&tag={tag}": [plum],
        f"?q=plum&favourite=1&tag={tag}&by={owner.pk}": [plum],
        f"?q=pear&by={owner.pk}&ratio=1:1": [],
    }.items():
        assert tiles_in(owner_client, f"/gallery/{query}") == picture_ids(*rows), query


def test_mine_is_switched_on_and_off_beside_the_other_filters(
    owner_client: Client, owner: Member
) -> None:
    on = f'href="/gallery/?q=pear&amp;by={owner.pk}"'
    assert on in owner_client.get("/gallery/?q=pear").content.decode()
    body = owner_client.get(f"/gallery/?q=pear&by={owner.pk}").content.decode()
    assert '<a class="chip mine is-on" href="/gallery/?q=pear"' in body
    viewer = client_for(make_member(role="viewer"))
    assert "chip mine" not in viewer.get("/gallery/").content.decode()


def test_batch_is_named_outside_the_sheet_of_phones(owner_client: Client, owner: Member) -> None:
    batch = Batch.objects.create(owner=owner, idempotency_key="x", title="Spring")
    body = owner_client.get(f"/gallery/?batch={batch.pk}").content.decode()
    button, sheet = body.index('id="open-filters"'), body.index('id="filters"')
    assert button < body.index("Spring</bdi>") < sheet
    assert "<span>1</span>" not in body[button:sheet]
