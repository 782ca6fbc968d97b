"""Cached HTML of tiles: the newest images are viewed by everyone, again and again."""

from typing import Any

from django import template
from django.utils.safestring import SafeString

from generations.web.html_cache import cached_html

register = template.Library()


@register.simple_tag
def tile_html(
    tile: Any, has_checkbox: Any = False, first_screen: Any = None, prefix: str = "p"
) -> SafeString:
    """Return `gallery/_tile.html` for this tile.

    `has_checkbox`: for selection without a script; `first_screen`: a `FirstScreen` on whole pages;
    `prefix`: of the element's id, which ends with that of the picture.
    """
    has_checkbox = bool(has_checkbox)
    loading = first_screen.loading(tile) if first_screen else "later"
    context = {"tile": tile, "has_checkbox": has_checkbox, "loading": loading, "prefix": prefix}
    return cached_html("gallery/_tile.html", context, tile, has_checkbox, loading, prefix)
