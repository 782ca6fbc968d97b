"""Search over prompts: without diacritics, by first letters, in several scripts."""

import pytest
from django.db import connection
from django.test import Client

from generations.models import Generation, Member
from generations.models.search_text import normalize
from generations.search import SearchQuery, prepare, search
from tests.builders import make_generation

PROMPTS = (
    "Cà phê sữa đá trên bàn gỗ",
    "水墨山水画，远山与云雾",
    "A black-and-white pear, studio light",
    "White pears and black grapes",
    "夜の灯台、ガラス",
    "Đèn lồng Hội An",
    "Family picnic 👩‍👩‍👧 ☀️ 50 % off",
    "A hot-air balloon 🎈, 5 € ticket",
    "½ cup ❶ 🩷 Acme™",
)


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    return [make_generation(prompt=prompt, owner=owner) for prompt in PROMPTS]


def found(text: str) -> list[str]:
    return [row.prompt for row in search(Generation.objects.order_by("pk"), text)]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", range(9)),
        ("   ", range(9)),
        ("ca phe", [0]),
        ("CÀ PHÊ", [0]),
        ("sua da", [0]),
        ("den long", [5]),
        ("đèn", [5]),
        ("山水", [1]),
        ("水山", []),  # the characters are in the other order
        ("云", [1]),
        ("灯台", [4]),
        ("カラス", [4]),  # the marks of kana are diacritics too
        ("pear", [2, 3]),
        ("pea", [2, 3]),
        ("ear", []),
        ("black-and-white", [2]),
        ("black white", [2, 3]),
        ("black pear light", [2]),
        ("!!!", []),
        ('"pear" OR light* NEAR(', []),
        ("🎈", [7]),
        ("€", [7]),
        ("5 €", [7]),
        ("5€", [7]),
        ("50 €", []),
        ("balloon🎈", [7]),
        ("☀", [6]),  # without the selector of its colored form
        ("☀️", [6]),
        ("👩‍👩‍👧", [6]),
        ("👩 picnic", [6]),
        ("🎉", []),
        ("🩷", [8]),  # not in the Unicode table of Python 3.11
        ("❶", [8]),
        ("½ cup", [8]),
        ("1/2", [8]),
        ("acmetm", [8]),
        ("%", []),  # punctuation
        ('"black and white"', [2]),
        ('"white black"', []),
        ('"black pear"', []),
        ('"pear"', [2]),  # whole words
        ('"pear" white', [2]),
        ("“studio light”", [2]),
        ("„studio light“", [2]),
        ("«studio light»", [2]),
        ('"山水画"', [1]),
        ('"balloon 🎈"', [7]),
        ('white "pear', [2, 3]),  # never closed
        ('pear ""', [2, 3]),
        ("pear'; --", [2, 3]),
        ("-pear", [2, 3]),
        ("pear " * 300, [2, 3]),
        ("\x00 pear", [2, 3]),
    ],
)
@pytest.mark.usefixtures("rows")
def test_search_finds_matching_prompts(text: str, indexes: list[int]) -> None:
    assert found(text) == [PROMPTS[index] for index in indexes]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("pear", [2, 3]),
        ('"pear"', [2]),
        ('"and"', [2, 3]),
        ("a", [2, 3, 5, 7, 8]),
        ("🎈", [7]),
        ("acmetm", [8]),
    ],
)
@pytest.mark.usefixtures("rows")
def test_matches_that_are_too_many_to_sort_are_the_same(
    monkeypatch: pytest.MonkeyPatch, text: str, indexes: list[int]
) -> None:
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", 0)
    assert found(text) == [PROMPTS[index] for index in indexes]


@pytest.mark.parametrize(
    ("text", "ignored"),
    [
        ("", ""),
        ("pear light", ""),
        ("!!!", "!!!"),
        ("pear - light", "-"),
        ('pear ""', '""'),
        (" ".join(["pear"] * 22), "pear pear"),
        (f"{'x' * 195} pear light", "pear light"),
        (f"{'x' * 200} pear", "pear"),
        ("x" * 203, "xxx"),
        ("云" * 203, "云云云"),
    ],
)
def test_what_is_not_searched_for_is_known(text: str, ignored: str) -> None:
    assert SearchQuery.parse(text).ignored == ignored


def test_page_says_what_is_ignored(owner_client: Client, rows: list[Generation]) -> None:
    for url in ("/gallery/", "/history/"):
        page = owner_client.get(url, {"q": "pear - light"}).content.decode()
        assert "Ignored: -" in page
        assert 'value="pear - light"' in page
        assert "Ignored" not in owner_client.get(url, {"q": "pear"}).content.decode()
        assert "No results for “!!!”" in owner_client.get(url, {"q": "!!!"}).content.decode()


def test_long_search_finds_by_its_first_words(owner_client: Client, rows: list[Generation]) -> None:
    text = f"{'white ' * 20}unknown {'y' * 9000}"
    page = owner_client.get("/history/", {"q": text}).content.decode()
    assert "Ignored: unknown yyy" in page
    assert PROMPTS[3] in page
    assert PROMPTS[0] not in page


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL's index needs no triggers")
def test_index_that_lost_its_triggers_is_read_anew(rows: list[Generation]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER generations_search_update")
        Generation.objects.filter(pk=rows[2].pk).update(search_text="a windmill")
        prepare(using="default")
        cursor.execute(
            "INSERT INTO generations_search (generations_search, rank)"
            " VALUES ('integrity-check', 1)"  # raises if index and table differ
        )
    assert found("windmill") == [PROMPTS[2]]
    assert found("pear") == [PROMPTS[3]]


def test_search_does_not_find_deleted_rows(rows: list[Generation]) -> None:
    rows[2].transitions.all().delete()
    rows[2].delete()
    assert found("pear") == [PROMPTS[3]]


def test_normalize_spells_symbols_in_words_of_one_length() -> None:
    assert normalize("5€ + 🎈!") == ["5", "u0020ac", "u00002b", "u01f388"]


def test_normalize_removes_case_and_diacritics() -> None:
    assert normalize("Cà phê, 山水 ÆØ Straße x²") == [
        "ca",
        "phe",
        "山",
        "水",
        "aeo",
        "strasse",
        "x2",
    ]
