"""The page People: everyone on the team with usage, limits and what is going on."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from generations.joining import join_facts
from generations.models import Invitation, Member, Team
from generations.models.money import Window
from generations.models.money.period import boundaries
from generations.permissions import Action, Role
from generations.web.formats import format_datetime
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.web.zone_names import zone_label

from .rows import MAX_PEOPLE, invited_rows, is_over, person_rows, used_this_month

ON_A_PAGE = 50
MAX_INVITED = 50
MAX_WORDS = 5
ADMIN_ROLES = (Role.OWNER, Role.ADMIN)

# The filters, by their name in the address.
FILTERS: dict[str, tuple[Any, Q]] = {
    "": (_("All"), Q()),
    "admins": (_("Admins"), Q(role__in=ADMIN_ROLES, is_active=True)),
    "members": (_("Members"), Q(role=Role.MEMBER, is_active=True)),
    "viewers": (_("Viewers"), Q(role=Role.VIEWER, is_active=True)),
    "over": (_("Over 80 %"), Q(is_active=True)),
    "disabled": (_("Disabled"), Q(is_active=False)),
}
INVITED_ROLES = {"": tuple(Role), "admins": ADMIN_ROLES, "members": (Role.MEMBER,)}
INVITED_ROLES["viewers"] = (Role.VIEWER,)


@require_safe
@requires(Action.MANAGE_PEOPLE)
def people(request: MemberRequest) -> HttpResponse:
    """The active people come first, who spend most first; then those invited and disabled."""
    query, shown = request.GET.get("q", "").strip()[:100], request.GET.get("show", "")
    shown = shown if shown in FILTERS else ""
    pairs = used_this_month(_found(query, shown))
    if shown == "over":
        pairs = [each for each in pairs if is_over(each[1])]
    page = _page_number(request.GET.get("page", ""))
    first, last = (page - 1) * ON_A_PAGE, page * ON_A_PAGE
    rows = person_rows(pairs[first:last], request.user)
    context = {
        "active": [row for row in rows if row.person.is_active],
        "invited": invited_rows(_invited(query, shown)) if page == 1 else [],
        "disabled": [row for row in rows if not row.person.is_active],
        "counts": _counts(),
        "query": query,
        "shown": shown,
        "filters": [(name, label) for name, (label, _condition) in FILTERS.items()],
        "previous_page": page - 1,
        "next_page": page + 1 if last < len(pairs) else 0,
    }
    return render(request, "people/people.html", context | month_facts())


def _found(query: str, shown: str) -> list[Member]:
    """Each word must be in a name or in the e-mail address."""
    condition = FILTERS[shown][1]
    for word in query.split()[:MAX_WORDS]:
        condition &= (
            Q(username__icontains=word)
            | Q(first_name__icontains=word)
            | Q(last_name__icontains=word)
            | Q(email__icontains=word)
        )
    return list(Member.objects.filter(condition).order_by("-is_active", "pk")[:MAX_PEOPLE])


def _invited(query: str, shown: str) -> list[Invitation]:
    """The open invitations with a name."""
    named = Invitation.objects.usable().exclude(made_for="")
    for word in query.split()[:MAX_WORDS]:
        named = named.filter(made_for__icontains=word)
    return list(named.filter(role__in=INVITED_ROLES.get(shown, ()))[:MAX_INVITED])


def _counts() -> dict[str, int]:
    counts: dict[str, int] = Member.objects.aggregate(
        active=Count("pk", filter=Q(is_active=True)),
        disabled=Count("pk", filter=Q(is_active=False)),
    )
    return counts | {"invited": Invitation.objects.usable().exclude(made_for="").count()}


def _page_number(text: str) -> int:
    """At least 1; no larger than the last possible page."""
    last = MAX_PEOPLE // ON_A_PAGE
    return min(parse_id(text) or 1, last)


def month_facts() -> dict[str, str]:
    """The month of the figures, and when limits renew, in the team's time zone."""
    zone = Team.objects.current().zone
    start, end = boundaries(Window.MONTH, timezone.now(), zone)
    return {
        "month": date_format(start, "F"),
        "renews": _moment(end, zone),
        "zone": zone_label(str(zone)),
    }


def _moment(at: datetime, zone: ZoneInfo) -> str:
    day, time = (format_datetime(at, name, zone) for name in ("MONTH_DAY_FORMAT", "TIME_FORMAT"))
    return join_facts((day, time))
