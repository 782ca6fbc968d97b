"""A court of plastered walls with an opening, and one hard shadow: five planes in hard sun."""

from dataclasses import dataclass, fields

import numpy as np

from .brief import Brief, Palette
from .canvas import Field, Mask, halve, lab, mix, noise, ramp, sample, smoothstep

# Sky top, sky below, wall in sun, wall in shade, side wall, floor in sun, floor in shade,
# the niche in sun, the niche in shade.
PALETTES = (
    Palette(
        "white blue noon southern mediterranean greek",
        ("#2a7fc2", "#68add9", "#f1ece2", "#c2bdb6", "#a39c94", "#f0ede6", "#c3c0ba", "#2a72bb",
         "#0b3a6e"),
    ),
    Palette(
        "pink rose coral pastel barragan",
        ("#5fa3c7", "#a5cbd8", "#f0a99a", "#c4727a", "#a55563", "#f3d3bd", "#c08d87", "#e2603f",
         "#7d2432"),
    ),
    Palette(
        "terracotta red clay adobe warm rust",
        ("#2c6ea6", "#7fb0cc", "#d9805a", "#a05444", "#833d36", "#e8c3a0", "#a87e6b", "#f0c15a",
         "#8a4a22"),
    ),
    Palette(
        "ochre yellow gold sand desert evening",
        ("#3f7f96", "#93bcbf", "#ecc06c", "#b68546", "#96673b", "#f0deb9", "#b59a78", "#24666b",
         "#0e3438"),
    ),
    Palette(
        "sage green mint garden winter snow overcast calm",
        ("#86aebb", "#c2d7d6", "#c9d3bd", "#97a795", "#7b8d7e", "#ece8da", "#aeb0a4", "#c8452f",
         "#661d1c"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Court:
    """The place, in metres: x to the right, y up, z away from us; the back wall is at z = 0."""

    eye: tuple[float, float, float]
    turn: float
    sun: tuple[float, float, float]
    corner: float
    top: float
    side_end: float
    kind: str
    middle: float
    half: float
    spring: float
    deep: float

    def beside(self, x: Field) -> Field:
        """How far to the right of the nearest opening's middle."""
        x = x - self.middle
        if self.kind == "arcade":
            step = self.half * 2.5
            x = x - np.clip(np.round(x / step), -1, 1) * step
        return x

    def opens(self, x: Field, y: Field) -> Mask:
        """Where the back wall has its hole."""
        x = self.beside(x)
        if self.kind == "moon":
            return np.asarray(np.hypot(x, y - self.spring) < self.half)
        if self.kind == "door":
            return (np.abs(x) < self.half) & (y < self.spring + self.half)
        rise = np.sqrt(np.clip(self.half**2 - x * x, 0, None))
        return (np.abs(x) < self.half) & (y < self.spring + rise)

    def sunny(self, x: Field, y: Field, z: Field) -> Mask:
        """Whether the sun reaches a point: only the side wall stands in its way."""
        run = (self.corner - x) / self.sun[0]
        return (y + run * self.sun[1] > self.top) | (z + run * self.sun[2] < self.side_end)


@dataclass(frozen=True)
class View:
    """What each pixel's ray meets: the point, the ray's slopes against z, and which plane."""

    x: Field
    y: Field
    z: Field
    across: Field
    up: Field
    side: Mask
    floor: Mask
    sky: Field  # 0 to 1: the walls' long level edge needs more than the double size

    def coarser(self) -> "View":
        """The same for every second pixel and row."""
        return View(*(getattr(self, field.name)[::2, ::2] for field in fields(self)))


def draw(brief: Brief) -> Field:
    """A sheet of one court."""
    rng = brief.own
    court = _court(brief)
    colours = brief.colours(PALETTES)
    width, height = brief.width * 2, brief.height * 2
    view = _look(court, width, height)
    sheet = _planes(court, view, colours)
    _niche(court, view, sheet, colours[7:])
    above = view.sky > 0
    rows = np.broadcast_to(np.linspace(0, 1.6, height, dtype=np.float32)[:, None], above.shape)
    sheet[above] = mix(sheet[above], ramp(colours[:2], rows[above]), view.sky[above])
    sheet = halve(sheet)
    # Only edges need the double size; what is soft is added after it.
    view = view.coarser()
    sheet[..., 0] += (_relief(court, view) + 0.011 * _plaster(rng, view)) * (1 - view.sky)
    return sheet[:, ::-1] if rng.random() < 0.5 else sheet


def _court(brief: Brief) -> Court:
    rng, shared = brief.own, brief.shared
    wide = brief.width / brief.height
    asked = [kind for kind in ("arcade", "moon", "door", "arch") if brief.asks_for(kind)]
    kind = str(asked[0] if asked else shared.choice(["arch", "arch", "arcade", "moon", "door"]))
    half = {"arch": 0.74, "arcade": 0.52, "moon": 1.0, "door": 0.62}[kind] * rng.uniform(0.9, 1.1)
    # A tall picture shows less to the sides and more wall above.
    extra = max(0.0, 1.0 - wide) * 1.5
    reach = 2.35 * min(wide, 1.8) if wide > 1 else 1.95 * wide + 0.4
    half = min(half, 0.48 * reach)
    top = rng.uniform(2.55, 2.8) + extra
    slant = min(1.0, 0.15 + 0.62 * wide)
    distance, turn = rng.uniform(4.5, 5.1), rng.uniform(-0.08, 0.2)
    aside = 0.8 * distance * turn
    return Court(
        eye=(0.0, 1.3, -distance),
        turn=turn,
        sun=(rng.uniform(0.6, 0.78) * slant, rng.uniform(0.62, 0.8), -rng.uniform(0.45, 0.62)),
        corner=aside + reach * (rng.uniform(0.5, 0.74) + 0.2 * (wide < 1)),
        top=top,
        side_end=-rng.uniform(1.1, 2.2),
        kind=kind,
        middle=aside - reach * (rng.uniform(0.1, 0.34) if kind != "arcade" else 0.25),
        half=half,
        spring=half * 1.12 if kind == "moon" else rng.uniform(1.1, 1.3) + extra * 0.35,
        deep=rng.uniform(0.42, 0.62),
    )


def _look(court: Court, width: int, height: int) -> View:
    """Follow one ray for each pixel; the picture's plane stands upright, so no wall leans."""
    lens = 2.05 * 0.5 * max(height, 0.55 * width)
    u = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / lens
    v = -(np.arange(height, dtype=np.float32)[:, None] - height * 0.53) / lens
    cos, sin = float(np.cos(court.turn)), float(np.sin(court.turn))
    dx, dz = u * cos + sin, cos - u * sin
    ex, ey, ez = court.eye
    with np.errstate(divide="ignore"):
        to_floor = np.where(v < 0, -ey / v, np.float32(1e6))
        to_side = np.where(dx > 0, (court.corner - ex) / dx, np.float32(1e6))
    far = np.minimum(np.minimum(-ez / dz, to_floor), to_side)
    x, y, z = ex + far * dx, ey + far * v, ez + far * dz
    side = to_side <= far
    floor = (to_floor <= far) & ~side
    across = np.broadcast_to(dx / dz, x.shape)
    sky = np.clip((y - court.top) * lens / far + 0.5, 0, 1)
    return View(x, y, z, across, v / dz, side, floor, sky)


def _plaster(rng: np.random.Generator, view: View) -> Field:
    """The roughness of each point of its plane, there and back again over a square of noise."""
    square = noise(rng, 1024, 1024, 14, 7, 0.68)
    size = square.shape[0] - 2
    across, up = np.where(view.side, view.z, view.x), np.where(view.floor, view.z, view.y)
    places = [size - np.abs(np.mod(metres * 170, 2 * size) - size) for metres in (across, up)]
    return sample(square, *places)


def _planes(court: Court, view: View, colours: tuple[str, ...]) -> Field:
    """Walls and floor, flat, each in sun or in shade."""
    wall, wall_shade, side, floor, floor_shade = (lab(colour) for colour in colours[2:7])
    paints = np.stack([wall_shade, wall, side, side, floor_shade, floor])
    plane = np.where(view.side, 2, np.where(view.floor, 4, 0))
    painted: Field = paints[plane + court.sunny(view.x, view.y, view.z)]
    return painted


def _relief(court: Court, view: View) -> Field:
    """How much lighter or darker each point is for standing near an edge or the floor."""
    from_corner = np.clip(court.corner - view.x, 0, 6)
    sunny = court.sunny(view.x, view.y, view.z) & ~view.side
    light = 0.02 * np.exp(-1.5 * np.clip(view.y, 0, None)) * ~sunny
    on_wall = 0.005 * from_corner * sunny + 0.03 * np.exp(-2.4 * from_corner)
    on_floor = 0.025 * np.exp(2.2 * np.clip(view.z, -9, 0))
    made: Field = light - on_wall * ~(view.side | view.floor) - on_floor * view.floor
    return made


def _niche(court: Court, view: View, sheet: Field, paints: tuple[str, ...]) -> None:
    """Paint what stands behind the hole: its reveal and its back, with the edge's shadow."""
    hole = court.opens(view.x, view.y) & ~view.side & ~view.floor
    if not hole.any():
        return
    x0, y0 = view.x[hole], view.y[hole]
    across, up = view.across[hole], view.up[hole]

    def inside(depth: Field) -> Mask:
        y = y0 + up * depth
        return court.opens(x0 + across * depth, y) & (y > 0)

    # Halve the way until the ray meets the reveal; one that never does reaches the back.
    near, away = np.zeros_like(x0), np.full_like(x0, court.deep)
    reveal = ~inside(away)
    for _ in range(9):
        middle = (near + away) / 2
        free = inside(middle)
        near, away = np.where(free, middle, near), np.where(free, away, middle)
    depth = np.where(reveal, near, np.float32(court.deep))
    x, y = x0 + across * depth, y0 + up * depth
    sx, sy, sz = court.sun
    # Where the sunbeam to this point came through the plane of the wall.
    at_x, at_y = x - depth * sx / sz, y - depth * sy / sz
    lit = court.opens(at_x, at_y) & court.sunny(at_x, at_y, np.zeros_like(x))
    nx, ny = -court.beside(x), np.where(y > court.spring, court.spring - y, 0)
    if court.kind == "moon":
        ny = court.spring - y
    ny = np.where(y < 0.02, 1, ny)
    facing = np.where(reveal, (nx * sx + ny * sy) / (np.hypot(nx, ny) + 1e-3), 0.6)
    lit &= facing > 0.02
    tone = np.where(lit, 0.72 + 0.28 * np.clip(facing, 0, 1), 0.12 + 0.13 * reveal)
    tone += (0.1 * np.exp(-1.6 * np.clip(y, 0, None)) - 0.1 * smoothstep(0.0, 0.6, depth)) * ~lit
    sheet[hole] = mix(lab(paints[1]), lab(paints[0]), np.clip(tone, 0, 1.05))
