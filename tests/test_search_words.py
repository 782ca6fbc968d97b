"""Search for parts of words, with typos, and for people, tags and aspect ratios."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from generations.models import Generation, LearnedWords, Member, Status, Tag, Word, bulk
from generations.models.word import SETTLED
from generations.search import for_member, narrow
from generations.search.query import MIN_TYPO_LETTERS
from generations.search.vocabulary import corrections, is_one_edit_apart, words_containing
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for
from tests.test_gallery import tiles_in

pytestmark = pytest.mark.django_db

RATIOS = ("1:1", "16:9")
PROMPTS = (
    "A glass bottle beside a pear",
    "Lanterns of Hội An at night",
    "水墨山水画，远山与云雾",
    "Đèn lồng trên bàn gỗ",
    "A lighthouse in heavy fog",
    "Black-and-white portrait",
)


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    rows = [make_generation(Status.SUCCEEDED, prompt=prompt, owner=owner) for prompt in PROMPTS]
    Word.objects.learn_all()
    return rows


def found(text: str, member: Member) -> list[str]:
    query = for_member(text, member, RATIOS)
    rows = Generation.objects.visible_to(member).order_by("pk")
    return [row.prompt for row in narrow(rows, query)]


@pytest.mark.parametrize(
    ("text", "indexes"),
    [
        ("ottle", [0]),  # a part of a word
        ("house", [4]),
        ("ortra", [5]),
        ("ear", [0]),
        ("le", []),  # two letters are the beginning of a word only
        ('"ottle"', []),  # in quotes: whole words
        ("pear bottle glass", [0]),  # any order
        ("glass bottle pear", [0]),
        ("ottle ea", []),
        ("ottle pea", [0]),
        ("botl", [0]),  # a letter left out of the beginning
        ("bottel", [0]),  # two letters swapped
        ("bxttle", [0]),
        ("bootle", [0]),
        ("obttle", [0]),
        ("botttle", [0]),
        ("lihgthouse", [4]),
        ("lanterms", [1]),
        ("glas bottel", [0]),
        ("bxxtle", []),  # two typos
        ("bot", [0]),
        ("den long", [3]),
        ("đèn lồng", [3]),
        ("lông", [3]),
        ("hoi", [1]),
        ("hội an", [1]),
        ("山水", [2]),
        ("云", [2]),
        ("水山", []),
        ("black-and-white", [5]),
        ("black-white", []),
    ],
)
def test_words_are_found_by_parts_and_with_a_typo(
    owner: Member, rows: list[Generation], text: str, indexes: list[int]
) -> None:
    assert found(text, owner) == [PROMPTS[index] for index in indexes]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("text", ["ottle", "ottle pea", "bottel", "house", "pear", '"pear"'])
def test_matches_that_are_too_many_to_sort_are_the_same(
    owner: Member, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    few = found(text, owner)
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", 0)
    many = narrow(Generation.objects.order_by("pk"), for_member(text, owner))
    assert [row.prompt for row in many] == few


def test_part_of_many_words_is_found_by_its_beginning(
    owner: Member, rows: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.search.vocabulary.MAX_SIMILAR", 0)
    assert words_containing(["house", "zzz"]) == {"zzz": ()}
    assert found("house", owner) == []
    assert found("light", owner) == [PROMPTS[4]]


def test_without_trigrams_parts_are_found_all_the_same(
    owner: Member, rows: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "generations.search.vocabulary.table_of_words", lambda _using: "generations_word"
    )
    assert found("ottle", owner) == [PROMPTS[0]]


def test_without_a_vocabulary_words_are_found_by_their_beginning(owner: Member) -> None:
    make_generation(prompt=PROMPTS[0], owner=owner)
    assert found("bott", owner) == [PROMPTS[0]]
    assert found("ottle", owner) == found("bottel", owner) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has no FTS5")
def test_vocabulary_has_an_index_of_trigrams(rows: list[Generation]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM generations_word_parts WHERE word MATCH 'ottl'")
        assert cursor.fetchall() == [("bottle",)]
    Word.objects.all().delete()
    assert words_containing(["ottle"]) == {"ottle": ()}


# --- people, tags and aspect ratios --------------------------------------------------------------


@pytest.fixture
def lan() -> Member:
    return make_member("lan.n", first_name="Lân", last_name="Nguyễn")


def test_people_and_ratios_are_found_too(owner: Member, lan: Member) -> None:
    wide = make_generation(prompt="A bottle", owner=lan, aspect_ratio="16:9")
    make_generation(prompt="A second bottle", owner=lan, aspect_ratio="1:1")
    others = make_generation(prompt="A third bottle", owner=owner, aspect_ratio="16:9")
    lamp = make_generation(prompt="Landscape with bottle", owner=owner, aspect_ratio="16:9")
    query = for_member("lan 16:9 bottle", owner, RATIOS)
    assert query.ratios == ("16:9",)
    keys = query.few_keys()
    assert keys is not None
    assert wide.pk in keys
    assert lamp.pk in keys  # "lan" begins a word of its prompt
    assert others.pk not in keys
    assert found("nguyen third", owner) == []
    assert len(found("nguyen", owner)) == 2
    assert len(found("nguyễn bottle", owner)) == 2


@pytest.mark.parametrize("text", ["lan bottle", "nguyen", "lan", "ottle nguyen", "hero bottle"])
def test_people_that_are_too_many_to_sort_are_the_same(
    owner: Member, lan: Member, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    make_generation(prompt="A bottle", owner=lan)
    row = make_generation(Status.SUCCEEDED, prompt="A bottle of water", owner=owner)
    bulk.tag(picture_ids(row), owner, "hero")
    Word.objects.learn_all()
    few = found(text, owner)
    assert len(few) == 1
    monkeypatch.setattr("generations.models.counting.MAX_SORTED_ROWS", 0)
    assert found(text, owner) == few


def test_search_for_a_tag_finds_the_tagged_images_alone(
    owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3, prompt="A bottle")
    written = make_generation(Status.SUCCEEDED, owner=owner, n=2, prompt="A hero in armour")
    pictures = picture_ids(row)
    bulk.tag(pictures[1:2], owner, "Hero")
    assert tiles_in(owner_client, "/gallery/?q=hero") == [*picture_ids(written), pictures[1]]
    assert tiles_in(owner_client, "/gallery/?q=hero+bottle") == [pictures[1]]
    assert Tag.objects.count() == 1


def test_gallery_filters_by_a_ratio_in_the_search(owner_client: Client, owner: Member) -> None:
    wide = make_generation(Status.SUCCEEDED, owner=owner, aspect_ratio="16:9")
    make_generation(Status.SUCCEEDED, owner=owner, aspect_ratio="1:1")
    assert tiles_in(owner_client, "/gallery/?q=16:9") == picture_ids(wide)
    assert tiles_in(owner_client, "/gallery/?q=16:9+pear") == picture_ids(wide)
    assert tiles_in(owner_client, "/gallery/?q=16:9+plum") == []
    assert tiles_in(owner_client, "/gallery/?q=16:9&ratio=1:1") == []


# --- privacy -------------------------------------------------------------------------------------


def test_private_prompts_of_others_change_no_result(owner: Member) -> None:
    """Someone else's private "bottel" neither is found nor keeps a typo from being forgiven."""
    stranger = make_member()
    make_generation(prompt="A bottle", owner=owner)
    make_generation(prompt="A secret bottel", owner=stranger, is_private=True)
    Word.objects.learn_all()
    assert found("bottel", owner) == ["A bottle"]
    assert found("bottel", stranger) == ["A secret bottel"]
    assert found("ecre", owner) == []
    assert found("secert", owner) == []
    assert found("secert", stranger) == ["A secret bottel"]


