"""Noise, blurs, masks and colours. All colours are mixed in OKLab.

A field is a float array of shape (height, width). Pixels are a float array of shape
(height, width, 3) in OKLab, with L from 0 to 1; only `finish` and `to_image` convert to sRGB.
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
    """Convert "#rrggbb" to OKLab, shape (3,)."""
    srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    result: Field = (LMS_TO_LAB @ np.cbrt(LINEAR_TO_LMS @ linear)).astype(np.float32)
    result.setflags(write=False)
    return result


def mix(start: Field, end: Field, amount: Field | float) -> Field:
    """Interpolate from `start` (amount 0) to `end` (amount 1), by pixel if given a field."""
    if isinstance(amount, np.ndarray):
        amount = amount[..., None]
    return start + (end - start) * amount


def ramp(colours: Sequence[str] | Sequence[Field], position: Field) -> Field:
    """Look up positions from 0 to 1 in a gradient of evenly spaced colours: shape (..., 3)."""
    stops = np.stack([lab(c) if isinstance(c, str) else c for c in colours])
    positions = np.linspace(0, 1, RAMP_STEPS)
    stop_positions = np.linspace(0, 1, len(stops))
    table = np.stack([np.interp(positions, stop_positions, stops[:, i]) for i in range(3)], -1)
    steps = np.clip(position * (RAMP_STEPS - 1), 0, RAMP_STEPS - 1).astype(np.int32)
    return table.astype(np.float32)[steps]


@cache
def _gamma() -> NDArray[np.uint8]:
    linear = np.linspace(0, 1, GAMMA_STEPS)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.round(srgb * 255).astype(np.uint8)


def finish(pixels: Field, rng: np.random.Generator) -> Image.Image:
    """Add a vignette of 0.05 L and a grain of 0.8 %, and convert to an sRGB image."""
    height, width = pixels.shape[:2]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    grain = rng.standard_normal((height, width), np.float32)
    pixels = pixels.copy()
    pixels[..., 0] += 0.008 * grain - 0.05 * smoothstep(0.35, 2.0, x * x + y * y)
    return to_image(pixels)


def to_image(pixels: Field) -> Image.Image:
    """Convert OKLab pixels to an sRGB image, clipping colours outside sRGB."""
    lms = pixels @ LAB_TO_LMS.T
    linear = (lms * lms * lms) @ LMS_TO_LINEAR.T
    steps = np.clip(linear * (GAMMA_STEPS - 1), 0, GAMMA_STEPS - 1).astype(np.int32)
    return Image.fromarray(_gamma()[steps])


# Fields


def smoothstep(low: float, high: float, value: Field) -> Field:
    """Rise smoothly from 0 at `low` to 1 at `high`; falls if `low` is greater."""
    t: Field = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def grid(width: int, height: int) -> tuple[Field, Field]:
    """Return x and y of each pixel: 0 in the middle, -1 to 1 along the shorter edge."""
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
    """Resize a field; `box` crops it first, in its own cells."""
    return np.asarray(Image.fromarray(field).resize((width, height), how, box), np.float32)


def noise(
    rng: np.random.Generator,
    width: int,
    height: int,
    cells: float | tuple[float, float],
    octaves: int = 4,
    gain: float = 0.45,
) -> Field:
    """Return smooth noise around 0, mostly between -1 and 1.

    `cells` is the number of noise cells (horizontal, vertical), or along the longer edge. Each
    octave is a random grid, twice as fine as the one before and enlarged bicubically.
    """
    if isinstance(cells, tuple):
        columns, rows = cells
    else:
        columns, rows = cells * width / max(width, height), cells * height / max(width, height)
    # Uses one number of `rng` at any size, so that a picture looks the same at every size.
    inner = np.random.default_rng(rng.integers(1 << 62))
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        octave_columns, octave_rows = columns * 2.0**octave, rows * 2.0**octave
        if octave_columns > width * 1.5:
            break
        left, top = 1 + inner.random(2)
        values = inner.uniform(-1, 1, (int(octave_rows) + 5, int(octave_columns) + 5))
        box = (left, top, left + octave_columns, top + octave_rows)
        total += weight * resize(values.astype(np.float32), width, height, box=box)
        weight *= gain
    return total


def noise_1d(
    rng: np.random.Generator, width: int, cells: float, octaves: int = 5, gain: float = 0.45
) -> Field:
    """Return one-dimensional noise, shape (width,)."""
    line: Field = noise(rng, width, 1, (cells, 0.2), octaves, gain)[0]
    return line


def blur(mask: Field, radius: float) -> Field:
    """Blur a mask of 0 to 1; the radius is in pixels."""
    small = Image.fromarray((np.clip(mask, 0, 1) * 255).astype(np.uint8))
    # A wide blur looks the same at a lower resolution, at a quarter of the cost per halving.
    step = max(1, int(radius / 6))
    size = small.size
    if step > 1:
        small = small.reduce(step)
    small = small.filter(ImageFilter.GaussianBlur(radius / step))
    return np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32) / 255


def translate(field: Field, right: int, down: int) -> Field:
    """Move a field by whole pixels, repeating its edges."""
    height, width = field.shape
    rows = np.clip(np.arange(height) - down, 0, height - 1)
    columns = np.clip(np.arange(width) - right, 0, width - 1)
    return field[rows][:, columns]


def sample(field: Field, columns: Field, rows: Field) -> Field:
    """Read a field at fractional positions (bilinear), repeating its edges."""
    height, width = field.shape
    columns = np.clip(columns, 0, width - 1.001)
    rows = np.clip(rows, 0, height - 1.001)
    left, top = columns.astype(np.int32), rows.astype(np.int32)
    x, y = (columns - left).astype(np.float32), (rows - top).astype(np.float32)
    flat = np.ascontiguousarray(field).ravel()
    offset = top * width + left
    upper = flat[offset] + (flat[offset + 1] - flat[offset]) * x
    offset += width
    lower = flat[offset] + (flat[offset + 1] - flat[offset]) * x
    result: Field = upper + (lower - upper) * y
    return result


def downsample(pixels: Field) -> Field:
    """Average 2 x 2 cells of a field or pixels with even edges."""
    return (pixels[::2, ::2] + pixels[1::2, ::2] + pixels[::2, 1::2] + pixels[1::2, 1::2]) / 4


class Stencil:
    """An antialiased mask, drawn at double size. Coordinates are pixels of the final picture."""

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

    def ellipse(
        self, x: float, y: float, radius_x: float, radius_y: float, value: float = 1
    ) -> None:
        box = ((x - radius_x) * 2, (y - radius_y) * 2, (x + radius_x) * 2, (y + radius_y) * 2)
        self._draw.ellipse(box, int(value * 255))

    def mask(self) -> Field:
        return np.asarray(self._image.reduce(2), np.float32) / 255
