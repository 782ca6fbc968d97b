"""Shows dates and times in the reader's time zone, and by the reader's clock."""

import functools
import logging
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

from babel.core import get_global
from django.conf import settings
from django.db import DatabaseError
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone

from generations.models import Member
from generations.web.formats import use_clock

logger = logging.getLogger(__name__)

COOKIE = "time_zone"  # written by static/js/time_zone.js


@functools.cache
def current_names() -> dict[str, str]:
    """Old names, which browsers still report (CLDR), and the current name of the same zone.

    Systems without "tzdata-legacy" know only the new ones.
    """
    available, aliases = zoneinfo.available_timezones(), get_global("zone_aliases")
    return {old: new for old, new in aliases.items() if new in available and old != "UTC"}


@functools.cache
def known_zones() -> frozenset[str]:
    """Names that `zoneinfo` can load, under their current names."""
    names = zoneinfo.available_timezones() - current_names().keys()
    return frozenset(name for name in names if "/" in name or name == "UTC")


def valid_zone(name: str) -> str:
    """Return the current name of the zone; "" when it is unknown."""
    name = current_names().get(name, name)
    return name if name in known_zones() else ""


def automatic_zone(request: HttpRequest, member: Member | None = None) -> str:
    """The browser's zone by its cookie, else the last one stored, else the site's."""
    stored = member.time_zone if member and member.time_zone_is_automatic else ""
    found = valid_zone(request.COOKIES.get(COOKIE, "")) or valid_zone(stored)
    return found or valid_zone(settings.TIME_ZONE) or settings.TIME_ZONE


class ReaderTimeZone:
    """Activates the zone chosen in the settings, else the browser's, for one request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = self.get_response(request)
            if isinstance(response, StreamingHttpResponse) and not _is_file(response):
                zone = timezone.get_current_timezone_name()
                response.streaming_content = _in_zone(zone, iter(response))
            return response
        finally:
            timezone.deactivate()
            use_clock("")

    def process_view(
        self, request: HttpRequest, view_func: Callable[..., Any], *_view_arguments: Any
    ) -> None:
        """Runs after `LoginRequired`: views that are not public have a signed-in member."""
        member: Member | None = None
        if getattr(view_func, "login_required", True):
            member = request.user  # type: ignore[assignment]
        chosen = member.time_zone if member and not member.time_zone_is_automatic else ""
        zone = valid_zone(chosen) or automatic_zone(request, member)
        timezone.activate(zoneinfo.ZoneInfo(zone))
        use_clock(member.clock if member else "")
        if member and "text/html" in request.headers.get("Accept", ""):
            _store(request, member)


def _store(request: HttpRequest, member: Member) -> None:
    """Keep the browser's zone in the profile. Called for page loads, not for images or polls."""
    zone = valid_zone(request.COOKIES.get(COOKIE, ""))
    if not zone or not member.time_zone_is_automatic or zone == member.time_zone:
        return
    try:
        Member.objects.filter(pk=member.pk, time_zone_is_automatic=True).update(time_zone=zone)
    except DatabaseError:
        logger.warning("Could not store the time zone of member %d", member.pk, exc_info=True)


def _is_file(response: StreamingHttpResponse) -> bool:
    """Stored files contain no times, and a wrapped file could not use the server's sendfile."""
    return isinstance(response, FileResponse)


def _in_zone(zone: str, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Streamed content is rendered after the middleware has returned."""
    with timezone.override(zoneinfo.ZoneInfo(zone)):
        yield from chunks
