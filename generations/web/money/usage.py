"""The usage page: what a member has used and has left, and requests for more."""

import csv
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.csv_cells import BYTE_ORDER_MARK, escape
from generations.models import AuditAction, AuditEntry, Member, Team
from generations.models.money import Allowance, BudgetWarning, Period, ledger
from generations.models.money.month import Month
from generations.permissions import Action, may
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest

from .formats import format_sum
from .forms import LimitRequestForm
from .month_usage import Scope, csv_rows, month_context
from .notices import notices_of

_MONTH = re.compile(r"(?P<year>2[01][0-9]{2})-(?P<month>0[1-9]|1[0-2])")
MAX_REQUESTS = 50


@dataclass(frozen=True)
class AllowanceBar:
    """One limit as a bar with words."""

    title: str
    used: str
    left: str
    percent: int
    renews_at: datetime


@require_safe
def usage(request: MemberRequest) -> HttpResponse:
    return usage_page(request, LimitRequestForm())


def usage_page(
    request: MemberRequest, form: LimitRequestForm, status: int = 200, **extra: Any
) -> HttpResponse:
    member, scope = request.user, _scope(request.user, request.GET)
    is_admin = may(member, Action.MANAGE_MONEY)
    following = scope.month.next
    has_next = following.boundaries[0] <= timezone.now()
    has_previous = Period.objects.exists_before(scope.month.boundaries[0])
    allowances = ledger.allowances(scope.person or member)
    context = month_context(scope, allowances) | {
        "layout": "admin/_layout.html" if is_admin else "money/_layout.html",
        "is_admin": is_admin,
        "previous_url": scope.url(month=str(scope.month.previous)) if has_previous else "",
        "next_url": scope.url(month=str(following)) if has_next else "",
        "team_url": scope.url(mine="", person=""),
        "own_url": scope.url(mine="1", person=""),
        "bars": _bars_of(scope, allowances),
        "form": form,
        "notices": notices_of(member),
        "own_requests": member.limit_requests.select_related("decided_by")[:MAX_REQUESTS],
        "may_ask": may(member, Action.ASK_FOR_MORE),
    }
    return render(request, "money/usage.html", context | extra, status=status)


@require_POST
def usage_csv(request: MemberRequest) -> HttpResponse:
    """Return the month as CSV. By POST, because the audit log records it."""
    scope = _scope(request.user, request.POST)
    response = HttpResponse(
        BYTE_ORDER_MARK,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="usage-{scope.month}.csv"'},
    )
    write = csv.writer(response, quoting=csv.QUOTE_ALL).writerow
    for row in csv_rows(scope):
        write([escape(cell) for cell in row])
    AuditEntry.objects.record(
        AuditAction.EXPORTED, request.user, label=_("Usage, %s") % scope.title
    )
    return response


@require_POST
def mark_read(request: MemberRequest) -> HttpResponse:
    """Hide the warnings and decisions that the member has seen."""
    BudgetWarning.objects.unread_of(request.user).update(read_at=timezone.now())
    request.user.limit_requests.filter(was_read=False).update(was_read=True)
    return redirect("studio" if request.POST.get("next") == reverse("studio") else "usage")


def _scope(member: Member, query: QueryDict) -> Scope:
    """Whose month is meant: admins choose, others see their own. Raises Http404."""
    month = _month(query.get("month", ""), Team.objects.current().zone)
    if not may(member, Action.MANAGE_MONEY) or query.get("mine"):
        return Scope(month, member, member)
    key = query.get("person", "")
    if not key:
        return Scope(month, member, None)
    return Scope(month, member, get_object_or_404(Member, pk=parse_id(key)))


def _month(text: str, zone: ZoneInfo) -> Month:
    """Return the month `2026-11`; that of now for an empty text. Raises Http404."""
    if not text:
        return Month.current(zone)
    match = _MONTH.fullmatch(text)
    if not match:
        raise Http404
    return Month(int(match["year"]), int(match["month"]), zone)


def _bars_of(scope: Scope, allowances: list[Allowance]) -> list[AllowanceBar]:
    """What is left: of all limits of the reader, or of the team's beside its usage."""
    if scope.person and not scope.is_own:
        return []
    shown = [each for each in allowances if scope.is_own or each.is_team]
    return [bar for each in shown for bar in _bars(each)]


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
        used, limit = format_sum(allowance.used_e4), format_sum(allowance.limit_e4)
        left = format_sum(allowance.left_e4 or 0)
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
