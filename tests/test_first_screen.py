"""Which images of a grid are loaded first."""

import re
from dataclasses import replace

import pytest
from django.test import Client

from generations.models import Collection, Member, Picture, Status
from generations.web.first_screen import FirstScreen
from generations.web.tiles import Tile, box_step
from tests.builders import make_generation

WIDE = 16 / 9


def tiles(*ratios: float, first: int = 1) -> list[Tile]:
    """Tiles of these proportions, with ids from `first` on."""
    plain = Tile(
        pk=0, url="", thumbnail="", preview="", srcset="", alt="", width=1, height=1, step=0,
        colour="", kilobytes=0, is_favourite=False, is_changeable=False, is_private=False,
    )  # fmt: skip
    return [
        replace(plain, pk=pk, step=box_step(ratio)) for pk, ratio in enumerate(ratios, start=first)
    ]


def test_rows_fill_the_screen() -> None:
    """Three squares fit side by side, 131 px high: five rows begin above the lower edge."""
    screen = FirstScreen.of([tiles(*[1.0] * 60)])
    assert screen.shown == frozenset(range(1, 16))


def test_largest_image_is_the_one_alone_in_a_row() -> None:
    screen = FirstScreen.of([tiles(1, 1, 1, WIDE, 21 / 9, 1, 1, 1, 1)])
    assert screen.largest == 4


def test_last_row_of_a_month_is_not_stretched() -> None:
    screen = FirstScreen.of([tiles(WIDE), tiles(1, 1, 1, 1, first=2)])
    assert screen.largest == 1
    assert FirstScreen.of([tiles(1.0), tiles(1, 1, 1, 1, first=2)]).largest in {2, 3, 4}


def test_headings_take_room() -> None:
    months = [tiles(1.0, first=first) for first in range(1, 20)]
    assert FirstScreen.of(months).shown == frozenset(range(1, 5))


def test_nothing_is_shown_without_tiles() -> None:
    screen = FirstScreen.of([])
    assert (screen.shown, screen.largest) == (frozenset(), None)
    assert screen.loading(tiles(1.0)[0]) == "later"


@pytest.mark.usefixtures("media_root")
def test_pages_load_the_first_screen_first(owner_client: Client, owner: Member) -> None:
    for _row in range(5):
        make_generation(Status.SUCCEEDED, owner=owner, n=4, aspect_ratio="1:1")
    collection = Collection.objects.create(name="Spring", created_by=owner)
    collection.add([picture.pk for picture in Picture.objects.all()], owner)
    Member.objects.filter(pk=owner.pk).update(shows_stacks=False)
    for path in ("/gallery/", f"/collections/{collection.pk}/"):
        images = re.findall(r'<img src="/files/[^>]*>', owner_client.get(path).content.decode())
        assert len(images) == 20
        assert [('loading="lazy"' in image) for image in images] == [False] * 15 + [True] * 5
        assert sum('fetchpriority="high"' in image for image in images) == 1
