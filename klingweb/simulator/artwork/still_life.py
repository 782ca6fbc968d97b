"""A still life: one thing or a few on a seamless ground, light from the upper left."""

from dataclasses import replace

import numpy as np

from .brief import Brief, Palette
from .canvas import Field, Stencil, blur, halve, lab, mix, noise, ramp, smoothstep
from .vessels import OUTLINES, TILT, Vessel, paint

Three = tuple[str, str, str]

# Ground from dark corner to pool of light (three), then thing and companion: shade, body, light.
PALETTES = (
    Palette(
        "white off-white ceramic pale minimal linen cream studio",
        ("#9c8c7c", "#d6cab9", "#f3ece0", "#554d45", "#bbb3a8", "#fbf7ee", "#5a1f12", "#b5502f",
         "#e79a72"),
    ),
    Palette(
        "dark black classical quiet hard deep graphite moody grey",
        ("#16130f", "#3a352f", "#6b645b", "#2b1f18", "#7d6450", "#cdb597", "#3b1a08", "#b06a1c",
         "#f0b955"),
    ),
    Palette(
        "amber yellow gold honey lemon lemonade bright warm",
        ("#c9a24c", "#ecd078", "#fbefb4", "#4a1f06", "#b8691c", "#f0bd63", "#6e3a0a", "#d68f1f",
         "#ffdf82"),
    ),
    Palette(
        "blue indigo glaze cobalt lam",
        ("#8296a6", "#bccad2", "#e7edee", "#0f2138", "#2f5f92", "#b8d3e6", "#6a4a2c", "#c9a071",
         "#f2dfc0"),
    ),
    Palette(
        "green sage celadon mint olive",
        ("#93a08a", "#c5cdb8", "#ebeedd", "#1c3129", "#5f8570", "#d3e3cc", "#5f2f1c", "#c0714a",
         "#f0bf98"),
    ),
    Palette(
        "pink rose coral terracotta pastel clay",
        ("#c08a7c", "#e6bcab", "#f8e3d6", "#4b1d18", "#b0573f", "#eda787", "#3d4a4a", "#8fa39c",
         "#e3ebdf"),
    ),
)  # fmt: skip
# A shadow in slices of 64 heights: from, to, softness in parts of the height, darkness.
CAST = ((0, 10, 0.012, 0.62), (4, 22, 0.03, 0.5), (14, 40, 0.05, 0.36), (30, 64, 0.075, 0.22))
PEAR: tuple[Three, ...] = (
    ("#2c3208", "#97a22c", "#e3e27a"),
    ("#4a2704", "#c98a14", "#f7d05a"),
    ("#3a1208", "#a8452a", "#ecac6a"),
)


def draw(brief: Brief) -> Field:
    """A sheet of one to three things on a table."""
    colours = brief.colours(PALETTES)
    things = _arrange(brief, colours)
    sheet = _ground(brief, colours[:3], things)
    sheet = _shadows(brief, sheet, things)
    for thing in sorted(things, key=lambda t: t.foot):
        sheet = _place(brief, sheet, thing)
    return sheet


def _arrange(brief: Brief, colours: tuple[str, ...]) -> list[Vessel]:
    """The hero and its small companions, together in the middle."""
    rng, width, height = brief.own, brief.width, brief.height
    outline, skin = _hero(brief)
    main, second = _three(colours[3:6]), _three(colours[6:9])
    widest = max(radius for _, radius in OUTLINES[outline]) * 2
    count = int(rng.choice([0, 1, 1, 2] if width > height * 0.9 else [0, 0, 1]))
    room = 0.44 if outline in ("pear", "cup", "bowl") else 0.56
    tall = min(height * rng.uniform(0.92, 1.06) * room, width * (0.5 - 0.08 * count) / widest)
    if outline in ("cup", "bowl"):
        tall = min(height * 0.4, width * (0.46 - 0.05 * count) / widest)
    foot = height * rng.uniform(0.755, 0.79)
    wobble = int(rng.integers(1 << 30))
    lean = rng.uniform(-0.05, 0.05) if outline == "pear" else 0.0
    tones = PEAR[0] if outline == "pear" else main
    hero = Vessel(outline, 0, foot, tall, skin, tones, wobble, lean)
    side = int(rng.choice([-1, 1]))
    things = [hero, *(_companion(brief, hero, second, side, number) for number in range(count))]
    left = min(thing.x - float(thing.radii(64).max()) for thing in things)
    right = max(thing.x + float(thing.radii(64).max()) for thing in things)
    return [replace(thing, x=thing.x + width / 2 - (left + right) / 2) for thing in things]


def _hero(brief: Brief) -> tuple[str, str]:
    """Outline and skin of the main thing."""
    if brief.asks_for("pear fruit apple"):
        return "pear", "fruit"
    if brief.asks_for("bottle wine perfume glass lemonade"):
        return str(brief.shared.choice(["bottle", "flask"])), "glass"
    if brief.asks_for("cup mug coffee tea"):
        return "cup", "clay"
    if brief.asks_for("bowl dish"):
        return "bowl", "clay"
    outline = str(brief.own.choice(["vase", "jar", "slim"]))
    return outline, str(brief.shared.choice(["clay", "clay", "glaze"]))


