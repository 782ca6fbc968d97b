"""The trash: visibility, restoring and permanent deletion."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import Member, Picture, Status
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]


def trashed(by: Member, n: int = 1, days_ago: float = 0, **columns: Any) -> list[int]:
    """Create images of this member and trash them; return their ids."""
    row = make_generation(Status.SUCCEEDED, owner=by, n=n, **columns)
    row.pictures.all().trash(by)
    row.pictures.update(trashed_at=timezone.now() - timedelta(days=days_ago))
    return list(row.pictures.order_by("index").values_list("pk", flat=True))


def text_of(client: Client, address: str = "/trash/") -> str:
    response = client.get(address)
    assert response.status_code == 200
    return unescape(response.content.decode())


def listed(client: Client, address: str = "/trash/") -> list[int]:
    found = re.findall(r'<li class="item" id="p(\d+)"', text_of(client, address))
    return [int(pk) for pk in found]


def restore(client: Client, keys: list[Any]) -> str:
    fields = {"picture": keys, "next": "/trash/"}
    response = client.post("/pictures/bulk/restore", fields, follow=True)
    assert response.redirect_chain == [("/trash/", 302)]
    return unescape(response.content.decode())


def delete(client: Client, keys: list[Any], **fields: str) -> Any:
    return client.post("/trash/delete", {"picture": keys} | fields)


# --- the list ---------------------------------------------------------------------------------


def test_trash_lists_own_images_and_for_admins_all_shared_ones(
    owner_client: Client,
    stranger_client: Client,
    admin_client: Client,
    owner: Member,
    stranger: Member,
) -> None:
    shared, private = trashed(owner), trashed(owner, is_private=True)
    of_stranger = trashed(stranger)
    assert set(listed(owner_client)) == {*shared, *private}
    assert listed(stranger_client) == of_stranger
    assert set(listed(admin_client)) == {*shared, *of_stranger}


def test_trash_does_not_list_available_images(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    assert listed(owner_client) == []
    assert "The trash is empty" in text_of(owner_client)


def test_trash_shows_prompt_deleter_and_time_limit(owner_client: Client, owner: Member) -> None:
    trashed(owner, days_ago=2, prompt="Dunes <i>")
    page = " ".join(re.sub(r"</?time[^>]*>", "", text_of(owner_client)).split())
    when, until = timezone.now() - timedelta(days=2), timezone.now() + timedelta(days=28)
    assert "Dunes <i>" in page
    assert f"Moved to trash by owner on {when:%-d %b %Y}" in page
    assert f"Can be restored until {until:%-d %b %Y}" in page
    assert "Dunes <i>" not in owner_client.get("/trash/").content.decode()


def test_only_admins_restore_after_thirty_days(
    owner_client: Client, admin_client: Client, owner: Member
) -> None:
    [pk] = trashed(owner, days_ago=31)
    assert listed(owner_client) == []
    assert "0 images restored" in restore(owner_client, [pk])
    assert "Only admins can restore this image" in text_of(admin_client)
    assert "1 image restored" in restore(admin_client, [pk])


def test_pages_have_no_gap(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.trash.PICTURES_A_PAGE", 3)
    for days in (3, 1, 2):
        trashed(owner, n=3, days_ago=days)
    seen, address = [], "/trash/"
    while address:
        seen += listed(owner_client, address)
        older = re.search(r'href="(\?before=[^"]+)"', text_of(owner_client, address))
        address = f"/trash/{older[1]}" if older else ""
    in_order = Picture.objects.order_by("-trashed_at", "-pk").values_list("pk", flat=True)
    assert seen == list(in_order)
    assert len(seen) == 9


@pytest.mark.parametrize("key", ["x", "1", "-1", "9" * 50 + "-1"])
def test_invalid_page_key_is_not_found(owner_client: Client, key: str) -> None:
    assert owner_client.get("/trash/", {"before": key}).status_code == 404


def test_number_of_queries_does_not_grow_with_the_rows(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _row in range(4):
        trashed(owner, n=2)
    with django_assert_num_queries(4):
        owner_client.get("/trash/")


def test_trash_requires_sign_in(client: Client) -> None:
    assert client.get("/trash/").status_code == 302
    assert client.post("/trash/delete").status_code == 302


# --- restore ----------------------------------------------------------------------------------


def test_one_or_several_images_are_restored(owner_client: Client, owner: Member) -> None:
    first, *others = trashed(owner, n=4)
    assert "1 image restored" in restore(owner_client, [first])
    assert listed(owner_client) == others[::-1]
    assert "3 images restored" in restore(owner_client, others)
    assert Picture.objects.available().count() == 4


def test_private_images_of_others_are_not_restored(
    stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private = trashed(owner, is_private=True)
    for client in (stranger_client, admin_client):
        assert "0 images restored" in restore(client, private)
    assert not Picture.objects.available().exists()


def test_empty_selection_shows_an_error(
    owner_client: Client, admin_client: Client, owner: Member
) -> None:
    trashed(owner)
    assert "Select at least one image" in restore(owner_client, [])
    response = delete(admin_client, ["x"])
    assert response["Location"] == "/trash/"
    assert "Select at least one image" in text_of(admin_client)


# --- permanent deletion -----------------------------------------------------------------------


def test_only_admins_delete_permanently(
    owner_client: Client, admin_client: Client, owner: Member, admin: Member
) -> None:
    keys = trashed(owner)
    assert "/trash/delete" in text_of(admin_client)
    assert "/trash/delete" not in text_of(owner_client)
    assert delete(owner_client, keys, confirmed="1").status_code == 403
    assert admin_client.get("/trash/delete").status_code == 405
    assert listed(owner_client) == keys


def test_first_request_asks_for_confirmation(admin_client: Client, owner: Member) -> None:
    keys = trashed(owner, n=2)
    page = delete(admin_client, keys).content.decode()
    assert "Delete 2 images permanently?" in page
    assert "This cannot be undone" in page
    assert sorted(re.findall(r'name="picture" value="(\d+)"', page)) == sorted(map(str, keys))
    assert sorted(listed(admin_client)) == keys


def test_confirmation_shows_some_images_and_counts_all(admin_client: Client, owner: Member) -> None:
    keys = trashed(owner, n=9) + trashed(owner, n=9)
    page = delete(admin_client, keys).content.decode()
    assert "Delete 18 images permanently?" in page
    assert "And 6 more" in page


def test_confirmed_request_deletes_files_and_keeps_rows(
    admin_client: Client, owner: Member
) -> None:
    keys = trashed(owner, n=2)
    names = [name for picture in Picture.objects.all() for name in picture.file_names]
    assert all(default_storage.exists(name) for name in names)
    response = delete(admin_client, keys, confirmed="1")
    assert response["Location"] == "/trash/"
    assert "2 images deleted permanently" in text_of(admin_client)
    assert not any(default_storage.exists(name) for name in names)
    states = Picture.objects.filter(pk__in=keys).values_list("state", flat=True)
    assert set(states) == {Picture.State.DELETED}


def test_private_and_available_images_are_not_deleted(admin_client: Client, owner: Member) -> None:
    private = trashed(owner, is_private=True)
    shown = make_generation(Status.SUCCEEDED, owner=owner).pictures.get()
    keys = [*private, shown.pk]
    assert delete(admin_client, keys)["Location"] == "/trash/"
    assert "These images are no longer in the trash" in text_of(admin_client)
    delete(admin_client, keys, confirmed="1")
    assert Picture.objects.filter(state=Picture.State.STORED).count() == 2