def test_private_images_of_a_person_are_not_found_by_the_name(owner: Member, lan: Member) -> None:
    make_generation(prompt="Hidden", owner=lan, is_private=True)
    assert found("lan", owner) == []
    assert found("lan", lan) == ["Hidden"]


def test_gallery_says_that_similar_words_are_shown(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, prompt="A bottle", owner=owner)
    make_generation(Status.SUCCEEDED, prompt="A bottes", owner=make_member(), is_private=True)
    Word.objects.learn_all()
    page = owner_client.get("/gallery/?q=bottel").content.decode()
    assert "No results for “bottel”. Showing similar words." in page
    assert "bottes" not in page
    assert "similar words" not in owner_client.get("/gallery/?q=bottle").content.decode()
    assert "similar words" in owner_client.get("/history/?q=bottel").content.decode()


# --- the vocabulary ------------------------------------------------------------------------------


def test_words_are_learned_once_and_again_while_they_may_be_incomplete(owner: Member) -> None:
    old = make_generation(owner=owner, prompt="A bottle", created_at=timezone.now() - 2 * SETTLED)
    make_generation(owner=owner, prompt="A pear, 4k, 50 % off 🎈 山")
    assert Word.objects.learn() == 2
    assert LearnedWords.objects.get().generation == old.pk
    assert Word.objects.learn() == 1  # the new row again
    assert set(Word.objects.values_list("word", flat=True)) == {"bottle", "pear", "off"}


