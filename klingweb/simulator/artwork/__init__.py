"""Draws pictures from prompts for the demo. The same arguments give the same picture."""

import numpy as np
from PIL import Image

from .canvas import finish, lab, mix, to_image
from .scene import create_scene
from .styles import style_for

RATIOS = {
    "21:9": (21, 9),
    "16:9": (16, 9),
    "3:2": (3, 2),
    "4:3": (4, 3),
    "1:1": (1, 1),
    "3:4": (3, 4),
    "2:3": (2, 3),
    "9:16": (9, 16),
}


def size(aspect_ratio: str, long_edge: int) -> tuple[int, int]:
    """Return width and height in pixels; an unknown ratio counts as 16:9."""
    columns, rows = RATIOS.get(aspect_ratio, RATIOS["16:9"])
    unit = long_edge / max(columns, rows)
    return round(columns * unit), round(rows * unit)


def draw(
    prompt: str, aspect_ratio: str, index: int, *, long_edge: int = 1280, model: str = ""
) -> Image.Image:
    """Draw one RGB picture. `index` distinguishes the pictures of one request.

    Takes up to 1.5 s of CPU time at 960 pixels.
    """
    scene = create_scene(prompt, aspect_ratio, index, model, size(aspect_ratio, long_edge))
    return finish(style_for(scene).draw(scene), scene.rng)


def plain(prompt: str, aspect_ratio: str, index: int, *, long_edge: int = 512) -> Image.Image:
    """Draw a gradient in colours of the prompt's style in less than 2 ms, for load tests."""
    scene = create_scene(prompt, aspect_ratio, index, "", size(aspect_ratio, long_edge))
    colours = scene.colours(style_for(scene).palettes)
    upper, lower = (lab(colours[i]) for i in scene.rng.choice(len(colours), 2, replace=False))
    offset = scene.rng.uniform(-0.04, 0.04)  # distinguishes pictures with the same two colours
    rows = np.linspace(0.1 + offset, 0.9 + offset, scene.height)[:, None]
    return to_image(mix(upper, lower, rows)).resize(
        (scene.width, scene.height), Image.Resampling.NEAREST
    )
