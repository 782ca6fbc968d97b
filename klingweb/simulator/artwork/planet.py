"""A planet: bands or seas under cloud, lit from one side, in front of far stars."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .brief import Brief, Palette
from .canvas import Field, lab, mix, noise, ramp, sample, smoothstep, wave

# Space, haze in space, then the ground from dark to light (four), cloud, air.
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
LANES = 1024
Floats = NDArray[np.float64]


class Ball(NamedTuple):
    """Where the middle is and how far the rim, in pixels."""

    x: float
    y: float
    radius: float


def draw(brief: Brief) -> Field:
    """A sheet of one planet in space, now and then with a ring or a moon."""
    rng, width, height = brief.own, brief.width, brief.height
    colours = brief.colours(PALETTES)
    banded = bool(brief.shared.random() < 0.5)
    ringed = brief.asks_for("saturn ring") > 0 or (banded and brief.shared.random() < 0.6)
    sheet = _space(brief, colours)
    radius = min(width, height) * rng.uniform(0.3, 0.37) * (0.8 if ringed else 1)
    ball = Ball(width * rng.uniform(0.4, 0.6), height * rng.uniform(0.46, 0.54), radius)
    side = 1 if rng.random() < 0.5 else -1
    sun = np.array([-0.72 * side, -0.42, 0.55])
    sun /= np.linalg.norm(sun)
    if not ringed:
        _ball(brief, sheet, colours, ball, sun, banded)
        if rng.random() < 0.55:
            away, turn = radius * rng.uniform(1.35, 1.7), rng.uniform(-0.6, 0.6)
            x, y = ball.x + side * away * math.cos(turn), ball.y + away * math.sin(turn)
            moon = Ball(float(x), float(y), radius * rng.uniform(0.07, 0.13))
            _ball(brief, sheet, (*colours[:2], *MOON, colours[1]), moon, sun, False)
        return sheet
    tone, cover, before = _ring(brief, ball, sun)
    dust = ramp(colours[3:7], tone)
    sheet = mix(sheet, dust, cover)
    _ball(brief, sheet, colours, ball, sun, banded)
    return mix(sheet, dust, cover * before)


def _space(brief: Brief, colours: tuple[str, ...]) -> Field:
    rng, width, height = brief.own, brief.width, brief.height
    long = max(width, height)
    cloud = smoothstep(-0.3, 1.2, noise(rng, width, height, 2.4, 6, 0.52))
    sheet = ramp(colours[:2], 0.75 * cloud)
    light = np.zeros((height, width), np.float32)
    rows, columns = np.mgrid[-4:5, -4:5].astype(np.float32)
    for at_x, at_y, chance, tint in rng.random((int(520 * width * height / long**2), 4)):
        bright = 0.1 + 0.9 * chance**9
        px, py = at_x * (width - 9) + 4, at_y * (height - 9) + 4
        wide = (0.0006 + 0.0007 * chance**9) * long
        spot = np.exp(-((columns - px % 1) ** 2 + (rows - py % 1) ** 2) / (2 * wide * wide))
        top, left = int(py) - 4, int(px) - 4
        light[top : top + 9, left : left + 9] += bright * (0.6 + 0.4 * tint) * spot
    return mix(sheet, lab("#fdf6ea"), np.clip(light, 0, 1))


def _ball(
    brief: Brief,
    sheet: Field,
    colours: tuple[str, ...],
    ball: Ball,
    sun: Floats,
    banded: bool,
) -> None:
    """Paint one ball onto the sheet, within the box its air reaches."""
    rng, width, height = brief.own, brief.width, brief.height
    reach = ball.radius * 1.4
    left, right = max(0, int(ball.x - reach)), min(width, int(ball.x + reach))
    top, bottom = max(0, int(ball.y - reach)), min(height, int(ball.y + reach))
    if left >= right or top >= bottom:
        return
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    u, v = (columns - ball.x) / ball.radius, (rows - ball.y) / ball.radius
    far = np.hypot(u, v)
    w = np.sqrt(np.clip(1 - far * far, 0, 1))
    sx, sy, sz = (float(part) for part in sun)
    lit = u * sx + v * sy + w * sz
    # Round the rim the air is thick: it glows outside too, but only towards the sun.
    facing = (u * sx + v * sy) / np.maximum(far, 1e-3)
    air = np.exp(-np.clip(far - 1, 0, None) * 16) * smoothstep(-0.55, 0.8, facing)
    space = sheet[top:bottom, left:right]
    around = mix(space, lab(colours[7]), 0.5 * air * smoothstep(1.39, 1.2, far))
    ground, cloud = _surface(rng, u, v, w, ball.radius, banded)
    face = mix(ramp(colours[2:6], ground), lab(colours[6]), cloud)
    rim = np.clip(far, 0, 1) ** 5 * smoothstep(-0.1, 0.7, lit)
    face = mix(face, lab(colours[7]), 0.5 * rim)
    face = mix(lab(colours[0]), face, smoothstep(-0.1, 0.75, lit) ** 0.8)
    sheet[top:bottom, left:right] = mix(around, face, np.clip((1 - far) * ball.radius + 0.5, 0, 1))


def _surface(
    rng: np.random.Generator, u: Field, v: Field, w: Field, radius: float, banded: bool
) -> tuple[Field, Field]:
    """Ground from dark to light and cover of cloud, both 0 to 1, on the half turned to us."""
    tilt = rng.uniform(-0.5, 0.5)
    across = u * math.cos(tilt) + v * math.sin(tilt)
    down = np.clip(v * math.cos(tilt) - u * math.sin(tilt), -1, 1)
    tall = int(np.clip(2 * radius, 64, 512))
    ground, cloud = (_bands if banded else _seas)(_Map(rng, tall))
    longitude = (np.arctan2(across, w) / np.pi + 0.5) * (2 * tall - 2)
    latitude = (np.arcsin(down) / np.pi + 0.5) * (tall - 2)
    return (
        sample(np.clip(ground, 0, 1).astype(np.float32), longitude, latitude),
        sample(np.clip(cloud, 0, 1).astype(np.float32), longitude, latitude),
    )


class _Map:
    """A map of the half turned to us, twice as wide as it is tall, and what moves over it."""

    def __init__(self, rng: np.random.Generator, tall: int) -> None:
        self.rng, self.tall = rng, tall
        self.swirl = self.noise(5, 5, 0.5)
        self.fine = self.noise(9, 9, 0.55)

    def noise(self, across: float, down: float, gain: float) -> Field:
        return noise(self.rng, 2 * self.tall, self.tall, (across, down), 6, gain)

    def moved(self, field: Field, right: Field | float, down: Field) -> Field:
        """The field read beside each place: by so many parts of the map's height."""
        column = np.arange(2 * self.tall, dtype=np.float32)[None, :]
        row = np.arange(self.tall, dtype=np.float32)[:, None]
        at = np.broadcast_arrays(column + right * self.tall, row + down * self.tall)
        return sample(field, *at)


