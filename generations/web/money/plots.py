"""The geometry of the plot of a month: a cumulative curve above a bar for each day.

Horizontal positions are shares of the width, so that a plot fills any width and its texts keep
their size; vertical ones are pixels. No texts and no Django: the template adds both.
"""

from collections.abc import Sequence
from dataclasses import dataclass

TOP = 40  # pixels, for two labels above the highest line
CAPTION = 26  # between the curve and the caption of the bars
BAR_GAP = 12  # between the caption and the highest bar
AXIS = 20  # for the days below the bars
LABEL_HEIGHT = 18
LABEL_GAP = 8  # between a point and its label
SCALE = 1000  # units of the width in `points`
BAR_SHARE = 0.56  # of the width of a day
DAYS_BETWEEN_LABELS = 7
# A budget that is higher than this many times the curve would press it flat, and is left out.
MAX_BUDGET_RATIO = 4
_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class MonthFigures:
    """What is plotted: the amount of each day, in any unit, and where the month stands.

    `today` is the index of the running day, None in a month that is over. Days after it are empty.
    """

    amounts: Sequence[int]
    today: int | None = None
    forecast: int | None = None
    budget: int | None = None


@dataclass(frozen=True)
class Size:
    name: str
    curve: int  # height in pixels
    bars: int
    ticks: int  # at most so many
    days_around_today: int  # without a label of their own
    label: float  # the width of a label with an amount, as a share


WIDE = Size("wide", curve=200, bars=52, ticks=4, days_around_today=2, label=0.16)
NARROW = Size("narrow", curve=140, bars=44, ticks=4, days_around_today=3, label=0.32)


@dataclass(frozen=True)
class Tick:
    value: int
    y: str


@dataclass(frozen=True)
class Bar:
    x: str
    width: str
    y: str
    height: str
    is_today: bool


@dataclass(frozen=True)
class DayLabel:
    day: int  # of the month, from 1
    x: str
    anchor: str
    is_today: bool


@dataclass(frozen=True)
class Mark:
    """A point with a label beside it."""

    x: str
    y: str
    label_x: str
    label_y: str
    anchor: str


@dataclass(frozen=True)
class Plot:
    """Ready for the template: all numbers are texts, which no locale changes."""

    name: str
    height: str
    view_box: str  # of the curve and the forecast
    curve: str  # points
    forecast: str
    end: Mark
    forecast_end: Mark | None
    budget_y: str
    budget_label_y: str
    base_y: str
    ticks: list[Tick]
    bars: list[Bar]
    bars_base_y: str
    caption_y: str
    days_y: str
    days: list[DayLabel]
    today_x: str


def month_plot(figures: MonthFigures, size: Size) -> Plot:
    """Lay out a month. It needs at least one day, and an amount, a forecast or a budget."""
    return _Layout(figures, size).plot()


