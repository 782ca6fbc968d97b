"""Durations, dates and times as pages show them, in the reader's language and time zone."""

from datetime import datetime

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def format_duration(seconds: int | None) -> str:
    """Return 12 as "12 s", 160 as "2 min 40 s", 7260 as "2 h 1 min", None as ""."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    return _("%(seconds)d s") % {"seconds": rest}


def format_time_ago(moment: datetime) -> str:
    """Return the minutes within the last hour, else the time of today or the date and time.

    `app.js` updates the minutes while the page is open.
    """
    minutes = int((timezone.now() - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%d min ago", "%d min ago", minutes) % minutes
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return date_format(local, "TIME_FORMAT" if is_today else "DATETIME_FORMAT")


def format_datetime(moment: datetime, format: str = "DATETIME_FORMAT") -> str:
    """Return the local time; `format` is one of Django's format names or a date format."""
    return date_format(timezone.localtime(moment), format)


def format_datetime_with_zone(moment: datetime) -> str:
    """Return the local time with the name of its zone: "27 Nov 2026, 14:03 CET"."""
    local = timezone.localtime(moment)
    return f"{date_format(local, 'DATETIME_FORMAT')} {local.tzname()}"
