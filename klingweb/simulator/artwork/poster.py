"""A poster: geometric shapes on a grid, printed in five inks on paper."""

from collections.abc import Callable

import numpy as np

from .canvas import Field, Stencil, lab, mix, noise, smoothstep
from .scene import Palette, Scene

# Paper, then five inks: the first two cover most of the area, the last is the accent.
PALETTES = (
    Palette(
        "red black bauhaus graphic",
        ("#efe9dc", "#262422", "#b9ab97", "#d2372c", "#8d8577", "#e0a72e"),
    ),
    Palette(
        "teal coral summer sea",
        ("#f3ecdd", "#12495b", "#7fb7ae", "#e8674f", "#f2b880", "#1f8a8c"),
    ),
    Palette(
        "green sage forest garden spring mint",
        ("#f1eddf", "#27473a", "#9db08a", "#d98a3d", "#5f8060", "#e9c25c"),
    ),
    Palette(
        "blue cobalt winter night indigo",
        ("#eeeae0", "#17275a", "#8aa6cf", "#e9b23c", "#3b62b0", "#d9553f"),
    ),
    Palette(
        "pink rose pastel violet candy",
        ("#f5ece6", "#4a2a4f", "#e3a7a5", "#e2603f", "#a88bb8", "#f0bd5a"),
    ),
    Palette(
        "ochre brown earth autumn terracotta mid-century",
        ("#f2e8d5", "#3b2a22", "#c9a06a", "#b8492e", "#7d8a6b", "#dfa23c"),
    ),
)
PAPER = -1
Outline = list[tuple[float, float]]
Cell = tuple[float, float, float]  # left, top and edge, in pixels
Shape = Callable[[Cell, int], list[Outline]]


def draw(scene: Scene) -> Field:
    """Draw one print with a margin of paper."""
    rng, width, height = scene.rng, scene.width, scene.height
    paper, *inks = scene.colours(PALETTES)
    texture = noise(rng, width, height, 270, 2, 0.7)
    patchy = noise(rng, width, height, 5, 5, 0.6)
    pixels = np.broadcast_to(lab(paper), (height, width, 3)).copy()
    pixels[..., 0] += 0.007 * texture + 0.006 * patchy
    uneven = patchy[..., None] * np.array([0.01, 0, 0], np.float32)
    for ink, stencil in zip(inks, _printing_plates(scene), strict=True):
        # Thin spots in the ink, where the paper texture shows through.
        cover = stencil.mask() * (0.97 - 0.26 * smoothstep(0.55, 1.2, texture + 0.5 * patchy))
        pixels = mix(pixels, lab(ink) + uneven, cover)
    return pixels


def _grid(scene: Scene) -> tuple[float, float, float, int, int]:
    """Return left, top and edge of the cells in pixels, then the number of columns and rows."""
    width, height = scene.width, scene.height
    short = min(width, height)
    margin = short * 0.07
    edge = (short - 2 * margin) / int(scene.shared_rng.integers(4, 6))
    columns = max(1, int((width - 2 * margin) / edge + 0.3))
    rows = max(1, int((height - 2 * margin) / edge + 0.3))
    edge = min((width - 1.6 * margin) / columns, (height - 1.6 * margin) / rows)
    return (width - columns * edge) / 2, (height - rows * edge) / 2, edge, columns, rows


def _printing_plates(scene: Scene) -> list[Stencil]:
    """Return one stencil per ink, in printing order."""
    rng, shared = scene.rng, scene.shared_rng
    left, top, edge, columns, rows = _grid(scene)
    plates = [Stencil(scene.width, scene.height) for _ in range(5)]
    shapes = [SHAPES[i] for i in shared.permutation(len(SHAPES))[:6]]
    printed = np.full((rows + 2, columns + 2), PAPER)
    taken = np.zeros((rows + 1, columns + 1), bool)
    taken[rows], taken[:, columns] = True, True
    for row, column in np.ndindex(rows, columns):
        if taken[row, column]:
            continue
        free = not taken[row : row + 2, column : column + 2].any()
        span = 2 if rng.random() < 0.24 and free else 1
        taken[row : row + span, column : column + span] = True
        cell = (left + column * edge, top + row * edge, edge * span)
        neighbours = [printed[row, column + 1], printed[row + 1, column], printed[row, column]]
        ground = _choose_ink(rng, neighbours, bare=0.42)
        figure = _choose_ink(rng, [ground, *neighbours[:2]], bare=0.0 if ground == PAPER else 0.3)
        printed[row + 1 : row + 1 + span, column + 1 : column + 1 + span] = figure
        shape = shapes[int(rng.integers(len(shapes)))](cell, int(rng.integers(4)))
        _add_cell(plates, ground, _square(cell), figure, shape)
    return plates


