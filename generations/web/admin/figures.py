"""The four figures of the overview: spent, at risk, the queue, and the errors of the last hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count as CountRows
from django.db.models import Q
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.models import Generation, Status, Team, UpstreamGate
from generations.models.money import Limit, Period, Window
from generations.models.money.period import boundaries
from generations.models.money.usage import MIN_ELAPSED_FOR_FORECAST, pace_e4
from generations.web.counts import Count, counts_of
from generations.web.money.formats import format_forecast, format_sum

from . import doubtful
from .gate_state import ago

ERROR_HOUR = timedelta(hours=1)
MAX_REQUESTS = 5000  # of an hour, counted exactly
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
    period = _month(now)
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


def _month(now: datetime) -> Period | None:
    """The team's running month. A period is longer than a month after a change of the zone."""
    rows = Period.objects.filter(
        upstream=settings.UPSTREAM_MODE, member=None, window=Window.MONTH, starts_at__lte=now
    )
    newest = rows.order_by("-starts_at").first()
    return newest if newest and newest.ends_at > now else None


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
    day = date_format(reached.astimezone(start.tzinfo), "j F")
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
        )
        if number
    ]
    return ", ".join(parts) or _("No request is in doubt.")


def queue_figure(gate: UpstreamGate) -> Figure:
    """How many wait, how long the oldest does, and what is in progress of the limit."""
    queued = Generation.objects.for_engine().filter(status=Status.QUEUED, finished_at=None)
    [waiting] = counts_of([queued])
    number = number_format(waiting.label)
    text = _("%s+ waiting") if waiting.is_more else _("%s waiting")
    in_flight, limit = Generation.objects.images_in_flight(), gate.current_limit
    progress = (
        _("%(n)d of %(limit)d images in progress") % {"n": in_flight, "limit": limit}
        if limit
        else ngettext("%d image in progress", "%d images in progress", in_flight) % in_flight
    )
    oldest = queued.order_by("created_at").values_list("created_at", flat=True).first()
    if oldest:
        progress = f"{_('oldest asked %s') % ago(oldest)}, {progress}"
    return Figure(text % number, progress)


def errors_figure(now: datetime) -> Figure:
    """How many requests of the last hour have failed, and whether they were charged."""
    rows = Generation.objects.for_current_upstream().filter(created_at__gte=now - ERROR_HOUR)
    # In date order, so that the planner reads the newest rows and not the table.
    newest = rows.order_by("-created_at", "-pk")[:MAX_REQUESTS]
    has_failed = Q(status=Status.FAILED)
    counts = newest.aggregate(
        total=CountRows("pk"),
        errors=CountRows("pk", filter=has_failed),
        charged=CountRows("pk", filter=has_failed & Q(charged_e4__gt=0)),
    )
    total, errors, charged = counts["total"], counts["errors"], counts["charged"]
    if not total:
        return Figure("–", _("No requests."))
    percent = number_format(round(errors * 100 / total, 1), 1) if errors else "0"
    number = number_format(total)
    values = {"errors": errors, "total": f"{number}+" if total == MAX_REQUESTS else number}
    facts = _("%(errors)d of %(total)s requests") % values
    if errors:
        facts += ", " + (_("%d charged") % charged if charged else _("none charged"))
    return Figure(f"{percent} %", facts)
