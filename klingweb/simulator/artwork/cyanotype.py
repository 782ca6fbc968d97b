"""Cyanotype: white silhouettes of plants on blue light-sensitive paper."""

from dataclasses import dataclass

import numpy as np

from .canvas import Field, Stencil, blur, lab, mix, noise, ramp, smoothstep
from .scene import Palette, Scene

# Deepest blue, blue, washed blue, the print's white, paper.
PALETTES = (
    Palette(
        "blue prussian deep cyanotype blueprint",
        ("#06305f", "#0b4784", "#3a71a6", "#e9eef0", "#f1ede1"),
    ),
    Palette("plant garden print", ("#062a5c", "#12508f", "#4c83b4", "#eceee9", "#f2ecdc")),
    Palette("indigo night ink dusk", ("#0b1d4a", "#1b3f80", "#5476a8", "#ecebe4", "#f0eadb")),
    Palette("teal green sea sage", ("#053a44", "#0c6068", "#4d9493", "#e8f0e8", "#f2eee0")),
    Palette("brown sepia warm tea amber", ("#321a12", "#5f3423", "#a07454", "#f3e9d7", "#f4eedf")),
)


def draw(scene: Scene) -> Field:
    """Draw two to eight stems on a brushed background with a bare paper edge."""
    rng, width, height = scene.rng, scene.width, scene.height
    short = min(width, height)
    deep, blue, washed, white, paper = scene.colours(PALETTES)
    wash = noise(rng, width, height, 3, 5, 0.55)
    brushed = noise(rng, width, height, (60, 2.5), 3)
    ground = ramp([deep, blue, washed], np.clip(0.36 + 0.2 * wash + 0.035 * brushed, 0, 1))
    coverage = _plants(scene)
    # Leaves that were not flat on the paper have blurred edges.
    lifted = smoothstep(-0.1, 0.9, noise(rng, width, height, 4, 2))
    soft = blur(coverage, short * 0.006)
    coverage = coverage + (soft - coverage) * (0.25 + 0.75 * lifted)
    print_ = mix(ground, lab(white), np.clip(coverage, 0, 1) * (0.97 - 0.05 * wash.clip(0, 1)))
    texture = noise(rng, width, height, 240, 2, 0.7)
    bare = np.broadcast_to(lab(paper), print_.shape)
    pixels = mix(bare, print_, _coating(scene, texture))
    pixels[..., 0] += 0.008 * texture
    return pixels


def _coating(scene: Scene, texture: Field) -> Field:
    """Return where the paper is coated, 0 to 1: everywhere except at a rough rim."""
    rng, width, height = scene.rng, scene.width, scene.height
    short = min(width, height)
    rim = 0.042 * short
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    inside = np.minimum.reduce([columns, width - columns, rows, height - rows]) - rim
    ragged = 0.0075 * noise(rng, width, height, 11, 4, 0.5) + 0.0012 * texture
    away = inside / short + ragged
    body = smoothstep(-0.0015, 0.0025, away)
    # The coating is darker along its edge, where the liquid dried.
    return np.asarray(body * (0.93 + 0.07 * smoothstep(0.012, 0.002, away)), np.float32)


@dataclass(frozen=True)
class Plant:
    """One plant. `spine` is its stem from the bottom up, shape (90, 2), in pixels."""

    spine: Field
    body: Stencil
    veins: Stencil
    rng: np.random.Generator

    @property
    def length(self) -> float:
        """The length of the stem in pixels."""
        return float(np.hypot(*np.diff(self.spine, axis=0).T).sum())

    def at(self, t: float) -> tuple[Field, float]:
        """Return the point at fraction t of the stem, and its heading in radians: 0 is up."""
        place = float(np.clip(t, 0, 1)) * (len(self.spine) - 2)
        first = int(place)
        step = self.spine[first + 1] - self.spine[first]
        return self.spine[first] + step * (place - first), float(np.arctan2(step[0], -step[1]))

    def stem(self, width: float) -> None:
        """Draw the stem, tapering to its tip."""
        half = np.stack([np.linspace(width / 2, width / 8, 90), np.zeros(90)], -1)
        self.body.polygon(_points(self.spine + half, (self.spine - half)[::-1]))


def _plants(scene: Scene) -> Field:
    """Return how much light the plants blocked, 0 to 1."""
    rng, shared, width, height = scene.rng, scene.shared_rng, scene.width, scene.height
    kinds = (_fern, _branch, _umbel)
    mentions = [
        scene.count_mentions("fern frond bracken"),
        scene.count_mentions("leaf leaves branch olive willow eucalyptus lemon tree bamboo"),
        scene.count_mentions("flower blossom umbel seed reed grass meadow heron"),
    ]
    weights = np.array(mentions, float) if any(mentions) else shared.permutation([0.7, 0.3, 0.0])
    count = int(np.clip(round(rng.uniform(2.6, 3.9) * (width / height) ** 0.7), 2, 8))
    total = np.zeros((height, width), np.float32)
    for number in range(count):
        at = (number + 0.5 + rng.uniform(-0.22, 0.22)) / count
        kind = kinds[int(rng.choice(3, p=weights / weights.sum()))]
        # Umbels are wide at the top and need more room above.
        spine = _spine(scene, at, 0.78 if kind is _umbel else 1.0)
        plant = Plant(spine, Stencil(width, height), Stencil(width, height), rng)
        kind(plant)
        blocked = plant.body.mask() * rng.uniform(0.8, 0.94) * (1 - 0.13 * plant.veins.mask())
        total = 1 - (1 - total) * (1 - blocked)
    return total