def _choose_ink(rng: np.random.Generator, neighbours: list[int], bare: float) -> int:
    """Choose an ink, rarely one of a neighbouring cell; `bare` is the probability of none."""
    if rng.random() < bare and neighbours[0] != PAPER:
        return PAPER
    weights = np.array([0.32, 0.25, 0.21, 0.13, 0.09])
    for ink in neighbours:
        if ink != PAPER:
            weights[ink] *= 0.12
    if neighbours[0] != PAPER:
        weights[neighbours[0]] = 0
    return int(rng.choice(5, p=weights / weights.sum()))


def _add_cell(
    plates: list[Stencil], ground: int, cell: Outline, figure: int, shape: list[Outline]
) -> None:
    """Add a cell to the plates; the figure is cut out of the background, so inks never overlap."""
    if ground != PAPER:
        plates[ground].polygon(cell)
        for outline in shape:
            plates[ground].polygon(outline, 0)
    if figure != PAPER:
        for outline in shape:
            plates[figure].polygon(outline)


def _square(cell: Cell) -> Outline:
    x, y, edge = cell
    return [(x, y), (x + edge, y), (x + edge, y + edge), (x, y + edge)]


def _arc_points(x: float, y: float, radius: float, start: float = 0, end: float = 360) -> Outline:
    angles = np.radians(np.linspace(start, end, 90))
    return [(float(x + radius * np.cos(a)), float(y + radius * np.sin(a))) for a in angles]


def _arc(cell: Cell, turn: int, radius: float) -> Outline:
    """Return a quarter circle around corner `turn`; the radius is a fraction of the edge."""
    x, y = _square(cell)[turn % 4]
    return _arc_points(x, y, radius * cell[2], 90 * turn, 90 * turn + 90)


def _quarter(cell: Cell, turn: int) -> list[Outline]:
    return [[_square(cell)[turn], *_arc(cell, turn, 1)]]


def _band(cell: Cell, turn: int) -> list[Outline]:
    return [_arc(cell, turn, 1) + _arc(cell, turn, 0.5)[::-1]]


def _rainbow(cell: Cell, turn: int) -> list[Outline]:
    rings = ((1.0, 0.8), (0.6, 0.4), (0.2, 0.0))
    return [_arc(cell, turn, outer) + _arc(cell, turn, inner)[::-1] for outer, inner in rings]


def _disc(cell: Cell, turn: int) -> list[Outline]:
    x, y, edge = cell
    return [_arc_points(x + edge / 2, y + edge / 2, edge * (0.5, 0.36, 0.5, 0.3)[turn])]


def _halves(cell: Cell, turn: int) -> list[Outline]:
    x, y, edge = cell
    half = edge / 2
    if turn % 2:
        return [_arc_points(x + half, y + at, half, 180, 360) for at in (half, edge)]
    return [_arc_points(x + at, y + half, half, 90, 270) for at in (half, edge)]


def _stripes(cell: Cell, turn: int) -> list[Outline]:
    x, y, edge = cell
    bars = [(edge * bar / 4, edge * (bar + 0.5) / 4) for bar in range(4)]
    if turn % 2:
        return [[(x + a, y), (x + b, y), (x + b, y + edge), (x + a, y + edge)] for a, b in bars]
    return [[(x, y + a), (x + edge, y + a), (x + edge, y + b), (x, y + b)] for a, b in bars]


def _leaf(cell: Cell, turn: int) -> list[Outline]:
    return [_arc(cell, turn, 1) + _arc(cell, turn + 2, 1)]


def _wedge(cell: Cell, turn: int) -> list[Outline]:
    corners = _square(cell) * 2
    return [corners[turn : turn + 3]]


def _dots(cell: Cell, turn: int) -> list[Outline]:
    x, y, edge = cell
    thirds = (edge / 6, edge / 2, edge * 5 / 6)
    return [_arc_points(x + across, y + down, edge * 0.1) for down in thirds for across in thirds]


SHAPES: tuple[Shape, ...] = (
    _quarter,
    _rainbow,
    _band,
    _disc,
    _halves,
    _stripes,
    _leaf,
    _wedge,
    _quarter,
    _dots,
)
