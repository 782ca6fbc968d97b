"""Cut paper: layers of card with holes, each casting a soft shadow on the layer below."""

import numpy as np
from PIL import Image

from .canvas import Field, blur, grid, mix, noise, ramp, resize, smoothstep, translate
from .scene import Palette, Scene

# From the top layer to the bottom layer.
PALETTES = (
    Palette(
        "coral plum red warm rose sunset",
        ("#f7ecd4", "#f6c583", "#ee8a62", "#dd5c54", "#a8324e", "#64203f", "#2b0e26"),
    ),
    Palette(
        "teal blue sea ocean water coastal deep cool",
        ("#e9f6ea", "#b6e3d2", "#6cc3bd", "#259cab", "#0c6c8c", "#0a4266", "#081a36"),
    ),
    Palette(
        "green sage forest mint leaf spring",
        ("#f4f1dc", "#d5dfb4", "#a1c08a", "#62986c", "#2f6e58", "#174a45", "#0a2528"),
    ),
    Palette(
        "violet purple night lilac indigo moonlit",
        ("#f6e9ee", "#e2c3dc", "#b996cf", "#8468b4", "#54458f", "#312a66", "#141236"),
    ),
    Palette(
        "gold ochre honey sand desert autumn pastel",
        ("#faf3df", "#f3dca6", "#e6b868", "#cf8c45", "#9d5f38", "#63382c", "#2b171a"),
    ),
)
LAYERS = 9


def draw(scene: Scene) -> Field:
    """Draw nine layers, each with a smaller hole than the one above."""
    rng, width, height = scene.rng, scene.width, scene.height
    short = min(width, height)
    relief = _relief(scene)
    slope = np.hypot(*np.gradient(relief)).astype(np.float32) + 1e-6
    down, right = np.gradient(relief)
    levels = np.quantile(relief[::4, ::4], np.linspace(0.07, 0.9, LAYERS))
    colours = scene.colours(PALETTES)
    card = ramp(colours, np.linspace(1, 0, LAYERS + 1, dtype=np.float32))
    pixels = np.broadcast_to(card[0], (height, width, 3)).copy()
    fibre = noise(rng, width, height, 190, 2, 0.7) * 0.010
    unevenness = noise(rng, width, height, 3, 2) * 0.013
    light = (right + down) / slope * 0.7
    for level, colour in zip(levels, card[1:], strict=True):
        inside = (relief - np.float32(level)) / slope  # pixels into the card
        mask = np.clip(inside + 0.5, 0, 1)
        pixels[..., 0] -= _shadow(mask, short) * (0.35 + 0.65 * pixels[..., 0])
        edge = smoothstep(short * 0.0045, 0, np.abs(inside))
        curl = np.exp(-np.clip(inside, 0, None) / (short * 0.03))
        pixels = mix(pixels, colour, mask)
        pixels[..., 0] += (fibre + unevenness + edge * (0.035 - 0.03 * light) + 0.018 * curl) * mask
    return pixels


def _shadow(mask: Field, short: int) -> Field:
    """Return how much a layer darkens the one below: a wide soft shadow and a narrow one."""
    height, width = mask.shape
    # Shadows have no fine detail, so half the resolution is enough.
    small = resize(mask, width // 2, height // 2, Image.Resampling.BOX)
    unit = short / 2
    wide = blur(translate(small, round(unit * 0.011), round(unit * 0.02)), unit * 0.017)
    narrow = blur(translate(small, round(unit * 0.003), round(unit * 0.006)), unit * 0.004)
    return resize(0.17 * wide + 0.07 * narrow, width, height, Image.Resampling.BILINEAR)


def _relief(scene: Scene) -> Field:
    """Return a height field: one or two hollows with smooth outlines, high at the edges."""
    rng = scene.rng
    # Computed at low resolution: the outlines are wide curves, and smoothing is cheap there.
    long = max(scene.width, scene.height)
    width, height = (max(16, round(160 * edge / long)) for edge in (scene.width, scene.height))
    x, y = grid(width, height)
    wide, tall = float(x.max()), float(y.max())
    longest = max(wide, tall)
    x = x + 0.35 * noise(rng, width, height, 2.2 * longest, 2)
    y = y + 0.35 * noise(rng, width, height, 2.2 * longest, 2)
    hollows = []
    for _ in range(1 + int(rng.random() < 0.4 * longest - 0.2)):
        a, b, turn = rng.uniform(-0.45, 0.45), rng.uniform(-0.45, 0.45), rng.uniform(0, np.pi)
        right, down = x - a * wide, y - b * tall
        u = right * np.cos(turn) + down * np.sin(turn)
        v = down * np.cos(turn) - right * np.sin(turn)
        hollows.append(np.hypot(u / rng.uniform(0.9, 1.3), v / rng.uniform(0.6, 0.9)))
    lowest = -np.log(sum(np.exp(-6 * hollow) for hollow in hollows)) / 6
    relief = lowest + 0.42 * noise(rng, width, height, 2.1 * longest, 2, 0.35)
    for _ in range(12):
        padded = np.pad(relief, 1, mode="reflect", reflect_type="odd")
        relief = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
        relief = (relief[:, :-2] + 2 * relief[:, 1:-1] + relief[:, 2:]) / 4
    return resize(relief.astype(np.float32), scene.width, scene.height)
