"""Cached HTML of static cards: most cards of the studio no longer change."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from generations.web.formats import format_time_ago

register = template.Library()
MAX_CACHED = 2048  # of about 5 KB each; then the cache is emptied
_cached: dict[tuple[Any, ...], SafeString] = {}


@register.simple_tag
def card_html(card: Any) -> SafeString:
    """Return `cards/_item.html` for a card that `is_static`.

    Cards with equal values have equal HTML, but for the reader's language, time zone and the age.
    """
    age = format_time_ago(card.created_at)
    key = (*card.cache_key, age, get_language(), timezone.get_current_timezone_name())
    if key not in _cached:
        if len(_cached) >= MAX_CACHED:
            _cached.clear()
        _cached[key] = render_to_string("cards/_item.html", {"card": card})
    return _cached[key]
