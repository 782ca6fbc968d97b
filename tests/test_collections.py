"""Collections: who sees how many of what, the order people give, and who may take one apart."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import Collection, Generation, Member, Picture, Status
from tests.builders import make_generation
from tests.forms import HTMX

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_files(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def made(**columns: Any) -> list[int]:
    row: Generation = make_generation(Status.SUCCEEDED, **columns)
    return list(row.pictures.order_by("index").values_list("pk", flat=True))


def collect(owner: Member, pictures: list[int], name: str = "Spring") -> Collection:
    row = Collection.objects.create(name=name, created_by=owner)
    row.add(pictures, owner)
    return row


def text_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def shown(client: Client, row: Collection, query: str = "") -> list[int]:
    page = text_of(client, f"/collections/{row.pk}/{query}")
    return [int(pk) for pk in re.findall(r'<li class="(?:tile|place)[^>]* id="p(\d+)"', page)]


def arrange(client: Client, row: Collection, verb: str, picture: Any) -> int:
    press = {"verb": verb, "picture": str(picture)}
    return client.post(f"/collections/{row.pk}/arrange", press).status_code


# --- the list ---------------------------------------------------------------------------------


def test_a_name_makes_one_and_leads_to_it(owner_client: Client, owner: Member) -> None:
    answer = owner_client.post("/collections/", {"name": "  Mùa xuân "})
    row = Collection.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"/collections/{row.pk}/")
    assert (row.name, row.created_by) == ("Mùa xuân", owner)
    assert "Nothing is in it yet" in text_of(owner_client, answer["Location"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "Give it a name first"),
        (" \t ", "Give it a name first"),
        ("x" * 81, "81 characters are too many"),
        ("a\x00b", "Null characters"),
    ],
)
def test_a_name_that_cannot_be_is_refused_beside_its_field(
    owner_client: Client, owner: Member, name: str, words: str
) -> None:
    row = collect(owner, [])
    for address in ("/collections/", f"/collections/{row.pk}/"):
        answer = owner_client.post(address, {"name": name})
        page = answer.content.decode()
        assert answer.status_code == 422
        assert words in page
        assert 'aria-invalid="true" aria-describedby="name-error" autofocus' in page
    assert "x" * 81 in page or len(name) < 81
    assert [row.name for row in Collection.objects.all()] == ["Spring"]


def test_the_list_tells_name_count_who_and_when(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    collect(owner, made(n=3), name="Spring <b>")
    page = text_of(stranger_client, "/collections/")
    for words in ("Spring <b>", "3 pictures, by owner", timezone.now().strftime("%-d %b %Y")):
        assert words in page
    assert "Spring <b>" not in stranger_client.get("/collections/").content.decode()


def test_an_empty_list_says_what_a_collection_is_for(owner_client: Client) -> None:
    assert "What belongs together comes here" in text_of(owner_client, "/collections/")


def test_the_list_goes_on_by_key(
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


def test_the_list_asks_as_often_for_many_as_for_one(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _collection in range(5):
        collect(owner, made(n=2))
    with django_assert_num_queries(6):
        owner_client.get("/collections/")


@pytest.mark.parametrize("key", ["x", "1", "1-", "-1", "9" * 50 + "-1", "1-x"])
def test_a_broken_key_is_a_404(owner_client: Client, owner: Member, key: str) -> None:
    row = collect(owner, made())
    assert owner_client.get("/collections/", {"before": key}).status_code == 404
    assert owner_client.get(f"/collections/{row.pk}/", {"after": key}).status_code == 404
    assert owner_client.get(f"/collections/{'9' * 30}/").status_code == 404


# --- what one may see ------------------------------------------------------------------------


def test_private_ones_of_others_and_trash_are_neither_shown_nor_counted(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    private, shared = made(owner=owner, is_private=True), made(owner=owner, n=2)
    row = collect(owner, private + shared)
    Picture.objects.filter(pk=shared[1]).trash(owner)
    assert shown(owner_client, row) == [private[0], shared[0]]
    assert "2 pictures" in text_of(owner_client, "/collections/")
    for other in (stranger_client, admin_client):
        assert shown(other, row) == [shared[0]]
        for address in ("/collections/", f"/collections/{row.pk}/"):
            page = text_of(other, address)
            assert "1 picture," in page
            assert f"/files/{private[0]}/" not in page


def test_the_cover_is_never_one_that_is_hidden(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    private, shared = made(owner=owner, is_private=True), made(owner=owner)
    row = collect(owner, private + shared)
    row.set_cover(private[0], owner)
    assert f"/files/{private[0]}/thumbnail" in text_of(owner_client, "/collections/")
    page = text_of(stranger_client, "/collections/")
    assert f"/files/{shared[0]}/thumbnail" in page
    assert f"/files/{private[0]}/" not in page


def test_all_hidden_looks_empty(stranger_client: Client, owner: Member) -> None:
    row = collect(owner, made(owner=owner, is_private=True))
    assert "empty, by owner" in text_of(stranger_client, "/collections/")
    assert "Nothing is in it yet" in text_of(stranger_client, f"/collections/{row.pk}/")


def test_nobody_looks_without_signing_in(client: Client, owner: Member) -> None:
    row = collect(owner, made())
    for address in ("/collections/", f"/collections/{row.pk}/"):
        assert client.get(address).status_code == 302


# --- its order -------------------------------------------------------------------------------


def test_pictures_hang_in_the_order_of_the_collection(owner_client: Client, owner: Member) -> None:
    pictures = made(n=4)
    row = collect(owner, [pictures[2], pictures[0], pictures[3], pictures[1]])
    assert shown(owner_client, row) == [pictures[2], pictures[0], pictures[3], pictures[1]]
    page = text_of(owner_client, f"/collections/{row.pk}/")
    assert f'href="/pictures/{pictures[2]}/?in={row.pk}"' in page


def test_arrows_go_in_the_order_of_the_collection(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    pictures = made(n=4)
    row = collect(owner, [pictures[2], pictures[0], pictures[3]])
    middle = text_of(owner_client, f"/pictures/{pictures[0]}/?in={row.pk}")
    assert re.findall(r'href="/pictures/(\d+)/\?in=\d+" rel="(\w+)"', middle) == [
        (str(pictures[2]), "prev"),
        (str(pictures[3]), "next"),
    ]
    assert f'href="/collections/{row.pk}/"' in middle
    Picture.objects.filter(pk=pictures[3]).update(trashed_at=timezone.now())
    assert 'rel="next"' not in text_of(stranger_client, f"/pictures/{pictures[0]}/?in={row.pk}")


@pytest.mark.parametrize("asked", ["in=999", "in=x", "in=" + "9" * 30])
def test_what_is_no_collection_is_looked_through_as_the_gallery(
    owner_client: Client, owner: Member, asked: str
) -> None:
    [picture] = made(n=1)
    assert 'href="/gallery/"' in text_of(owner_client, f"/pictures/{picture}/?{asked}")


def test_its_pages_join_without_a_gap(
    owner_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.collections.PICTURES_A_PAGE", 3)
    pictures = made(n=8)
    row = collect(owner, pictures)
    row.items.update(position=1)  # equal positions are told apart by the key
    seen, query = [], ""
    while True:
        seen += shown(owner_client, row, query)
        more = re.search(
            r'href="(\?after=[^"]+)"', text_of(owner_client, f"/collections/{row.pk}/{query}")
        )
        if not more:
            break
        query = more[1]
    assert seen == pictures


@pytest.mark.parametrize(
    ("verb", "which", "order"),
    [
        ("later", 0, [1, 0, 2, 3]),
        ("earlier", 2, [0, 2, 1, 3]),
        ("later", 2, [0, 1, 3, 2]),
        ("earlier", 0, [0, 1, 2, 3]),
        ("later", 3, [0, 1, 2, 3]),
    ],
)
def test_every_member_moves_a_picture_by_one(
    stranger_client: Client, owner: Member, verb: str, which: int, order: list[int]
) -> None:
    pictures = made(n=4)
    row = collect(owner, pictures)
    assert arrange(stranger_client, row, verb, pictures[which]) == 302
    assert shown(stranger_client, row) == [pictures[place] for place in order]


def test_a_step_goes_past_what_one_sees(stranger_client: Client, owner: Member) -> None:
    [first, last], [hidden] = made(n=2), made(owner=owner, is_private=True)
    row = collect(owner, [first, hidden, last])
    arrange(stranger_client, row, "earlier", last)
    assert shown(stranger_client, row) == [last, first]


def test_arranging_leads_back_to_the_picture(owner_client: Client, owner: Member) -> None:
    pictures = made(n=2)
    row = collect(owner, pictures)
    press = {"verb": "later", "picture": pictures[0], "after": "0-0"}
    answer = owner_client.post(f"/collections/{row.pk}/arrange", press)
    assert answer["Location"] == f"/collections/{row.pk}/?arrange=1&after=0-0#p{pictures[0]}"
    page = owner_client.get(answer["Location"], headers=HTMX).content.decode()
    assert f'id="earlier-{pictures[0]}"' in page


def test_a_cover_is_chosen(owner_client: Client, owner: Member) -> None:
    pictures = made(n=2)
    row = collect(owner, pictures)
    arrange(owner_client, row, "cover", pictures[1])
    assert f"/files/{pictures[1]}/thumbnail" in text_of(owner_client, "/collections/")
    page = text_of(owner_client, f"/collections/{row.pk}/?arrange=1")
    assert re.search(rf'id="cover-{pictures[1]}"[^>]* aria-pressed="true"', page)


def test_a_picture_is_taken_out_and_stays_a_picture(stranger_client: Client, owner: Member) -> None:
    pictures = made(n=2)
    row = collect(owner, pictures)
    arrange(stranger_client, row, "remove", pictures[0])
    assert shown(stranger_client, row) == [pictures[1]]
    assert stranger_client.get(f"/pictures/{pictures[0]}/").status_code == 200


@pytest.mark.parametrize(("gone", "next_one"), [(0, 1), (2, 1)])
def test_after_that_its_neighbour_has_the_focus(
    owner_client: Client, owner: Member, gone: int, next_one: int
) -> None:
    pictures = made(n=3)
    row = collect(owner, pictures)
    press = {"verb": "remove", "picture": pictures[gone]}
    answer = owner_client.post(f"/collections/{row.pk}/arrange", press, follow=True)
    [focused] = re.findall(r'id="([^"]+)"[^>]* autofocus>', answer.content.decode())
    assert focused == f"remove-{pictures[next_one]}"


def test_what_one_cannot_see_one_cannot_arrange(
    stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    [first], [hidden] = made(), made(owner=owner, is_private=True)
    row = collect(owner, [first, hidden])
    for client in (stranger_client, admin_client):
        for verb in ("earlier", "cover", "remove"):
            arrange(client, row, verb, hidden)
    row.refresh_from_db()
    assert list(row.items.values_list("picture", flat=True)) == [first, hidden]
    assert row.cover is None


@pytest.mark.parametrize(
    ("verb", "picture"), [("burn", "1"), ("", "1"), ("later", "x"), ("later", "9" * 30)]
)
def test_what_is_no_verb_or_no_picture_is_a_404(
    owner_client: Client, owner: Member, verb: str, picture: str
) -> None:
    assert arrange(owner_client, collect(owner, []), verb, picture) == 404


# --- its name, its end -----------------------------------------------------------------------


def test_every_member_renames_it(stranger_client: Client, owner: Member) -> None:
    row = collect(owner, [])
    stranger_client.post(f"/collections/{row.pk}/", {"name": "Summer"})
    row.refresh_from_db()
    assert row.name == "Summer"


def test_only_its_maker_or_an_admin_deletes_it_and_the_pictures_stay(
    owner_client: Client, stranger_client: Client, admin_client: Client, owner: Member
) -> None:
    pictures = made()
    for client, status in ((stranger_client, 403), (owner_client, 302), (admin_client, 302)):
        row = collect(owner, pictures)
        offered = f"/collections/{row.pk}/delete" in text_of(client, f"/collections/{row.pk}/")
        assert offered == (status == 302)
        assert client.get(f"/collections/{row.pk}/delete").status_code == 405
        assert client.post(f"/collections/{row.pk}/delete").status_code == status
        assert Collection.objects.filter(pk=row.pk).exists() == (status == 403)
    assert Picture.objects.available().filter(pk__in=pictures).count() == 1


def test_the_whole_is_downloaded_at_one_press(owner_client: Client, owner: Member) -> None:
    row = collect(owner, made(n=2))
    page = text_of(owner_client, f"/collections/{row.pk}/")
    [everything, _of_bar] = re.findall(r'name="select_all" value="([^"]+)"', page)
    answer = owner_client.post("/pictures/download", {"select_all": everything})
    assert answer["Content-Disposition"].endswith(' 2 pictures.zip"')