class _Layout:
    def __init__(self, figures: MonthFigures, size: Size) -> None:
        self.figures, self.size = figures, size
        self.count = len(figures.amounts)
        self.last = self.count - 1 if figures.today is None else figures.today
        self.sums = [sum(figures.amounts[: day + 1]) for day in range(self.last + 1)]
        top = max(self.sums[-1], figures.forecast or 0, 1)
        budget = figures.budget
        self.budget = budget if budget and budget <= MAX_BUDGET_RATIO * top else None
        self.top = max(top, self.budget or 0)
        self.base = TOP + size.curve
        self.bars_base = self.base + CAPTION + BAR_GAP + size.bars

    def plot(self) -> Plot:
        height = self.bars_base + AXIS + 4
        today = self.figures.today
        return Plot(
            name=self.size.name,
            height=_text(height),
            view_box=f"0 0 {SCALE} {height}",
            curve=" ".join(self._point(day, value) for day, value in enumerate(self.sums)),
            forecast=self._forecast_points(),
            end=self._end(),
            forecast_end=self._forecast_end(),
            budget_y=_text(self._y(self.budget)) if self.budget else "",
            budget_label_y=_text(self._y(self.budget) - 6) if self.budget else "",
            base_y=_text(self.base),
            ticks=self._ticks(),
            bars=self._bars(),
            bars_base_y=_text(self.bars_base),
            caption_y=_text(self.base + CAPTION),
            days_y=_text(self.bars_base + AXIS),
            days=self._day_labels(),
            today_x="" if today is None else self._percent(today),
        )

    def _share(self, day: int) -> float:
        """The middle of a day, as a share of the width."""
        return (day + 0.5) / self.count

    def _percent(self, day: int) -> str:
        return f"{_text(self._share(day) * 100)}%"

    def _y(self, value: int) -> float:
        return self.base - value / self.top * self.size.curve

    def _point(self, day: int, value: int) -> str:
        return f"{_text(self._share(day) * SCALE)},{_text(self._y(value))}"

    def _forecast_points(self) -> str:
        if self.figures.forecast is None:
            return ""
        return " ".join(
            (
                self._point(self.last, self.sums[-1]),
                self._point(self.count - 1, self.figures.forecast),
            )
        )

    def _end(self) -> Mark:
        """The last known point. Its label is where the curve is not: below right, or above left."""
        share, y = self._share(self.last), self._y(self.sums[-1])
        if share < 0.7 and y + 2 * LABEL_HEIGHT < self.base:
            label_x, label_y, anchor = 100 * share + 1, y + LABEL_HEIGHT, "start"
        elif share < 0.5:
            label_x, label_y, anchor = 100 * share, y - LABEL_GAP, "start"
        else:
            label_x, label_y, anchor = 100 * share, y - LABEL_GAP, "end"
        if self.figures.forecast is not None and anchor == "end" and share > 1 - self.size.label:
            above_it = self._y(self.figures.forecast) - LABEL_GAP - LABEL_HEIGHT
            label_y = min(label_y, above_it)
        return Mark(
            x=self._percent(self.last),
            y=_text(y),
            label_x=f"{_text(label_x)}%",
            label_y=_text(label_y),
            anchor=anchor,
        )

    def _forecast_end(self) -> Mark | None:
        if self.figures.forecast is None:
            return None
        y = self._y(self.figures.forecast)
        return Mark(
            x=self._percent(self.count - 1),
            y=_text(y),
            label_x="100%",
            label_y=_text(y - LABEL_GAP),
            anchor="end",
        )

    def _ticks(self) -> list[Tick]:
        step = tick_step(self.top, self.size.ticks)
        lines = [(value, self._y(value)) for value in range(step, self.top + 1, step)]
        # The budget has a label of its own, at the same edge.
        budget_y = self._y(self.budget) if self.budget else None
        return [
            Tick(value, _text(y))
            for value, y in lines
            if budget_y is None or abs(y - budget_y) >= LABEL_HEIGHT
        ]

    def _bars(self) -> list[Bar]:
        highest = max(*self.figures.amounts, 1)
        bars = []
        for day, amount in enumerate(self.figures.amounts):
            height = max(amount, 0) / highest * self.size.bars
            if height:
                height = max(height, 1)  # a small amount is more than nothing
                left = (self._share(day) - BAR_SHARE / 2 / self.count) * 100
                bars.append(
                    Bar(
                        x=f"{_text(left)}%",
                        width=f"{_text(BAR_SHARE / self.count * 100)}%",
                        y=_text(self.bars_base - height),
                        height=_text(height),
                        is_today=day == self.figures.today,
                    )
                )
        return bars

    def _day_labels(self) -> list[DayLabel]:
        """Each week's first day, and today instead of those near it."""
        today = self.figures.today
        weekly = [
            day
            for day in range(0, self.count, DAYS_BETWEEN_LABELS)
            if today is None or abs(day - today) > self.size.days_around_today
        ]
        days = sorted([*weekly, *([today] if today is not None else [])])
        return [
            DayLabel(day + 1, self._percent(day), self._anchor(day), is_today=day == today)
            for day in days
        ]

    def _anchor(self, day: int) -> str:
        """Keep the word at today within the plot."""
        if day != self.figures.today:
            return "middle"
        share = self._share(day)
        return "start" if share < 0.06 else "end" if share > 0.94 else "middle"


def tick_step(top: int, ticks: int) -> int:
    """Return 1, 2 or 5 times a power of ten: the smallest with at most so many steps to `top`."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * (ticks + 1) > top:
                return step * power
        power *= 10


def _text(value: float) -> str:
    """At most one decimal place, with a point."""
    return f"{value:.1f}".removesuffix(".0")
