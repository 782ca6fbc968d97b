"""Template variables of every page."""

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from .cards.context import count_open


def open_count(request: HttpRequest) -> dict[str, Any]:
    """Add the number of open generations of the member; counted only where it is shown.

    A view that has counted them already passes its own `open_count`.
    """
    return {"open_count": SimpleLazyObject(lambda: _count(request))}


def _count(request: HttpRequest) -> int:
    user = getattr(request, "user", None)
    return count_open(user) if user and user.is_authenticated else 0
