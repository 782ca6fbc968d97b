"""Dunes: sharp sand crests in perspective, with a low sun from one side."""

import math

import numpy as np
from numpy.typing import NDArray

from .canvas import Field, lab, mix, noise, ramp, smoothstep
from .scene import Palette, Scene

# Sky from top to horizon, haze, then sand from deep shade to full light, sun.
PALETTES = (
    Palette(
        "rose pink pastel coral dawn",
        ("#6f88a8", "#b59fae", "#e8b8a6", "#dba79c", "#48202f", "#8a4450", "#c9736b", "#eda68c",
         "#fff0d8"),
    ),
    Palette(
        "gold golden ochre yellow sahara noon",
        ("#7fa6bd", "#bcc7bf", "#ecd9b0", "#dfc090", "#45231a", "#8a4f27", "#cf8a3e", "#f4c777",
         "#fff6d8"),
    ),
    Palette(
        "twilight dusk night violet blue lamp evening",
        ("#1b2148", "#554a7d", "#d98b7e", "#a2708a", "#12102c", "#37284f", "#7c4d68", "#d98f78",
         "#ffe3b3"),
    ),
    Palette(
        "white salt pale snow silver minimal",
        ("#9fb4c3", "#c3cfd3", "#e6e3d9", "#d9d8d2", "#56606f", "#8d98a4", "#c3c7c6", "#efe9dc",
         "#fffdf3"),
    ),
    Palette(
        "red rust mars terracotta fire sunset",
        ("#3b4a66", "#a1726a", "#f0a36b", "#cf8162", "#2b0e14", "#6e261f", "#b8492a", "#ee8a4c",
         "#ffeec4"),
    ),
)  # fmt: skip
IntField = NDArray[np.int32]
# The terrain is cut into slices parallel to the image plane, at distances from NEAR to FAR.
SLICES = 700
NEAR, FAR = 0.55, 34.0
ROWS_PER_PIXEL = 3  # crests are nearly horizontal, so only rows need supersampling


def draw(scene: Scene) -> Field:
    """Draw sand under a clear sky."""
    rng, width, height = scene.rng, scene.width, scene.height
    colours = scene.colours(PALETTES)
    mirrored = rng.random() < 0.5
    horizon = rng.uniform(0.3, 0.4) if width > height else rng.uniform(0.36, 0.46)
    lens = 0.95 * max(height, 0.75 * width)
    # Shadows fall from the left, also from dunes outside the picture.
    outside = width * 2 // 5
    across = (np.arange(-outside, width, dtype=np.float32) - width / 2) / lens
    distances = np.geomspace(NEAR, FAR, SLICES, dtype=np.float32)[:, None]
    x = across[None, :] * distances
    sand = _heights(rng, x, distances)
    light = _light(sand, x, distances)
    visible = slice(outside, outside + width)
    camera = float(np.quantile(sand[:330, visible], 0.97)) + rng.uniform(0.45, 0.65)
    surface_rows = (
        horizon * height + lens * (camera - sand[:, visible]) / distances
    ) * ROWS_PER_PIXEL
    index, fraction = _first_visible(surface_rows, height * ROWS_PER_PIXEL)
    tone = _sample_slices(light[:, visible], index, fraction)
    depth = _sample_slices(np.broadcast_to(distances, (SLICES, width)), index, fraction)
    sideways = depth * across[None, visible]
    ripple = np.sin(95 * (sideways * 0.5 + depth) + 5 * np.sin(2.1 * sideways + 1.3 * depth))
    tone = tone + 0.035 * ripple * np.exp(-depth / 1.9) * smoothstep(0.25, 0.6, tone)
    haze = 1 - np.exp(-((depth / 15) ** 1.25))
    land = mix(ramp(colours[4:8], np.clip(tone, 0, 1)), lab(colours[3]), haze.astype(np.float32))
    ground = (index < SLICES).astype(np.float32)
    land = land.reshape(height, ROWS_PER_PIXEL, width, 3).mean(1)
    ground = ground.reshape(height, ROWS_PER_PIXEL, width).mean(1)
    pixels = mix(_sky(scene, colours, horizon), land, ground)
    pixels[..., 0] += 0.006 * noise(rng, width, height, 320, 1) * ground
    return pixels[:, ::-1] if mirrored else pixels


def _sky(scene: Scene, colours: tuple[str, ...], horizon: float) -> Field:
    rng, width, height = scene.rng, scene.width, scene.height
    rows = np.arange(height, dtype=np.float32)[:, None] / height
    streaks = noise(rng, width, height, (1.5, 12), 4)
    pixels = ramp(colours[:3], np.clip((rows / (horizon + 0.03)) ** 0.9 + 0.05 * streaks, 0, 1))
    x, y = rng.uniform(0.1, 0.34) * width, (horizon - rng.uniform(0.07, 0.16)) * height
    radius = 0.03 * min(width, height)
    columns = np.arange(width, dtype=np.float32)[None, :]
    distance = np.hypot(columns - x, rows * height - y)
    glow = 0.5 * np.exp(-distance / (radius * 3.5)) + 0.25 * np.exp(-distance / (radius * 12))
    return mix(pixels, lab(colours[8]), np.maximum(glow, np.clip(radius - distance, 0, 1)))


