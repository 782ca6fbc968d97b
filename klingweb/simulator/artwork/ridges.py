"""Layers of mountain ridges with mist between them, a pale sun and spruces in front."""

import numpy as np

from .canvas import Field, Stencil, lab, mix, noise, noise_1d, ramp, smoothstep
from .scene import Palette, Scene

# Sky from top to horizon, far ridge, two between, near ridge, mist, sun.
PALETTES = (
    Palette(
        "rose violet dawn pink purple plum sunrise",
        ("#e3c4a4", "#eebf9a", "#f0a98c", "#c97d83", "#8d5c82", "#513d70", "#19143a", "#d9988f",
         "#fff3dc"),
    ),
    Palette(
        "slate blue fog cold winter snow rain lake",
        ("#d3dde0", "#d0dce0", "#c5d5da", "#8fa9b2", "#587b88", "#2c4c5a", "#04161d", "#a9c0c7",
         "#f4f7f4"),
    ),
    Palette(
        "green olive spring summer forest moss meadow jungle",
        ("#d9cfae", "#e8dab2", "#ebdcb0", "#a8ac77", "#73824f", "#3f5530", "#0b1d0a", "#b6b685",
         "#fdf3d7"),
    ),
    Palette(
        "burning evening sunset fire red dusk autumn",
        ("#5a4f8f", "#a8708c", "#f0956e", "#c45f4d", "#8f3c47", "#551f3a", "#1b0719", "#d67a5e",
         "#ffeecb"),
    ),
    Palette(
        "gold golden amber honey noon warm",
        ("#f1dfb3", "#f6d795", "#f3bf6d", "#d0954d", "#98653a", "#5a3b2c", "#1e1418", "#e2b06c",
         "#fffbe6"),
    ),
    Palette(
        "teal twilight night moon moonlit cool aurora",
        ("#1d3557", "#3c6682", "#86adae", "#5d8c97", "#366577", "#1a3f56", "#04121f", "#7ba7ab",
         "#f7f3df"),
    ),
)  # fmt: skip


def draw(scene: Scene) -> Field:
    """Draw layered ridges."""
    rng, width, height = scene.rng, scene.width, scene.height
    *sky, far, between, before, near, mist, sun = scene.colours(PALETTES)
    aspect = width / height
    horizon = rng.uniform(0.36, 0.44) if aspect > 1 else rng.uniform(0.42, 0.5)
    pixels = _sky(scene, sky, sun, horizon)
    rows = np.arange(height, dtype=np.float32)[:, None]
    layers = int(rng.integers(7, 10))
    for layer in range(layers):
        t = layer / (layers - 1)
        ridge, smooth = _ridge(scene, t, horizon)
        body = np.clip(rows - ridge[None, :] + 0.5, 0, 1)
        if t > 0.6:
            body = np.maximum(body, _spruces(scene, ridge, t))
        top = max(0, int(ridge.min() - height * 0.13))
        colour = ramp([far, between, before, near], np.array([t**1.1]))[0]
        depth = (rows[top:] - smooth[None, :]) / height
        foot = smoothstep(0.0, 0.26 - 0.04 * t, depth) * (0.72 - 0.5 * t)
        foot *= 1 + 0.35 * noise(rng, width, height, (2.5 * aspect, 4), 3)[top:]
        light = mix(lab(mist), colour, 0.62 * t**0.7)
        pixels[top:] = mix(pixels[top:], mix(colour, light, foot), body[top:])
    return pixels


def _sky(scene: Scene, colours: list[str], sun: str, horizon: float) -> Field:
    rng, width, height = scene.rng, scene.width, scene.height
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    streaks = noise(rng, width, height, (2, 9), 4)
    pixels = ramp(colours, np.clip(rows / (horizon + 0.12) + 0.05 * streaks, 0, 1))
    x, y = rng.uniform(0.24, 0.76) * width, (horizon - rng.uniform(0.1, 0.2)) * height
    radius = 0.043 * min(width, height) * rng.uniform(0.9, 1.25)
    columns = np.arange(width, dtype=np.float32)[None, :]
    distance = np.hypot(columns - x, rows * height - y)
    glow = 0.4 * np.exp(-distance / (radius * 3.2)) + 0.22 * np.exp(-distance / (radius * 9))
    pixels = mix(pixels, lab(sun), glow.astype(np.float32))
    return mix(pixels, lab(sun), np.clip(radius - distance + 0.5, 0, 1).astype(np.float32))


def _ridge(scene: Scene, t: float, horizon: float) -> tuple[Field, Field]:
    """Return the ridge line in pixels from the top, and the same line without fine detail."""
    rng, width, height = scene.rng, scene.width, scene.height
    aspect = width / height
    base = horizon + (0.99 - horizon) * t**0.92
    amplitude = 0.045 + 0.125 * np.sin(np.pi * (0.12 + 0.78 * t))
    state = rng.integers(2**32)
    cells = aspect * (2.6 - 0.7 * t)
    smooth = noise_1d(np.random.default_rng(state), width, cells, 2)
    rough = noise_1d(np.random.default_rng(state), width, cells, 6)
    return (base - amplitude * rough) * height, (base - amplitude * smooth) * height


def _spruces(scene: Scene, ridge: Field, t: float) -> Field:
    rng, width, height = scene.rng, scene.width, scene.height
    stencil = Stencil(width, height)
    crowd = noise_1d(rng, width, 5 * width / height, 3)
    size = height * (0.02 + 0.05 * (t - 0.6) / 0.4)
    for _ in range(int(150 * width / height)):
        x, chance, tall, slim = rng.random(4)
        column = int(x * width)
        teeth = rng.uniform(0.75, 1.2, (2, 8))
        if chance < 0.42 + 0.6 * crowd[column]:
            tree = size * (0.45 + 0.8 * tall**1.5)
            stencil.polygon(_spruce(column, ridge[column] + tree * 0.2, tree, slim, teeth))
    return stencil.mask()


def _spruce(
    x: float,
    foot: float,
    tall: float,
    slim: float,
    teeth: Field,
) -> list[tuple[float, float]]:
    """Return the outline of one tree: tiers of branches, each wider than the one above."""
    tiers = teeth.shape[1]
    sides: list[list[tuple[float, float]]] = []
    for side, reaches in zip((-1, 1), teeth, strict=True):
        outline = [(x, foot - tall)]
        for tier, reach in enumerate(reaches, 1):
            part = tier / tiers
            y = foot - tall * (1 - part)
            out = tall * (0.13 + 0.08 * slim) * part**0.85 * reach
            outline += [(x + side * out, y), (x + side * out * 0.5, y - tall * 0.02)]
        sides.append(outline)
    return sides[0] + sides[1][::-1]
