"""The four figures of the overview: spent, at risk, the queue, and the errors of the last hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_facts
from generations.models import Generation, Status, Team, UpstreamGate
from generations.models.money import Limit, Period, Window
from generations.models.money.period import boundaries
from generations.models.money.usage import MIN_ELAPSED_FOR_FORECAST, pace_e4
from generations.web.counts import Count, counts_of
from generations.web.money.formats import format_forecast, format_sum

from . import doubtful
from .errors import MAX_REQUESTS, errors_of_hour
from .gate_state import ago

METER = 1000  # units of the SVG


@dataclass(frozen=True)
class Spent:
    """`used` and `forecast` are places on the meter, from 0 to `METER`; None without a budget."""

    month: datetime
    amount_e4: int
    facts: str
    used: int | None = None
    forecast: int | None = None


@dataclass(frozen=True)
class Figure:
    text: str
    facts: str


def spent(now: datetime) -> Spent:
    """What the team was charged this month, against its budget, from two counters."""
    zone = Team.objects.current().zone
    period = Period.objects.team_month(now)
    start, end = boundaries(Window.MONTH, now, zone)
    used_e4 = period.used_e4 if period else 0
    # None on the first day: a pace of a few hours says nothing.
    has_pace = now >= start + MIN_ELAPSED_FOR_FORECAST
    forecast_e4 = pace_e4(used_e4, start, end, now) if has_pace else None
    limit = Limit.objects.filter(scope=Limit.Scope.TEAM, window=Window.MONTH).first()
    budget_e4 = limit.money_e4 if limit else None
    charged_e4 = period.charged_e4 if period else 0
    if budget_e4 is None:
        facts = _("No budget is set.")
        if forecast_e4 is not None:
            forecast = format_forecast(forecast_e4, used_e4)
            facts = _("No budget is set. Forecast %s.") % forecast
        return Spent(now.astimezone(zone), charged_e4, facts)
    budget_e4 += period.granted_e4 if period else 0
    return Spent(
        now.astimezone(zone),
        charged_e4,
        _budget_text(used_e4, forecast_e4, budget_e4, start, now),
        _place(used_e4, budget_e4),
        None if forecast_e4 is None else _place(forecast_e4, budget_e4),
    )


def _budget_text(
    used_e4: int, forecast_e4: int | None, budget_e4: int, start: datetime, now: datetime
) -> str:
    values = {"budget": format_sum(budget_e4)}
    if used_e4 >= budget_e4:
        return _("of %(budget)s. The budget is used.") % values
    if forecast_e4 is None:
        return _("of %(budget)s.") % values
    values["forecast"] = format_forecast(forecast_e4, used_e4)
    if forecast_e4 <= budget_e4:
        return _("of %(budget)s. Forecast %(forecast)s, budget holds.") % values
    elapsed = max(now - start, timedelta(days=1))
    reached = start + elapsed * (budget_e4 / used_e4)
    day = date_format(reached.astimezone(start.tzinfo), "MONTH_DAY_FORMAT")
    text = _("of %(budget)s. Forecast %(forecast)s: the budget is used about %(day)s.")
    return text % (values | {"day": day})


def _place(amount_e4: int, budget_e4: int) -> int:
    return min(amount_e4 * METER // budget_e4, METER) if budget_e4 else METER


def at_risk_facts(risk: doubtful.AtRisk) -> str:
    """Return "1 unconfirmed, 2 late"."""
    parts = [
        text % {"n": Count(number).label}
        for number, text in (
            (risk.unconfirmed, _("%(n)s unconfirmed")),
            (risk.late, _("%(n)s late")),
            (risk.lost, _("%(n)s without a result")),
            (risk.not_found, _("%(n)s not found by the gateway")),
            (risk.key_missing, _("%(n)s without their API key")),
        )
        if number
    ]
    return join_facts(parts) or _("No request is in doubt.")


def queue_figure(gate: UpstreamGate) -> Figure:
    """How many wait, how long the oldest does, and what is in progress of the limit."""
    queued = Generation.objects.for_current_upstream().filter(
        status=Status.QUEUED, finished_at=None
    )
    [waiting] = counts_of([queued])
    number = number_format(waiting.label)
    text = _("%s+ waiting") if waiting.is_more else _("%s waiting")
    progress = _progress_text(Generation.objects.images_in_flight_by_status(), gate.current_limit)
    oldest = queued.order_by("created_at").values_list("created_at", flat=True).first()
    if oldest:
        progress = join_facts((_("oldest asked %s") % ago(oldest), str(progress)))
    return Figure(text % number, progress)


def _progress_text(in_flight: dict[str, int], limit: int | None) -> str:
    """Return "13 of 20 images in progress, 6 of them unconfirmed"."""
    number, unconfirmed = sum(in_flight.values()), in_flight.get(Status.UNCONFIRMED, 0)
    text = (
        _("%(n)d of %(limit)d images in progress") % {"n": number, "limit": limit}
        if limit
        else ngettext("%d image in progress", "%d images in progress", number) % number
    )
    return join_facts((text, _("%d of them unconfirmed") % unconfirmed)) if unconfirmed else text


def errors_figure(now: datetime) -> Figure:
    """How many requests of the last hour have failed, and whether they were charged."""
    count = errors_of_hour(now)
    if not count.total:
        return Figure("–", _("No requests."))
    percent = number_format(round(count.failed * 100 / count.total, 1), 1) if count.failed else "0"
    number = number_format(count.total)
    total = f"{number}+" if count.total == MAX_REQUESTS else number
    facts = _("%(errors)d of %(total)s requests") % {"errors": count.failed, "total": total}
    if count.failed:
        charged = _("%d charged") % count.charged if count.charged else _("none charged")
        facts = join_facts((facts, charged))
    return Figure(f"{percent} %", facts)
