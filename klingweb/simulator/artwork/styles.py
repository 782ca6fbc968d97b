"""The styles of pictures, and the choice of one for a prompt."""

from collections.abc import Callable
from typing import NamedTuple

from . import cyanotype, dunes, paper, planet, poster, ridges, silk, still_life, wall
from .canvas import Field
from .scene import Palette, Scene, count_words


class Style(NamedTuple):
    """A kind of picture: the prompt words that select it, its palettes and how to draw it."""

    words: str
    palettes: tuple[Palette, ...]
    draw: Callable[[Scene], Field]


STYLES: dict[str, Style] = {
    "ridges": Style(
        "mountain ridge ridgeline valley fog mist dawn peak hill alps lake forest landscape spruce "
        "horizon sunrise countryside waterfall 山 núi montagne",
        ridges.PALETTES,
        ridges.draw,
    ),
    "still life": Style(
        "product bottle vase pear cup mug bowl ceramic pottery still-life fruit coffee tea jar "
        "studio glass jug teapot perfume croissant loaf candle wristwatch notebook bình gốm 茶",
        still_life.PALETTES,
        still_life.draw,
    ),
    "paper": Style(
        "paper paper-cut papercut cutout collage layered card origami relief seabed submarine "
        "contour topographic kirigami gouache watercolour 剪纸",
        paper.PALETTES,
        paper.draw,
    ),
    "silk": Style(
        "silk satin velvet fabric cloth drapery textile wave abstract ribbon folds curtain "
        "fluid knitted blanket 丝 lụa soie",
        silk.PALETTES,
        silk.draw,
    ),
    "wall": Style(
        "wall arch architecture building house courtyard door window interior room plaster facade "
        "stair street station stage bookshop",
        wall.PALETTES,
        wall.draw,
    ),
    "poster": Style(
        "poster bauhaus geometric pattern graphic screen-print risograph print vector flat grid "
        "illustration isometric sticker affiche",
        poster.PALETTES,
        poster.draw,
    ),
    "cyanotype": Style(
        "cyanotype fern frond leaf leaves botanical herbarium blossom plant blueprint reed flower "
        "linocut garden bamboo 竹 fleurs",
        cyanotype.PALETTES,
        cyanotype.draw,
    ),
    "dunes": Style(
        "dune desert sand sahara caravan oasis beach caravanserai 沙",
        dunes.PALETTES,
        dunes.draw,
    ),
    "planet": Style(
        "planet moon star starry galaxy nebula orbit astronaut cosmos saturn mars aurora "
        "eclipse universe spacecraft rocket 星",
        planet.PALETTES,
        planet.draw,
    ),
}


def style_for(scene: Scene) -> Style:
    """Return the style with the most words in the prompt; ties are broken at random."""
    counts = {name: count_words(scene.prompt, STYLES[name].words) for name in STYLES}
    highest = max(counts.values())
    best = [name for name, count in counts.items() if count == highest]
    return STYLES[best[int(scene.shared_rng.integers(len(best)))]]
