"""Fields and colours: noise, blurs, masks and OKLab, the one space in which colours are mixed.

A field is an array of floats of (height, width), a sheet one of (height, width, 3) in OKLab,
with L from 0 to 1. Sheets become pixels only once, in `develop`.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

Field = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
Points = Sequence[tuple[float, float]]

# Björn Ottosson, "A perceptual color space for image processing", 2020.
LINEAR_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
LAB_TO_LMS = np.linalg.inv(LMS_TO_LAB).astype(np.float32)
LMS_TO_LINEAR = np.linalg.inv(LINEAR_TO_LMS).astype(np.float32)

RAMP_STEPS = 2048
GAMMA_STEPS = 16384


# Colours


@cache
def lab(colour: str) -> Field:
    """OKLab of one "#rrggbb", shape (3,)."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    made: Field = (LMS_TO_LAB @ np.cbrt(LINEAR_TO_LMS @ linear)).astype(np.float32)
    made.setflags(write=False)
    return made


def mix(one: Field, other: Field, part: Field | float) -> Field:
    """From `one` (part 0) to `other` (part 1); a field of parts gains the axis of colour."""
    if isinstance(part, np.ndarray):
        part = part[..., None]
    return one + (other - one) * part


def ramp(colours: Sequence[str] | Sequence[Field], position: Field) -> Field:
    """The colours evenly spread over 0 to 1, looked up at each position: shape (..., 3)."""
    stops = np.stack([lab(c) if isinstance(c, str) else c for c in colours])
    along = np.linspace(0, 1, RAMP_STEPS)
    at = np.linspace(0, 1, len(stops))
    table = np.stack([np.interp(along, at, stops[:, i]) for i in range(3)], -1)
    steps = np.clip(position * (RAMP_STEPS - 1), 0, RAMP_STEPS - 1).astype(np.int32)
    return table.astype(np.float32)[steps]


@cache
def _gamma() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, GAMMA_STEPS)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(srgb * 255).astype(np.uint8)


def develop(sheet: Field, rng: np.random.Generator) -> Image.Image:
    """The finished RGB picture: a vignette of .05 L, a grain of .8 %, then sRGB."""
    height, width = sheet.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    grain = rng.standard_normal((height, width), np.float32)
    sheet = sheet.copy()
    sheet[..., 0] += 0.008 * grain - 0.05 * smoothstep(0.35, 2.0, x * x + y * y)
    return to_image(sheet)


def to_image(sheet: Field) -> Image.Image:
    """The sheet as RGB pixels, colours outside sRGB clipped."""
    lms = sheet @ LAB_TO_LMS.T
    linear = (lms * lms * lms) @ LMS_TO_LINEAR.T
    steps = np.clip(linear * (GAMMA_STEPS - 1), 0, GAMMA_STEPS - 1).astype(np.int32)
    return Image.fromarray(_gamma()[steps])


# Fields


def smoothstep(low: float, high: float, value: Field) -> Field:
    """0 under `low`, 1 over `high` (or the other way round), smooth between."""
    t: Field = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def grid(width: int, height: int) -> tuple[Field, Field]:
    """Columns and rows with the middle at 0 and the shorter edge from -1 to 1."""
    half = min(width, height) / 2
    x = (np.arange(width, dtype=np.float32) + 0.5 - width / 2) / half
    y = (np.arange(height, dtype=np.float32) + 0.5 - height / 2) / half
    columns, rows = np.meshgrid(x, y)
    return columns, rows


def resize(
    field: Field,
    width: int,
    height: int,
    how: Image.Resampling = Image.Resampling.BICUBIC,
    box: tuple[float, float, float, float] | None = None,
) -> Field:
    """The field at another size; `box` is the part of it to take, in its own cells."""
    return np.asarray(Image.fromarray(field).resize((width, height), how, box), np.float32)


