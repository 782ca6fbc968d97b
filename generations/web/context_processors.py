"""Template variables of every page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from .header import header_counts


def open_count(request: HttpRequest) -> dict[str, Any]:
    """Add what the header shows; counted only where it is shown.

    Views that count in a statement of their own call `store_counts`.
    """
    return {
        "open_count": SimpleLazyObject(lambda: header_counts(request).open),
        "has_unread": SimpleLazyObject(lambda: header_counts(request).has_unread),
    }


def is_demo(request: HttpRequest) -> dict[str, Any]:
    """Whether the built-in simulator takes the place of the gateway."""
    return {"is_demo": settings.DEMO}