def test_vocabulary_has_a_maximum(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.models.word.MAX_WORDS", 2)
    make_generation(owner=owner, prompt="One two three four")
    Word.objects.learn_all()
    assert Word.objects.count() == 2


def test_words_are_learned_in_batches(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.models.word.ROWS_AT_ONCE", 1)
    monkeypatch.setattr("generations.models.word.WORDS_AT_ONCE", 2)
    for prompt in PROMPTS[:2]:
        make_generation(owner=owner, prompt=prompt)
    Word.objects.learn_all()
    assert Word.objects.filter(word__in=("bottle", "lanterns")).count() == 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("bottle", "bottle", False), ("bottle", "botle", True), ("bottle", "bottles", True),
        ("bottle", "battle", True), ("bottle", "obttle", True), ("bottle", "bottel", True),
        ("bottle", "bxttxe", False), ("bottle", "bot", False), ("ab", "ba", True), ("a", "", True),
        ("abcd", "badc", False), ("abc", "cab", False),
    ],
)  # fmt: skip
def test_one_edit(first: str, second: str, expected: bool) -> None:
    assert is_one_edit_apart(first, second) is is_one_edit_apart(second, first) is expected


@pytest.mark.parametrize("word", ["lantern", "pears", "pear", "fog"])
def test_every_single_typo_is_corrected(word: str) -> None:
    """Left out, doubled, replaced and swapped letters at each place of a word."""
    Word.objects.create(word=word)
    for typo in typos_of(word):
        if len(typo) >= MIN_TYPO_LETTERS:
            assert corrections(typo) == (word,), typo


def typos_of(word: str) -> Iterator[str]:
    for place in range(len(word)):
        before, rest = word[:place], word[place + 1 :]
        yield from (before + rest, f"{before}x{word[place:]}", f"{before}x{rest}")
        if rest:
            yield f"{before}{rest[0]}{word[place]}{rest[1:]}"


def test_every_single_typo_is_corrected_in_the_beginning_of_a_word() -> None:
    Word.objects.create(word="pearlescent")
    for typo in typos_of("pearl"):
        if typo[-1] == "l" and typo != "pearl":
            assert corrections(typo) == ("pearlescent",), typo


def test_viewer_finds_what_the_team_shares(rows: list[Generation]) -> None:
    viewer = make_member(role="viewer")
    assert client_for(viewer).get("/gallery/?q=ottle").content.count(b'class="tile ') == 1