def _heights(rng: np.random.Generator, x: Field, z: Field) -> Field:
    """Return the height of the sand: crests with a gentle left side and a steep right side."""

    def waves(scale: float, count: int) -> Field:
        total = np.zeros(x.shape, np.float32)
        for _ in range(count):
            turn, phase = rng.uniform(0, 2 * math.pi), rng.uniform(0, 2 * math.pi)
            length = scale * rng.uniform(0.7, 1.5)
            total += np.sin(x * (math.cos(turn) / length) + (z * (math.sin(turn) / length) + phase))
        return total / math.sqrt(count)

    turn = rng.uniform(0.12, 0.55)
    length = rng.uniform(2.2, 2.9)
    phase = x * (math.cos(turn) / length) + (z * (math.sin(turn) / length) + rng.random())
    phase = phase + 0.3 * waves(1.5, 3) + 0.035 * waves(0.42, 3)
    p = phase - np.floor(phase)
    steep = 0.32
    gentle = np.clip(p / (1 - steep), 0, 1) ** 1.6
    slip = np.clip((1 - p) / steep, 0, 1) ** 1.1
    profile = np.where(p < 1 - steep, gentle, slip)
    size = 0.6 + 0.26 * waves(2.4, 3)
    result: Field = profile * np.clip(size, 0.14, None) + 0.16 * waves(2.9, 3)
    return result


def _light(sand: Field, x: Field, z: Field) -> Field:
    """Return the brightness of each point, 0 to 1, with the shadows of the crests."""
    by_x = np.gradient(sand, axis=1) / np.gradient(x, axis=1)
    by_z = (np.gradient(sand, axis=0) - by_x * np.gradient(x, axis=0)) / np.gradient(z, axis=0)
    facing = (-0.86 * -by_x + 0.12 * by_z + 0.5) / np.sqrt(1 + by_x**2 + by_z**2)
    slope = 0.42
    ray = sand + x * slope
    hidden = np.maximum.accumulate(ray, axis=1) - ray
    lit = smoothstep(0.03, 0.0, hidden - 0.004)
    direct = (0.34 + 0.66 * smoothstep(0.25, 0.82, facing)) * smoothstep(0, 0.2, facing) * lit
    # Hollows get less light from the sky than crests.
    sky = 0.17 + 0.12 * np.clip(by_x + 0.5, 0, 0.7) + 0.16 * np.clip(sand, -0.3, 0.9)
    return np.asarray(sky + 0.58 * direct, np.float32)


def _first_visible(surface_rows: Field, rows: int) -> tuple[IntField, Field]:
    """Return the nearest slice visible at each row and column, and the position before it.

    The position is 0 at the slice before and 1 at the slice itself. `surface_rows` is the
    picture row of the surface for each slice and column.
    """
    slices, width = surface_rows.shape
    surface_rows = _sharpened(surface_rows)
    reach = np.minimum.accumulate(surface_rows, axis=0)
    row_numbers = np.arange(rows, dtype=np.float32)
    index = np.empty((rows, width), np.int32)
    for column in range(width):
        index[:, column] = np.searchsorted(-reach[:, column], -row_numbers)
    current = np.clip(index, 1, slices - 1)
    columns = np.arange(width)[None, :]
    before, after = surface_rows[current - 1, columns], surface_rows[current, columns]
    visible = reach[current - 1, columns] >= before
    fraction = (before - row_numbers[:, None]) / np.maximum(before - after, 1e-3)
    # The last slice of a crest may be behind it, in shadow: use the slice in front.
    fraction = np.where(
        surface_rows[np.minimum(current + 1, slices - 1), columns] > after, 0, fraction
    )
    return index, np.where(visible, np.clip(fraction, 0, 1), 1).astype(np.float32)


def _sharpened(surface_rows: Field) -> Field:
    """Return the rows with crests raised to their true height between two slices.

    A crest is where the slopes on its two sides, extended, meet.
    """
    sharp = surface_rows.copy()
    for lines, raised in ((surface_rows, sharp), (surface_rows[::-1], sharp[::-1])):
        before, current, after, beyond = lines[:-3], lines[1:-2], lines[2:-1], lines[3:]
        rising, falling = before - current, beyond - after
        meet = (current - after + falling) / np.maximum(rising + falling, 1e-3)
        kink = (rising > 0) & (falling > 0) & (current <= after) & (meet > 0) & (meet < 1)
        raised[1:-2] -= np.where(kink, rising * meet, 0)
    return sharp


def _sample_slices(values: Field, index: IntField, fraction: Field) -> Field:
    """Interpolate values between each visible slice and the one before it."""
    current = np.clip(index, 1, len(values) - 1)
    columns = np.arange(values.shape[1])[None, :]
    before, after = values[current - 1, columns], values[current, columns]
    return np.asarray(before + (after - before) * fraction, np.float32)
