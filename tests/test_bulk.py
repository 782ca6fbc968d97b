"""What is done to chosen pictures: by whom, to which of them, and what is said of it."""

import json
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from generations.models import Collection, Generation, Member, Picture, Status, bulk
from tests.builders import make_generation

HX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def mine(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, n=2)


@pytest.fixture
def theirs(stranger: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=stranger)


def keys(*rows: Generation) -> list[int]:
    return [
        pk for row in rows for pk in row.pictures.order_by("index").values_list("pk", flat=True)
    ]


def press(client: Client, verb: str, *pictures: int, **more: str) -> dict[str, Any]:
    """Press it as the page does; returns what the page is told."""
    response = client.post(f"/pictures/bulk/{verb}", {"picture": pictures, **more}, headers=HX)
    assert response.status_code == 200, response.content.decode()
    told: dict[str, Any] = json.loads(response.headers["HX-Trigger"])["chosen"]
    return told


def test_only_ones_own_goes_to_the_trash_and_comes_back(
    owner_client: Client, mine: Generation, theirs: Generation
) -> None:
    chosen = keys(mine, theirs)
    assert press(owner_client, "trash", *chosen)["pictures"] == keys(mine)
    assert list(Picture.objects.available().values_list("pk", flat=True)) == keys(theirs)
    assert press(owner_client, "restore", *chosen)["pictures"] == keys(mine)
    assert Picture.objects.available().count() == 3


def test_what_is_in_the_trash_only_those_see_who_may_take_it_back(
    owner_client: Client, stranger_client: Client, admin_client: Client, mine: Generation
) -> None:
    [first, _second] = keys(mine)
    press(owner_client, "trash", first)
    address = f"/files/{first}/thumbnail"
    assert [
        each.get(address).status_code for each in (owner_client, stranger_client, admin_client)
    ] == [
        200,
        404,
        200,
    ]
    assert owner_client.get(f"/pictures/{first}/").status_code == 404


def test_an_admin_takes_anothers_away_but_not_what_is_private(
    admin_client: Client, theirs: Generation, stranger: Member
) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    assert press(admin_client, "trash", *keys(theirs, hidden))["pictures"] == keys(theirs)


def test_hearts_are_ones_own(
    owner_client: Client, stranger_client: Client, owner: Member, mine: Generation
) -> None:
    [first, second] = keys(mine)
    assert press(owner_client, "favourite", first, second)["pictures"] == [first, second]
    assert press(owner_client, "favourite", first)["pictures"] == []
    assert press(stranger_client, "unfavourite", first)["pictures"] == []
    assert press(owner_client, "unfavourite", first)["pictures"] == [first]
    assert list(owner.favourites.values_list("picture", flat=True)) == [second]


def test_private_is_for_all_sisters_and_only_their_owners_to_say(
    owner_client: Client, stranger_client: Client, admin_client: Client, mine: Generation
) -> None:
    [first, second] = keys(mine)
    for other in (stranger_client, admin_client):
        assert press(other, "private", first)["pictures"] == []
    before = mine.version
    assert press(owner_client, "private", first)["pictures"] == [first, second]
    mine.refresh_from_db()
    assert (mine.is_private, mine.version) == (True, before + 1)
    assert press(owner_client, "share", second)["pictures"] == [first, second]


def test_a_collection_takes_each_once_in_the_order_they_were_chosen(
    owner_client: Client, mine: Generation, theirs: Generation
) -> None:
    [first, second] = keys(mine)
    [other] = keys(theirs)
    press(owner_client, "collect", second, first, name="Spring")
    spring = Collection.objects.get()
    press(owner_client, "collect", first, other, collection=str(spring.pk))
    assert list(spring.items.values_list("picture", flat=True)) == [second, first, other]
    press(owner_client, "uncollect", first, collection=str(spring.pk))
    assert list(spring.items.values_list("picture", flat=True)) == [second, other]


def test_one_word_is_one_tag(
    owner_client: Client, stranger_client: Client, mine: Generation
) -> None:
    [first, second] = keys(mine)
    press(owner_client, "tag", first, tag="  Cà  Phê ")
    press(stranger_client, "tag", first, second, tag="ca phe")
    tag = Picture.objects.get(pk=first).tags.get()
    assert tag.name == "Cà Phê"
    assert tag.pictures.count() == 2
    press(owner_client, "untag", first, tag=str(tag.pk))
    assert list(tag.pictures.values_list("pk", flat=True)) == [second]


