"""The geometry of the plot of a month."""

import random

import pytest

from generations.web.money.plots import (
    NARROW,
    SCALE,
    TOP,
    WIDE,
    MonthFigures,
    Plot,
    Size,
    month_plot,
    tick_step,
)

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=lambda size: size.name)


def points(text: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text.split())]


def percent(text: str) -> float:
    assert text.endswith("%")
    return float(text[:-1])


def plot_of(amounts: list[int], size: Size = WIDE, **figures: int | None) -> Plot:
    return month_plot(MonthFigures(amounts, **figures), size)


def test_curve_adds_up_the_days() -> None:
    plot = plot_of([1, 0, 3, 0])
    assert points(plot.curve) == [
        (125, TOP + 150),
        (375, TOP + 150),
        (625, TOP),
        (875, TOP),
    ]
    assert plot.base_y == str(TOP + 200)
    assert (plot.end.x, plot.end.y) == ("87.5%", str(TOP))


def test_curve_ends_today_and_the_forecast_continues_it() -> None:
    plot = plot_of([2, 2, 0, 0], today=1, forecast=8)
    curve, forecast = points(plot.curve), points(plot.forecast)
    assert len(curve) == 2
    assert forecast == [curve[-1], (875, TOP)]
    assert plot.today_x == "37.5%"
    assert [(bar.x, bar.is_today) for bar in plot.bars] == [("5.5%", False), ("30.5%", True)]


def test_month_that_is_over_has_no_forecast_and_no_today() -> None:
    plot = plot_of([2, 2])
    assert (plot.forecast, plot.forecast_end, plot.today_x) == ("", None, "")
    assert not any(day.is_today for day in plot.days)


def test_labels_of_the_end_and_the_forecast_do_not_meet() -> None:
    for today in range(30):
        amounts = [10] * (today + 1) + [0] * (29 - today)
        for size in (WIDE, NARROW):
            plot = plot_of(amounts, size, today=today, forecast=300)
            assert plot.forecast_end
            end, forecast = plot.end, plot.forecast_end
            right = percent(end.label_x) + (100 * size.label if end.anchor == "start" else 0)
            if right > 100 * (1 - size.label):
                assert abs(float(end.label_y) - float(forecast.label_y)) >= 18


def test_label_of_the_budget_replaces_the_tick_beside_it() -> None:
    assert [tick.value for tick in plot_of([500], budget=800).ticks] == [200, 400, 600]
    assert [tick.value for tick in plot_of([800]).ticks] == [200, 400, 600, 800]


def test_budget_is_a_line_unless_it_would_press_the_curve_flat() -> None:
    assert plot_of([10], budget=20).budget_y == str(TOP)
    assert plot_of([10], budget=40).budget_y == str(TOP)
    assert plot_of([10], budget=41).budget_y == ""
    assert points(plot_of([10], budget=5).curve)[0][1] == TOP  # more was spent than allowed


def test_bars_are_relative_to_the_highest_day() -> None:
    bars = plot_of([50, 100, 1, 0, -3]).bars  # a correction may leave less than nothing
    assert [bar.height for bar in bars] == ["26", "52", "1"]
    assert len({float(bar.y) + float(bar.height) for bar in bars}) == 1


@pytest.mark.parametrize(
    ("today", "labels"),
    [(None, [1, 8, 15, 22, 29]), (21, [1, 8, 15, 22, 29]), (13, [1, 8, 14, 22, 29]),
     (0, [1, 8, 15, 22, 29])],
)  # fmt: skip
def test_days_have_few_labels(today: int | None, labels: list[int]) -> None:
    plot = plot_of([1] * 30, today=today)
    assert [label.day for label in plot.days] == labels
    assert [label.day - 1 for label in plot.days if label.is_today] == (
        [] if today is None else [today]
    )


@pytest.mark.parametrize(
    ("top", "ticks", "step"),
    [(1, 4, 1), (800, 4, 200), (563, 4, 200), (999, 4, 200), (1000, 4, 500), (36, 3, 10),
     (8_000_000, 4, 2_000_000)],
)  # fmt: skip
def test_ticks_are_round(top: int, ticks: int, step: int) -> None:
    assert tick_step(top, ticks) == step
    assert top // step <= ticks


@SIZES
@pytest.mark.parametrize("seed", range(50))
def test_everything_is_inside(size: Size, seed: int) -> None:
    rng = random.Random(seed)
    count = rng.choice((28, 29, 30, 31))
    today = rng.choice((None, rng.randrange(count)))
    last = count - 1 if today is None else today
    amounts = [rng.choice((0, rng.randrange(10 ** rng.randint(1, 12)))) for _day in range(last + 1)]
    amounts += [0] * (count - len(amounts))
    forecast = None if today is None else rng.choice((None, sum(amounts) * 2))
    plot = month_plot(MonthFigures(amounts, today, forecast, rng.choice((None, 10**6))), size)
    height = float(plot.height)
    for x, y in points(plot.curve) + points(plot.forecast):
        assert 0 <= x <= SCALE
        assert TOP - 0.1 <= y <= float(plot.base_y)
    for bar in plot.bars:
        assert percent(bar.x) >= 0
        assert percent(bar.x) + percent(bar.width) <= 100.1
        assert float(plot.caption_y) < float(bar.y) < float(plot.days_y) < height
    marks = [plot.end, *([plot.forecast_end] if plot.forecast_end else [])]
    for mark in marks:
        assert 0 <= percent(mark.label_x) <= 100
        assert 8 < float(mark.label_y) < height
    assert len(plot.ticks) <= size.ticks
    assert all(TOP - 0.1 <= float(tick.y) < float(plot.base_y) for tick in plot.ticks)
