"""A planet with bands or seas and clouds, lit from one side, in front of stars."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .canvas import Field, lab, mix, noise, noise_1d, ramp, sample, smoothstep
from .scene import Palette, Scene

# Space, haze in space, then the ground from dark to light (four), cloud, atmosphere.
PALETTES = (
    Palette(
        "teal blue earth ocean sea water cold",
        ("#04050d", "#101a33", "#08324a", "#0f6f7d", "#4bb0ab", "#9fd0cf", "#e6f1ee", "#7fb8e6"),
    ),
    Palette(
        "red mars rust orange fire desert",
        ("#070407", "#241220", "#3d1714", "#8c3b22", "#cf7a45", "#e9b27f", "#f8e3c4", "#f0a27c"),
    ),
    Palette(
        "gold golden amber yellow honey",
        ("#060507", "#1e1a26", "#5a3d22", "#a5763f", "#d8b173", "#ecd7a7", "#fbf3dc", "#f0d9a8"),
    ),
    Palette(
        "violet purple lilac nebula aurora night magic",
        ("#060413", "#231a45", "#2a1e57", "#6249a0", "#a283c9", "#d8bfe4", "#f8ecf7", "#b9a0f0"),
    ),
    Palette(
        "grey silver moon white stone",
        ("#040507", "#12161f", "#33373e", "#6d7177", "#a5a8a8", "#d2d2cc", "#f6f4ec", "#aebccb"),
    ),
)
MOON = ("#2c2b2e", "#6a6766", "#9c9792", "#c9c4bb", "#e9e4d8")
RING_SAMPLES = 1024
Floats = NDArray[np.float64]


class Sphere(NamedTuple):
    """Centre and radius in pixels."""

    x: float
    y: float
    radius: float


def draw(scene: Scene) -> Field:
    """Draw one planet in space, sometimes with a ring or a moon."""
    rng, width, height = scene.rng, scene.width, scene.height
    colours = scene.colours(PALETTES)
    banded = bool(scene.shared_rng.random() < 0.5)
    ringed = scene.count_mentions("saturn ring") > 0 or (banded and scene.shared_rng.random() < 0.6)
    pixels = _space(scene, colours)
    radius = min(width, height) * rng.uniform(0.3, 0.37) * (0.8 if ringed else 1)
    sphere = Sphere(width * rng.uniform(0.4, 0.6), height * rng.uniform(0.46, 0.54), radius)
    side = 1 if rng.random() < 0.5 else -1
    sun = np.array([-0.72 * side, -0.42, 0.55])
    sun /= np.linalg.norm(sun)
    if not ringed:
        _paint_sphere(scene, pixels, colours, sphere, sun, banded)
        if rng.random() < 0.55:
            away, turn = radius * rng.uniform(1.35, 1.7), rng.uniform(-0.6, 0.6)
            x, y = sphere.x + side * away * math.cos(turn), sphere.y + away * math.sin(turn)
            moon = Sphere(float(x), float(y), radius * rng.uniform(0.07, 0.13))
            _paint_sphere(scene, pixels, (*colours[:2], *MOON, colours[1]), moon, sun, False)
        return pixels
    tone, opacity, before = _ring(scene, sphere, sun)
    dust = ramp(colours[3:7], tone)
    pixels = mix(pixels, dust, opacity)
    _paint_sphere(scene, pixels, colours, sphere, sun, banded)
    return mix(pixels, dust, opacity * before)


def _space(scene: Scene, colours: tuple[str, ...]) -> Field:
    rng, width, height = scene.rng, scene.width, scene.height
    long = max(width, height)
    cloud = smoothstep(-0.3, 1.2, noise(rng, width, height, 2.4, 6, 0.52))
    pixels = ramp(colours[:2], 0.75 * cloud)
    light = np.zeros((height, width), np.float32)
    rows, columns = np.mgrid[-4:5, -4:5].astype(np.float32)
    for at_x, at_y, chance, tint in rng.random((int(520 * width * height / long**2), 4)):
        bright = 0.1 + 0.9 * chance**9
        px, py = at_x * (width - 9) + 4, at_y * (height - 9) + 4
        wide = (0.0006 + 0.0007 * chance**9) * long
        spot = np.exp(-((columns - px % 1) ** 2 + (rows - py % 1) ** 2) / (2 * wide * wide))
        top, left = int(py) - 4, int(px) - 4
        light[top : top + 9, left : left + 9] += bright * (0.6 + 0.4 * tint) * spot
    return mix(pixels, lab("#fdf6ea"), np.clip(light, 0, 1))


def _paint_sphere(
    scene: Scene,
    pixels: Field,
    colours: tuple[str, ...],
    sphere: Sphere,
    sun: Floats,
    banded: bool,
) -> None:
    """Paint one sphere and its atmosphere onto the pixels, in place."""
    rng, width, height = scene.rng, scene.width, scene.height
    reach = sphere.radius * 1.4
    left, right = max(0, int(sphere.x - reach)), min(width, int(sphere.x + reach))
    top, bottom = max(0, int(sphere.y - reach)), min(height, int(sphere.y + reach))
    if left >= right or top >= bottom:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    u, v = (columns - sphere.x) / sphere.radius, (rows - sphere.y) / sphere.radius
    distance = np.hypot(u, v)
    w = np.sqrt(np.clip(1 - distance * distance, 0, 1))
    sx, sy, sz = (float(part) for part in sun)
    lit = u * sx + v * sy + w * sz
    # The atmosphere glows beyond the rim, on the sunlit side only.
    facing = (u * sx + v * sy) / np.maximum(distance, 1e-3)
    air = np.exp(-np.clip(distance - 1, 0, None) * 16) * smoothstep(-0.55, 0.8, facing)
    space = pixels[top:bottom, left:right]
    background = mix(space, lab(colours[7]), 0.5 * air * smoothstep(1.39, 1.2, distance))
    ground, cloud = _surface(rng, u, v, w, sphere.radius, banded)
    face = mix(ramp(colours[2:6], ground), lab(colours[6]), cloud)
    rim = np.clip(distance, 0, 1) ** 5 * smoothstep(-0.1, 0.7, lit)
    face = mix(face, lab(colours[7]), 0.5 * rim)
    face = mix(lab(colours[0]), face, smoothstep(-0.1, 0.75, lit) ** 0.8)
    mask = np.clip((1 - distance) * sphere.radius + 0.5, 0, 1)
    pixels[top:bottom, left:right] = mix(background, face, mask)


def _surface(
    rng: np.random.Generator, u: Field, v: Field, w: Field, radius: float, banded: bool
) -> tuple[Field, Field]:
    """Return ground brightness and cloud opacity, both 0 to 1, of the visible hemisphere."""
    tilt = rng.uniform(-0.5, 0.5)
    across = u * math.cos(tilt) + v * math.sin(tilt)
    down = np.clip(v * math.cos(tilt) - u * math.sin(tilt), -1, 1)
    map_height = int(np.clip(2 * radius, 64, 512))
    ground, cloud = (_bands if banded else _seas)(_Map(rng, map_height))
    longitude = (np.arctan2(across, w) / np.pi + 0.5) * (2 * map_height - 2)
    latitude = (np.arcsin(down) / np.pi + 0.5) * (map_height - 2)
    return (
        sample(np.clip(ground, 0, 1).astype(np.float32), longitude, latitude),
        sample(np.clip(cloud, 0, 1).astype(np.float32), longitude, latitude),
    )


class _Map:
    """A map of the visible hemisphere, twice as wide as high, with two noise layers."""

    def __init__(self, rng: np.random.Generator, height: int) -> None:
        self.rng, self.height = rng, height
        self.swirl = self.noise(5, 5, 0.5)
        self.fine = self.noise(9, 9, 0.55)

    def noise(self, across: float, down: float, gain: float) -> Field:
        return noise(self.rng, 2 * self.height, self.height, (across, down), 6, gain)

    def displaced(self, field: Field, right: Field | float, down: Field) -> Field:
        """Return the field displaced at each point, in fractions of the map's height."""
        column = np.arange(2 * self.height, dtype=np.float32)[None, :]
        row = np.arange(self.height, dtype=np.float32)[:, None]
        at = np.broadcast_arrays(column + right * self.height, row + down * self.height)
        return sample(field, *at)


