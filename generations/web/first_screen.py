"""Which images of a grid a phone shows before scrolling, so that these are loaded first.

Repeats the layout of gallery.css for a phone. A larger screen shows more: the browser loads the
others as soon as it has laid out the page.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .tiles import BOX_RATIOS, Tile

# CSS pixels.
ROW_WIDTH = 400
ROW_HEIGHT = 118  # of rows that are not stretched to the full width
GAP = 3
HEADING_HEIGHT = 60  # of a month
SCREEN_HEIGHT = 660  # below the header and the filters


@dataclass(frozen=True)
class FirstScreen:
    """`shown` and `largest` are ids of pictures. The largest usually is the largest paint."""

    shown: frozenset[int]
    largest: int | None

    @classmethod
    def of(cls, groups: Iterable[Sequence[Tile]]) -> "FirstScreen":
        """Find them in groups of tiles that each start with a heading."""
        areas: dict[int, float] = {}
        top = 0.0
        for tiles in groups:
            top += HEADING_HEIGHT
            for row in _rows(tiles):
                if top >= SCREEN_HEIGHT:
                    break
                height = _height(row, is_last=row[-1] is tiles[-1])
                areas |= {tile.pk: height**2 * _ratio(tile) for tile in row}
                top += height + GAP
        return cls(frozenset(areas), max(areas, key=areas.__getitem__, default=None))

    def loading(self, tile: Tile) -> str:
        """Return when to load the image: `first`, `soon` or `later`."""
        if tile.pk == self.largest:
            return "first"
        return "soon" if tile.pk in self.shown else "later"


def _rows(tiles: Sequence[Tile]) -> Iterator[list[Tile]]:
    """Break the tiles into rows, as `flex-wrap` does."""
    row: list[Tile] = []
    for tile in tiles:
        if row and _natural_width([*row, tile]) > ROW_WIDTH:
            yield row
            row = []
        row.append(tile)
    if row:
        yield row


def _natural_width(row: Sequence[Tile]) -> float:
    return sum(_ratio(tile) for tile in row) * ROW_HEIGHT + (len(row) - 1) * GAP


def _height(row: Sequence[Tile], *, is_last: bool) -> float:
    if is_last:
        return ROW_HEIGHT
    return (ROW_WIDTH - (len(row) - 1) * GAP) / sum(_ratio(tile) for tile in row)


def _ratio(tile: Tile) -> float:
    return BOX_RATIOS[tile.step]
