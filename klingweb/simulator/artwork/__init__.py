"""Pictures drawn from a prompt, for a studio without Kling: the same words, the same picture."""

import numpy as np
from PIL import Image

from . import brief, families
from .canvas import develop, lab, mix, to_image

RATIOS = {
    "21:9": (21, 9), "16:9": (16, 9), "3:2": (3, 2), "4:3": (4, 3),
    "1:1": (1, 1), "3:4": (3, 4), "2:3": (2, 3), "9:16": (9, 16),
}  # fmt: skip


def size(aspect_ratio: str, long_edge: int) -> tuple[int, int]:
    """Width and height in pixels; a ratio we do not know is taken for 16:9."""
    across, down = RATIOS.get(aspect_ratio, RATIOS["16:9"])
    unit = long_edge / max(across, down)
    return round(across * unit), round(down * unit)


def draw(
    prompt: str, aspect_ratio: str, index: int, *, long_edge: int = 1280, model: str = ""
) -> Image.Image:
    """One finished RGB picture; `index` tells the sisters of one request apart.

    Takes up to 1.5 s of processor time at 960 pixels: draw once and keep the file.
    """
    wish = brief.write(prompt, aspect_ratio, index, model, size(aspect_ratio, long_edge))
    return develop(families.of(wish).draw(wish), wish.own)


def plain(prompt: str, aspect_ratio: str, index: int, *, long_edge: int = 512) -> Image.Image:
    """A flat gradient in the colours `draw` would take, for load tests: under 2 ms."""
    wish = brief.write(prompt, aspect_ratio, index, "", size(aspect_ratio, long_edge))
    colours = wish.colours(families.of(wish).palettes)
    upper, lower = (lab(colours[i]) for i in wish.own.choice(len(colours), 2, replace=False))
    shift = wish.own.uniform(-0.04, 0.04)  # else two sisters with equal colours would be one
    rows = np.linspace(0.1 + shift, 0.9 + shift, wish.height)[:, None]
    return to_image(mix(upper, lower, rows)).resize(
        (wish.width, wish.height), Image.Resampling.NEAREST
    )
