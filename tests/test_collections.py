"""Collections: the list, visibility, order, renaming and deleting."""

import re
from copy import copy
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import Collection, Generation, Member, Picture, Status
from generations.permissions import Role
from tests.builders import make_generation, make_member
from tests.forms import HTMX

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]


def make_pictures(**columns: Any) -> list[int]:
    row: Generation = make_generation(Status.SUCCEEDED, **columns)
    return list(row.pictures.order_by("index").values_list("pk", flat=True))


def collect(owner: Member, pictures: list[int], name: str = "Spring") -> Collection:
    row = Collection.objects.create(name=name, created_by=owner)
    row.add(pictures, owner)
    return row


def text_of(client: Client, address: str) -> str:
    """Return the page with whitespace collapsed."""
    response = client.get(address)
    assert response.status_code == 200
    return " ".join(unescape(response.content.decode()).split())


def pictures_in(client: Client, row: Collection, query: str = "") -> list[int]:
    page = text_of(client, f"/collections/{row.pk}/{query}")
    return [int(pk) for pk in re.findall(r'<li class="(?:tile|item)[^>]* id="p(\d+)"', page)]


def arrange(client: Client, row: Collection, action: str, picture: Any) -> int:
    return client.post(f"/collections/{row.pk}/arrange", {action: str(picture)}).status_code


# --- the list ---------------------------------------------------------------------------------


def test_name_creates_a_collection_and_redirects_to_it(owner_client: Client, owner: Member) -> None:
    response = owner_client.post("/collections/", {"name": "  Mùa xuân "})
    row = Collection.objects.get()
    assert (response.status_code, response["Location"]) == (302, f"/collections/{row.pk}/")
    assert (row.name, row.created_by) == ("Mùa xuân", owner)
    assert "This collection is empty" in text_of(owner_client, response["Location"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "Enter a name"),
        (" \t ", "Enter a name"),
        ("x" * 81, "Use at most 80 characters"),
        ("a\x00b", "Null characters"),
    ],
)
def test_invalid_name_shows_an_error_at_its_field(
    owner_client: Client, owner: Member, name: str, message: str
) -> None:
    row = collect(owner, [])
    for address in ("/collections/", f"/collections/{row.pk}/"):
        response = owner_client.post(address, {"name": name})
        page = " ".join(response.content.decode().split())
        assert response.status_code == 422
        assert message in page
        assert 'aria-invalid="true" aria-describedby="name-error" autofocus' in page
    assert "x" * 81 in page or len(name) < 81
    assert [row.name for row in Collection.objects.all()] == ["Spring"]


