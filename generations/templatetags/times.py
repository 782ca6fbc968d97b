"""Template filters and tags for durations and moments."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from generations.web.formats import (
    duration_patterns,
    format_datetime,
    format_datetime_with_zone,
    format_day,
    format_duration,
    format_time_ago,
)

register = template.Library()
register.filter("duration", format_duration)
register.filter("day", format_day)
register.simple_tag(duration_patterns)


@register.simple_tag
def timestamp(moment: datetime, format: str = "DATETIME_FORMAT") -> SafeString:
    """Return a `<time>` element with the local time; its title adds the time zone.

    {% timestamp row.created_at %} or {% timestamp row.created_at "TIME_FORMAT" %}
    """
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        format_datetime_with_zone(moment),
        format_datetime(moment, format),
    )


@register.simple_tag
def time_ago(moment: datetime) -> SafeString:
    """Return a `<time>` element that says how long ago it was; `app.js` keeps it current."""
    return format_html(
        '<time datetime="{}" title="{}" data-time>{}</time>',
        timezone.localtime(moment).isoformat(timespec="seconds"),
        format_datetime_with_zone(moment),
        format_time_ago(moment),
    )