@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("favourite", {}),
        ("favourite", {"picture": ["x", "-1", "9" * 40, "１２"]}),
        ("collect", {"picture": ["1"]}),
        ("collect", {"picture": ["1"], "name": "x" * 81}),
        ("collect", {"picture": ["1"], "collection": "999"}),
        ("tag", {"picture": ["1"], "tag": "!!"}),
        ("tag", {"picture": ["1"], "tag": "x" * 41}),
        ("untag", {"picture": ["1"], "tag": "9" * 30}),
        ("untag", {"picture": ["1"]}),
    ],
)
def test_what_cannot_be_done_is_said(owner_client: Client, verb: str, more: dict[str, Any]) -> None:
    more = {"picture": ["0"], **more} if more else more
    response = owner_client.post(f"/pictures/bulk/{verb}", more, headers=HX)
    done_to_nothing = json.loads(response.headers["HX-Trigger"])["chosen"]["pictures"] == []
    assert done_to_nothing
    assert response.status_code in (200, 422)
    assert b"<p>" in response.content
    plain = owner_client.post(f"/pictures/bulk/{verb}", more)
    assert (plain.status_code, plain.headers["Location"]) == (302, "/gallery/")


@pytest.mark.parametrize(
    "asked", ["collection=999", "tag=5", "by=999", "by=x", "since=yesterday", "q=&state=odd", "a=b"]
)
def test_of_a_filter_that_is_not_understood_nothing_is_chosen(
    owner_client: Client, owner: Member, asked: str
) -> None:
    """A collection that somebody deleted meanwhile must not turn into the whole gallery."""
    make_generation(Status.SUCCEEDED, owner=owner)
    response = owner_client.post("/pictures/bulk/trash", {"select_all": asked}, headers=HX)
    assert response.status_code == 422
    assert "not what it was" in response.content.decode()
    assert Picture.objects.available().count() == 1


def test_everything_a_filter_shows_is_chosen_at_once(
    owner_client: Client, owner: Member, mine: Generation, theirs: Generation
) -> None:
    told = press(owner_client, "favourite", select_all=f"by={owner.pk}")
    assert sorted(told["pictures"]) == keys(mine)
    assert sorted(press(owner_client, "favourite", select_all="")["pictures"]) == keys(theirs)


def test_too_many_at_once_are_refused(
    owner_client: Client, mine: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.bulk.MAX_SELECTED", 1)
    response = owner_client.post("/pictures/bulk/trash", {"select_all": ""}, headers=HX)
    assert response.status_code == 422
    assert Picture.objects.available().count() == 2


def test_without_a_script_it_goes_back_to_where_one_was(
    owner_client: Client, mine: Generation
) -> None:
    [first, _second] = keys(mine)
    wish = {"picture": first, "next": "/gallery/?q=pear"}
    response = owner_client.post("/pictures/bulk/trash", wish)
    assert response.headers["Location"] == "/gallery/?q=pear"
    assert "1 picture moved to the trash." in owner_client.get("/gallery/").content.decode()
    away = owner_client.post(
        "/pictures/bulk/restore", {**wish, "next": "https://elsewhere.example/"}
    )
    assert away.headers["Location"] == "/gallery/"


def test_an_unknown_verb_is_not_found(owner_client: Client) -> None:
    assert owner_client.post("/pictures/bulk/burn", {"picture": 1}).status_code == 404
    assert owner_client.get("/pictures/bulk/trash").status_code == 405


def test_what_is_deleted_for_ever_leaves_its_row_and_the_files_of_others(
    owner: Member, mine: Generation
) -> None:
    first, second = mine.pictures.order_by("index")
    Picture.objects.filter(pk=second.pk).update(
        file=first.file.name, preview=first.preview.name, thumbnail=first.thumbnail.name
    )
    lone = second.file.storage
    Picture.objects.filter(pk=first.pk).trash(owner)
    assert Picture.objects.filter(pk__in=[first.pk, second.pk]).delete_permanently() == 1
    assert lone.exists(str(first.file.name))
    Picture.objects.filter(pk=second.pk).trash(owner)
    assert Picture.objects.filter(pk=second.pk).delete_permanently() == 1
    assert not lone.exists(str(first.file.name))
    assert set(mine.pictures.values_list("state", flat=True)) == {Picture.State.DELETED}
    assert mine.pictures.exclude(sha256="").count() == 2


def test_a_picture_goes_into_the_collection_that_was_chosen_in_the_form(owner: Member) -> None:
    spring = Collection.objects.create(name="Spring", created_by=owner)
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, collection=spring)
    assert list(spring.items.values_list("picture", flat=True)) == keys(row)
    assert spring.reorder(keys(row)[1], -1, owner)
    assert list(spring.items.values_list("picture", flat=True)) == keys(row)[::-1]
    assert not spring.reorder(0, 1, owner)


def test_an_unseen_picture_is_never_touched(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    [pk] = keys(hidden)
    for verb in ("favourite", "trash", "private", "share"):
        assert press(owner_client, verb, pk)["pictures"] == []
    press(owner_client, "collect", pk, name="Taken")
    press(owner_client, "tag", pk, tag="taken")
    picture = Picture.objects.get(pk=pk)
    assert not picture.tags.exists()
    assert not picture.collections.exists()
    assert bulk.favourite([pk], owner) == []
