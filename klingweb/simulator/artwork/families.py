"""Which family of picture a prompt asks for."""

from collections.abc import Callable
from typing import NamedTuple

from . import cyanotype, dunes, paper, planet, poster, ridges, silk, still_life, wall
from .brief import Brief, Palette, count_words
from .canvas import Field


class Family(NamedTuple):
    """A kind of picture: the words that ask for it, its palettes and its brush."""

    words: str
    palettes: tuple[Palette, ...]
    draw: Callable[[Brief], Field]


FAMILIES: dict[str, Family] = {
    "ridges": Family(
        "mountain ridge ridgeline valley fog mist dawn peak hill alps lake forest landscape spruce "
        "horizon sunrise countryside waterfall 山 núi montagne",
        ridges.PALETTES,
        ridges.draw,
    ),
    "still life": Family(
        "product bottle vase pear cup mug bowl ceramic pottery still-life fruit coffee tea jar "
        "studio glass jug teapot perfume croissant loaf candle wristwatch notebook bình gốm 茶",
        still_life.PALETTES,
        still_life.draw,
    ),
    "paper": Family(
        "paper paper-cut papercut cutout collage layered card origami relief seabed submarine "
        "contour topographic kirigami gouache watercolour 剪纸",
        paper.PALETTES,
        paper.draw,
    ),
    "silk": Family(
        "silk satin velvet fabric cloth drapery textile wave abstract ribbon folds curtain "
        "fluid knitted blanket 丝 lụa soie",
        silk.PALETTES,
        silk.draw,
    ),
    "wall": Family(
        "wall arch architecture building house courtyard door window interior room plaster facade "
        "stair street station stage bookshop",
        wall.PALETTES,
        wall.draw,
    ),
    "poster": Family(
        "poster bauhaus geometric pattern graphic screen-print risograph print vector flat grid "
        "illustration isometric sticker affiche",
        poster.PALETTES,
        poster.draw,
    ),
    "cyanotype": Family(
        "cyanotype fern frond leaf leaves botanical herbarium blossom plant blueprint reed flower "
        "linocut garden bamboo 竹 fleurs",
        cyanotype.PALETTES,
        cyanotype.draw,
    ),
    "dunes": Family(
        "dune desert sand sahara caravan oasis beach caravanserai 沙",
        dunes.PALETTES,
        dunes.draw,
    ),
    "planet": Family(
        "planet moon star starry galaxy nebula orbit astronaut cosmos saturn mars aurora "
        "eclipse universe spacecraft rocket 星",
        planet.PALETTES,
        planet.draw,
    ),
}


def of(brief: Brief) -> Family:
    """The family most words of the prompt ask for; where none does, one by chance."""
    counts = {name: count_words(brief.prompt, FAMILIES[name].words) for name in FAMILIES}
    most = max(counts.values())
    best = [name for name, count in counts.items() if count == most]
    return FAMILIES[best[int(brief.shared.integers(len(best)))]]
