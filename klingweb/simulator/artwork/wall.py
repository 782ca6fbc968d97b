"""A courtyard of plastered walls with an opening, in hard sunlight."""

from dataclasses import dataclass, fields

import numpy as np

from .canvas import Field, Mask, downsample, lab, mix, noise, ramp, sample, smoothstep
from .scene import Palette, Scene

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

KINDS = ("arch", "arch", "arcade", "moon", "door")  # of openings; arches are twice as likely


@dataclass(frozen=True)
class Courtyard:
    """The geometry in metres: x to the right, y up, z away from the viewer; back wall at z = 0."""

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
    depth: float

    def offset_from_opening(self, x: Field) -> Field:
        """Return the horizontal offset from the centre of the nearest opening."""
        x = x - self.middle
        if self.kind == "arcade":
            step = self.half * 2.5
            x = x - np.clip(np.round(x / step), -1, 1) * step
        return x

    def is_opening(self, x: Field, y: Field) -> Mask:
        """Return where the back wall has an opening."""
        x = self.offset_from_opening(x)
        if self.kind == "moon":
            return np.asarray(np.hypot(x, y - self.spring) < self.half)
        if self.kind == "door":
            return (np.abs(x) < self.half) & (y < self.spring + self.half)
        rise = np.sqrt(np.clip(self.half**2 - x * x, 0, None))
        return (np.abs(x) < self.half) & (y < self.spring + rise)

    def is_sunlit(self, x: Field, y: Field, z: Field) -> Mask:
        """Return which points are in the sun; only the side wall casts a shadow."""
        run = (self.corner - x) / self.sun[0]
        return (y + run * self.sun[1] > self.top) | (z + run * self.sun[2] < self.side_end)


@dataclass(frozen=True)
class View:
    """What the ray of each pixel hits: the point, the ray's slopes against z, and the plane."""

    x: Field
    y: Field
    z: Field
    across: Field
    up: Field
    side: Mask
    floor: Mask
    sky: Field  # 0 to 1, antialiased, because double size is not enough for the long top edge

    def half_resolution(self) -> "View":
        """Return the view of every second pixel and row."""
        return View(*(getattr(self, field.name)[::2, ::2] for field in fields(self)))


def draw(scene: Scene) -> Field:
    """Draw one courtyard."""
    rng = scene.rng
    courtyard = _courtyard(scene)
    colours = scene.colours(PALETTES)
    width, height = scene.width * 2, scene.height * 2
    view = _trace_rays(courtyard, width, height)
    pixels = _planes(courtyard, view, colours)
    _niche(courtyard, view, pixels, colours[7:])
    above = view.sky > 0
    rows = np.broadcast_to(np.linspace(0, 1.6, height, dtype=np.float32)[:, None], above.shape)
    pixels[above] = mix(pixels[above], ramp(colours[:2], rows[above]), view.sky[above])
    pixels = downsample(pixels)
    # Only edges need double size; soft shading is added afterwards.
    view = view.half_resolution()
    pixels[..., 0] += (_relief(courtyard, view) + 0.011 * _plaster(rng, view)) * (1 - view.sky)
    return pixels[:, ::-1] if rng.random() < 0.5 else pixels


def _courtyard(scene: Scene) -> Courtyard:
    rng, shared = scene.rng, scene.shared_rng
    aspect = scene.width / scene.height
    mentioned = [kind for kind in ("arcade", "moon", "door", "arch") if scene.count_mentions(kind)]
    kind = mentioned[0] if mentioned else str(shared.choice(KINDS))
    half = {"arch": 0.74, "arcade": 0.52, "moon": 1.0, "door": 0.62}[kind] * rng.uniform(0.9, 1.1)
    # A portrait picture shows less at the sides and more wall above.
    extra = max(0.0, 1.0 - aspect) * 1.5
    reach = 2.35 * min(aspect, 1.8) if aspect > 1 else 1.95 * aspect + 0.4
    half = min(half, 0.48 * reach)
    top = rng.uniform(2.55, 2.8) + extra
    slant = min(1.0, 0.15 + 0.62 * aspect)
    distance, turn = rng.uniform(4.5, 5.1), rng.uniform(-0.08, 0.2)
    aside = 0.8 * distance * turn
    return Courtyard(
        eye=(0.0, 1.3, -distance),
        turn=turn,
        sun=(rng.uniform(0.6, 0.78) * slant, rng.uniform(0.62, 0.8), -rng.uniform(0.45, 0.62)),
        corner=aside + reach * (rng.uniform(0.5, 0.74) + 0.2 * (aspect < 1)),
        top=top,
        side_end=-rng.uniform(1.1, 2.2),
        kind=kind,
        middle=aside - reach * (rng.uniform(0.1, 0.34) if kind != "arcade" else 0.25),
        half=half,
        spring=half * 1.12 if kind == "moon" else rng.uniform(1.1, 1.3) + extra * 0.35,
        depth=rng.uniform(0.42, 0.62),
    )


