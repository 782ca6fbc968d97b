"""The search page and its results alone: groups, marks, recent searches and suggestions."""

import re
from html import unescape

import pytest
from django.test import Client

from generations.models import (
    Collection,
    Generation,
    Member,
    RecentSearch,
    SmartCollection,
    Status,
    Word,
    bulk,
)
from generations.models.recent_search import MAX_STORED
from generations.search import for_member
from generations.web.search.highlight import highlight
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def results(client: Client, text: str) -> str:
    response = client.get("/search/", {"q": text}, headers=HTMX)
    assert response.status_code == 200
    page = unescape(response.content.decode())
    assert "<html" not in page
    return re.sub(r"\s+", " ", page)


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    rows = [
        make_generation(Status.SUCCEEDED, owner=owner, n=2, prompt=f"Mountain ridges {number}")
        for number in range(5)
    ]
    Word.objects.learn_all()
    return rows


def test_results_are_grouped(owner_client: Client, owner: Member, rows: list[Generation]) -> None:
    Collection.objects.create(name="Ridge campaign", created_by=owner).add(
        picture_ids(rows[0]), owner
    )
    make_member("dawn", first_name="Dawn", last_name="Rivera")
    bulk.tag(picture_ids(rows[0])[:1], owner, "ridge line")
    page = results(owner_client, "dawn ridge")
    assert "Dawn</mark> Rivera" in page
    assert "<mark>Ridge</mark> campaign" in page
    assert "2 images" in page
    assert "<mark>ridge</mark> line" in page
    page = results(owner_client, "ridges")
    assert page.count("<mark>ridges</mark>") == 3
    assert "All 10 images" in page
    assert 'data-status="10 images"' in page
    assert f"/pictures/{picture_ids(rows[4])[0]}/" in page
    assert "Generate with this prompt" in page
    assert "/?text=ridges" in page
    assert "/collections/smart/new/?q=ridges" in page


def test_pages_are_found_by_name_and_only_those_that_may_be_opened(
    owner_client: Client, admin_client: Client
) -> None:
    assert 'href="/usage/"' in results(owner_client, "usag")
    assert 'href="/prompts/"' in results(owner_client, "library")
    assert 'href="/batches/new/"' in results(owner_client, "batch")
    assert 'href="/notifications/"' in results(owner_client, "notif")
    viewer = client_for(make_member(role="viewer"))
    assert 'href="/batches/new/"' not in results(viewer, "batch")
    assert 'href="/admin/queue/"' not in results(owner_client, "queue")
    assert 'href="/admin/queue/"' in results(admin_client, "queue")
    for word, url in (
        ("keys", "keys/"), ("retention", "retention/"), ("diagnostics", "diagnostics/"),
        ("drills", "drills/"), ("ledger", "generations/ledgerentry/"),
    ):  # fmt: skip
        assert f'href="/admin/{url}"' in results(admin_client, word)
        assert f'href="/admin/{url}"' not in results(owner_client, word)


def test_viewer_is_offered_nothing_that_spends_or_organizes(rows: list[Generation]) -> None:
    page = results(client_for(make_member(role="viewer")), "ridges")
    assert "All 10 images" in page
    assert "Generate with this prompt" not in page
    assert "smart collection" not in page


def test_without_scripts_the_page_has_the_same_results(
    owner_client: Client, rows: list[Generation]
) -> None:
    page = owner_client.get("/search/?q=ridges").content.decode()
    assert "<html" in page
    assert "All 10 images" in page
    assert 'value="ridges"' in page


# --- privacy -------------------------------------------------------------------------------------


