"""Favourites, tags and items of collections have exact copies of what orders the gallery."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.http import QueryDict
from django.utils import timezone

from generations.models import (
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    PictureTag,
    Status,
    Tag,
    bulk,
)
from generations.models.picture_mark import PictureMark
from generations.web import counts
from generations.web.gallery.filters import Filter
from tests.builders import make_generation, make_member, picture_ids

pytestmark = pytest.mark.usefixtures("media_root")

MARKS: tuple[type[PictureMark], ...] = (Favourite, PictureTag, CollectionItem)
WRITERS = 4


def make_rows(owner: Member, count: int, pictures: int = 2) -> list[Generation]:
    """Done requests, the newest first: their keys are in the opposite order of their times."""
    now = timezone.now()
    return [
        make_generation(
            Status.SUCCEEDED, owner=owner, n=pictures, created_at=now - timedelta(days=number)
        )
        for number in range(count)
    ]


def assert_exact(kind: Any, count: int) -> None:
    marks = list(kind.objects.select_related("picture__generation"))
    assert len(marks) == count
    for mark in marks:
        generation = mark.picture.generation
        place = (mark.generation_id, mark.generation_created_at)
        assert place == (generation.pk, generation.created_at)


# --- exactness -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_each_way_to_mark_a_picture_copies_its_place(owner: Member) -> None:
    rows = make_rows(owner, 3)
    first, second, *others = picture_ids(*rows)
    tag, collection = Tag.objects.named("tree"), Collection.named("trees", owner)
    Favourite.objects.create(member=owner, picture_id=first)
    Picture.objects.get(pk=first).tags.add(tag)
    CollectionItem.objects.create(collection=collection, picture_id=first, position=1)
    tag.pictures.add(second)
    bulk.favourite([second, *others], owner)
    bulk.tag(others, owner, "tree")
    collection.add([second, *others], owner)
    for kind in MARKS:
        assert_exact(kind, 6)


@pytest.mark.django_db
def test_stored_picture_gets_tags_and_collection_with_its_place(owner: Member) -> None:
    row = make_generation(
        owner=owner,
        status=Status.FETCHING,
        collection=Collection.named("trees", owner),
        tag_names=["tree", "forest"],
        created_at=timezone.now() - timedelta(days=3),
    )
    picture = row.pictures.get()
    files = {"file": "a", "sha256": "0", "width": 1, "height": 1, "size_bytes": 1}
    assert picture.mark_stored(**files)
    assert_exact(PictureTag, 2)
    assert_exact(CollectionItem, 1)


@pytest.mark.django_db
def test_unknown_picture_cannot_be_marked(owner: Member) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Favourite.objects.create(member=owner, picture_id=10**9)


@pytest.mark.django_db(transaction=True)
def test_marks_are_exact_when_several_people_mark_and_unmark_at_once(owner: Member) -> None:
    """The same pictures, in different orders, with every action of the gallery."""
    keys = picture_ids(*make_rows(owner, 6))
    people = [owner, *(make_member(f"writer-{number}") for number in range(WRITERS - 1))]
    collection, start = Collection.named("trees", owner), Barrier(WRITERS)
    tag = Tag.objects.named("tree")

    def write(number: int) -> None:
        by, mine = people[number], keys[number:] + keys[:number]
        try:
            start.wait()
            for _round in range(3):
                for part in (mine[:6], mine[6:]):
                    bulk.favourite(part, by)
                    bulk.tag(part, by, "tree")
                    collection.add(part, by)
                bulk.unfavourite(mine[:3], by)
                bulk.untag(mine[:3], by, tag)
                collection.remove(mine[:3])
            bulk.favourite(mine, by)
            bulk.tag(mine, by, "tree")
            collection.add(mine, by)
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    bulk.tag(keys, owner, "tree")  # another writer may have removed some last
    collection.add(keys, owner)
    assert_exact(Favourite, WRITERS * len(keys))
    assert_exact(PictureTag, len(keys))
    assert_exact(CollectionItem, len(keys))


@pytest.mark.django_db(transaction=True)
def test_two_who_tag_the_same_picture_at_once_both_succeed(owner: Member) -> None:
    [key] = picture_ids(*make_rows(owner, 1, pictures=1))
    tag, start = Tag.objects.named("tree"), Barrier(WRITERS)

    def write(_number: int) -> None:
        try:
            start.wait()
            tag.add_to([key])
        finally:
            connection.close()

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    assert_exact(PictureTag, 1)


# --- the gallery ---------------------------------------------------------------------------------


@pytest.fixture
def marked(owner: Member) -> list[Generation]:
    """Twelve requests: all favourites, the even ones tagged, every third one in a collection."""
    rows = make_rows(owner, 12)
    bulk.favourite(picture_ids(*rows), owner)
    bulk.tag(picture_ids(*rows[::2]), owner, "tree")
    Collection.named("trees", owner).add(picture_ids(*rows[::3]), owner)
    return rows


def filter_of(owner: Member, *names: str) -> Filter:
    values = {
        "favourite": "1",
        "tag": str(Tag.objects.named("tree").pk),
        "collection": str(Collection.named("trees", owner).pk),
        "by": str(owner.pk),
        "private": "1",
        "since": f"{timezone.localdate() - timedelta(days=7):%Y-%m-%d}",
    }
    data = QueryDict(mutable=True)
    data.update({name: values[name] for name in names})
    return Filter(data, owner)


@pytest.mark.django_db
@pytest.mark.parametrize("max_count", [2, 1000])  # fewer than match, or all
@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("favourite",), lambda number: True),
        (("tag",), lambda number: number % 2 == 0),
        (("collection",), lambda number: number % 3 == 0),
        (("favourite", "tag"), lambda number: number % 2 == 0),
        (("tag", "collection"), lambda number: number % 6 == 0),
        (("favourite", "tag", "collection"), lambda number: number % 6 == 0),
        (("favourite", "by"), lambda number: True),
        (("favourite", "private"), lambda number: False),
        (("tag", "since"), lambda number: number % 2 == 0 and number <= 7),
    ],
)
def test_marks_give_the_same_as_reading_all(
    marked: list[Generation],
    owner: Member,
    monkeypatch: pytest.MonkeyPatch,
    names: tuple[str, ...],
    chosen: Callable[[int], bool],
    max_count: int,
) -> None:
    monkeypatch.setattr(counts, "MAX_COUNT", max_count)
    expected = [row for number, row in enumerate(marked) if chosen(number)]
    keys = [row.pk for row in expected]
    filter = filter_of(owner, *names)
    assert list(filter.rows()) == expected
    assert filter.first_keys(2) == keys[:2]
    assert sorted(filter.pictures().values_list("pk", flat=True)) == sorted(picture_ids(*expected))
    assert min(filter.counted().count(), 3) == min(2 * len(expected), 3)


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads a plan of SQLite")
@pytest.mark.parametrize("name", ["favourite", "tag", "collection"])
def test_index_has_the_order_of_the_gallery(
    marked: list[Generation], owner: Member, name: str
) -> None:
    plan = filter_of(owner, name)._marked.explain()
    assert "_gallery_idx" in plan.splitlines()[0]
    assert "TEMP B-TREE" not in plan
