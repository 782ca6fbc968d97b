"""Cached HTML of tiles: the newest images are viewed by everyone, again and again."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from generations.web.html_cache import cached_html

register = template.Library()


@register.simple_tag
def tile_html(tile: Any, has_checkbox: Any = False, is_eager: Any = False) -> SafeString:
    """Return `gallery/_tile.html` for this tile.

    `has_checkbox`: for selection without a script; `is_eager`: its image is loaded at once.
    """
    has_checkbox, is_eager = bool(has_checkbox), bool(is_eager)
    context = {"tile": tile, "has_checkbox": has_checkbox, "is_eager": is_eager}
    return cached_html("gallery/_tile.html", context, tile, has_checkbox, is_eager)
