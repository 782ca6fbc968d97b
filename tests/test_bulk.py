"""Bulk actions: who may do what to which images, and what the response says."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from generations.models import Collection, Generation, Member, Picture, Status, Tag, bulk
from tests.builders import make_generation, picture_ids
from tests.forms import HTMX

pytestmark = pytest.mark.usefixtures("media_root")


@pytest.fixture
def mine(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, n=2)


@pytest.fixture
def theirs(stranger: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=stranger)


def post(client: Client, action: str, *pictures: int, **more: str) -> dict[str, Any]:
    """Run the action as the page's script does; return the detail of its event."""
    response = client.post(f"/pictures/bulk/{action}", {"picture": pictures, **more}, headers=HTMX)
    assert response.status_code == 200, response.content.decode()
    return changes_in(response)


def changes_in(response: Any) -> dict[str, Any]:
    detail: dict[str, Any] = json.loads(response.headers["HX-Trigger"])["pictures-changed"]
    return detail


def test_member_trashes_and_restores_own_images_only(
    owner_client: Client, mine: Generation, theirs: Generation
) -> None:
    selected = picture_ids(mine, theirs)
    assert post(owner_client, "trash", *selected)["pictures"] == picture_ids(mine)
    assert list(Picture.objects.available().values_list("pk", flat=True)) == picture_ids(theirs)
    assert post(owner_client, "restore", *selected)["pictures"] == picture_ids(mine)
    assert Picture.objects.available().count() == 3


def test_trashed_file_is_served_only_to_those_who_may_restore_it(
    owner_client: Client, stranger_client: Client, admin_client: Client, mine: Generation
) -> None:
    [first, _second] = picture_ids(mine)
    post(owner_client, "trash", first)
    address = f"/files/{first}/thumbnail"
    assert [
        each.get(address).status_code for each in (owner_client, stranger_client, admin_client)
    ] == [
        200,
        404,
        200,
    ]
    assert owner_client.get(f"/pictures/{first}/").status_code == 404


def test_admin_trashes_shared_images_but_not_private_ones(
    admin_client: Client, theirs: Generation, stranger: Member
) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    assert post(admin_client, "trash", *picture_ids(theirs, hidden))["pictures"] == picture_ids(
        theirs
    )


def test_favourites_are_per_member(
    owner_client: Client, stranger_client: Client, owner: Member, mine: Generation
) -> None:
    [first, second] = picture_ids(mine)
    assert post(owner_client, "favourite", first, second)["pictures"] == [first, second]
    assert post(owner_client, "favourite", first)["pictures"] == []
    assert post(stranger_client, "unfavourite", first)["pictures"] == []
    assert post(owner_client, "unfavourite", first)["pictures"] == [first]
    assert list(owner.favourites.values_list("picture", flat=True)) == [second]


def test_owner_makes_all_images_of_a_request_private(
    owner_client: Client, stranger_client: Client, admin_client: Client, mine: Generation
) -> None:
    [first, second] = picture_ids(mine)
    for other in (stranger_client, admin_client):
        assert post(other, "private", first)["pictures"] == []
    before = mine.version
    assert post(owner_client, "private", first)["pictures"] == [first, second]
    mine.refresh_from_db()
    assert (mine.is_private, mine.version) == (True, before + 1)
    assert post(owner_client, "share", second)["pictures"] == [first, second]


def test_collection_adds_each_image_once_in_selection_order(
    owner_client: Client, mine: Generation, theirs: Generation
) -> None:
    [first, second] = picture_ids(mine)
    [other] = picture_ids(theirs)
    post(owner_client, "collect", second, first, name="Spring")
    spring = Collection.objects.get()
    post(owner_client, "collect", first, other, collection=str(spring.pk))
    assert list(spring.items.values_list("picture", flat=True)) == [second, first, other]
    post(owner_client, "uncollect", first, collection=str(spring.pk))
    assert list(spring.items.values_list("picture", flat=True)) == [second, other]


def test_tags_ignore_case_and_diacritics(
    owner_client: Client, stranger_client: Client, mine: Generation
) -> None:
    [first, second] = picture_ids(mine)
    post(owner_client, "tag", first, tag="  Cà  Phê ")
    post(stranger_client, "tag", first, second, tag="ca phe")
    tag = Picture.objects.get(pk=first).tags.get()
    assert tag.name == "Cà Phê"
    assert tag.pictures.count() == 2
    post(owner_client, "untag", first, tag=str(tag.pk))
    assert list(tag.pictures.values_list("pk", flat=True)) == [second]
    post(owner_client, "untag", second, tag=" CA PHE", by_name="1")
    assert not tag.pictures.exists()


def test_tagging_and_untagging_are_undone_for_the_images_that_they_changed(
    owner_client: Client, mine: Generation
) -> None:
    first, second = picture_ids(mine)
    post(owner_client, "tag", first, tag="Blue")
    tag = Tag.objects.get()
    for action, undo, data in (
        ("tag", "untag", {"tag": "blue"}),
        ("untag", "tag", {"tag": str(tag.pk)}),
    ):
        before = sorted(tag.pictures.values_list("pk", flat=True))
        toast = owner_client.post(
            f"/pictures/bulk/{action}",
            {"picture": [first, second]} | data,
            headers={"HX-Request": "true"},
        ).content.decode()
        assert f'action="/pictures/bulk/{undo}"' in toast
        fields = re.findall(r'name="(picture|tag)" value="([^"]+)"', toast)
        names = {name: [value for key, value in fields if key == name] for name, _value in fields}
        owner_client.post(f"/pictures/bulk/{undo}", names)
        assert sorted(tag.pictures.values_list("pk", flat=True)) == before
        post(owner_client, "tag", first, second, tag="Blue")