def test_nothing_private_of_others_is_found(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    hidden = make_generation(
        Status.SUCCEEDED, owner=stranger, prompt="A secret zeppelin", is_private=True
    )
    bulk.tag(picture_ids(hidden), stranger, "zeppelin tag")
    Collection.objects.create(name="Zeppelin", created_by=stranger).add(
        picture_ids(hidden), stranger
    )
    SmartCollection.objects.create(name="My zeppelins", query="q=zeppelin", created_by=stranger)
    Word.objects.learn_all()
    page = results(owner_client, "zeppelin")
    assert "secret" not in page
    assert "zeppelin tag" not in page.lower()
    assert "My" not in page
    assert "No images for “zeppelin”." in page
    assert "<mark>Zeppelin</mark>" in page  # the collection is the team's; its count is not told
    assert "1 image" not in page
    for typo in ("zepelin", "eppeli", "zeppelim secret"):
        page = results(owner_client, typo)
        assert "secret z" not in page
        assert "Showing similar" not in page
    own = results(client_for(stranger), "zeppelin")
    assert "secret <mark>zeppelin" in own
    assert "My <mark>zeppelin" in own
    assert "<mark>zeppelin</mark> tag" in own


# --- nothing found -------------------------------------------------------------------------------


def test_nothing_found_suggests_a_search_that_finds(
    owner_client: Client, rows: list[Generation]
) -> None:
    page = results(owner_client, "ridges submarine")
    assert "No images for “ridges submarine”." in page
    assert "Search for “ridges”" in page
    assert "10 images" in page
    assert "Search for “mountain”" in results(owner_client, "mountainous")
    assert "Show all images" in results(owner_client, "xyz")


def test_without_any_image_nothing_is_suggested(owner_client: Client) -> None:
    page = results(owner_client, "pear")
    assert "No images for “pear”." in page
    assert "Show all images" not in page


def test_similar_words_are_told(owner_client: Client, rows: list[Generation]) -> None:
    page = results(owner_client, "mountian")
    assert "Showing similar words." in page
    assert "<mark>Mountain</mark>" in page


# --- recent searches -----------------------------------------------------------------------------


def test_last_searches_are_listed_until_they_are_cleared(
    owner_client: Client, stranger_client: Client, owner: Member
) -> None:
    for text in ("one", "two", "three", "four", "five", "two", "six"):
        assert owner_client.post("/search/record", {"q": f"  {text} "}).status_code == 204
    stored = [row.text for row in RecentSearch.objects.of(owner)]
    assert stored == ["six", "two", "five", "four", "three"]
    assert len(stored) == MAX_STORED
    page = results(owner_client, "")
    assert page.index("six") < page.index("two") < page.index("three")
    assert "six" not in results(stranger_client, "")
    stranger_client.post("/search/clear")
    owner_client.post("/search/clear", {"text": "s\0ix"})  # PostgreSQL refuses null characters
    assert "six" not in results(owner_client, "")
    assert owner_client.post("/search/clear").url == "/search/"  # type: ignore[attr-defined]
    page = results(owner_client, "")
    assert "Recent searches" not in page
    assert "Go to" in page


def test_page_stores_the_search_and_typing_does_not(owner_client: Client, owner: Member) -> None:
    results(owner_client, "pea")
    owner_client.get("/search/", {"q": "pear \0"})
    owner_client.get("/search/", {"q": " "})
    owner_client.post("/search/record", {"q": " \0 "})
    assert [row.text for row in RecentSearch.objects.of(owner)] == ["pear"]


@pytest.mark.parametrize("text", ["\0", "!!!", "x" * 5000, "%", "' OR 1=1 --", '"', "🎈", "16:9"])
def test_any_text_can_be_searched(owner_client: Client, owner: Member, text: str) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    assert owner_client.get("/search/", {"q": text}).status_code == 200
    results(owner_client, text)


# --- marks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Mountain ridges", "ridges mount", "<mark>Mount</mark>ain <mark>ridges</mark>"),
        ("A bottle", "ottl", "A b<mark>ottl</mark>e"),
        ("A bottle", "bottel", "A <mark>bottle</mark>"),
        ("Cà phê sữa", "ca sua", "<mark>Cà</mark> phê <mark>sữa</mark>"),
        ("水墨山水画", "山水", "<mark>水</mark>墨<mark>山</mark><mark>水</mark>画"),
        ("<b>bottle</b>", "bottle", "&lt;b&gt;<mark>bottle</mark>&lt;/b&gt;"),
        ("Straße", "stras", "<mark>Straße</mark>"),
        ("pears pear", '"pear"', "pears <mark>pear</mark>"),
        ("a" * 200, "zzz", "a" * 110 + "…"),
        (f"{'far ' * 40}bottle", "bottle", f"… {'far ' * 8}<mark>bottle</mark>"),
    ],
)
def test_matches_are_marked(owner: Member, text: str, query: str, expected: str) -> None:
    make_generation(owner=owner, prompt="A bottle, Cà phê sữa, 水墨山水画")
    Word.objects.learn_all()
    assert highlight(text, for_member(query, owner).phrases) == expected


def test_prompt_of_the_search_fills_the_studio(owner_client: Client) -> None:
    page = owner_client.get("/", {"text": "A <pear>"}).content.decode()
    assert "A &lt;pear&gt;</textarea>" in page


def test_every_page_has_the_search(owner_client: Client, client: Client) -> None:
    for address in ("/", "/gallery/", "/collections/", "/settings/", "/usage/"):
        page = owner_client.get(address).content.decode()
        assert 'href="/search/"' in page
        assert 'action="/search/"' in page
    assert 'action="/search/"' not in client.get("/accounts/login/").content.decode()
