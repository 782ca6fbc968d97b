"""Ends sessions that are too old or were idle for too long, and records when each was last used."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth import logout
from django.db import DatabaseError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

from generations.models import AuditAction, AuditEntry, Member, audit_entry, team_settings

logger = logging.getLogger(__name__)

CHECK_SECONDS = 300  # a process looks at the row of a session no more often
MAX_REMEMBERED = 10_000
DAY = 24 * 3600  # seconds
COOKIE_DAYS_WITHOUT_LIMIT = 400  # browsers keep no cookie for longer

# (session key, whether the request was automatic) -> time.monotonic() of the last look
_checked: dict[tuple[str, bool], float] = {}


class SessionLimits:
    """Signs out before `LoginRequired` decides. What a page requests by itself is no use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], *_view_arguments: Any
    ) -> None:
        if not getattr(view_func, "login_required", True):
            return
        look = (request.session.session_key or "", _is_automatic(request))
        if time.monotonic() - _checked.get(look, -CHECK_SECONDS) < CHECK_SECONDS:
            return
        member = request.user
        if not isinstance(member, Member):
            return
        try:
            is_over = _is_over(request, member, *look)
        except DatabaseError:
            logger.warning("Could not record the use of a session", exc_info=True)
            return
        if is_over:
            logout(request)
            AuditEntry.objects.record(
                AuditAction.SESSIONS_ENDED,
                None,
                on=member,
                after={"sessions": 1},
                note=audit_entry.SESSION_OVER,
            )
        else:
            _remember(look)
            _set_cookie_age(request)


def _is_over(request: HttpRequest, member: Member, key: str, is_automatic: bool) -> bool:
    """Record the use, and return whether the session is beyond a limit."""
    rows = UserSession.objects.filter(session_key=key)
    if not is_automatic and _within_limits(rows).update(last_seen_at=timezone.now()):
        return False
    if rows.exists():
        return not _within_limits(rows).exists()
    # A session that is older than this table.
    UserSession.objects.create_from_request(request, user=member)
    return False


def remember(key: str) -> None:
    """Look at the row of this session later only: its use was recorded just now."""
    for is_automatic in (False, True):
        _remember((key, is_automatic))


def forget_checks() -> None:
    """Look at the row of every session again at its next request."""
    _checked.clear()


def _is_automatic(request: HttpRequest) -> bool:
    """Whether a page asks for changes of its cards by itself."""
    match = request.resolver_match
    return match is not None and match.url_name == "changes"


def _within_limits(rows: QuerySet[Any]) -> QuerySet[Any]:
    limits = team_settings.current()
    days, hours = limits.session_days, limits.session_idle_hours
    if days:
        rows = rows.filter(created_at__gt=timezone.now() - timedelta(days=days))
    if hours:
        rows = rows.filter(last_seen_at__gt=timezone.now() - timedelta(hours=hours))
    return rows


def _set_cookie_age(request: HttpRequest) -> None:
    """Let the cookie live as long as a session may. Writes only after a change of the setting."""
    days = team_settings.current().session_days or COOKIE_DAYS_WITHOUT_LIMIT
    if request.session.get_expiry_age() != days * DAY:
        request.session.set_expiry(days * DAY)


def _remember(look: tuple[str, bool]) -> None:
    if len(_checked) >= MAX_REMEMBERED:
        _checked.clear()
    _checked[look] = time.monotonic()
