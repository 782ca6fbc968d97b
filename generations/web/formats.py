"""Durations, dates and times as pages show them: in the reader's language, time zone and clock.

All pages use these functions, so that one page never has two clocks. `format` is a name: one of
Django's (`DATETIME_FORMAT`, `SHORT_DATETIME_FORMAT`, `TIME_FORMAT`, `DATE_FORMAT`, ...), or one of
those with a time and `_WITH_SECONDS`, such as `TIME_WITH_SECONDS`.
"""

import re
from contextvars import ContextVar
from datetime import date, datetime, tzinfo

from django.contrib.humanize.templatetags.humanize import ordinal
from django.utils import timezone
from django.utils.formats import date_format, get_format
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _

SECONDS = "_WITH_SECONDS"
HOURS_24, HOURS_12 = "H:i", "g:i A"
HOURS_12_BEFORE = "Ag:i"  # where the half of the day comes first
HALF_OF_DAY_FIRST = {"zh-hans"}  # languages

# The clock of the reader while a request is answered (middleware/time_zone.py): "12", "24", or ""
# for that of the language.
_clock: ContextVar[str] = ContextVar("clock", default="")


def use_clock(clock: str) -> None:
    """Use a 12-hour ("12") or a 24-hour ("24") clock; "": that of the language."""
    _clock.set(clock)


def current_clock() -> str:
    return _clock.get()


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


def duration_patterns() -> dict[str, str]:
    """The three formats of a duration for `app.js`, with `{h}`, `{m}` and `{s}`."""
    patterns = {
        "hours": _("%(hours)d h %(minutes)d min"),
        "minutes": _("%(minutes)d min %(seconds)d s"),
        "seconds": _("%(seconds)d s"),
    }
    return {name: re.sub(r"%\((\w)\w+\)d", r"{\1}", text) for name, text in patterns.items()}


def format_ordinal(number: int) -> str:
    """Return 3 as "3rd", in Chinese as "第3", and as "3" where the sentence says the rest."""
    language = get_language() or "en"
    if language.startswith("en"):
        return str(ordinal(number))
    return f"第{number}" if language == "zh-hans" else str(number)


def format_time_ago(moment: datetime) -> str:
    """Return the minutes within the last hour, else the time, with its date if not today.

    `app.js` updates the minutes while the page is open.
    """
    minutes = int((timezone.now() - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%d min ago", "%d min ago", minutes) % minutes
    local, today = timezone.localtime(moment), timezone.localdate()
    if local.date() == today:
        return format_datetime(moment, "TIME_FORMAT")
    is_this_year = local.year == today.year
    return format_datetime(moment, "SHORT_DATETIME_FORMAT" if is_this_year else "DATETIME_FORMAT")


def format_datetime(
    moment: datetime, format: str = "DATETIME_FORMAT", zone: tzinfo | None = None
) -> str:
    """Return the time in the format of that name, in the reader's time zone or another one."""
    return date_format(timezone.localtime(moment, zone), _with_clock(format))


def format_datetime_with_zone(moment: datetime) -> str:
    """Return the local time with the name of its zone: "27 Nov 2026, 14:03 CET"."""
    return f"{format_datetime(moment)} {timezone.localtime(moment).tzname()}"


def format_day(day: date) -> str:
    """Return "9 March", with the year unless it is the current one."""
    is_this_year = day.year == timezone.localdate().year
    return date_format(day, "MONTH_DAY_FORMAT" if is_this_year else "DATE_FORMAT")


def _with_clock(name: str) -> str:
    """The date format of that name, with the reader's clock."""
    base = name.removesuffix(SECONDS)
    has_seconds = base != name
    text = str(get_format(f"{base}_FORMAT" if has_seconds else name))
    if _clock.get() == "24":
        text = text.replace(HOURS_12, HOURS_24)
    elif _clock.get() == "12":
        is_first = get_language() in HALF_OF_DAY_FIRST
        text = text.replace(HOURS_24, HOURS_12_BEFORE if is_first else HOURS_12)
    return text.replace(":i", ":i:s") if has_seconds else text
