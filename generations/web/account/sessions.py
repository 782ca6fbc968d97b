"""The page where members see their sessions, and end those elsewhere."""

from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations.models import AuditAction, AuditEntry
from generations.web.middleware.access import MemberRequest

from .adapter import UNKNOWN_ADDRESS
from .forms import only_with

# The first name that a browser sends: others imitate Chrome and Safari, and name themselves, too.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR", "Opera"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True)
class ShownSession:
    pk: int
    device: str
    address: str
    signed_in_at: datetime
    last_used_at: datetime
    is_current: bool


@only_with("SESSION_LIST")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sessions(request: MemberRequest) -> HttpResponse:
    """List the member's sessions; POST ends one of them, or all others."""
    rows: list[UserSession] = UserSession.objects.purge_and_list(request.user)
    if request.method == "POST":
        return _end(request, rows)
    shown = sorted((_shown(row) for row in rows), key=lambda each: (not each.is_current, -each.pk))
    context = {"sessions": shown, "has_others": any(not each.is_current for each in shown)}
    return render(request, "settings/sessions.html", context)


def _end(request: MemberRequest, rows: list[UserSession]) -> HttpResponse:
    others = [row for row in rows if not row.is_current()]
    if "others" not in request.POST:
        others = [row for row in others if str(row.pk) == request.POST.get("session")]
    with transaction.atomic():
        for row in others:
            row.end()
        if others:
            AuditEntry.objects.record(
                AuditAction.SESSIONS_ENDED,
                request.user,
                on=request.user,
                after={"sessions": len(others)},
            )
    message = gettext("Signed out there.") if others else gettext("This session had ended.")
    messages.success(request, message)
    return HttpResponseRedirect(reverse("usersessions_list"), status=303)


def _shown(row: UserSession) -> ShownSession:
    return ShownSession(
        pk=row.pk,
        device=device_name(row.user_agent),
        address="" if row.ip == UNKNOWN_ADDRESS else row.ip,
        signed_in_at=row.created_at,
        last_used_at=row.last_seen_at,
        is_current=row.is_current(),
    )


def device_name(user_agent: str) -> str:
    """Return a short name of the browser and the system."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    if browser and system:
        return gettext("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or gettext("Unknown browser")
