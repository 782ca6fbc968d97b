"""Search over prompts: without diacritics, by first letters, in several scripts."""

import pytest

from generations.models import Generation, Member
from generations.models.search_text import normalize
from generations.search import search
from tests.builders import make_generation

PROMPTS = (
    "Cà phê sữa đá trên bàn gỗ",
    "水墨山水画，远山与云雾",
    "A black-and-white pear, studio light",
    "White pears and black grapes",
    "夜の灯台、ガラス",
    "Đèn lồng Hội An",
)


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    return [make_generation(prompt=prompt, owner=owner) for prompt in PROMPTS]


def found(text: str) -> list[str]:
    return [row.prompt for row in search(Generation.objects.order_by("pk"), text)]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("", range(6)),
        ("   ", range(6)),
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
        ("pear'; --", [2, 3]),
        ("-pear", [2, 3]),
        ("pear " * 300, [2, 3]),
        ("\x00 pear", [2, 3]),
    ],
)
@pytest.mark.usefixtures("rows")
def test_search_finds_matching_prompts(text: str, indexes: list[int]) -> None:
    assert found(text) == [PROMPTS[index] for index in indexes]


@pytest.mark.usefixtures("rows")
def test_search_finds_more_matches_than_are_sorted_by_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.search.MAX_SORTED_ROWS", 1)
    assert found("pear") == [PROMPTS[2], PROMPTS[3]]


def test_search_does_not_find_deleted_rows(rows: list[Generation]) -> None:
    rows[2].transitions.all().delete()
    rows[2].delete()
    assert found("pear") == [PROMPTS[3]]


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
