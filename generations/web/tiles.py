"""A picture in a grid: its box, its words, its address; the same in every page that has a grid."""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.models import Generation, Member, Picture

from .layout import layout_of
from .picture_views import file_urls, picture_url

# The boxes that the style sheet knows, by width over height: those of the eight shapes, and steps
# between them for pictures that took the shape of a reference.
STEPS = (0.4, 0.45, 0.5, 0.5625, 0.61, 0.6667, 0.71, 0.75, 0.8, 0.86, 0.93, 1, 1.08, 1.16, 1.24,
         1.3333, 1.41, 1.5, 1.64, 1.7778, 1.95, 2.12, 2.3333, 2.5)  # fmt: skip
KILOBYTE = 1000
# The columns of a picture that a tile needs.
SHOWN = ("generation", "index", "state", "width", "height", "colour", "size_bytes", "trashed_at")


@dataclass(frozen=True)
class Tile:
    pk: int
    url: str
    thumbnail: str
    preview: str
    srcset: str
    alt: str
    width: int
    height: int
    step: int
    colour: str
    kilobytes: int
    is_favourite: bool
    is_mine: bool  # this viewer may take it away
    is_private: bool

    @classmethod
    def of_wish(cls, row: Generation, viewer: Member) -> "Tile":
        """A generation without a picture: an empty frame of its shape, with its words."""
        layout = layout_of(row)
        return cls(
            pk=row.pk,
            url=reverse("generation", args=(row.pk,)),
            thumbnail="",
            preview="",
            srcset="",
            alt=Truncator(row.prompt).chars(120),
            width=layout.width,
            height=layout.height,
            step=step_of(layout.width / layout.height),
            colour="",
            kilobytes=0,
            is_favourite=False,
            is_mine=viewer.is_admin or row.owner_id == viewer.pk,
            is_private=row.is_private,
        )

    @classmethod
    def of(cls, picture: Picture, row: Generation, viewer: Member, query: str = "") -> "Tile":
        _original, preview, thumbnail, srcset = file_urls(picture.pk)
        address = picture_url(picture.pk)
        width, height = picture.width or 1, picture.height or 1
        return cls(
            pk=picture.pk,
            url=f"{address}?{query}" if query else address,
            thumbnail=thumbnail,
            preview=preview,
            srcset=srcset,
            alt=alt_of(picture, row),
            width=width,
            height=height,
            step=step_of(width / height),
            colour=picture.colour,
            kilobytes=(picture.size_bytes or 0) // KILOBYTE,
            is_favourite=getattr(picture, "is_favourite", False),
            is_mine=viewer.is_admin or row.owner_id == viewer.pk,
            is_private=row.is_private,
        )


def alt_of(picture: Picture, row: Generation) -> str:
    words = row.prompt if len(row.prompt) <= 120 else Truncator(row.prompt).chars(120)
    if row.n == 1:
        return words
    said = _("%(words)s, picture %(number)d of %(n)d")
    return said % {"words": words, "number": picture.number, "n": row.n}


def step_of(ratio: float) -> int:
    """The nearest box, by its place in `STEPS`."""
    right = min(bisect_left(STEPS, ratio), len(STEPS) - 1)
    left = max(right - 1, 0)
    return right if STEPS[right] - ratio <= ratio - STEPS[left] else left


def tiles_of(rows: Iterable[Generation], viewer: Member, query: str = "") -> list[Tile]:
    """All pictures that were fetched with these rows, in the order of their rows."""
    return [Tile.of(picture, row, viewer, query) for row in rows for picture in row.shown_pictures]