def _trace_rays(courtyard: Courtyard, width: int, height: int) -> View:
    """Trace one ray per pixel. The image plane is vertical, so vertical edges stay vertical."""
    lens = 2.05 * 0.5 * max(height, 0.55 * width)
    u = (np.arange(width, dtype=np.float32)[None, :] - width / 2) / lens
    v = -(np.arange(height, dtype=np.float32)[:, None] - height * 0.53) / lens
    cos, sin = float(np.cos(courtyard.turn)), float(np.sin(courtyard.turn))
    dx, dz = u * cos + sin, cos - u * sin
    ex, ey, ez = courtyard.eye
    with np.errstate(divide="ignore"):
        to_floor = np.where(v < 0, -ey / v, np.float32(1e6))
        to_side = np.where(dx > 0, (courtyard.corner - ex) / dx, np.float32(1e6))
    distance = np.minimum(np.minimum(-ez / dz, to_floor), to_side)
    x, y, z = ex + distance * dx, ey + distance * v, ez + distance * dz
    side = to_side <= distance
    floor = (to_floor <= distance) & ~side
    across = np.broadcast_to(dx / dz, x.shape)
    sky = np.clip((y - courtyard.top) * lens / distance + 0.5, 0, 1)
    return View(x, y, z, across, v / dz, side, floor, sky)


def _plaster(rng: np.random.Generator, view: View) -> Field:
    """Return the roughness of each point, from a square of noise that is mirrored at its edges."""
    square = noise(rng, 1024, 1024, 14, 7, 0.68)
    size = square.shape[0] - 2
    across, up = np.where(view.side, view.z, view.x), np.where(view.floor, view.z, view.y)
    places = [size - np.abs(np.mod(metres * 170, 2 * size) - size) for metres in (across, up)]
    return sample(square, *places)


def _planes(courtyard: Courtyard, view: View, colours: tuple[str, ...]) -> Field:
    """Return the flat colours of walls and floor, in sun or in shade."""
    wall, wall_shade, side, floor, floor_shade = (lab(colour) for colour in colours[2:7])
    paints = np.stack([wall_shade, wall, side, side, floor_shade, floor])
    plane = np.where(view.side, 2, np.where(view.floor, 4, 0))
    painted: Field = paints[plane + courtyard.is_sunlit(view.x, view.y, view.z)]
    return painted


def _relief(courtyard: Courtyard, view: View) -> Field:
    """Return how much lighter or darker each point is near an edge or the floor."""
    from_corner = np.clip(courtyard.corner - view.x, 0, 6)
    sunlit = courtyard.is_sunlit(view.x, view.y, view.z) & ~view.side
    light = 0.02 * np.exp(-1.5 * np.clip(view.y, 0, None)) * ~sunlit
    on_wall = 0.005 * from_corner * sunlit + 0.03 * np.exp(-2.4 * from_corner)
    on_floor = 0.025 * np.exp(2.2 * np.clip(view.z, -9, 0))
    result: Field = light - on_wall * ~(view.side | view.floor) - on_floor * view.floor
    return result


def _niche(courtyard: Courtyard, view: View, pixels: Field, paints: tuple[str, ...]) -> None:
    """Paint the niche behind the opening: its reveal and back, with the shadow of the edge."""
    opening = courtyard.is_opening(view.x, view.y) & ~view.side & ~view.floor
    if not opening.any():
        return
    x0, y0 = view.x[opening], view.y[opening]
    across, up = view.across[opening], view.up[opening]

    def inside(depth: Field) -> Mask:
        y = y0 + up * depth
        return courtyard.is_opening(x0 + across * depth, y) & (y > 0)

    # Bisect for the depth where the ray hits the reveal; the other rays hit the back.
    near, far = np.zeros_like(x0), np.full_like(x0, courtyard.depth)
    reveal = ~inside(far)
    for _ in range(9):
        middle = (near + far) / 2
        free = inside(middle)
        near, far = np.where(free, middle, near), np.where(free, far, middle)
    depth = np.where(reveal, near, np.float32(courtyard.depth))
    x, y = x0 + across * depth, y0 + up * depth
    sx, sy, sz = courtyard.sun
    # Where the sun ray to this point crosses the plane of the wall.
    at_x, at_y = x - depth * sx / sz, y - depth * sy / sz
    lit = courtyard.is_opening(at_x, at_y) & courtyard.is_sunlit(at_x, at_y, np.zeros_like(x))
    nx = -courtyard.offset_from_opening(x)
    ny = np.where(y > courtyard.spring, courtyard.spring - y, 0)
    if courtyard.kind == "moon":
        ny = courtyard.spring - y
    ny = np.where(y < 0.02, 1, ny)
    facing = np.where(reveal, (nx * sx + ny * sy) / (np.hypot(nx, ny) + 1e-3), 0.6)
    lit &= facing > 0.02
    tone = np.where(lit, 0.72 + 0.28 * np.clip(facing, 0, 1), 0.12 + 0.13 * reveal)
    tone += (0.1 * np.exp(-1.6 * np.clip(y, 0, None)) - 0.1 * smoothstep(0.0, 0.6, depth)) * ~lit
    pixels[opening] = mix(lab(paints[1]), lab(paints[0]), np.clip(tone, 0, 1.05))
