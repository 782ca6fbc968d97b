"""Rendered HTML in the cache of this process: parts of pages that stay the same."""

from collections.abc import Hashable
from hashlib import blake2b
from typing import Any

from django.core.cache import caches
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from .formats import current_clock


def cached_html(template: str, context: dict[str, Any], *key: Hashable) -> SafeString:
    """Render the template, or return its HTML from an earlier call with an equal key.

    `key` must determine the HTML; language, time zone and clock are added here. Its `repr` is what
    counts, so use plain values and dataclasses.
    """
    whole = (template, get_language(), timezone.get_current_timezone_name(), current_clock(), *key)
    name = blake2b(repr(whole).encode(), digest_size=16).hexdigest()
    html: SafeString | None = caches["local"].get(name)
    if html is None:
        html = render_to_string(template, context)
        caches["local"].set(name, html)
    return html