def _bands(world: _Map) -> tuple[Field, Field]:
    """Return ground and clouds in belts with slightly turbulent edges."""
    belts = noise_1d(world.rng, world.height, 11, 4, 0.6)[:, None]
    tone = world.displaced(
        np.broadcast_to(belts, world.swirl.shape), 0.0, 0.018 * world.swirl + 0.008 * world.fine
    )
    cloud = 0.25 * smoothstep(0.25, 1.1, world.fine + 0.3 * world.swirl)
    return 0.52 + 0.5 * tone + 0.05 * world.fine, cloud


def _seas(world: _Map) -> tuple[Field, Field]:
    """Return land in dark seas, and streaks of cloud."""
    land = world.swirl + 0.35 * world.displaced(world.fine, 0.12 * world.swirl, 0.05 * world.swirl)
    ground = 0.12 + 0.3 * smoothstep(-0.6, 0.08, land) + 0.5 * smoothstep(0.1, 0.8, land)
    veil = world.displaced(world.noise(4, 8, 0.55), 0.16 * world.swirl, 0.06 * world.fine)
    return ground, 0.9 * smoothstep(0.05, 0.95, veil)


def _ring(scene: Scene, sphere: Sphere, sun: Floats) -> tuple[Field, Field, Field]:
    """Return tone and opacity of a ring around the sphere, and where it is in front."""
    rng, width, height = scene.rng, scene.width, scene.height
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    turn, flat = rng.uniform(-0.5, 0.5), rng.uniform(0.16, 0.3)
    u, v = (columns - sphere.x) / sphere.radius, (rows - sphere.y) / sphere.radius
    along = u * math.cos(turn) + v * math.sin(turn)
    over = (v * math.cos(turn) - u * math.sin(turn)) / flat
    distance = np.hypot(along, over)
    lanes = noise_1d(rng, RING_SAMPLES, 13, 3, 0.6)
    position = np.clip((distance - 1.3) / 0.85, 0, 1) * (RING_SAMPLES - 1)
    lane = np.interp(position, np.arange(RING_SAMPLES), lanes)
    edge = smoothstep(1.3, 1.36, distance) * smoothstep(2.15, 2.05, distance)
    opacity = edge * np.clip(0.62 + 0.5 * lane, 0.05, 0.95)
    gap = np.abs(distance - 1.82)
    opacity = opacity * smoothstep(0.012, 0.03, gap)
    # The sphere's shadow on the ring is a cylinder that points away from the sun.
    towards = u * float(sun[0]) + v * float(sun[1]) + over * math.sqrt(1 - flat**2) * float(sun[2])
    beside = np.sqrt(np.clip(distance * distance - towards * towards, 0, None))
    shade = smoothstep(1.03, 0.95, beside) * smoothstep(0, -0.2, towards)
    tone = np.clip(0.45 + 0.35 * lane, 0, 1)
    opacity = opacity * (1 - 0.93 * shade)
    return tone.astype(np.float32), opacity.astype(np.float32), (over > 0).astype(np.float32)