def test_list_shows_name_count_creator_and_date(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    collect(owner, make_pictures(n=3), name="Spring <b>")
    page = text_of(stranger_client, "/collections/")
    for text in ("Spring <b>", "3 images, created by owner", timezone.now().strftime("%-d %b %Y")):
        assert text in page
    assert "Spring <b>" not in stranger_client.get("/collections/").content.decode()


def test_empty_list_explains_collections(owner_client: Client) -> None:
    assert "No collections yet" in text_of(owner_client, "/collections/")


def test_list_pages_have_no_gap(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.collections.COLLECTIONS_A_PAGE", 3)
    moment = timezone.now()
    for number in range(7):
        row = collect(owner, [], name=f"Number {number}")
        changed = moment - timedelta(hours=number // 2)
        Collection.objects.filter(pk=row.pk).update(updated_at=changed)
    seen, address = [], "/collections/"
    while address:
        page = text_of(owner_client, address)
        seen += re.findall(r"Number \d", page)
        older = re.search(r'href="(\?before=[^"]+)"', page)
        address = f"/collections/{older[1]}" if older else ""
    in_order = Collection.objects.order_by("-updated_at", "-pk")
    assert seen == [row.name for row in in_order]
    assert len(seen) == 7


def test_number_of_queries_does_not_grow_with_the_list(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _collection in range(5):
        collect(owner, make_pictures(n=2))
    with django_assert_num_queries(7):
        owner_client.get("/collections/")


@pytest.mark.parametrize("key", ["x", "1", "1-", "-1", "9" * 50 + "-1", "1-x"])
def test_invalid_page_key_is_not_found(owner_client: Client, owner: Member, key: str) -> None:
    row = collect(owner, make_pictures())
    assert owner_client.get("/collections/", {"before": key}).status_code == 404
    assert owner_client.get(f"/collections/{row.pk}/", {"after": key}).status_code == 404
    assert owner_client.get(f"/collections/{'9' * 30}/").status_code == 404


# --- visibility ------------------------------------------------------------------------------


def test_invisible_images_are_neither_shown_nor_counted(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private, shared = make_pictures(owner=owner, is_private=True), make_pictures(owner=owner, n=2)
    row = collect(owner, private + shared)
    Picture.objects.filter(pk=shared[1]).trash(owner)
    assert pictures_in(owner_client, row) == [private[0], shared[0]]
    assert "2 images" in text_of(owner_client, "/collections/")
    for other in (stranger_client, admin_client):
        assert pictures_in(other, row) == [shared[0]]
        for address in ("/collections/", f"/collections/{row.pk}/"):
            page = text_of(other, address)
            assert "1 image," in page
            assert f"/files/{private[0]}/" not in page


def test_cover_is_never_an_invisible_image(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    private, shared = make_pictures(owner=owner, is_private=True), make_pictures(owner=owner)
    row = collect(owner, private + shared)
    row.set_cover(private[0], owner)
    assert f"/files/{private[0]}/thumbnail" in text_of(owner_client, "/collections/")
    page = text_of(stranger_client, "/collections/")
    assert f"/files/{shared[0]}/thumbnail" in page
    assert f"/files/{private[0]}/" not in page


def test_collection_without_visible_images_looks_empty(
    stranger_client: Client, owner: Member
) -> None:
    row = collect(owner, make_pictures(owner=owner, is_private=True))
    assert "Empty, created by owner" in text_of(stranger_client, "/collections/")
    assert "This collection is empty" in text_of(stranger_client, f"/collections/{row.pk}/")


def test_collections_require_sign_in(client: Client, owner: Member) -> None:
    row = collect(owner, make_pictures())
    for address in ("/collections/", f"/collections/{row.pk}/"):
        assert client.get(address).status_code == 302


# --- order -----------------------------------------------------------------------------------


def test_images_are_shown_in_the_order_of_the_collection(
    owner_client: Client, owner: Member
) -> None:
    pictures = make_pictures(n=4)
    row = collect(owner, [pictures[2], pictures[0], pictures[3], pictures[1]])
    assert pictures_in(owner_client, row) == [pictures[2], pictures[0], pictures[3], pictures[1]]
    page = text_of(owner_client, f"/collections/{row.pk}/")
    assert f'href="/pictures/{pictures[2]}/?in={row.pk}"' in page


def test_arrows_follow_the_order_of_the_collection(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    pictures = make_pictures(n=4)
    row = collect(owner, [pictures[2], pictures[0], pictures[3]])
    middle = text_of(owner_client, f"/pictures/{pictures[0]}/?in={row.pk}")
    assert re.findall(r'href="/pictures/(\d+)/\?in=\d+" rel="(\w+)"', middle) == [
        (str(pictures[2]), "prev"),
        (str(pictures[3]), "next"),
    ]
    assert f'href="/collections/{row.pk}/"' in middle
    Picture.objects.filter(pk=pictures[3]).update(trashed_at=timezone.now())
    assert 'rel="next"' not in text_of(stranger_client, f"/pictures/{pictures[0]}/?in={row.pk}")


@pytest.mark.parametrize("query", ["in=999", "in=x", "in=" + "9" * 30])
def test_unknown_collection_falls_back_to_the_gallery(
    owner_client: Client, owner: Member, query: str
) -> None:
    [picture] = make_pictures(n=1)
    assert 'href="/gallery/"' in text_of(owner_client, f"/pictures/{picture}/?{query}")


def test_pages_of_a_collection_have_no_gap(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.collections.PICTURES_A_PAGE", 3)
    pictures = make_pictures(n=8)
    row = collect(owner, pictures)
    row.items.update(position=1)  # the id breaks ties
    seen, query = [], ""
    while True:
        seen += pictures_in(owner_client, row, query)
        more = re.search(
            r'href="(\?after=[^"]+)"', text_of(owner_client, f"/collections/{row.pk}/{query}")
        )
        if not more:
            break
        query = more[1]
    assert seen == pictures


@pytest.mark.parametrize(
    ("action", "index", "order"),
    [
        ("later", 0, [1, 0, 2, 3]),
        ("earlier", 2, [0, 2, 1, 3]),
        ("later", 2, [0, 1, 3, 2]),
        ("earlier", 0, [0, 1, 2, 3]),
        ("later", 3, [0, 1, 2, 3]),
    ],
)
def test_any_member_moves_an_image_by_one_position(
    stranger_client: Client, owner: Member, action: str, index: int, order: list[int]
) -> None:
    pictures = make_pictures(n=4)
    row = collect(owner, pictures)
    assert arrange(stranger_client, row, action, pictures[index]) == 302
    assert pictures_in(stranger_client, row) == [pictures[position] for position in order]


def test_move_skips_invisible_images(stranger_client: Client, owner: Member) -> None:
    [first, last], [hidden] = make_pictures(n=2), make_pictures(owner=owner, is_private=True)
    row = collect(owner, [first, hidden, last])
    arrange(stranger_client, row, "earlier", last)
    assert pictures_in(stranger_client, row) == [last, first]


def test_arranging_returns_to_the_image(owner_client: Client, owner: Member) -> None:
    pictures = make_pictures(n=2)
    row = collect(owner, pictures)
    fields = {"later": pictures[0], "after": "0-0"}
    response = owner_client.post(f"/collections/{row.pk}/arrange", fields)
    assert response["Location"] == f"/collections/{row.pk}/?arrange=1&after=0-0#p{pictures[0]}"
    page = owner_client.get(response["Location"]).content.decode()
    assert f'id="earlier-{pictures[0]}"' in page


def test_cover_can_be_set(owner_client: Client, owner: Member) -> None:
    pictures = make_pictures(n=2)
    row = collect(owner, pictures)
    arrange(owner_client, row, "cover", pictures[1])
    assert f"/files/{pictures[1]}/thumbnail" in text_of(owner_client, "/collections/")
    page = text_of(owner_client, f"/collections/{row.pk}/?arrange=1")
    assert re.search(rf'id="cover-{pictures[1]}"[^>]* aria-pressed="true"', page)


def test_removed_image_stays_in_the_gallery(stranger_client: Client, owner: Member) -> None:
    pictures = make_pictures(n=2)
    row = collect(owner, pictures)
    arrange(stranger_client, row, "remove", pictures[0])
    assert pictures_in(stranger_client, row) == [pictures[1]]
    assert stranger_client.get(f"/pictures/{pictures[0]}/").status_code == 200


@pytest.mark.parametrize(("removed", "focused"), [(0, 1), (2, 1)])
def test_neighbour_of_a_removed_image_gets_the_focus(
    owner_client: Client, owner: Member, removed: int, focused: int
) -> None:
    pictures = make_pictures(n=3)
    row = collect(owner, pictures)
    fields = {"remove": pictures[removed]}
    response = owner_client.post(f"/collections/{row.pk}/arrange", fields, follow=True)
    [autofocus] = re.findall(r'id="([^"]+)"[^>]* autofocus>', response.content.decode())
    assert autofocus == f"remove-{pictures[focused]}"


def test_invisible_image_cannot_be_arranged(
    stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    [first], [hidden] = make_pictures(), make_pictures(owner=owner, is_private=True)
    row = collect(owner, [first, hidden])
    for client in (stranger_client, admin_client):
        for action in ("earlier", "cover", "remove"):
            arrange(client, row, action, hidden)
    row.refresh_from_db()
    assert list(row.items.values_list("picture", flat=True)) == [first, hidden]
    assert row.cover is None


@pytest.mark.parametrize(
    ("action", "picture"), [("burn", "1"), ("", "1"), ("later", "x"), ("later", "9" * 30)]
)
def test_invalid_action_or_image_is_not_found(
    owner_client: Client, owner: Member, action: str, picture: str
) -> None:
    assert arrange(owner_client, collect(owner, []), action, picture) == 404


def test_removed_image_returns_to_its_place_and_is_the_cover_again(
    owner_client: Client, owner: Member
) -> None:
    pictures = make_pictures(n=4)
    row = collect(owner, pictures)
    row.set_cover(pictures[1], owner)
    toast = owner_client.post(
        f"/collections/{row.pk}/arrange", {"remove": pictures[1]}, headers=HTMX
    ).content.decode()
    assert "1 image removed from “Spring”." in toast
    assert f"/files/{pictures[0]}/thumbnail" in text_of(owner_client, "/collections/")
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]+)"', toast))
    assert re.search(r'action="([^"]+)"', toast)[1] == "/pictures/bulk/collect"  # type: ignore[index]
    owner_client.post("/pictures/bulk/collect", fields, headers=HTMX)
    assert pictures_in(owner_client, row) == pictures
    assert f"/files/{pictures[1]}/thumbnail" in text_of(owner_client, "/collections/")


def move(client: Client, row: Collection, picture: int, before: int | str = "") -> int:
    fields = {"move": str(picture), "before": str(before)}
    return client.post(f"/collections/{row.pk}/arrange", fields, headers=HTMX).status_code


@pytest.mark.parametrize(
    ("moved", "before", "order"),
    [
        (3, 0, [3, 0, 1, 2]),
        (0, 3, [1, 2, 0, 3]),
        (1, None, [0, 2, 3, 1]),
        (2, 2, [0, 1, 2, 3]),
        (1, 2, [0, 1, 2, 3]),
    ],
)
def test_image_is_moved_in_front_of_another_one(
    owner_client: Client, owner: Member, moved: int, before: int | None, order: list[int]
) -> None:
    pictures = make_pictures(n=4)
    row = collect(owner, pictures)
    target = "" if before is None else pictures[before]
    assert move(owner_client, row, pictures[moved], target) == 200
    assert pictures_in(owner_client, row) == [pictures[index] for index in order]


def test_two_people_who_arrange_at_once_lose_no_image(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    """Each page still shows the first order when its member moves an image."""
    pictures = make_pictures(n=6)
    row = collect(owner, pictures)
    assert move(owner_client, row, pictures[5], pictures[0]) == 200
    assert move(stranger_client, row, pictures[0], pictures[3]) == 200
    assert arrange(owner_client, row, "remove", pictures[1]) == 302
    assert move(stranger_client, row, pictures[2]) == 200
    order = [pictures[index] for index in (5, 0, 3, 4, 2)]
    assert pictures_in(owner_client, row) == order


def test_move_beside_an_image_that_is_gone_changes_nothing(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    pictures, [hidden] = make_pictures(n=3), make_pictures(owner=owner, is_private=True)
    row = collect(owner, [*pictures, hidden])
    arrange(owner_client, row, "remove", pictures[0])
    assert move(stranger_client, row, pictures[2], pictures[0]) == 422
    assert move(stranger_client, row, pictures[0], pictures[2]) == 422
    assert move(stranger_client, row, hidden, pictures[2]) == 422
    assert move(stranger_client, row, pictures[2], hidden) == 422
    assert pictures_in(owner_client, row) == [pictures[1], pictures[2], hidden]


def test_viewer_may_not_arrange(client: Client, owner: Member) -> None:
    client.force_login(make_member("viewer", role=Role.VIEWER))
    pictures = make_pictures(n=2)
    row = collect(owner, pictures)
    assert move(client, row, pictures[1], pictures[0]) == 403
    assert pictures_in(client, row) == pictures


def test_thousand_images_are_arranged_on_one_page(
    owner_client: Client, owner: Member, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    [first] = make_pictures()
    picture = Picture.objects.get(pk=first)
    copies = [copy(picture) for _number in range(1000)]
    for index, each in enumerate(copies, start=1):
        each.pk, each.index = None, index
    Picture.objects.bulk_create(copies)
    pictures = list(Picture.objects.order_by("index").values_list("pk", flat=True))
    row = collect(owner, pictures)
    with django_assert_max_num_queries(20):
        page = text_of(owner_client, f"/collections/{row.pk}/?arrange=1")
    assert page.count('<li class="item"') == 1000
    assert f'data-following="{pictures[1000]}"' in page
    with django_assert_max_num_queries(20):
        assert move(owner_client, row, pictures[0], pictures[1000]) == 200
    order = list(row.items.values_list("picture", flat=True))
    assert order == [*pictures[1:1000], pictures[0], pictures[1000]]


# --- covers ----------------------------------------------------------------------------------


def covers_in(client: Client) -> dict[str, str]:
    """The picture on the cover, by the name of the collection."""
    page = text_of(client, "/collections/")
    found = re.findall(r'/files/(\d+)/thumbnail".*?class="name">(.*?)<', page)
    return {name: picture for picture, name in found}


def test_default_covers_differ(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    first, second, third = make_pictures(n=3)
    [hidden] = make_pictures(owner=owner, is_private=True)
    collect(owner, [first, second, third], "A")
    collect(owner, [first, hidden, second, third], "B")
    chosen = collect(owner, [first, second], "C")
    chosen.set_cover(second, owner)
    collect(owner, [first], "D")
    assert covers_in(owner_client) == {
        "A": str(first), "B": str(hidden), "C": str(second), "D": str(first),
    }  # fmt: skip
    assert covers_in(stranger_client)["B"] == str(third)


def test_cover_that_was_removed_is_not_shown(owner_client: Client, owner: Member) -> None:
    first, second = make_pictures(n=2)
    row = collect(owner, [first, second])
    row.set_cover(second, owner)
    row.remove([second])
    assert covers_in(owner_client) == {"Spring": str(first)}


# --- edit and delete -------------------------------------------------------------------------


def test_description_is_shown_in_the_list_and_on_the_page(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    row = collect(owner, [])
    fields = {"name": "Spring", "description": "For <Lan>\nonly the best"}
    assert stranger_client.post(f"/collections/{row.pk}/", fields).status_code == 302
    for address in ("/collections/", f"/collections/{row.pk}/"):
        assert "For <Lan>" in text_of(owner_client, address)
    owner_client.post(f"/collections/{row.pk}/", {"name": "Summer"})
    row.refresh_from_db()
    assert (row.name, row.description) == ("Summer", "For <Lan>\nonly the best")


def test_long_description_is_refused_and_kept_in_the_form(
    owner_client: Client, owner: Member
) -> None:
    row = collect(owner, [])
    fields = {"name": "Spring", "description": "x" * 501}
    response = owner_client.post(f"/collections/{row.pk}/", fields)
    assert response.status_code == 422
    page = response.content.decode()
    assert "Use at most 500 characters. You entered 501." in page
    assert "x" * 501 in page


def test_any_member_renames_a_collection(stranger_client: Client, owner: Member) -> None:
    row = collect(owner, [])
    stranger_client.post(f"/collections/{row.pk}/", {"name": "Summer"})
    row.refresh_from_db()
    assert row.name == "Summer"


def test_creator_or_admin_deletes_a_collection_but_not_its_images(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    pictures = make_pictures()
    for client, status in ((stranger_client, 403), (owner_client, 302), (admin_client, 302)):
        row = collect(owner, pictures)
        offered = f"/collections/{row.pk}/delete" in text_of(client, f"/collections/{row.pk}/")
        assert offered == (status == 302)
        assert client.get(f"/collections/{row.pk}/delete").status_code == 405
        assert client.post(f"/collections/{row.pk}/delete").status_code == status
        assert Collection.objects.filter(pk=row.pk).exists() == (status == 403)
    assert Picture.objects.available().filter(pk__in=pictures).count() == 1


def test_whole_collection_is_downloaded(owner_client: Client, owner: Member) -> None:
    row = collect(owner, make_pictures(n=2))
    page = text_of(owner_client, f"/collections/{row.pk}/")
    [select_all, _of_bar] = re.findall(r'name="select_all" value="([^"]+)"', page)
    response = owner_client.post("/pictures/download", {"select_all": select_all})
    assert response["Content-Disposition"].endswith(' 2 images.zip"')
