"""A still life: one to three objects on a seamless background, lit from the upper left."""

from dataclasses import replace

import numpy as np

from .canvas import Field, Stencil, blur, downsample, lab, mix, noise, ramp, smoothstep
from .scene import Palette, Scene
from .vessels import OUTLINES, TILT, Vessel, paint

Triple = tuple[str, str, str]

# Background from dark to light (three), then hero and companion: shade, body, light (three each).
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
# Shadow slices: from and to (of 64 heights), blur as a fraction of the height, darkness.
SHADOW_SLICES = (
    (0, 10, 0.012, 0.62),
    (4, 22, 0.03, 0.5),
    (14, 40, 0.05, 0.36),
    (30, 64, 0.075, 0.22),
)
PEAR_COLOURS: tuple[Triple, ...] = (
    ("#2c3208", "#97a22c", "#e3e27a"),
    ("#4a2704", "#c98a14", "#f7d05a"),
    ("#3a1208", "#a8452a", "#ecac6a"),
)


def draw(scene: Scene) -> Field:
    """Draw one to three objects on a table."""
    colours = scene.colours(PALETTES)
    vessels = _arrange_vessels(scene, colours)
    pixels = _ground(scene, colours[:3], vessels)
    pixels = _shadows(scene, pixels, vessels)
    for vessel in sorted(vessels, key=lambda vessel: vessel.base):
        pixels = _paint_vessel(scene, pixels, vessel)
    return pixels


def _arrange_vessels(scene: Scene, colours: tuple[str, ...]) -> list[Vessel]:
    """Return the hero object and its smaller companions, centred as a group."""
    rng, width, height = scene.rng, scene.width, scene.height
    outline, material = _hero_kind(scene)
    main, second = _as_triple(colours[3:6]), _as_triple(colours[6:9])
    widest = max(radius for _, radius in OUTLINES[outline]) * 2
    count = int(rng.choice([0, 1, 1, 2] if width > height * 0.9 else [0, 0, 1]))
    room = 0.44 if outline in ("pear", "cup", "bowl") else 0.56
    tall = min(height * rng.uniform(0.92, 1.06) * room, width * (0.5 - 0.08 * count) / widest)
    if outline in ("cup", "bowl"):
        tall = min(height * 0.4, width * (0.46 - 0.05 * count) / widest)
    foot = height * rng.uniform(0.755, 0.79)
    seed = int(rng.integers(1 << 30))
    lean = rng.uniform(-0.05, 0.05) if outline == "pear" else 0.0
    tones = PEAR_COLOURS[0] if outline == "pear" else main
    hero = Vessel(outline, 0, foot, tall, material, tones, seed, lean)
    side = int(rng.choice([-1, 1]))
    vessels = [hero, *(_companion(scene, hero, second, side, number) for number in range(count))]
    left = min(vessel.x - float(vessel.radii(64).max()) for vessel in vessels)
    right = max(vessel.x + float(vessel.radii(64).max()) for vessel in vessels)
    return [replace(vessel, x=vessel.x + width / 2 - (left + right) / 2) for vessel in vessels]


def _hero_kind(scene: Scene) -> tuple[str, str]:
    """Return outline and material of the hero object."""
    if scene.count_mentions("pear fruit apple"):
        return "pear", "fruit"
    if scene.count_mentions("bottle wine perfume glass lemonade"):
        return str(scene.shared_rng.choice(["bottle", "flask"])), "glass"
    if scene.count_mentions("cup mug coffee tea"):
        return "cup", "clay"
    if scene.count_mentions("bowl dish"):
        return "bowl", "clay"
    outline = str(scene.rng.choice(["vase", "jar", "slim"]))
    return outline, str(scene.shared_rng.choice(["clay", "clay", "glaze"]))


def _companion(scene: Scene, hero: Vessel, colours: Triple, side: int, number: int) -> Vessel:
    """Return a companion: the first partly in front of the hero, the second behind it."""
    rng = scene.rng
    half = max(radius for _, radius in OUTLINES[hero.outline]) * hero.height
    if hero.outline == "pear":
        kind, material, colours = "pear", "fruit", PEAR_COLOURS[1 + number % 2]
        tall = hero.height * rng.uniform(0.74, 0.86)
    else:
        kind, material = str(scene.shared_rng.choice(["ball", "cup", "ball"])), "clay"
        part = rng.uniform(0.2, 0.27) if kind == "ball" else rng.uniform(0.3, 0.36)
        tall = max(hero.height, 1.5 * half) * part
    reach = half + max(radius for _, radius in OUTLINES[kind]) * tall
    reach *= rng.uniform(0.82, 1.0) if number == 0 else rng.uniform(1.2, 1.5)
    nearer = rng.uniform(0.02, 0.045) if number == 0 else -0.03
    return Vessel(
        kind,
        x=reach * (side if number == 0 else -side),
        base=hero.base + scene.height * nearer,
        height=tall,
        material=material,
        colours=colours,
        seed=hero.seed + number + 1,
        lean=-hero.lean,
    )


