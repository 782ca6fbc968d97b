"""How long and how long ago, in the words of a page."""

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags import humanize
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()
register.filter("ordinal", humanize.ordinal)


@register.filter
def duration(seconds: int | None) -> str:
    """12 -> "12 s", 160 -> "2 min 40 s", 7260 -> "2 h 1 min"."""
    if seconds is None:
        return ""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": minutes}
    if minutes:
        return _("%(minutes)d min %(seconds)d s") % {"minutes": minutes, "seconds": rest}
    return _("%(seconds)d s") % {"seconds": rest}


@register.filter
def ago(moment: datetime) -> str:
    """Within the hour in minutes, which the page counts on; else the time, or the day."""
    minutes = int((timezone.now() - moment).total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%d min ago", "%d min ago", minutes) % minutes
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return date_format(local, "TIME_FORMAT" if is_today else "j M, H:i")
