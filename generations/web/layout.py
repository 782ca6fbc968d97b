"""How the images of one generation are laid out, by aspect ratio and number."""

from dataclasses import dataclass

from generations.models import Generation

PHONE_COLUMNS = (1, 2, 3, 2, 3, 3, 3, 3, 3)
_WIDE = (1, 2, 2, 2, 3, 3, 3, 3, 3)
_TALL = (1, 2, 3, 4, 5, 3, 4, 4, 5)


@dataclass(frozen=True)
class Layout:
    """`columns[n - 1]` is the number of columns of n images, `phone_columns` that on a phone."""

    width: int
    height: int
    columns: tuple[int, ...]
    phone_columns: tuple[int, ...] = PHONE_COLUMNS

    @property
    def is_tall(self) -> bool:
        return self.height > self.width

    @property
    def slug(self) -> str:
        """For class names: `16-9`. studio.css has a class for each layout."""
        return f"{self.width}-{self.height}"

    def columns_of(self, n: int) -> int:
        return _at(self.columns, n)

    def phone_columns_of(self, n: int) -> int:
        return _at(self.phone_columns, n)


def _at(columns: tuple[int, ...], n: int) -> int:
    return columns[min(max(n, 1), len(columns)) - 1]


LAYOUTS = {
    "21:9": Layout(21, 9, (1, 1, 1, 2, 2, 2, 3, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)),
    "16:9": Layout(16, 9, _WIDE),
    "3:2": Layout(3, 2, _WIDE),
    "4:3": Layout(4, 3, _WIDE),
    "1:1": Layout(1, 1, (1, 2, 3, 2, 3, 3, 4, 4, 3)),
    "3:4": Layout(3, 4, _TALL),
    "2:3": Layout(2, 3, _TALL),
    "9:16": Layout(9, 16, _TALL),
    "9:21": Layout(9, 21, _TALL),
}


def layout_of(row: Generation) -> Layout:
    """The layout nearest to its aspect ratio; else to its reference image; else 1:1."""
    layout = LAYOUTS.get(row.aspect_ratio)
    if layout:
        return layout
    width, _separator, height = row.aspect_ratio.partition(":")
    if width.isdecimal() and height.isdecimal():
        return nearest(int(width), int(height))
    return nearest(row.reference.width, row.reference.height) if row.reference else LAYOUTS["1:1"]


def nearest(width: int, height: int) -> Layout:
    """The layout whose proportions come closest to these."""
    if not (width and height):
        return LAYOUTS["1:1"]
    return min(LAYOUTS.values(), key=lambda each: abs(each.width / each.height - width / height))
