"""A card that has ended well is drawn once: most of what the studio shows changes no more."""

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from .moments import ago

register = template.Library()
MOST_KEPT = 2048  # of about 5 KB each; then it is begun anew
_kept: dict[tuple[Any, ...], SafeString] = {}


@register.simple_tag
def settled(card: Any) -> SafeString:
    """`cards/_item.html` for a card that `is_settled`: of one face there is one drawing."""
    face = (*card.face, ago(card.generation.created_at), get_language())
    if face not in _kept:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[face] = render_to_string("cards/_item.html", {"card": card})
    return _kept[face]