def _spine(scene: Scene, at: float, fraction: float) -> Field:
    """Return the stem of a plant; `at` is its place from left to right, 0 to 1."""
    rng, width, height = scene.rng, scene.width, scene.height
    length = height * rng.uniform(0.68, 0.9) * fraction
    lean = (at - 0.5) * rng.uniform(0.5, 0.9) * min(1.3, width / height) + rng.uniform(-0.1, 0.1)
    bend = lean * rng.uniform(0.4, 1.6) + rng.uniform(-0.4, 0.4)
    start = np.array([width * (0.5 + (at - 0.5) * 0.72), height * 0.985])
    return _path(start, lean + bend * np.linspace(0, 1, 90) ** 1.6, length)


def _path(start: Field, headings: Field, length: float) -> Field:
    """Return the points of a line with the given heading at each step."""
    steps = np.stack([np.sin(headings), -np.cos(headings)], -1)
    return np.asarray(start + np.cumsum(steps, 0) * length / len(headings))


def _points(*lines: Field) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for line in lines for x, y in line]


def _fern(plant: Plant) -> None:
    """Draw a fern frond whose leaflets have small rounded teeth."""
    rng, length = plant.rng, plant.length
    pairs = int(rng.integers(24, 31))
    wide = length * rng.uniform(0.2, 0.27)
    plant.stem(length * 0.006)
    for pair in range(pairs):
        u = (pair / pairs) ** 0.92
        for side in (-1, 1):
            here, heading = plant.at(0.16 + 0.835 * u + 0.006 * side)
            reach = wide * min(1, 0.5 + 2.4 * u) * (1 - u) ** 0.75 * rng.uniform(0.92, 1.06)
            turn = heading + side * (1.22 - 0.45 * u + rng.normal(0, 0.035))
            thick = length * 0.017 * (1 - 0.5 * u) + reach * 0.07
            t = np.linspace(0, 1, 44)
            teeth = 0.72 + 0.28 * np.abs(np.sin(t * np.pi * max(4, round(reach / thick * 2.6))))
            half = thick * (1 - t**1.5) ** 0.8 * np.minimum(1, 0.45 + 5 * t) * teeth * 0.5
            middle = _blade(plant, here, turn, -0.28 * side * t * t, half, reach)
            plant.veins.line(_points(middle[:40:3]), length * 0.0016)


def _blade(
    plant: Plant, base: Field, turn: float, bends: Field, half: Field, length: float
) -> Field:
    """Draw one leaf with the given half widths along its length, and return its middle line."""
    headings = turn + bends
    middle = _path(base, headings, length)
    across = np.stack([np.cos(headings), np.sin(headings)], -1) * half[:, None]
    plant.body.polygon(_points(middle + across, (middle - across)[::-1]))
    return middle


def _branch(plant: Plant) -> None:
    """Draw a branch of pointed leaves."""
    rng, length = plant.rng, plant.length
    pairs = int(rng.integers(9, 14))
    size = length * rng.uniform(0.2, 0.26)
    slim = rng.uniform(0.2, 0.34)
    plant.stem(length * 0.006)
    places = [
        (0.2 + 0.76 * (pair + 0.3 * (side > 0) + rng.uniform(-0.1, 0.1)) / pairs, side)
        for pair in range(pairs)
        for side in (-1, 1)
    ]
    for t, side in [*places, (1.0, 0)]:
        here, heading = plant.at(t)
        turn = heading + side * rng.uniform(0.6, 1.05)
        leaf = size * (1 - 0.45 * t) * rng.uniform(0.85, 1.1)
        along = np.linspace(0, 1, 26)
        swell = np.sin(np.pi * np.clip(along * 1.06 - 0.06, 0, 1) ** 0.8) ** 0.9
        bends = -side * rng.uniform(0, 0.35) * along
        middle = _blade(plant, here, turn, bends, leaf * slim * 0.5 * swell, leaf)
        plant.veins.line(_points(middle[:24]), max(0.5, leaf * 0.012))


def _umbel(plant: Plant) -> None:
    """Draw a stem with fans of thin rays and tiny flowers."""
    rng, length, body = plant.rng, plant.length, plant.body
    plant.stem(length * 0.007)
    for t, size in ((1.0, 0.3), (0.62, 0.16), (0.45, 0.13)):
        here, heading = plant.at(t)
        if t < 1:
            heading += rng.choice([-1, 1]) * rng.uniform(0.5, 0.8)
            joint = _endpoint(here, heading, length * 0.2)
            body.line(_points(np.stack([here, joint])), length * 0.004)
            here = joint
        for ray in np.linspace(-1.05, 1.05, 15):
            turn = heading + ray + rng.normal(0, 0.03)
            tip = _endpoint(
                here, turn, length * size * (1 - 0.28 * abs(ray)) * rng.uniform(0.9, 1.05)
            )
            body.line(_points(np.stack([here, tip])), length * 0.0028)
            for small in np.linspace(-1.2, 1.2, 8):
                end = _endpoint(tip, turn + small + rng.normal(0, 0.1), length * size * 0.16)
                body.line(_points(np.stack([tip, end])), length * 0.0016)
                body.disc(float(end[0]), float(end[1]), length * rng.uniform(0.004, 0.0075))


def _endpoint(start: Field, heading: float, length: float) -> Field:
    return np.asarray(start + length * np.array([np.sin(heading), -np.cos(heading)]))