@pytest.mark.parametrize(
    ("action", "more"),
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
        ("untag", {"picture": ["1"], "tag": "nothing", "by_name": "1"}),
        ("untag", {"picture": ["1"], "tag": "", "by_name": "1"}),
    ],
)
def test_invalid_action_explains_itself(
    owner_client: Client, action: str, more: dict[str, Any]
) -> None:
    more = {"picture": ["0"], **more} if more else more
    response = owner_client.post(f"/pictures/bulk/{action}", more, headers=HTMX)
    assert changes_in(response)["pictures"] == []
    assert response.status_code in (200, 422)
    assert b"<p>" in response.content
    plain = owner_client.post(f"/pictures/bulk/{action}", more)
    assert (plain.status_code, plain.headers["Location"]) == (302, "/gallery/")


@pytest.mark.parametrize(
    "query", ["collection=999", "tag=5", "by=999", "by=x", "since=yesterday", "q=&state=odd", "a=b"]
)
def test_select_all_with_an_invalid_filter_selects_nothing(
    owner_client: Client, owner: Member, query: str
) -> None:
    """A collection deleted in the meantime must not select the whole gallery."""
    make_generation(Status.SUCCEEDED, owner=owner)
    response = owner_client.post("/pictures/bulk/trash", {"select_all": query}, headers=HTMX)
    assert response.status_code == 422
    assert "no longer valid" in response.content.decode()
    assert Picture.objects.available().count() == 1


def test_select_all_selects_what_the_filter_matches(
    owner_client: Client, owner: Member, mine: Generation, theirs: Generation
) -> None:
    detail = post(owner_client, "favourite", select_all=f"by={owner.pk}")
    assert sorted(detail["pictures"]) == picture_ids(mine)
    former_name = f"by={owner.pk}&shape=3:2&state=made"
    detail = post(owner_client, "unfavourite", select_all=former_name)
    assert sorted(detail["pictures"]) == picture_ids(mine)
    post(owner_client, "favourite", select_all=f"by={owner.pk}")
    assert sorted(post(owner_client, "favourite", select_all="")["pictures"]) == picture_ids(theirs)


def test_selection_over_the_limit_is_refused(
    owner_client: Client, mine: Generation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.bulk.MAX_SELECTED", 1)
    response = owner_client.post("/pictures/bulk/trash", {"select_all": ""}, headers=HTMX)
    assert response.status_code == 422
    assert Picture.objects.available().count() == 2


def test_action_without_script_redirects_to_the_next_url(
    owner_client: Client, mine: Generation
) -> None:
    [first, _second] = picture_ids(mine)
    fields = {"picture": first, "next": "/gallery/?q=pear"}
    response = owner_client.post("/pictures/bulk/trash", fields)
    assert response.headers["Location"] == "/gallery/?q=pear"
    assert "1 image moved to trash." in owner_client.get("/gallery/").content.decode()
    away = owner_client.post(
        "/pictures/bulk/restore", {**fields, "next": "https://elsewhere.example/"}
    )
    assert away.headers["Location"] == "/gallery/"


def test_unknown_action_is_not_found(owner_client: Client) -> None:
    assert owner_client.post("/pictures/bulk/burn", {"picture": 1}).status_code == 404
    assert owner_client.get("/pictures/bulk/trash").status_code == 405


def test_permanent_deletion_keeps_rows_and_shared_files(owner: Member, mine: Generation) -> None:
    first, second = mine.pictures.order_by("index")
    Picture.objects.filter(pk=second.pk).update(
        file=first.file.name, preview=first.preview.name, thumbnail=first.thumbnail.name
    )
    storage = second.file.storage
    Picture.objects.filter(pk=first.pk).trash(owner)
    assert Picture.objects.filter(pk__in=[first.pk, second.pk]).delete_permanently() == 1
    assert storage.exists(str(first.file.name))
    Picture.objects.filter(pk=second.pk).trash(owner)
    assert Picture.objects.filter(pk=second.pk).delete_permanently() == 1
    assert not storage.exists(str(first.file.name))
    assert set(mine.pictures.values_list("state", flat=True)) == {Picture.State.DELETED}
    assert mine.pictures.exclude(sha256="").count() == 2


def test_new_image_is_added_to_the_collection_of_its_request(owner: Member) -> None:
    spring = Collection.objects.create(name="Spring", created_by=owner)
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, collection=spring)
    assert list(spring.items.values_list("picture", flat=True)) == picture_ids(row)
    assert spring.reorder(picture_ids(row)[1], -1, owner)
    assert list(spring.items.values_list("picture", flat=True)) == picture_ids(row)[::-1]
    assert not spring.reorder(0, 1, owner)


def test_action_never_changes_an_invisible_image(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    hidden = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True)
    [pk] = picture_ids(hidden)
    for action in ("favourite", "trash", "private", "share"):
        assert post(owner_client, action, pk)["pictures"] == []
    post(owner_client, "collect", pk, name="Taken")
    post(owner_client, "tag", pk, tag="taken")
    picture = Picture.objects.get(pk=pk)
    assert not picture.tags.exists()
    assert not picture.collections.exists()
    assert bulk.favourite([pk], owner) == []
