"""The usage page: what a member has used and has left, and requests for more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.models import Team
from generations.models.money import Allowance, BudgetWarning, Period, Window, ledger
from generations.models.money.period import boundaries
from generations.permissions import Action, may
from generations.web.middleware.access import MemberRequest

from .formats import format_money
from .forms import LimitRequestForm
from .notices import notices_of

MAX_REQUESTS = 50


@dataclass(frozen=True)
class AllowanceBar:
    """One limit as a bar with words."""

    title: str
    used: str
    left: str
    percent: int
    renews_at: datetime


@dataclass(frozen=True)
class DayUsage:
    date: datetime
    images: int
    charged: str
    reserved: str


@require_safe
def usage(request: MemberRequest) -> HttpResponse:
    return usage_page(request, LimitRequestForm())


def usage_page(
    request: MemberRequest, form: LimitRequestForm, status: int = 200, **extra: Any
) -> HttpResponse:
    member, zone = request.user, Team.objects.current().zone
    month = _month(request.GET.get("month", ""), zone)
    start, end = boundaries(Window.MONTH, month, zone)
    own = Period.objects.filter(
        upstream=settings.UPSTREAM_MODE, member=member, starts_at__range=(start, end)
    ).exclude(starts_at=end)
    context = {
        "bars": [bar for each in ledger.allowances(member) for bar in _bars(each)],
        "month": month,
        "previous_month": (start - timedelta(days=1)).strftime("%Y-%m"),
        "next_month": end.strftime("%Y-%m") if end <= timezone.now() else "",
        "total": _total(own.filter(window=Window.MONTH)),
        "days": [_day(each, zone) for each in own.filter(window=Window.DAY)],
        "form": form,
        "notices": notices_of(member),
        "own_requests": member.limit_requests.select_related("decided_by")[:MAX_REQUESTS],
        "may_ask": may(member, Action.ASK_FOR_MORE),
    }
    return render(request, "money/usage.html", context | extra, status=status)


@require_POST
def mark_read(request: MemberRequest) -> HttpResponse:
    """Hide the warnings and decisions that the member has seen."""
    BudgetWarning.objects.unread_of(request.user).update(read_at=timezone.now())
    request.user.limit_requests.filter(was_read=False).update(was_read=True)
    return redirect("studio" if request.POST.get("next") == reverse("studio") else "usage")


def _month(text: str, zone: Any) -> datetime:
    """Return a moment in the month `2026-11`; now for an empty text. Raises Http404."""
    if not text:
        return timezone.now().astimezone(zone)
    try:
        date = parse_date(f"{text}-15")
    except ValueError:
        date = None
    if date is None or not 2000 <= date.year < 2200:
        raise Http404
    return datetime(date.year, date.month, date.day, 12, tzinfo=zone)


def _bars(allowance: Allowance) -> list[AllowanceBar]:
    titles = {
        (True, "month"): _("Team, this month"),
        (True, "day"): _("Team, today"),
        (False, "month"): _("You, this month"),
        (False, "day"): _("You, today"),
    }
    title = titles[allowance.is_team, allowance.window]
    bars = []
    if allowance.limit_e4 is not None:
        used, limit = format_money(allowance.used_e4), format_money(allowance.limit_e4)
        left = format_money(allowance.left_e4 or 0)
        percent = _percent(allowance.used_e4, allowance.limit_e4)
        bars.append((_("%s of %s") % (used, limit), _("%s left") % left, percent))
    if allowance.limit_images is not None:
        used, limit = str(allowance.used_images), str(allowance.limit_images)
        percent = _percent(allowance.used_images, allowance.limit_images)
        left = str(allowance.left_images)
        bars.append((_("%s of %s images") % (used, limit), _("%s left") % left, percent))
    return [AllowanceBar(title, *bar, allowance.renews_at) for bar in bars]


def _percent(used: int, limit: int) -> int:
    return min(used * 100 // limit, 100) if limit else 100


def _total(months: Any) -> DayUsage | None:
    month = months.first()
    return _day(month, None) if month else None


def _day(period: Period, zone: Any) -> DayUsage:
    return DayUsage(
        date=period.starts_at.astimezone(zone) if zone else period.starts_at,
        images=period.used_images,
        charged=format_money(period.charged_e4),
        reserved=format_money(period.reserved_e4) if period.reserved_e4 else "",
    )
