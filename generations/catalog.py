"""What we offer, as data: the shapes, the numbers, the rules of a reference image.

The limits are those of the documented profile (upstream notes, 2.3 and 2.5). Nothing outside this
file and `kling.py` knows what Kling can do.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# How wide the small copies of a picture are, in pixels: a tile at twice the density, and a screen.
THUMBNAIL_WIDTH = 512
PREVIEW_WIDTH = 1280


@dataclass(frozen=True)
class AspectRatio:
    """One aspect ratio.

    `ratio` is the upstream's word, `name` what a screen reader says; `columns[n - 1]` is how many
    frames stand in a row on a desk, `phone_columns[n - 1]` on a phone.
    """

    ratio: str
    name: Promise
    columns: tuple[int, ...]
    phone_columns: tuple[int, ...] = (1, 2, 3, 2, 3, 3, 3, 3, 3)

    @property
    def width(self) -> int:
        return int(self.ratio.split(":")[0])

    @property
    def height(self) -> int:
        return int(self.ratio.split(":")[1])

    @property
    def is_tall(self) -> bool:
        return self.height > self.width

    @property
    def slug(self) -> str:
        """Fit for a class name, for example `16-9`."""
        return self.ratio.replace(":", "-")


_WIDE = (1, 2, 2, 2, 3, 3, 3, 3, 3)
_TALL = (1, 2, 3, 4, 5, 3, 4, 4, 5)

# Widest to tallest: the order in which the console draws them.
ASPECT_RATIOS = (
    AspectRatio(
        "21:9", _("21 to 9, very wide"), (1, 1, 1, 2, 2, 2, 3, 3, 3), (1, 1, 1, 1, 1, 1, 1, 1, 1)
    ),
    AspectRatio("16:9", _("16 to 9, wide"), _WIDE),
    AspectRatio("3:2", _("3 to 2, landscape"), _WIDE),
    AspectRatio("4:3", _("4 to 3, landscape"), _WIDE),
    AspectRatio("1:1", _("1 to 1, square"), (1, 2, 3, 2, 3, 3, 4, 4, 3)),
    AspectRatio("3:4", _("3 to 4, portrait"), _TALL),
    AspectRatio("2:3", _("2 to 3, portrait"), _TALL),
    AspectRatio("9:16", _("9 to 16, tall"), _TALL),
)
ASPECT_RATIO_BY_NAME = {shape.ratio: shape for shape in ASPECT_RATIOS}
DEFAULT_RATIO = "3:2"

MAX_IMAGES = 9

# MPO is a JPEG that holds several pictures, as many cameras write them.
REFERENCE_TYPES = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"}
MAX_REFERENCE_BYTES = 10 * 1024 * 1024
MIN_REFERENCE_PIXELS = 300  # each side
MAX_REFERENCE_RATIO = 2.5  # long side over short side
MAX_REFERENCE_AREA = 50_000_000  # ours: what one web thread may decode


@dataclass(frozen=True)
class Example:
    """A prompt to begin with, and the bundled picture that it made."""

    number: int
    shape: AspectRatio
    prompt: Promise

    @property
    def image(self) -> str:
        return f"img/start-{self.number}.webp"


EXAMPLES = (
    Example(
        1,
        ASPECT_RATIO_BY_NAME["3:4"],
        _("Fern fronds as a cyanotype print, white on deep blue, rough paper edge"),
    ),
    Example(2, ASPECT_RATIO_BY_NAME["16:9"], _("White wall, blue arch, hard southern noon light")),
    Example(3, ASPECT_RATIO_BY_NAME["1:1"], _("Layered cut paper, coral to plum, soft shadows")),
)