def _as_triple(colours: tuple[str, ...]) -> Triple:
    shade, body, light = colours
    return shade, body, light


def _ground(scene: Scene, colours: tuple[str, ...], vessels: list[Vessel]) -> Field:
    rng, width, height = scene.rng, scene.width, scene.height
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    hero = vessels[0]
    u = (columns - (hero.x - 0.16 * width)) / (0.62 * max(width, 0.9 * height))
    v = (rows - (hero.base - 0.62 * hero.height)) / (0.62 * height)
    pool = np.exp(-(u * u + v * v) * 0.9)
    bend = hero.base - 0.1 * height
    floor = smoothstep(bend - 0.09 * height, bend + 0.12 * height, rows)
    near = smoothstep(bend, height * 1.15, rows)
    tone = 0.16 + 0.72 * pool * (1 - 0.25 * floor) + 0.2 * floor * pool - 0.16 * near
    tone += 0.012 * noise(rng, width, height, 4, 4)
    return ramp(colours, np.clip(tone, 0, 1))


def _shadows(scene: Scene, pixels: Field, vessels: list[Vessel]) -> Field:
    """Add shadows to the right, softer for higher parts of an object."""
    width, height = scene.width, scene.height
    dark = np.zeros((height, width), np.float32)
    for vessel in vessels:
        radii = vessel.radii(64)
        for low, high, soft, weight in SHADOW_SLICES:
            stencil = Stencil(width, height)
            for step in range(low, high):
                up = vessel.height * step / 63
                x, y = vessel.x + up * 1.05, vessel.base - up * 0.13
                stencil.ellipse(x, y, radii[step], radii[step] * TILT)
            dark = np.maximum(dark, weight * blur(stencil.mask(), soft * vessel.height + 1))
        rest = max(radii[0], 0.6 * radii[5])
        contact = Stencil(width, height)
        contact.ellipse(vessel.x + rest * 0.08, vessel.base, rest * 1.04, rest * TILT * 1.1)
        dark = np.maximum(dark, 0.8 * blur(contact.mask(), vessel.height * 0.012 + 0.5))
    pixels = pixels.copy()
    pixels[..., 0] *= 1 - 0.62 * dark
    pixels[..., 1:] *= (1 - 0.25 * dark)[..., None]
    return pixels


def _paint_vessel(scene: Scene, pixels: Field, vessel: Vessel) -> Field:
    """Paint one object at double size within its bounding box, and downsample it."""
    widest = float(vessel.radii().max())
    left, right = int(vessel.x - widest) - 3, int(vessel.x + widest) + 4
    top, bottom = int(vessel.base - vessel.height * 1.25) - 3, int(vessel.base + widest * TILT) + 4
    left, top = max(0, left), max(0, top)
    right, bottom = min(scene.width, right), min(scene.height, bottom)
    if right - left < 2 or bottom - top < 2:
        return pixels
    behind = pixels[top:bottom, left:right].repeat(2, 0).repeat(2, 1)
    painted = paint(vessel, behind, left, top, 2)
    if vessel.outline == "pear":
        painted = _stalk(painted, vessel, left, top)
    pixels[top:bottom, left:right] = downsample(painted)
    return pixels


def _stalk(pixels: Field, vessel: Vessel, left: int, top: int) -> Field:
    height, width = pixels.shape[:2]
    stencil = Stencil(width, height)
    rng = np.random.default_rng(vessel.seed)
    bend = rng.uniform(0.02, 0.07) * rng.choice([-1, 1, 1])
    x0, y0 = (vessel.x - left) * 2, (vessel.base - vessel.height * 0.985 - top) * 2
    for t in np.linspace(0, 1, 60):
        x = x0 + vessel.height * 2 * (vessel.lean + bend * t**1.8)
        y = y0 - vessel.height * 2 * 0.17 * t
        stencil.disc(
            x, y, vessel.height * (0.017 + 0.014 * abs(t - 0.35) ** 1.5 + 0.01 * (t > 0.95))
        )
    mask = stencil.mask()
    side = np.roll(mask, 3, 1)
    tone = np.clip(0.25 + 0.5 * (mask - side + 0.4 * mask), 0, 1)
    return mix(pixels, mix(lab("#1d140b"), lab("#86683f"), tone), mask)