def _companion(brief: Brief, hero: Vessel, colours: Three, side: int, number: int) -> Vessel:
    """The first stands before the hero and may hide a little of it, the second behind."""
    rng = brief.own
    half = max(radius for _, radius in OUTLINES[hero.outline]) * hero.tall
    if hero.outline == "pear":
        kind, skin, colours = "pear", "fruit", PEAR[1 + number % 2]
        tall = hero.tall * rng.uniform(0.74, 0.86)
    else:
        kind, skin = str(brief.shared.choice(["ball", "cup", "ball"])), "clay"
        part = rng.uniform(0.2, 0.27) if kind == "ball" else rng.uniform(0.3, 0.36)
        tall = max(hero.tall, 1.5 * half) * part
    reach = half + max(radius for _, radius in OUTLINES[kind]) * tall
    reach *= rng.uniform(0.82, 1.0) if number == 0 else rng.uniform(1.2, 1.5)
    nearer = rng.uniform(0.02, 0.045) if number == 0 else -0.03
    return Vessel(
        kind,
        x=reach * (side if number == 0 else -side),
        foot=hero.foot + brief.height * nearer,
        tall=tall,
        skin=skin,
        colours=colours,
        wobble=hero.wobble + number + 1,
        lean=-hero.lean,
    )


def _three(colours: tuple[str, ...]) -> Three:
    shade, body, light = colours
    return shade, body, light


def _ground(brief: Brief, colours: tuple[str, ...], things: list[Vessel]) -> Field:
    rng, width, height = brief.own, brief.width, brief.height
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    hero = things[0]
    u = (columns - (hero.x - 0.16 * width)) / (0.62 * max(width, 0.9 * height))
    v = (rows - (hero.foot - 0.62 * hero.tall)) / (0.62 * height)
    pool = np.exp(-(u * u + v * v) * 0.9)
    bend = hero.foot - 0.1 * height
    floor = smoothstep(bend - 0.09 * height, bend + 0.12 * height, rows)
    near = smoothstep(bend, height * 1.15, rows)
    tone = 0.16 + 0.72 * pool * (1 - 0.25 * floor) + 0.2 * floor * pool - 0.16 * near
    tone += 0.012 * noise(rng, width, height, 4, 4)
    return ramp(colours, np.clip(tone, 0, 1))


def _shadows(brief: Brief, sheet: Field, things: list[Vessel]) -> Field:
    """Cast to the right and a little back, softer with the height that casts it."""
    width, height = brief.width, brief.height
    dark = np.zeros((height, width), np.float32)
    for thing in things:
        radii = thing.radii(64)
        for low, high, soft, weight in CAST:
            stencil = Stencil(width, height)
            for step in range(low, high):
                up = thing.tall * step / 63
                x, y = thing.x + up * 1.05, thing.foot - up * 0.13
                stencil.ellipse(x, y, radii[step], radii[step] * TILT)
            dark = np.maximum(dark, weight * blur(stencil.mask(), soft * thing.tall + 1))
        rest = max(radii[0], 0.6 * radii[5])
        contact = Stencil(width, height)
        contact.ellipse(thing.x + rest * 0.08, thing.foot, rest * 1.04, rest * TILT * 1.1)
        dark = np.maximum(dark, 0.8 * blur(contact.mask(), thing.tall * 0.012 + 0.5))
    sheet = sheet.copy()
    sheet[..., 0] *= 1 - 0.62 * dark
    sheet[..., 1:] *= (1 - 0.25 * dark)[..., None]
    return sheet


def _place(brief: Brief, sheet: Field, thing: Vessel) -> Field:
    """Paint the thing at double size into its own box, averaged down."""
    widest = float(thing.radii().max())
    left, right = int(thing.x - widest) - 3, int(thing.x + widest) + 4
    top, bottom = int(thing.foot - thing.tall * 1.25) - 3, int(thing.foot + widest * TILT) + 4
    left, top = max(0, left), max(0, top)
    right, bottom = min(brief.width, right), min(brief.height, bottom)
    if right - left < 2 or bottom - top < 2:
        return sheet
    behind = sheet[top:bottom, left:right].repeat(2, 0).repeat(2, 1)
    painted = paint(thing, behind, left, top, 2)
    if thing.outline == "pear":
        painted = _stalk(painted, thing, left, top)
    sheet[top:bottom, left:right] = halve(painted)
    return sheet


def _stalk(sheet: Field, thing: Vessel, left: int, top: int) -> Field:
    height, width = sheet.shape[:2]
    stencil = Stencil(width, height)
    rng = np.random.default_rng(thing.wobble)
    bend = rng.uniform(0.02, 0.07) * rng.choice([-1, 1, 1])
    x0, y0 = (thing.x - left) * 2, (thing.foot - thing.tall * 0.985 - top) * 2
    for t in np.linspace(0, 1, 60):
        x = x0 + thing.tall * 2 * (thing.lean + bend * t**1.8)
        y = y0 - thing.tall * 2 * 0.17 * t
        stencil.disc(x, y, thing.tall * (0.017 + 0.014 * abs(t - 0.35) ** 1.5 + 0.01 * (t > 0.95)))
    mask = stencil.mask()
    side = np.roll(mask, 3, 1)
    tone = np.clip(0.25 + 0.5 * (mask - side + 0.4 * mask), 0, 1)
    return mix(sheet, mix(lab("#1d140b"), lab("#86683f"), tone), mask)
