"""The usage of one month as the page shows it: figures, sentences, plots and tables."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_sentences
from generations.models import Collection, Member, Status
from generations.models.money import Allowance, Limit, Period, ReusedImage, Window
from generations.models.money.amounts import plain
from generations.models.money.month import Month
from generations.models.money.price import current_upstream
from generations.models.money.usage import Figures, Usage, forecast_e4, lines_of, usage_of
from generations.web.model_names import kind_label

from .formats import (
    UNIT_E4,
    current_currency,
    format_forecast,
    format_number,
    format_sum,
    percent_used,
)
from .plots import NARROW, WIDE, MonthFigures, Plot, Size, month_plot

ALMOST_USED_PERCENT = 95


@dataclass(frozen=True)
class Scope:
    """Whose usage of which month is shown. Without a person: that of the team."""

    month: Month
    reader: Member
    person: Member | None

    @property
    def is_own(self) -> bool:
        return self.person == self.reader

    @property
    def is_running(self) -> bool:
        start, end = self.month.boundaries
        return start <= timezone.now() < end

    @property
    def title(self) -> str:
        """ "November 2026", with the name of another person."""
        if self.person is None or self.is_own:
            return month_name(self.month)
        values = {"month": month_name(self.month), "person": self.person.name}
        return _("%(month)s, %(person)s") % values

    @property
    def fields(self) -> dict[str, str]:
        """The query that leads here again; `mine` tells an admin's own usage from the team's."""
        fields = {"month": str(self.month)}
        if self.is_own:
            fields["mine"] = "1"
        elif self.person is not None:
            fields["person"] = str(self.person.pk)
        return fields

    def url(self, **changes: str) -> str:
        """The address with other fields; an empty text leaves one out."""
        fields = {name: value for name, value in (self.fields | changes).items() if value}
        return f"{reverse('usage')}?{urlencode(fields)}"


@dataclass(frozen=True)
class Row:
    """One line of a table, ready to be printed."""

    label: str
    images: str
    charged: str
    reserved: str
    url: str = ""
    percent: int | None = None  # of the limit
    left: str = ""
    is_almost_used: bool = False


@dataclass(frozen=True)
class Table:
    """`name` is a word for the ids of the page. With `has_limits`, rows may have a meter."""

    name: str
    title: str
    column: str
    rows: list[Row]
    has_limits: bool = False


def month_context(scope: Scope, allowances: Iterable[Allowance]) -> dict[str, Any]:
    """What the templates show. `allowances` are those of the person, else of the reader."""
    usage = usage_of(scope.month, scope.person)
    reused, saved_e4 = ReusedImage.objects.total(scope.month, scope.person)
    forecast = forecast_e4(usage.total, scope.month)
    budget = _budget_e4(scope, allowances)
    context = {
        "scope": scope,
        "total": format_sum(usage.total.charged_e4),
        "total_text": _total_text(usage.total, budget),
        "at_risk": format_sum(usage.at_risk.reserved_e4),
        "at_risk_text": _at_risk_text(usage.at_risk.open_requests),
        "saved": format_sum(saved_e4),
        "saved_text": _saved_text(reused),
        "reserved": format_sum(usage.total.reserved_e4),
        "reserved_text": _reserved_text(usage.total.open_requests),
        "may_move": _may_move_text(scope, usage.total),
        "has_usage": bool(usage.days),
        "days": _days(usage),
        "tables": [table for table in _tables(scope, usage) if table.rows],
        "sum": _row(_("Month"), usage.total),
    }
    if forecast is not None and forecast:
        context |= {"forecast": _forecast_text(scope, forecast, usage.total.used_e4)}
        context |= {"budget_text": _budget_text(scope, forecast, budget)}
    if usage.days:
        figures = _plotted(scope, usage, forecast, budget)
        context["plots"] = [_described(scope, figures, size) for size in (WIDE, NARROW)]
        context["plot_text"] = _plot_text(scope, usage, forecast, budget)
        context["highest_day"] = format_sum(max(figures.amounts))
    return context


def month_name(month: Month) -> str:
    return date_format(date(month.year, month.month, 1), "YEAR_MONTH_FORMAT")


# --- figures and sentences -----------------------------------------------------------------------


def _budget_e4(scope: Scope, allowances: Iterable[Allowance]) -> int | None:
    """The limit of the running month. Which limit an earlier month had is not recorded."""
    if not scope.is_running:
        return None
    is_team = scope.person is None
    limits = (
        each.limit_e4
        for each in allowances
        if each.is_team == is_team and each.window == Window.MONTH
    )
    return next(limits, None)


def _total_text(total: Figures, budget_e4: int | None) -> str:
    images = _images(total.charged_images)
    if budget_e4 is None:
        return _("charged, %s") % images
    return _("charged of %(budget)s, %(images)s") % {
        "budget": format_sum(budget_e4),
        "images": images,
    }


def _images(count: int) -> str:
    return ngettext("%s image", "%s images", count) % format_number(count * UNIT_E4)


def _at_risk_text(count: int) -> str:
    if not count:
        return _("at risk")
    text = ngettext(
        "at risk: %d request without an answer", "at risk: %d requests without an answer", count
    )
    return text % count


def _saved_text(count: int) -> str:
    if not count:
        return _("saved")
    return ngettext("saved: %d image already made", "saved: %d images already made", count) % count


def _reserved_text(count: int) -> str:
    if not count:
        return ""
    return ngettext("reserved: %d open request", "reserved: %d open requests", count) % count


def _may_move_text(scope: Scope, total: Figures) -> str:
    """A month that is over, while requests from it are open."""
    count = total.open_requests
    if scope.is_running or not count:
        return ""
    text = ngettext(
        "The figures of %(month)s may still change: %(count)d request is still open.",
        "The figures of %(month)s may still change: %(count)d requests are still open.",
        count,
    )
    return text % {"month": month_name(scope.month), "count": count}


def _forecast_text(scope: Scope, forecast: int, used_e4: int) -> str:
    values = {"month": _month_word(scope.month), "amount": format_forecast(forecast, used_e4)}
    return _("At this pace %(month)s ends at %(amount)s.") % values


def _budget_text(scope: Scope, forecast: int, budget: int | None) -> str:
    if not budget:
        return ""
    if forecast <= budget:
        return _("That is within the budget of %s.") % format_sum(budget)
    start, end = scope.month.boundaries
    until = (start + (end - start) * (budget / forecast)).astimezone(scope.month.zone)
    values = {"budget": format_sum(budget), "date": date_format(until, "SHORT_DATE_FORMAT")}
    return _("The budget of %(budget)s lasts until %(date)s.") % values


def _month_word(month: Month) -> str:
    return date_format(date(month.year, month.month, 1), "F")


# --- the plot ------------------------------------------------------------------------------------


def _plotted(scope: Scope, usage: Usage, forecast: int | None, budget: int | None) -> MonthFigures:
    days = scope.month.days
    today = timezone.now().astimezone(scope.month.zone).date()
    return MonthFigures(
        amounts=[usage.days[day].charged_e4 if day in usage.days else 0 for day in days],
        today=days.index(today) if today in days else None,
        forecast=forecast,
        budget=budget,
    )


@dataclass(frozen=True)
class DescribedPlot:
    """A plot with its texts."""

    plot: Plot
    ticks: list[tuple[str, str]]  # position, text
    total: str
    forecast: str
    budget: str


def _described(scope: Scope, figures: MonthFigures, size: Size) -> DescribedPlot:
    plot = month_plot(figures, size)
    return DescribedPlot(
        plot=plot,
        ticks=[(tick.y, format_number(tick.value)) for tick in plot.ticks],
        total=format_sum(sum(figures.amounts)),
        forecast=_plotted_forecast(figures),
        budget=_("budget %s") % format_sum(figures.budget or 0) if plot.budget_y else "",
    )


def _plotted_forecast(figures: MonthFigures) -> str:
    if figures.forecast is None:
        return ""
    return _("forecast %s") % format_forecast(figures.forecast, sum(figures.amounts))


def _plot_text(scope: Scope, usage: Usage, forecast: int | None, budget: int | None) -> str:
    """The facts of the plot, for those who do not see it."""
    highest = max(usage.days, key=lambda day: usage.days[day].charged_e4)
    values = {
        "total": format_sum(usage.total.charged_e4),
        "date": date_format(highest, "DATE_FORMAT"),
        "highest": format_sum(usage.days[highest].charged_e4),
    }
    parts = [_("Charged: %(total)s. The highest day is %(date)s with %(highest)s.") % values]
    if forecast:
        parts += [
            _forecast_text(scope, forecast, usage.total.used_e4),
            _budget_text(scope, forecast, budget),
        ]
    return join_sentences(parts)


# --- the tables ----------------------------------------------------------------------------------


def _tables(scope: Scope, usage: Usage) -> Iterator[Table]:
    if scope.person is None:
        rows = list(_people_rows(scope, usage.people))
        yield Table("people", _("People"), _("Person"), rows, has_limits=scope.is_running)
    models = _renamed(usage.models, {key: kind_label(*key) for key in usage.models})
    yield Table("models", _("Engines and models"), _("Engine and model"), _rows(models))
    collections = _renamed(usage.collections, collection_names(usage.collections))
    yield Table("collections", _("Collections"), _("Collection"), _rows(collections))
    yield Table("states", _("Statuses"), _("Status"), _rows(_renamed(usage.states, state_names())))


def _days(usage: Usage) -> list[Row]:
    return [
        _row(date_format(day, "MONTH_DAY_FORMAT"), figures) for day, figures in usage.days.items()
    ]


def _row(label: str, figures: Figures, **more: Any) -> Row:
    return Row(
        label=label,
        images=format_number(figures.charged_images * UNIT_E4),
        charged=format_sum(figures.charged_e4),
        reserved=format_sum(figures.reserved_e4) if figures.open_requests else "",
        **more,
    )


def _rows(groups: Mapping[str, Figures]) -> list[Row]:
    return [_row(label, figures) for label, figures in groups.items()]


def _renamed(groups: Mapping[Any, Figures], names: Mapping[Any, str]) -> dict[str, Figures]:
    """Group by name: several keys without a row of their own have one name."""
    renamed: dict[str, Figures] = {}
    for key, figures in groups.items():
        renamed.setdefault(names[key], Figures()).add(*vars(figures).values())
    return renamed


def _people_rows(scope: Scope, people: Mapping[int | None, Figures]) -> Iterator[Row]:
    members = Member.objects.in_bulk([pk for pk in people if pk])
    limits = Limit.objects.monthly_money(list(members.values())) if scope.is_running else {}
    periods = _running_months(limits)
    names = person_names(people, members)
    for pk, figures in people.items():
        url = scope.url(person=str(pk), mine="") if pk in members else ""
        limit = _limit_columns(limits[pk], periods.get(pk)) if pk in limits else {}
        yield _row(names[pk], figures, url=url, **limit)


def _running_months(people: Iterable[int]) -> dict[int | None, Period]:
    now = timezone.now()
    periods = Period.objects.filter(
        upstream=current_upstream(),
        window=Window.MONTH,
        member__in=list(people),
        starts_at__lte=now,
        ends_at__gt=now,
    )
    return {period.member_id: period for period in periods}


def _limit_columns(limit_e4: int, period: Period | None) -> dict[str, Any]:
    used = period.used_e4 if period else 0
    limit = limit_e4 + (period.granted_e4 if period else 0)
    percent = percent_used(used, limit)
    values = {"left": format_sum(max(limit - used, 0)), "limit": format_sum(limit)}
    return {
        "percent": percent,
        "left": _("%(left)s left of %(limit)s") % values,
        "is_almost_used": percent >= ALMOST_USED_PERCENT,
    }


# --- names ---------------------------------------------------------------------------------------


def person_names(
    keys: Iterable[int | None], members: Mapping[int, Member]
) -> dict[int | None, str]:
    unknown = _("Unknown person")
    return {pk: members[pk].name if pk and pk in members else unknown for pk in keys}


def collection_names(keys: Iterable[int | None]) -> dict[int | None, str]:
    """Deleted collections have no name any more."""
    rows = Collection.objects.filter(pk__in=[pk for pk in keys if pk])
    names = dict(rows.values_list("pk", "name"))
    return {pk: names.get(pk or 0, _("No collection")) for pk in keys}


def state_names() -> dict[str, str]:
    names = {status.value: str(status.label) for status in Status}
    return names | {"late": _("Late"), "lost": _("Lost"), "deleted": _("Deleted")}


def csv_rows(scope: Scope) -> Iterator[tuple[Any, ...]]:
    """Yield a header and a line for each day and kind of request."""
    lines = list(lines_of(scope.month, scope.person))
    people = {line.person for line in lines}
    names = person_names(people, Member.objects.in_bulk([pk for pk in people if pk]))
    collections = collection_names({line.collection for line in lines})
    states, currency = state_names(), current_currency()
    yield (
        _("Day"), _("Person"), _("Engine"), _("Model"), _("Collection"), _("Status"),
        _("Images"), _("Charged"), _("Reserved images"), _("Reserved"), _("Currency"),
    )  # fmt: skip
    for line in lines:
        figures = line.figures
        yield (
            line.day.isoformat(), names[line.person], line.engine, line.model,
            collections[line.collection], states[line.state], figures.charged_images,
            Decimal(plain(figures.charged_e4)), figures.reserved_images,
            Decimal(plain(figures.reserved_e4)),
            currency,
        )  # fmt: skip
