"""The address at which the upstream says that a task has ended. Only it knows the address."""

from django.conf import settings
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac


def url_of(generation: int, attempt: int) -> str:
    """The address for this attempt; "" where callbacks are not wanted."""
    if not settings.CALLBACKS:
        return ""
    code = _code(generation, attempt)
    return str(settings.URL) + reverse("callback", args=(generation, attempt, code))


def is_ours(generation: int, attempt: int, code: str) -> bool:
    """Whether this code is in the address for this attempt."""
    return constant_time_compare(code, _code(generation, attempt))


def _code(generation: int, attempt: int) -> str:
    return salted_hmac(__name__, f"{generation}-{attempt}", algorithm="sha256").hexdigest()
