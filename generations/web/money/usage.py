"""The usage page: what a member has used and has left, and requests for more."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from generations.models import AuditAction, AuditEntry, Member, Notification, Team
from generations.models.money import Allowance, BudgetWarning, Period, ledger
from generations.models.money.month import Month
from generations.permissions import Action, may
from generations.web.csv_response import csv_response
from generations.web.header import mark_seen
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest

from .formats import format_sum, percent_used
from .forms import LimitRequestForm
from .month_usage import Scope, csv_rows, month_context
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


@require_safe
def usage(request: MemberRequest) -> HttpResponse:
    return usage_page(request, LimitRequestForm())


def usage_page(
    request: MemberRequest, form: LimitRequestForm, status: int = 200, **extra: Any
) -> HttpResponse:
    member, scope = request.user, _scope(request.user, request.GET)
    mark_seen(request, Q(kind=Notification.Kind.LIMIT_DECIDED))
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
def usage_csv(request: MemberRequest) -> HttpResponseBase:
    """Return the month as CSV. By POST, because the audit log records it."""
    scope = _scope(request.user, request.POST)
    with translation.override(settings.LANGUAGE_CODE):  # audit_text.py translates the first word
        AuditEntry.objects.record(AuditAction.EXPORTED, request.user, label=f"Usage, {scope.title}")
    header, *rows = csv_rows(scope)
    return csv_response(f"usage-{scope.month}.csv", header, rows)


@require_POST
def mark_read(request: MemberRequest) -> HttpResponse:
    """Hide the warnings and decisions that the member has seen."""
    BudgetWarning.objects.unread_of(request.user).update(read_at=timezone.now())
    request.user.limit_requests.filter(was_read=False).update(was_read=True)
    decisions = Notification.objects.filter(kind=Notification.Kind.LIMIT_DECIDED)
    decisions.unread_of(request.user).mark_read()
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
    try:
        return Month.parse(text, zone)
    except ValueError:
        raise Http404 from None


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
        percent = percent_used(allowance.used_e4, allowance.limit_e4)
        bars.append((_("%s of %s") % (used, limit), _("%s left") % left, percent))
    if allowance.limit_images is not None:
        used, limit = str(allowance.used_images), str(allowance.limit_images)
        percent = percent_used(allowance.used_images, allowance.limit_images)
        number = allowance.left_images or 0
        left = ngettext("%d image left", "%d images left", number) % number
        bars.append((_("%s of %s images") % (used, limit), left, percent))
    return [AllowanceBar(title, *bar, allowance.renews_at) for bar in bars]
