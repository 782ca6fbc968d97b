"""Bodies of revolution for a still life: their outlines, their light and their skins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .canvas import Field, Stencil, lab, mix, noise, ramp, smoothstep

Floats = NDArray[np.float64]

TILT = 0.17  # how far we look down on things: a level circle is this much as high as wide
LIGHT = (-0.622, 0.501, 0.602)  # of length 1, as HALF is, which stands between it and the eye
HALF = (-0.347, 0.280, 0.895)

# Outlines as (height, radius) from foot to lip, in parts of the whole height.
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
FULL = 0.47  # how high glass is filled


@dataclass(frozen=True)
class Vessel:
    """One thing on the table: x and foot in pixels of the finished picture, height too."""

    outline: str
    x: float
    foot: float
    tall: float
    skin: str  # clay, glaze, glass, fruit
    colours: tuple[str, str, str]  # shade, body, light
    wobble: int = 0
    lean: float = 0.0  # how far the top stands beside the foot, in parts of the height

    def radii(self, steps: int = STEPS) -> Field:
        """The radius in pixels at evenly spaced heights from foot to top, shape (steps,)."""
        at, radius = np.array(OUTLINES[self.outline]).T
        v = np.linspace(0, 1, steps)
        if self.outline == "ball":
            return (np.sqrt(v * (1 - v)) * self.tall).astype(np.float32)
        rng = np.random.default_rng(self.wobble)
        sway = np.interp(at, np.linspace(0, 1, 4), rng.uniform(-0.06, 0.06, 4))
        curve = _through(at, radius * (1 + sway), v)
        soft = np.hanning(max(5, steps // (26 if self.outline in ("bottle", "flask") else 9)))
        padded = np.pad(curve, len(soft), mode="reflect", reflect_type="odd")
        curve = np.convolve(padded, soft / soft.sum(), "same")[len(soft) : -len(soft)]
        return (np.clip(curve, 0, None) * self.tall).astype(np.float32)


def _through(at: Floats, value: Floats, wanted: Floats) -> Floats:
    """A smooth curve through the points which never overshoots them (Fritsch and Carlson)."""
    step, rise = np.diff(at), np.diff(value) / np.diff(at)
    before, after = rise[:-1], rise[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        inner = np.where(before * after > 0, 2 * before * after / (before + after), 0)
    slope = np.concatenate([rise[:1], inner, rise[-1:]])
    i = np.clip(np.searchsorted(at, wanted) - 1, 0, len(step) - 1)
    t = (wanted - at[i]) / step[i]
    one, two = t * t * (3 - 2 * t), t * (1 - t)
    bend = step[i] * two * ((1 - t) * slope[i] - t * slope[i + 1])
    return np.asarray(value[i] + (value[i + 1] - value[i]) * one + bend)


def paint(vessel: Vessel, behind: Field, left: int, top: int, scale: int) -> Field:
    """The thing over `behind`, a sheet at `scale` whose corner is picture pixel (left, top)."""
    height, width = behind.shape[:2]
    x = (np.arange(width, dtype=np.float32)[None, :] + 0.5) / scale + left - vessel.x
    s = vessel.foot - ((np.arange(height, dtype=np.float32)[:, None] + 0.5) / scale + top)
    tall, radii = vessel.tall, vessel.radii()
    heights = np.linspace(0, tall, STEPS)

    def radius(y: Field) -> Field:
        return np.asarray(np.interp(y, heights, radii), np.float32)

    # Seen from a little above, the near side hangs lower by its depth times the tilt:
    # begin with the widest it could be, so that the nearest of two answers is found.
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
    sheet = _skin(vessel, behind, normal, v.astype(np.float32), x, s, scale)
    sheet = mix(behind, sheet, mask.astype(np.float32))
    if vessel.outline in OPEN:
        sheet = _mouth(vessel, sheet, x, s, float(radii[-1]), scale)
    return sheet


def _skin(
    vessel: Vessel,
    behind: Field,
    normal: tuple[Field, Field, Field],
    v: Field,
    x: Field,
    s: Field,
    scale: int,
) -> Field:
    rng = np.random.default_rng(vessel.wobble + 1)
    nx, ny, nz = normal
    height, width = v.shape
    facing = nx * LIGHT[0] + ny * LIGHT[1] + nz * LIGHT[2]
    wrapped = np.clip((facing + 0.28) / 1.28, 0, 1)
    bounce = np.clip(-ny * 0.5 + 0.25, 0, 1) * np.exp(-v * 4) * smoothstep(0.0, 0.12, v)
    bounce += 0.35 * np.clip(nx, 0, 1) ** 3
    ground = smoothstep(-0.02, 0.2, v)
    tone = (0.04 + 0.96 * wrapped**1.25 + 0.12 * bounce) * (0.62 + 0.38 * ground)
    coarse = noise(rng, width, height, 6, 4, 0.55)
    if vessel.skin == "clay":
        specks = _specks(vessel, rng, x, s, scale, 260, 0.0055)
        tone = tone + 0.02 * coarse
        sheet = ramp(vessel.colours, np.clip(tone, 0, 1).astype(np.float32))
        sheet[..., 0] -= (0.12 * specks).astype(np.float32)
        return sheet
    if vessel.skin == "fruit":
        blush = smoothstep(-0.4, 1.2, coarse + nx * 0.7)
        freckles = _specks(vessel, rng, x, s, scale, 420, 0.0045)
        tone = tone + 0.015 * coarse
        sheet = ramp(vessel.colours, np.clip(tone, 0, 1).astype(np.float32))
        sheet[..., 1] += (0.02 * blush * tone).astype(np.float32)
        sheet[..., 0] -= (0.075 * freckles).astype(np.float32)
        half = np.clip(nx * HALF[0] + ny * HALF[1] + nz * HALF[2], 0, 1)
        shine = 0.3 * half**18 + 0.35 * half**90
        return mix(sheet, lab("#fffdf0"), shine.astype(np.float32))
    if vessel.skin == "glass":
        return _glass(vessel, behind, normal, v, x, s)
    sheet = ramp(vessel.colours, np.clip(tone + 0.01 * coarse, 0, 1).astype(np.float32))
    shine = _window(normal, v, (0.34, 0.86), 0.085)
    return mix(sheet, lab("#fffefa"), np.clip(0.75 * shine, 0, 1).astype(np.float32))


def _specks(
    vessel: Vessel,
    rng: np.random.Generator,
    x: Field,
    s: Field,
    scale: int,
    count: int,
    largest: float,
) -> Field:
    """Round grains all over the body, narrower where it turns away, 0 to 1."""
    stencil = Stencil(x.shape[1], x.shape[0])
    radii = vessel.radii(101)
    for up, turn, part in rng.random((count, 3)):
        angle = np.pi * (turn - 0.5)
        across = radii[int(up * 100)] * np.sin(angle)
        size = vessel.tall * largest * (0.25 + 0.75 * part**3) * scale
        column, row = (across - x[0, 0]) * scale, (s[0, 0] - up * vessel.tall) * scale
        stencil.ellipse(column, row, size * max(0.25, np.cos(angle)), size, 0.45 + 0.5 * part)
    return stencil.mask()


def _glass(
    vessel: Vessel, behind: Field, normal: tuple[Field, Field, Field], v: Field, x: Field, s: Field
) -> Field:
    """Tinted glass, half full: dark where the wall is seen edge on, aglow away from the light."""
    nx, _, nz = normal
    full = smoothstep(FULL + 0.004, FULL - 0.004, v)
    wall = np.clip(0.2 / (nz + 0.1) - 0.16, 0, 1) + 0.7 * smoothstep(0.035, 0.0, v)
    gather = smoothstep(-0.5, 0.8, nx) * nz
    liquid = np.clip(0.5 + 0.42 * gather - 0.5 * wall + 0.12 * v, 0, 1)
    empty = np.clip(0.93 - 0.62 * wall + 0.1 * gather, 0, 1)
    tone = empty + (liquid - empty) * full
    sheet = ramp(vessel.colours, tone.astype(np.float32))
    sheet = mix(sheet, behind, (0.5 * (1 - full) * nz * np.clip(1 - wall, 0, 1)).astype(np.float32))
    radius = float(np.interp(FULL, np.linspace(0, 1, STEPS), vessel.radii())) * 0.96
    level = np.hypot(x, (s - FULL * vessel.tall) / TILT)
    surface = smoothstep(radius + 0.7, radius - 0.7, level)
    sheet = mix(sheet, ramp(vessel.colours, np.clip(0.72 + 0.25 * x / radius, 0, 1)), 0.8 * surface)
    shine = _window(normal, v, (0.05, 0.93), 0.06) * 0.85
    shine += 0.3 * smoothstep(0.05, 0.0, np.abs(nx - 0.86)) * smoothstep(0.04, 0.2, v)
    return mix(sheet, lab("#fffdf6"), np.clip(shine, 0, 1).astype(np.float32))


def _window(
    normal: tuple[Field, Field, Field], v: Field, reach: tuple[float, float], half: float
) -> Field:
    """The reflection of a tall window at the upper left, 0 to 1, bent as the body is."""
    nx, ny, _ = normal
    middle = np.abs(nx + 0.5)
    strip = smoothstep(half + 0.03, half - 0.02, middle)
    bar = 1 - 0.5 * smoothstep(0.02, 0.008, np.abs(middle - half * 0.1))
    level = smoothstep(0.62, 0.3, np.abs(ny))
    ends = smoothstep(reach[0], reach[0] + 0.03, v) * smoothstep(reach[1], reach[1] - 0.03, v)
    return np.asarray(strip * bar * level * ends, np.float32)


def _mouth(vessel: Vessel, sheet: Field, x: Field, s: Field, radius: float, scale: int) -> Field:
    """The opening: a lip, and the dark inside lit on its far right."""
    tall = vessel.tall
    far = np.hypot(x, (s - tall) / TILT)
    lip = radius * 0.1 + tall * 0.004
    outer = np.clip((radius - far) * scale * 0.5 + 0.5, 0, 1)
    inner = np.clip((radius - lip - far) * scale * 0.5 + 0.5, 0, 1)
    shade, body, light = (lab(c) for c in vessel.colours)
    u = x / radius
    rim_tone = np.clip(0.62 - 0.3 * u, 0, 1).astype(np.float32)
    sheet = mix(sheet, mix(body, light, rim_tone), outer.astype(np.float32))
    across = (s - tall) / TILT / radius
    inside = np.clip(0.16 + 0.42 * u + 0.2 * across, 0.02, 0.75).astype(np.float32)
    return mix(sheet, mix(shade, body, inside), inner.astype(np.float32))
