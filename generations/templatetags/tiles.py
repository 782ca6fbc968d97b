"""A picture in a grid, drawn once: the newest are looked at by everybody, over and over."""

from functools import lru_cache
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

register = template.Library()
MAX_CACHED = 8192  # of about 600 bytes each


@register.simple_tag
def tile_html(tile: Any, is_ticked_by_hand: bool = False, is_eager: bool = False) -> SafeString:
    """`gallery/_tile.html` for this tile.

    `is_ticked_by_hand` where no script puts in the ticks, `is_eager` where it is seen first.
    """
    return _rendered(tile, bool(is_ticked_by_hand), bool(is_eager), get_language())


@lru_cache(maxsize=MAX_CACHED)
def _rendered(
    tile: Any, is_ticked_by_hand: bool, is_eager: bool, _language: str | None
) -> SafeString:
    context = {"tile": tile, "selecting": is_ticked_by_hand, "is_eager": is_eager}
    return render_to_string("gallery/_tile.html", context)
