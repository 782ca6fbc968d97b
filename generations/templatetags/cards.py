"""Cached HTML of static cards: most cards of the studio no longer change."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from generations.web.formats import format_time_ago
from generations.web.html_cache import cached_html

register = template.Library()


@register.simple_tag
def card_html(card: Any) -> SafeString:
    """Return `cards/_item.html` for a card that `is_static`."""
    age = format_time_ago(card.created_at)
    return cached_html("cards/_item.html", {"card": card}, *card.cache_key, age)
