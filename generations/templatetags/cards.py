"""A card that has ended well is drawn once: most of what the studio shows changes no more."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from generations.web.formats import format_time_ago

register = template.Library()
MAX_CACHED = 2048  # of about 5 KB each; then it is begun anew
_cached: dict[tuple[Any, ...], SafeString] = {}


@register.simple_tag
def card_html(card: Any) -> SafeString:
    """`cards/_item.html` for a card that `is_settled`: of one face there is one drawing."""
    key = (*card.cache_key, format_time_ago(card.created_at), get_language())
    if key not in _cached:
        if len(_cached) >= MAX_CACHED:
            _cached.clear()
        _cached[key] = render_to_string("cards/_item.html", {"card": card})
    return _cached[key]
