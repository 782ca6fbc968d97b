"""The trash: who finds what there, takes it back until when, and who ends it for ever."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import Member, Picture, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_files(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def thrown(by: Member, n: int = 1, days_ago: float = 0, **columns: Any) -> list[int]:
    """Made by that member, who then took all of it off the wall."""
    row = make_generation(Status.SUCCEEDED, owner=by, n=n, **columns)
    row.pictures.all().trash(by)
    row.pictures.update(trashed_at=timezone.now() - timedelta(days=days_ago))
    return list(row.pictures.order_by("index").values_list("pk", flat=True))


def text_of(client: Client, address: str = "/trash/") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def lying(client: Client, address: str = "/trash/") -> list[int]:
    found = re.findall(r'<li class="item" id="p(\d+)"', text_of(client, address))
    return [int(pk) for pk in found]


def restore(client: Client, keys: list[Any]) -> str:
    press = {"picture": keys, "next": "/trash/"}
    answer = client.post("/pictures/bulk/restore", press, follow=True)
    assert answer.redirect_chain == [("/trash/", 302)]
    return unescape(answer.content.decode())


def delete(client: Client, keys: list[Any], **fields: str) -> Any:
    return client.post("/trash/delete", {"picture": keys} | fields)


# --- what lies there --------------------------------------------------------------------------


def test_each_finds_their_own_and_an_admin_what_is_shared(
    owner_client: Client,
    stranger_client: Client,
    admin_client: Client,
    owner: Member,
    stranger: Member,
) -> None:
    shared, private = thrown(owner), thrown(owner, is_private=True)
    of_stranger = thrown(stranger)
    assert set(lying(owner_client)) == {*shared, *private}
    assert lying(stranger_client) == of_stranger
    assert set(lying(admin_client)) == {*shared, *of_stranger}


def test_what_is_on_the_wall_is_not_there(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    assert lying(owner_client) == []
    assert "The trash is empty" in text_of(owner_client)


def test_it_tells_what_it_was_who_put_it_there_and_until_when(
    owner_client: Client, owner: Member
) -> None:
    thrown(owner, days_ago=2, prompt="Dunes <i>")
    page = text_of(owner_client)
    when, until = timezone.now() - timedelta(days=2), timezone.now() + timedelta(days=28)
    assert "Dunes <i>" in page
    assert f"owner put it here on {when:%-d %b %Y}" in page
    assert f"Can be taken back until {until:%-d %b %Y}" in page
    assert "Dunes <i>" not in owner_client.get("/trash/").content.decode()


def test_after_thirty_days_it_is_the_admins_alone(
    owner_client: Client, admin_client: Client, owner: Member
) -> None:
    [pk] = thrown(owner, days_ago=31)
    assert lying(owner_client) == []
    assert "0 pictures are back" in restore(owner_client, [pk])
    assert "Only admins can take it back now" in text_of(admin_client)
    assert "1 picture is back" in restore(admin_client, [pk])


def test_its_pages_join_without_a_gap(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.trash.PICTURES_A_PAGE", 3)
    for days in (3, 1, 2):
        thrown(owner, n=3, days_ago=days)
    seen, address = [], "/trash/"
    while address:
        seen += lying(owner_client, address)
        older = re.search(r'href="(\?before=[^"]+)"', text_of(owner_client, address))
        address = f"/trash/{older[1]}" if older else ""
    in_order = Picture.objects.order_by("-trashed_at", "-pk").values_list("pk", flat=True)
    assert seen == list(in_order)
    assert len(seen) == 9


@pytest.mark.parametrize("key", ["x", "1", "-1", "9" * 50 + "-1"])
def test_a_broken_key_is_a_404(owner_client: Client, key: str) -> None:
    assert owner_client.get("/trash/", {"before": key}).status_code == 404


def test_it_asks_as_often_for_many_as_for_one(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _row in range(4):
        thrown(owner, n=2)
    with django_assert_num_queries(4):
        owner_client.get("/trash/")


def test_nobody_looks_without_signing_in(client: Client) -> None:
    assert client.get("/trash/").status_code == 302
    assert client.post("/trash/delete").status_code == 302


# --- back again -------------------------------------------------------------------------------


def test_one_or_all_chosen_come_back(owner_client: Client, owner: Member) -> None:
    first, *others = thrown(owner, n=4)
    assert "1 picture is back" in restore(owner_client, [first])
    assert lying(owner_client) == others[::-1]
    assert "3 pictures are back" in restore(owner_client, others)
    assert Picture.objects.available().count() == 4


def test_what_is_private_to_others_is_not_taken_back(
    stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private = thrown(owner, is_private=True)
    for client in (stranger_client, admin_client):
        assert "0 pictures are back" in restore(client, private)
    assert not Picture.objects.available().exists()


def test_none_chosen_is_said(owner_client: Client, admin_client: Client, owner: Member) -> None:
    thrown(owner)
    assert "Choose a picture first" in restore(owner_client, [])
    answer = delete(admin_client, ["x"])
    assert answer["Location"] == "/trash/"
    assert "Choose a picture first" in text_of(admin_client)


# --- for ever ---------------------------------------------------------------------------------


def test_only_admins_are_offered_the_end(
    owner_client: Client, admin_client: Client, owner: Member, admin: Member
) -> None:
    keys = thrown(owner)
    assert "/trash/delete" in text_of(admin_client)
    assert "/trash/delete" not in text_of(owner_client)
    assert delete(owner_client, keys, sure="1").status_code == 403
    assert admin_client.get("/trash/delete").status_code == 405
    assert lying(owner_client) == keys


def test_the_first_press_only_asks(admin_client: Client, owner: Member) -> None:
    keys = thrown(owner, n=2)
    page = delete(admin_client, keys).content.decode()
    assert "Delete 2 pictures for ever?" in page
    assert "This cannot be undone" in page
    assert sorted(re.findall(r'name="picture" value="(\d+)"', page)) == sorted(map(str, keys))
    assert sorted(lying(admin_client)) == keys


def test_of_many_some_are_shown_and_all_are_counted(admin_client: Client, owner: Member) -> None:
    keys = thrown(owner, n=9) + thrown(owner, n=9)
    page = delete(admin_client, keys).content.decode()
    assert "Delete 18 pictures for ever?" in page
    assert "And 6 more" in page


def test_the_second_press_removes_the_files_and_keeps_the_rows(
    admin_client: Client, owner: Member
) -> None:
    keys = thrown(owner, n=2)
    names = [name for picture in Picture.objects.all() for name in picture.file_names]
    assert all(default_storage.exists(name) for name in names)
    answer = delete(admin_client, keys, sure="1")
    assert answer["Location"] == "/trash/"
    assert "2 pictures are deleted for ever" in text_of(admin_client)
    assert not any(default_storage.exists(name) for name in names)
    states = Picture.objects.filter(pk__in=keys).values_list("state", flat=True)
    assert set(states) == {Picture.State.DELETED}


def test_nothing_private_to_others_and_nothing_on_the_wall_is_deleted(
    admin_client: Client, owner: Member
) -> None:
    private = thrown(owner, is_private=True)
    shown = make_generation(Status.SUCCEEDED, owner=owner).pictures.get()
    keys = [*private, shown.pk]
    assert delete(admin_client, keys)["Location"] == "/trash/"
    assert "None of these is in the trash any more" in text_of(admin_client)
    delete(admin_client, keys, sure="1")
    assert Picture.objects.filter(state=Picture.State.STORED).count() == 2
