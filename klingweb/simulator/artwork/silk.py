"""Silk: folds from domain-warped noise, shaded by their slope."""

import math

import numpy as np

from .canvas import Field, grid, noise, ramp, resize, smoothstep
from .scene import Palette, Scene

# From the darkest fold to the brightest highlight.
PALETTES = (
    Palette(
        "ivory cream pearl white bride",
        ("#553e39", "#a08478", "#d6c2b2", "#efe3d3", "#fffaf0"),
    ),
    Palette(
        "gold golden amber honey butter buttery yellow warm candlelight",
        ("#2b1704", "#75480c", "#b98222", "#e2b656", "#fff0bf"),
    ),
    Palette(
        "blue navy deep ocean wave night indigo sapphire",
        ("#040a24", "#10265f", "#2451a0", "#6790d2", "#e3efff"),
    ),
    Palette(
        "violet purple lilac plum velvet conference",
        ("#150a2e", "#39206b", "#6a4aa6", "#a68fd6", "#f2e9ff"),
    ),
    Palette(
        "red crimson rose wine ruby scarlet",
        ("#1f0209", "#5f0a1d", "#a52236", "#da6068", "#ffdcd2"),
    ),
    Palette(
        "green emerald jade teal mint",
        ("#021a18", "#0b4841", "#248072", "#71b7a2", "#e9fbef"),
    ),
    Palette(
        "grey silver graphite black smoke",
        ("#0d0e11", "#2f3238", "#686d75", "#aab0b6", "#fbfcfc"),
    ),
)


def draw(scene: Scene) -> Field:
    """Draw folded cloth that fills the picture."""
    cloth = _folds(scene)
    down, right = np.gradient(cloth)
    short = min(scene.width, scene.height)
    steep = 0.62 * short / 2
    nx, ny = -right * steep, -down * steep
    nz = 1 / np.sqrt(1 + nx * nx + ny * ny)
    nx, ny = nx * nz, ny * nz
    facing = -0.5 * nx - 0.5 * ny + 0.707 * nz
    diffuse = np.clip((facing + 0.25) / 1.25, 0, 1)
    half = np.clip(-0.27 * nx - 0.29 * ny + 0.918 * nz, 0, 1)
    backlight = np.clip(0.7 * nx + 0.35 * ny + 0.62 * nz, 0, 1)
    sheen = 0.24 * half**10 + 0.2 * half**60
    hollow = smoothstep(-1.0, 0.4, cloth)
    tone = 0.66 * diffuse * (0.62 + 0.38 * hollow) + sheen + 0.12 * backlight**5
    return ramp(scene.colours(PALETTES), np.clip(tone, 0, 1).astype(np.float32))


def _folds(scene: Scene) -> Field:
    """Return the height of the cloth, about -1 to 1."""
    rng = scene.rng
    width, height = scene.width, scene.height
    # The folds have no fine detail, so half the resolution is enough.
    w, h = width // 2, height // 2
    x, y = grid(w, h)
    longest = float(max(x.max(), y.max()))

    def smooth_noise(cells: float, octaves: int) -> Field:
        return noise(rng, w, h, cells * longest, octaves, 0.4)

    turn = rng.uniform(0.35, 1.2) * (1 if rng.random() < 0.5 else -1)
    u = x * math.cos(turn) + y * math.sin(turn)
    v = y * math.cos(turn) - x * math.sin(turn)
    u = u + 0.55 * smooth_noise(1.3, 2)
    v = v + 0.55 * smooth_noise(1.3, 2)
    u = u + 0.22 * np.sin(2.2 * v + 3 * smooth_noise(1.0, 1)) + 0.1 * smooth_noise(2.6, 2)
    folds = 0.52 * np.sin(3.1 * u + rng.uniform(0, 6.28))
    folds += 0.27 * np.sin(6.1 * u + 1.6 * v + rng.uniform(0, 6.28))
    folds += 0.1 * np.sin(11.3 * u - 2.3 * v + 2 * smooth_noise(1.6, 1))
    folds = folds * (0.75 + 0.5 * smooth_noise(1.1, 1)) + 0.24 * smooth_noise(1.5, 2)
    return resize(folds.astype(np.float32), width, height)
