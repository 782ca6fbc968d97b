"""Requests for more: the page of the admin, and the decisions, which the overview offers too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.models import Notification, Team
from generations.models.money import LimitRequest, Window, ledger
from generations.models.money.period import boundaries
from generations.models.money.standing import Standing, standings
from generations.permissions import Action
from generations.web.header import mark_seen
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.formats import format_sum
from generations.web.money.forms import DecisionForm
from generations.web.money.notices import granted_text

MAX_OPEN = 50
DECIDED_ON_A_PAGE = 50


@dataclass(frozen=True)
class RequestDecision:
    """An open request, as `admin/_request_decision.html` shows it."""

    request: LimitRequest
    until: str  # the last day of a grant without another date
    left: str  # what the person has left
    team_left: str
    has_limit: bool  # else a grant raises nothing
    exceeds_budget: bool  # the team has less left, which a grant does not change
    form: DecisionForm  # bound after an error


def request_decisions(
    limit: int = MAX_OPEN, bound: tuple[int, DecisionForm] | None = None
) -> list[RequestDecision]:
    """Return the oldest open requests. A constant number of statements, one if there is none.

    `bound` is the key of a request and its form with errors.
    """
    rows = list(LimitRequest.objects.open().select_related("person").order_by("pk")[:limit])
    if not rows:
        return []
    found = standings([row.person for row in rows])
    until = _last_day(_end("month"), Team.objects.current().zone)
    team_left = _left(found.team, rows)
    return [
        RequestDecision(
            request=row,
            until=until,
            left=_left(found.by_member[row.person_id], [row]),
            team_left=team_left,
            has_limit=bool(found.by_member[row.person_id].allowances),
            exceeds_budget=_exceeds(row, found.team),
            form=bound[1] if bound and bound[0] == row.pk else _form(row),
        )
        for row in rows
    ]


def _exceeds(row: LimitRequest, standing: Standing) -> bool:
    """Whether more is asked for than is left."""
    money, images = standing.money, standing.images
    has_money = money is None or row.amount_e4 <= (money.left_e4 or 0)
    has_images = images is None or row.images <= (images.left_images or 0)
    return not (has_money and has_images)


def _form(row: LimitRequest) -> DecisionForm:
    values = {"amount": row.amount_e4 or None, "images": row.images or None}
    return DecisionForm(initial=values, auto_id=f"r{row.pk}-%s")


def _left(standing: Standing, rows: Sequence[LimitRequest]) -> str:
    """Return "$3.08 left of $80.00", "12 images left of 50", or both; "" without a limit."""
    parts = []
    if (money := standing.money) and money.limit_e4 is not None:
        values = {"left": format_sum(money.left_e4 or 0), "limit": format_sum(money.limit_e4)}
        parts.append(_("%(left)s left of %(limit)s") % values)
    wants_images = any(row.images for row in rows)
    if (images := standing.images) and (wants_images or not parts):
        values = {"left": str(images.left_images), "limit": str(images.limit_images)}
        parts.append(_("%(left)s images left of %(limit)s") % values)
    return _(" and ").join(parts)


@dataclass(frozen=True)
class DecidedRequest:
    request: LimitRequest
    until: str  # the last day of a grant


@require_safe
@requires(Action.MANAGE_MONEY)
def requests(request: MemberRequest) -> HttpResponse:
    """The open requests, then those that were decided, newest first."""
    mark_seen(request, Q(kind=Notification.Kind.ASKED, generation=None))
    return _page(request)


def _page(
    request: MemberRequest, bound: tuple[int, DecisionForm] | None = None, status: int = 200
) -> HttpResponse:
    decided = LimitRequest.objects.exclude(decision="").select_related("person", "decided_by")
    decided = decided.order_by("-decided_at", "-pk")
    if key := request.GET.get("before", ""):
        decided = decided.filter(before(key, "decided_at"))
    rows, next_key = keyset_page(decided, lambda row: key_of(row, "decided_at"), DECIDED_ON_A_PAGE)
    zone = Team.objects.current().zone
    context = {
        "decisions": [] if key else request_decisions(bound=bound),
        "decided": [DecidedRequest(row, _last_day(row.until, zone)) for row in rows],
        "next_key": next_key,
        "is_first_page": not key,
    }
    return render(request, "admin/requests.html", context, status=status)


@require_POST
@requires(Action.MANAGE_MONEY)
def grant(request: MemberRequest, pk: int) -> HttpResponse:
    """Grant what was asked for, or another amount, until the end of this month or the next one."""
    row = get_object_or_404(LimitRequest.objects.select_related("person"), pk=pk)
    form = DecisionForm(request.POST, auto_id=f"r{row.pk}-%s")
    if not form.is_valid():
        return _page(request, (row.pk, form), status=422)
    values = form.cleaned_data
    other = {}
    if form.is_other:
        other = {"amount_e4": values["amount"] or 0, "images": values["images"] or 0}
    until = _end(values["until"])
    if not ledger.grant(row, request.user, until, **other):
        return _decided_before(request)
    text = _("Granted %(amount)s to %(name)s.")
    messages.success(request, text % {"name": row.person.name, "amount": granted_text(row)})
    return _back(request)


@require_POST
@requires(Action.MANAGE_MONEY)
def decline(request: MemberRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(LimitRequest.objects.select_related("person"), pk=pk)
    if not ledger.decline(row, request.user):
        return _decided_before(request)
    text = _("Declined the request of %(name)s.")
    messages.success(request, text % {"name": row.person.name})
    return _back(request)


def _decided_before(request: MemberRequest) -> HttpResponse:
    messages.info(request, _("This request was decided before. Nothing was changed."))
    return _back(request)


def _back(request: MemberRequest) -> HttpResponse:
    """To the page with the button: the overview or that of the requests."""
    overview = reverse("overview")
    url = overview if request.POST.get("next") == overview else reverse("requests")
    return HttpResponseRedirect(url, status=303)


def _last_day(until: datetime | None, zone: ZoneInfo) -> str:
    if until is None:
        return ""
    return date_format((until - timedelta(seconds=1)).astimezone(zone), "MONTH_DAY_FORMAT")


def _end(until: str) -> datetime:
    """The first moment after a grant that was given now."""
    zone, now = Team.objects.current().zone, timezone.now()
    _start, end = boundaries(Window.MONTH, now, zone)
    if until == "next-month":
        return boundaries(Window.MONTH, end + timedelta(days=1), zone)[1]
    return end