def _bands(world: _Map) -> tuple[Field, Field]:
    """Ground and cloud in belts, torn a little where they pass each other."""
    belts = wave(world.rng, world.tall, 11, 4, 0.6)[:, None]
    tone = world.moved(
        np.broadcast_to(belts, world.swirl.shape), 0.0, 0.018 * world.swirl + 0.008 * world.fine
    )
    cloud = 0.25 * smoothstep(0.25, 1.1, world.fine + 0.3 * world.swirl)
    return 0.52 + 0.5 * tone + 0.05 * world.fine, cloud


def _seas(world: _Map) -> tuple[Field, Field]:
    """Land above dark seas, and cloud drawn out by the wind."""
    land = world.swirl + 0.35 * world.moved(world.fine, 0.12 * world.swirl, 0.05 * world.swirl)
    ground = 0.12 + 0.3 * smoothstep(-0.6, 0.08, land) + 0.5 * smoothstep(0.1, 0.8, land)
    veil = world.moved(world.noise(4, 8, 0.55), 0.16 * world.swirl, 0.06 * world.fine)
    return ground, 0.9 * smoothstep(0.05, 0.95, veil)


def _ring(brief: Brief, ball: Ball, sun: Floats) -> tuple[Field, Field, Field]:
    """Tone and cover of a ring round the ball, and where it passes in front."""
    rng, width, height = brief.own, brief.width, brief.height
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    turn, flat = rng.uniform(-0.5, 0.5), rng.uniform(0.16, 0.3)
    u, v = (columns - ball.x) / ball.radius, (rows - ball.y) / ball.radius
    along = u * math.cos(turn) + v * math.sin(turn)
    over = (v * math.cos(turn) - u * math.sin(turn)) / flat
    far = np.hypot(along, over)
    lanes = wave(rng, LANES, 13, 3, 0.6)
    lane = np.interp(np.clip((far - 1.3) / 0.85, 0, 1) * (LANES - 1), np.arange(LANES), lanes)
    edge = smoothstep(1.3, 1.36, far) * smoothstep(2.15, 2.05, far)
    cover = edge * np.clip(0.62 + 0.5 * lane, 0.05, 0.95)
    gap = np.abs(far - 1.82)
    cover = cover * smoothstep(0.012, 0.03, gap)
    # The ball's shadow on the ring: a tube as wide as the ball, away from the sun.
    towards = u * float(sun[0]) + v * float(sun[1]) + over * math.sqrt(1 - flat**2) * float(sun[2])
    beside = np.sqrt(np.clip(far * far - towards * towards, 0, None))
    shade = smoothstep(1.03, 0.95, beside) * smoothstep(0, -0.2, towards)
    tone = np.clip(0.45 + 0.35 * lane, 0, 1)
    cover = cover * (1 - 0.93 * shade)
    return tone.astype(np.float32), cover.astype(np.float32), (over > 0).astype(np.float32)
