"""Tiles: one picture in a grid, the same on every page that has a grid."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from django.urls import reverse
from django.utils.text import Truncator

from generations.models import Generation, Member, Picture
from generations.permissions import Action, may

from .layout import layout_of
from .picture_views import MAX_ALT_LENGTH, alt_text, file_urls, picture_url, prompt_start

# Width over height of the boxes in gallery.css (`.s0` and up): the eight aspect ratios on offer,
# and steps between them for pictures that take the ratio of a reference image.
BOX_RATIOS = (0.4, 0.45, 0.5, 0.5625, 0.61, 0.6667, 0.71, 0.75, 0.8, 0.86, 0.93, 1,
              1.08, 1.16, 1.24, 1.3333, 1.41, 1.5, 1.64, 1.7778, 1.95, 2.12, 2.3333,
              2.5)  # fmt: skip
BYTES_PER_KILOBYTE = 1000
# The columns of a picture that `Tile.of` reads, for `only()`.
TILE_COLUMNS = (
    "generation",
    "index",
    "state",
    "width",
    "height",
    "colour",
    "size_bytes",
    "trashed_at",
)


@dataclass(frozen=True)
class Tile:
    """What a grid shows of one picture, or of a stack: the pictures of one generation.

    `step` is the index of its box in `BOX_RATIOS`. `images` are the ids of all pictures that the
    tile stands for, `kilobytes` their mean size. A stack has a `stack_url`, which opens it.
    """

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
    is_changeable: bool  # by the viewer
    is_private: bool
    row: int = 0  # the id of the generation
    author: str = ""
    prompt: str = ""  # its start
    images: tuple[int, ...] = ()
    stack_url: str = ""
    status: str = ""  # why there is no picture

    @classmethod
    def without_picture(cls, row: Generation, viewer: Member, author: str) -> "Tile":
        """Return an empty box with status and prompt, for a generation without pictures."""
        layout = layout_of(row)
        return cls(
            pk=row.pk,
            url=reverse("generation", args=(row.pk,)),
            thumbnail="",
            preview="",
            srcset="",
            alt=Truncator(row.prompt).chars(MAX_ALT_LENGTH),
            width=layout.width,
            height=layout.height,
            step=box_step(layout.width / layout.height),
            colour="",
            kilobytes=0,
            is_favourite=False,
            is_changeable=may(viewer, Action.CHANGE, row),
            is_private=row.is_private,
            author=author,
            status=str(row.get_failure_display() or row.get_status_display()),
        )

    @classmethod
    def of(
        cls, picture: Picture, row: Generation, viewer: Member, query: str = "", author: str = ""
    ) -> "Tile":
        """Return the tile of a picture; `query` is appended to its URL."""
        _original, preview, thumbnail, srcset = file_urls(picture.pk)
        url = picture_url(picture.pk)
        width, height = picture.width or 1, picture.height or 1
        return cls(
            pk=picture.pk,
            url=f"{url}?{query}" if query else url,
            thumbnail=thumbnail,
            preview=preview,
            srcset=srcset,
            alt=alt_text(row.prompt, picture.number, row.n),
            width=width,
            height=height,
            step=box_step(width / height),
            colour=picture.colour,
            kilobytes=(picture.size_bytes or 0) // BYTES_PER_KILOBYTE,
            is_favourite=getattr(picture, "is_favourite", False),
            is_changeable=may(viewer, Action.CHANGE, row),
            is_private=row.is_private,
            row=row.pk,
            author=author,
            prompt=prompt_start(row.prompt),
            images=(picture.pk,),
        )

    @classmethod
    def of_stack(
        cls, row: Generation, viewer: Member, query: str, author: str, page_query: str
    ) -> "Tile":
        """Return one tile for all prefetched pictures of a generation (at least one).

        The cover is the viewer's first favourite, or else the first picture. `page_query` is the
        query string of the page, for the link that opens the stack there.
        """
        pictures = row.shown_pictures
        cover = next(
            (each for each in pictures if getattr(each, "is_favourite", False)), pictures[0]
        )
        tile = cls.of(cover, row, viewer, query, author)
        if len(pictures) == 1:
            return tile
        size_bytes = sum(each.size_bytes or 0 for each in pictures) // len(pictures)
        separator = "&" if page_query else ""
        return replace(
            tile,
            images=tuple(each.pk for each in pictures),
            kilobytes=size_bytes // BYTES_PER_KILOBYTE,
            stack_url=f"?{page_query}{separator}stack={row.pk}#p{cover.pk}",
        )


def box_step(ratio: float) -> int:
    """Return the index in `BOX_RATIOS` that is nearest to this width over height."""
    right = min(bisect_left(BOX_RATIOS, ratio), len(BOX_RATIOS) - 1)
    left = max(right - 1, 0)
    return right if BOX_RATIOS[right] - ratio <= ratio - BOX_RATIOS[left] else left


def tiles_of(
    rows: Iterable[Generation],
    viewer: Member,
    query: str = "",
    authors: Mapping[int, str] | None = None,
) -> list[Tile]:
    """Return the tiles of the prefetched `shown_pictures`, in the order of the rows.

    `authors`: the names of the owners by id, if the tiles show them.
    """
    names = authors or {}
    return [
        Tile.of(picture, row, viewer, query, names.get(row.owner_id, ""))
        for row in rows
        for picture in row.shown_pictures
    ]
