"""django-allauth's adapter: signs in by user name, and limits failing sign-ins."""

import hashlib
import math
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

# Successful sign-ins from this address, for this time, exempt it from the limit of a user name.
KNOWN_ADDRESS_SECONDS = 90 * 24 * 3600


class TooManySignIns(ValidationError):
    """Refused without a look at the password. `seconds`: until the next try is allowed."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        minutes = math.ceil(seconds / 60)
        super().__init__(
            ngettext(
                "Too many failed sign-ins. Try again in %(minutes)d minute.",
                "Too many failed sign-ins. Try again in %(minutes)d minutes.",
                minutes,
            ),
            code="too_many_login_attempts",
            params={"minutes": minutes},
        )


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Three limits, each over all web processes, because they are stored in the database.

    Per user name and address: stops guessing, and blocks nobody elsewhere. Per address: stops
    trying many names. Per user name: stops guessing from many addresses, but not the owner of the
    name, whose usual addresses are exempt.
    """

    error_messages = DefaultAccountAdapter.error_messages | {
        "enter_current_password": _("This is not your current password."),
    }

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count a failure in advance; `authenticate` takes it back after the right password."""
        name = credentials["username"].casefold()
        here = f"{name} {ratelimit.get_ip(request)}"
        limits = [("sign_in_here", here), ("sign_in_address", "")]
        if not cache.get(_known_address_key(here)):
            limits.append(("sign_in_name", name))
        taken = ratelimit.RateLimitUsage(usage=[])
        for action, key in limits:
            usage = ratelimit.consume(request, app="allauth.account", action=action, key=key)
            if usage is None:
                taken.rollback()
                raise TooManySignIns(seconds_to_wait(request, action, key))
            taken.usage += usage.usage
        self._login_failed_rl_usage = taken

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        here = f"{user.get_username().casefold()} {ratelimit.get_ip(request)}"
        cache.set(_known_address_key(here), True, KNOWN_ADDRESS_SECONDS)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The peer's address where a proxy did not send the client's."""
        try:
            address: str = super().get_client_ip(request)
        except (ImproperlyConfigured, PermissionDenied):
            address = request.META.get("REMOTE_ADDR") or "unknown"
        return address

    def set_password(self, user: Any, password: str) -> None:
        """Write this column only: other columns may have changed since the row was read."""
        user.set_password(password)
        user.save(update_fields=["password"])

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def add_message(self, *_args: Any, **_options: Any) -> None:
        """No messages of the library: our views say what happened in our words."""


def _known_address_key(here: str) -> str:
    return f"known-address:{hashlib.sha256(here.encode()).hexdigest()}"


def seconds_to_wait(request: HttpRequest, action: str, key: str) -> int:
    """Until the oldest counted failure of every full limit is forgotten."""
    now, waits = time.time(), [1]
    for rate in ratelimit.get_rates(app="allauth.account", action=action):
        name = ratelimit.get_cache_key(
            request, app="allauth.account", action=action, rate=rate, key=key
        )
        failures: list[float] = cache.get(name, [])
        if len(failures) >= rate.amount:
            waits.append(math.ceil(failures[rate.amount - 1] + rate.duration - now))
    return max(waits)
