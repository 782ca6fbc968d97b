"""Solids of revolution for a still life: outlines, lighting and materials."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import Field, Stencil, lab, mix, noise, ramp, smoothstep

Floats = NDArray[np.float64]

TILT = 0.17  # the view from above: height of a horizontal circle divided by its width
# Unit vectors: to the light, and halfway between light and viewer.
LIGHT = (-0.622, 0.501, 0.602)
HALF = (-0.347, 0.280, 0.895)

# Outlines as (height, radius) from base to top, as fractions of the full height.
OUTLINES: dict[str, tuple[tuple[float, float], ...]] = {
    "vase": ((0, 0.17), (0.06, 0.2), (0.2, 0.29), (0.4, 0.355), (0.56, 0.31), (0.72, 0.185),
             (0.83, 0.125), (0.92, 0.14), (1, 0.175)),
    "jar": ((0, 0.22), (0.05, 0.27), (0.25, 0.38), (0.5, 0.42), (0.72, 0.36), (0.85, 0.22),
            (0.93, 0.19), (1, 0.215)),
    "slim": ((0, 0.13), (0.08, 0.155), (0.3, 0.2), (0.5, 0.205), (0.66, 0.165), (0.8, 0.09),
             (0.92, 0.075), (1, 0.095)),
    "bottle": ((0, 0.15), (0.02, 0.168), (0.1, 0.172), (0.3, 0.172), (0.52, 0.172), (0.6, 0.16),
               (0.68, 0.11), (0.74, 0.068), (0.8, 0.06), (0.93, 0.06), (0.95, 0.072), (1, 0.072)),
    "flask": ((0, 0.2), (0.04, 0.24), (0.15, 0.28), (0.3, 0.28), (0.42, 0.23), (0.55, 0.12),
              (0.64, 0.07), (0.75, 0.06), (0.93, 0.06), (0.96, 0.075), (1, 0.075)),
    "cup": ((0, 0.3), (0.06, 0.33), (0.3, 0.42), (0.6, 0.48), (0.9, 0.51), (1, 0.52)),
    "bowl": ((0, 0.4), (0.1, 0.45), (0.3, 0.75), (0.6, 0.98), (0.9, 1.08), (1, 1.1)),
    "pear": ((0, 0.125), (0.02, 0.205), (0.08, 0.3), (0.18, 0.362), (0.28, 0.372), (0.4, 0.335),
             (0.52, 0.262), (0.64, 0.2), (0.76, 0.168), (0.87, 0.135), (0.95, 0.085), (1, 0.02)),
    "ball": ((0, 0.5), (1, 0.5)),
}  # fmt: skip
OPEN = frozenset({"vase", "jar", "slim", "bottle", "flask", "cup", "bowl"})
STEPS = 512
FILL_LEVEL = 0.47  # of the liquid in a glass, as a fraction of the height


@dataclass(frozen=True)
class Vessel:
    """One object on the table. `x`, `base` and `height` are in pixels of the final picture."""

    outline: str
    x: float
    base: float
    height: float
    material: str  # clay, glaze, glass, fruit
    colours: tuple[str, str, str]  # shade, body, light
    seed: int = 0
    lean: float = 0.0  # horizontal offset of the top, as a fraction of the height

    def radii(self, steps: int = STEPS) -> Field:
        """Return the radius in pixels at evenly spaced heights from base to top, shape (steps,)."""
        at, radius = np.array(OUTLINES[self.outline]).T
        v = np.linspace(0, 1, steps)
        if self.outline == "ball":
            return (np.sqrt(v * (1 - v)) * self.height).astype(np.float32)
        rng = np.random.default_rng(self.seed)
        variation = np.interp(at, np.linspace(0, 1, 4), rng.uniform(-0.06, 0.06, 4))
        curve = _interpolate(at, radius * (1 + variation), v)
        soft = np.hanning(max(5, steps // (26 if self.outline in ("bottle", "flask") else 9)))
        padded = np.pad(curve, len(soft), mode="reflect", reflect_type="odd")
        curve = np.convolve(padded, soft / soft.sum(), "same")[len(soft) : -len(soft)]
        return (np.clip(curve, 0, None) * self.height).astype(np.float32)


def _interpolate(at: Floats, value: Floats, positions: Floats) -> Floats:
    """Interpolate smoothly through the points without overshoot (Fritsch and Carlson)."""
    step, rise = np.diff(at), np.diff(value) / np.diff(at)
    before, after = rise[:-1], rise[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.where(before * after > 0, 2 * before * after / (before + after), 0)
    slope = np.concatenate([rise[:1], inner, rise[-1:]])
    i = np.clip(np.searchsorted(at, positions) - 1, 0, len(step) - 1)
    t = (positions - at[i]) / step[i]
    one, two = t * t * (3 - 2 * t), t * (1 - t)
    bend = step[i] * two * ((1 - t) * slope[i] - t * slope[i + 1])
    return np.asarray(value[i] + (value[i + 1] - value[i]) * one + bend)


def paint(vessel: Vessel, behind: Field, left: int, top: int, scale: int) -> Field:
    """Paint the object over `behind`, pixels at `scale` whose corner is pixel (left, top)."""
    height, width = behind.shape[:2]
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / scale + left - vessel.x
    s = vessel.base - ((np.arange(height, dtype=np.float32)[:, None] + 0.5) / scale + top)
    tall, radii = vessel.height, vessel.radii()
    heights = np.linspace(0, tall, STEPS)

    def radius(y: Field) -> Field:
        return np.asarray(np.interp(y, heights, radii), np.float32)

    # Seen from above, the front is lower by its depth times the tilt. Starting from the largest
    # radius makes the iteration converge to the front of two solutions.
    x, s = np.broadcast_arrays(x - vessel.lean * tall * np.clip(s / tall, 0, 1) ** 2, s)
    y: Field = s + TILT * np.sqrt(np.clip(radii.max() ** 2 - x * x, 0, None))
    for _ in range(4):
        y = s + TILT * np.sqrt(np.clip(radius(y) ** 2 - x * x, 0, None))
    r = radius(y)
    edge = r - np.abs(x)
    mask = np.clip(edge * scale + 0.5, 0, 1) * np.clip(y * scale + 0.5, 0, 1)
    mask = mask * np.clip((tall - y) * scale + 0.5, 0, 1)
    slope = np.gradient(radii, heights)
    rise = np.asarray(np.interp(y, heights, slope), np.float32)
    nx = np.clip(x / np.maximum(r, 1e-3), -1, 1)
    nz = np.sqrt(1 - nx * nx)
    length = np.sqrt(1 + rise * rise)
    normal = (nx / length, (-rise / length), nz / length)
    v = np.clip(y / tall, 0, 1)
    pixels = _paint_material(vessel, behind, normal, v.astype(np.float32), x, s, scale)
    pixels = mix(behind, pixels, mask.astype(np.float32))
    if vessel.outline in OPEN:
        pixels = _paint_opening(vessel, pixels, x, s, float(radii[-1]), scale)
    return pixels


def _paint_material(
    vessel: Vessel,
    behind: Field,
    normal: tuple[Field, Field, Field],
    v: Field,
    x: Field,
    s: Field,
    scale: int,
) -> Field:
    rng = np.random.default_rng(vessel.seed + 1)
    nx, ny, nz = normal
    height, width = v.shape
    facing = nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]
    wrapped = np.clip((facing + 0.28) / 1.28, 0, 1)
    bounce = np.clip(-ny * 0.5 + 0.25, 0, 1) * np.exp(-v * 4) * smoothstep(0.0, 0.12, v)
    bounce += 0.35 * np.clip(nx, 0, 1) ** 3
    ground = smoothstep(-0.02, 0.2, v)
    tone = (0.04 + 0.96 * wrapped**1.25 + 0.12 * bounce) * (0.62 + 0.38 * ground)
    coarse = noise(rng, width, height, 6, 4, 0.55)
    if vessel.material == "clay":
        specks = _specks(vessel, rng, x, s, scale, 260, 0.0055)
        tone = tone + 0.02 * coarse
        pixels = ramp(vessel.colours, np.clip(tone, 0, 1).astype(np.float32))
        pixels[..., 0] -= (0.12 * specks).astype(np.float32)
        return pixels
    if vessel.material == "fruit":
        blush = smoothstep(-0.4, 1.2, coarse + nx * 0.7)
        specks = _specks(vessel, rng, x, s, scale, 420, 0.0045)
        tone = tone + 0.015 * coarse
        pixels = ramp(vessel.colours, np.clip(tone, 0, 1).astype(np.float32))
        pixels[..., 1] += (0.02 * blush * tone).astype(np.float32)
        pixels[..., 0] -= (0.075 * specks).astype(np.float32)
        half = np.clip(nx * HALF[0] + ny * HALF[1] + nz * HALF[2], 0, 1)
        shine = 0.3 * half**18 + 0.35 * half**90
        return mix(pixels, lab("#fffdf0"), shine.astype(np.float32))
    if vessel.material == "glass":
        return _paint_glass(vessel, behind, normal, v, x, s)
    pixels = ramp(vessel.colours, np.clip(tone + 0.01 * coarse, 0, 1).astype(np.float32))
    shine = _window_reflection(normal, v, (0.34, 0.86), 0.085)
    return mix(pixels, lab("#fffefa"), np.clip(0.75 * shine, 0, 1).astype(np.float32))


def _specks(
    vessel: Vessel,
    rng: np.random.Generator,
    x: Field,
    s: Field,
    scale: int,
    count: int,
    largest: float,
) -> Field:
    """Return a mask of specks on the surface, narrower where it faces sideways."""
    stencil = Stencil(x.shape[1], x.shape[0])
    radii = vessel.radii(101)
    for up, turn, part in rng.random((count, 3)):
        angle = np.pi * (turn - 0.5)
        across = radii[int(up * 100)] * np.sin(angle)
        size = vessel.height * largest * (0.25 + 0.75 * part**3) * scale
        column, row = (across - x[0, 0]) * scale, (s[0, 0] - up * vessel.height) * scale
        stencil.ellipse(column, row, size * max(0.25, np.cos(angle)), size, 0.45 + 0.5 * part)
    return stencil.mask()


def _paint_glass(
    vessel: Vessel, behind: Field, normal: tuple[Field, Field, Field], v: Field, x: Field, s: Field
) -> Field:
    """Paint tinted glass, half full: dark at the edges, bright on the side away from the light."""
    nx, _, nz = normal
    full = smoothstep(FILL_LEVEL + 0.004, FILL_LEVEL - 0.004, v)
    wall = np.clip(0.2 / (nz + 0.1) - 0.16, 0, 1) + 0.7 * smoothstep(0.035, 0.0, v)
    glow = smoothstep(-0.5, 0.8, nx) * nz
    liquid = np.clip(0.5 + 0.42 * glow - 0.5 * wall + 0.12 * v, 0, 1)
    empty = np.clip(0.93 - 0.62 * wall + 0.1 * glow, 0, 1)
    tone = empty + (liquid - empty) * full
    pixels = ramp(vessel.colours, tone.astype(np.float32))
    transparency = 0.5 * (1 - full) * nz * np.clip(1 - wall, 0, 1)
    pixels = mix(pixels, behind, transparency.astype(np.float32))
    radius = float(np.interp(FILL_LEVEL, np.linspace(0, 1, STEPS), vessel.radii())) * 0.96
    level = np.hypot(x, (s - FILL_LEVEL * vessel.height) / TILT)
    surface = smoothstep(radius + 0.7, radius - 0.7, level)
    surface_colour = ramp(vessel.colours, np.clip(0.72 + 0.25 * x / radius, 0, 1))
    pixels = mix(pixels, surface_colour, 0.8 * surface)
    shine = _window_reflection(normal, v, (0.05, 0.93), 0.06) * 0.85
    shine += 0.3 * smoothstep(0.05, 0.0, np.abs(nx - 0.86)) * smoothstep(0.04, 0.2, v)
    return mix(pixels, lab("#fffdf6"), np.clip(shine, 0, 1).astype(np.float32))


def _window_reflection(
    normal: tuple[Field, Field, Field], v: Field, reach: tuple[float, float], half: float
) -> Field:
    """Return the reflection of a tall window at the upper left, 0 to 1."""
    nx, ny, _ = normal
    middle = np.abs(nx + 0.5)
    strip = smoothstep(half + 0.03, half - 0.02, middle)
    bar = 1 - 0.5 * smoothstep(0.02, 0.008, np.abs(middle - half * 0.1))
    level = smoothstep(0.62, 0.3, np.abs(ny))
    ends = smoothstep(reach[0], reach[0] + 0.03, v) * smoothstep(reach[1], reach[1] - 0.03, v)
    return np.asarray(strip * bar * level * ends, np.float32)


def _paint_opening(
    vessel: Vessel, pixels: Field, x: Field, s: Field, radius: float, scale: int
) -> Field:
    """Paint the opening: the lip, and the dark inside, lit on the right."""
    tall = vessel.height
    distance = np.hypot(x, (s - tall) / TILT)
    lip = radius * 0.1 + tall * 0.004
    outer = np.clip((radius - distance) * scale * 0.5 + 0.5, 0, 1)
    inner = np.clip((radius - lip - distance) * scale * 0.5 + 0.5, 0, 1)
    shade, body, light = (lab(c) for c in vessel.colours)
    u = x / radius
    rim_tone = np.clip(0.62 - 0.3 * u, 0, 1).astype(np.float32)
    pixels = mix(pixels, mix(body, light, rim_tone), outer.astype(np.float32))
    across = (s - tall) / TILT / radius
    inside = np.clip(0.16 + 0.42 * u + 0.2 * across, 0.02, 0.75).astype(np.float32)
    return mix(pixels, mix(shade, body, inside), inner.astype(np.float32))
