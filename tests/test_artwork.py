"""The simulator's pictures: always the same for the same wish, and of the kind one asked for."""

import pytest
from PIL import Image, ImageChops, ImageStat

from klingweb.simulator import artwork
from klingweb.simulator.artwork import brief, families

RIDGES = "Layered mountain ridges at dawn"
SHAPES = {
    "21:9": (1280, 549),
    "16:9": (1280, 720),
    "3:2": (1280, 853),
    "4:3": (1280, 960),
    "1:1": (1280, 1280),
    "3:4": (960, 1280),
    "2:3": (853, 1280),
    "9:16": (720, 1280),
}
WORDS = [(name, word) for name, kind in families.FAMILIES.items() for word in kind.words.split()]


def draw(prompt: str = RIDGES, ratio: str = "3:2", index: int = 0, model: str = "") -> Image.Image:
    return artwork.draw(prompt, ratio, index, long_edge=96, model=model)


def family(prompt: str) -> families.Family:
    return families.of(brief.write(prompt, "3:2", 0, "", (96, 64)))


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean distance of two pictures' channels, of 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_the_same_wish_gives_the_same_pixels() -> None:
    assert draw().tobytes() == draw().tobytes()


def test_sisters_prompts_and_models_give_different_pictures() -> None:
    others = [draw(index=1), draw(prompt=RIDGES + " again"), draw(model="kling-v2")]
    assert all(difference(draw(), other) > 2 for other in others)


@pytest.mark.parametrize("name", families.FAMILIES)
def test_a_larger_picture_shows_the_same(name: str) -> None:
    word = families.FAMILIES[name].words.split()[0]
    small = artwork.draw(word, "3:2", 0, long_edge=144)
    large = artwork.draw(word, "3:2", 0, long_edge=288).resize(small.size, Image.Resampling.BOX)
    assert difference(small, large) < 8


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_every_word_picks_its_family(name: str, word: str) -> None:
    assert family(f"A {word.upper()}, quietly") is families.FAMILIES[name]


def test_the_family_asked_for_most_wins() -> None:
    assert family("Mountain ridges in fog, paper-cut depth") is families.FAMILIES["ridges"]
    assert family("Layered cut paper, a mountain") is families.FAMILIES["paper"]


def test_a_prompt_without_any_known_word_still_has_a_family() -> None:
    assert family("zzz") is family("zzz")


@pytest.mark.parametrize(("ratio", "pixels"), SHAPES.items())
def test_every_ratio_has_its_size(ratio: str, pixels: tuple[int, int]) -> None:
    assert artwork.size(ratio, 1280) == pixels


def test_an_unknown_ratio_is_taken_for_wide() -> None:
    assert artwork.size("7:5", 1280) == artwork.size("16:9", 1280)


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("ratio", ["21:9", "1:1", "9:16"])
def test_every_family_fills_its_frame(name: str, ratio: str) -> None:
    word = families.FAMILIES[name].words.split()[0]
    for index in range(3):
        picture = draw(word, ratio, index)
        assert (picture.size, picture.mode) == (artwork.size(ratio, 96), "RGB")
        assert max(ImageStat.Stat(picture.convert("L")).stddev) > 3


def test_a_plain_picture_is_as_large_and_as_steady() -> None:
    one, again = (artwork.plain(RIDGES, "9:16", 0) for _ in range(2))
    assert one.size == artwork.size("9:16", 512)
    assert one.tobytes() == again.tobytes()
    assert difference(one, artwork.plain(RIDGES, "9:16", 1)) > 2