def noise(
    rng: np.random.Generator,
    width: int,
    height: int,
    cells: float | tuple[float, float],
    octaves: int = 4,
    gain: float = 0.45,
) -> Field:
    """Smooth noise around 0, seldom beyond -1 and 1.

    `cells` are the bumps across and down; one number means so many along the longer edge.
    Small random grids are blown up bicubically, each octave twice as fine.
    """
    if isinstance(cells, tuple):
        across, down = cells
    else:
        across, down = cells * width / max(width, height), cells * height / max(width, height)
    # One number taken whatever the size, so that a picture is the same at every size.
    inner = np.random.default_rng(rng.integers(1 << 62))
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        wide, tall = across * 2.0**octave, down * 2.0**octave
        if wide > width * 1.5:
            break
        left, top = 1 + inner.random(2)
        seeds = inner.uniform(-1, 1, (int(tall) + 5, int(wide) + 5)).astype(np.float32)
        box = (left, top, left + wide, top + tall)
        total += weight * resize(seeds, width, height, box=box)
        weight *= gain
    return total


def wave(
    rng: np.random.Generator, width: int, cells: float, octaves: int = 5, gain: float = 0.45
) -> Field:
    """The same noise along one line, shape (width,)."""
    line: Field = noise(rng, width, 1, (cells, 0.2), octaves, gain)[0]
    return line


def blur(mask: Field, radius: float) -> Field:
    """A mask of 0 to 1 made soft; the radius is in pixels."""
    small = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
    # A wide blur needs no fine pixels, and costs a quarter with every halving.
    step = max(1, int(radius / 6))
    size = small.size
    if step > 1:
        small = small.reduce(step)
    small = small.filter(ImageFilter.GaussianBlur(radius / step))
    return np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) / 255


def shift(field: Field, right: int, down: int) -> Field:
    """The field moved by whole pixels, its edges drawn out."""
    height, width = field.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return field[rows][:, columns]


def sample(field: Field, columns: Field, rows: Field) -> Field:
    """The field read between its cells; beyond its edges it repeats them."""
    height, width = field.shape
    columns = np.clip(columns, 0, width - 1.001)
    rows = np.clip(rows, 0, height - 1.001)
    left, top = columns.astype(np.int32), rows.astype(np.int32)
    x, y = (columns - left).astype(np.float32), (rows - top).astype(np.float32)
    flat = np.ascontiguousarray(field).ravel()
    at = top * width + left
    upper = flat[at] + (flat[at + 1] - flat[at]) * x
    at += width
    lower = flat[at] + (flat[at + 1] - flat[at]) * x
    made: Field = upper + (lower - upper) * y
    return made


def halve(sheet: Field) -> Field:
    """Pixels of double size averaged down, for a field or a sheet of even edges."""
    return (sheet[::2, ::2] + sheet[1::2, ::2] + sheet[::2, 1::2] + sheet[1::2, 1::2]) / 4


class Stencil:
    """A mask drawn at double size and averaged down; coordinates are picture pixels."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("L", (width * 2, height * 2))
        self._draw = ImageDraw.Draw(self._image)

    def polygon(self, points: Points, value: float = 1) -> None:
        self._draw.polygon([(x * 2, y * 2) for x, y in points], int(value * 255))

    def line(self, points: Points, width: float, value: float = 1) -> None:
        for (x0, y0), (x1, y1) in pairwise(points):
            ends = (x0 * 2, y0 * 2, x1 * 2, y1 * 2)
            self._draw.line(ends, int(value * 255), max(1, round(width * 2)))

    def disc(self, x: float, y: float, radius: float, value: float = 1) -> None:
        self.ellipse(x, y, radius, radius, value)

    def ellipse(self, x: float, y: float, across: float, down: float, value: float = 1) -> None:
        """A filled ellipse; `across` and `down` are its radii."""
        box = ((x - across) * 2, (y - down) * 2, (x + across) * 2, (y + down) * 2)
        self._draw.ellipse(box, int(value * 255))

    def mask(self) -> Field:
        return np.asarray(self._image.reduce(2), np.float32) / 255
