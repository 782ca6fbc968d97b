"""The demo artwork: deterministic, and in a style that fits the prompt."""

import pytest
from PIL import Image, ImageChops, ImageStat

from klingweb.simulator import artwork
from klingweb.simulator.artwork.scene import create_scene
from klingweb.simulator.artwork.styles import STYLES, Style, style_for

RIDGES = "Layered mountain ridges at dawn"
SIZES = {
    "21:9": (1280, 549),
    "16:9": (1280, 720),
    "3:2": (1280, 853),
    "4:3": (1280, 960),
    "1:1": (1280, 1280),
    "3:4": (960, 1280),
    "2:3": (853, 1280),
    "9:16": (720, 1280),
}
WORDS = [(name, word) for name, style in STYLES.items() for word in style.words.split()]


def draw(prompt: str = RIDGES, ratio: str = "3:2", index: int = 0, model: str = "") -> Image.Image:
    return artwork.draw(prompt, ratio, index, long_edge=96, model=model)


def style_of(prompt: str) -> Style:
    return style_for(create_scene(prompt, "3:2", 0, "", (96, 64)))


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference of the channel values, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def test_draw_is_deterministic() -> None:
    assert draw().tobytes() == draw().tobytes()


def test_draw_differs_by_index_prompt_and_model() -> None:
    others = [draw(index=1), draw(prompt=RIDGES + " again"), draw(model="kling-v2")]
    assert all(difference(draw(), other) > 2 for other in others)


@pytest.mark.parametrize("name", STYLES)
def test_draw_shows_the_same_at_every_size(name: str) -> None:
    word = STYLES[name].words.split()[0]
    small = artwork.draw(word, "3:2", 0, long_edge=144)
    large = artwork.draw(word, "3:2", 0, long_edge=288).resize(small.size, Image.Resampling.BOX)
    assert difference(small, large) < 8


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_style_word_selects_its_style(name: str, word: str) -> None:
    assert style_of(f"A {word.upper()}, quietly") is STYLES[name]


def test_style_with_most_words_is_selected() -> None:
    assert style_of("Mountain ridges in fog, paper-cut depth") is STYLES["ridges"]
    assert style_of("Layered cut paper, a mountain") is STYLES["paper"]


def test_style_is_deterministic_without_a_style_word() -> None:
    assert style_of("zzz") is style_of("zzz")


@pytest.mark.parametrize(("ratio", "pixels"), SIZES.items())
def test_size_fits_the_ratio(ratio: str, pixels: tuple[int, int]) -> None:
    assert artwork.size(ratio, 1280) == pixels


def test_size_of_an_unknown_ratio_is_that_of_16_9() -> None:
    assert artwork.size("7:5", 1280) == artwork.size("16:9", 1280)


@pytest.mark.parametrize("name", STYLES)
@pytest.mark.parametrize("ratio", ["21:9", "1:1", "9:16"])
def test_style_fills_the_picture(name: str, ratio: str) -> None:
    word = STYLES[name].words.split()[0]
    for index in range(3):
        picture = draw(word, ratio, index)
        assert (picture.size, picture.mode) == (artwork.size(ratio, 96), "RGB")
        assert max(ImageStat.Stat(picture.convert("L")).stddev) > 3


def test_plain_is_deterministic_and_differs_by_index() -> None:
    one, again = (artwork.plain(RIDGES, "9:16", 0) for _ in range(2))
    assert one.size == artwork.size("9:16", 512)
    assert one.tobytes() == again.tobytes()
    assert difference(one, artwork.plain(RIDGES, "9:16", 1)) > 2
