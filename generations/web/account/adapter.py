"""django-allauth's adapters: sign-in by user name with limits, and the second factor."""

import hashlib
import ipaddress
import math
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.internal import ratelimit
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import get_hashers, is_password_usable
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from generations.models import AuditAction, AuditEntry, Member, audit_entry, second_factor

# Successful sign-ins from this address, for this time, exempt it from the limit of a user name.
KNOWN_ADDRESS_SECONDS = 90 * 24 * 3600
UNKNOWN_ADDRESS = "::"  # PostgreSQL stores valid addresses only


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
        "incorrect_password": _("This is not your password."),
        "rate_limited": _("Too many wrong codes. Try again in 5 minutes."),
        "too_many_login_attempts": _("Too many wrong codes. Try again in 5 minutes."),
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
                AuditEntry.objects.record_failed_sign_in(
                    credentials["username"], audit_entry.TOO_MANY_TRIES
                )
                raise TooManySignIns(seconds_to_wait(request, action, key))
            taken.usage += usage.usage
        self._login_failed_rl_usage = taken

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Take the same time for every name, while some have a hash of an older algorithm.

        Django has computed one hash: that of the member, or a new one for an unknown name.
        """
        AuditEntry.objects.record_failed_sign_in(credentials["username"])
        preferred, *older = get_hashers()
        if not any(Member.objects.with_hash_of(str(each.algorithm)).exists() for each in older):
            return
        member = Member.objects.filter(username=credentials["username"]).first()
        done = preferred.algorithm
        if member and is_password_usable(member.password):
            done = member.password.partition("$")[0]
        for hasher in (preferred, *older):
            if hasher.algorithm != done:
                hasher.encode(credentials["password"], hasher.salt())

    def login(self, request: HttpRequest, user: Any) -> None:
        super().login(request, user)
        AuditEntry.objects.record(AuditAction.SIGNED_IN, user)
        here = f"{user.get_username().casefold()} {ratelimit.get_ip(request)}"
        cache.set(_known_address_key(here), True, KNOWN_ADDRESS_SECONDS)

    def get_client_ip(self, request: HttpRequest) -> str:
        """The peer's address where a proxy did not send the client's; else `UNKNOWN_ADDRESS`."""
        try:
            address: str = super().get_client_ip(request)
        except (ImproperlyConfigured, PermissionDenied):
            address = request.META.get("REMOTE_ADDR") or ""
        try:
            return str(ipaddress.ip_address(address.partition("%")[0]))
        except ValueError:
            return UNKNOWN_ADDRESS

    def set_password(self, user: Any, password: str) -> None:
        """Write this column only: other columns may have changed since the row was read."""
        user.set_password(password)
        with transaction.atomic():
            user.save(update_fields=["password"])
            AuditEntry.objects.record(AuditAction.PASSWORD_CHANGED, user, on=user)

    def get_login_stages(self) -> list[str]:
        """After the password: the second factor, if the member has one."""
        return ["generations.web.account.stages.SecondFactorStage"]

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        is_on = settings.SECOND_FACTOR
        return [each for each in methods if is_on or not each["id"].startswith("mfa_")]

    def respond_user_inactive(self, request: HttpRequest, user: Any) -> HttpResponse:
        """Only for people whom the identity provider knows: others see "wrong password"."""
        return render(request, "account/refused.html", {"is_disabled": True}, status=403)

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


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": _("This code is wrong or expired. Enter the current one."),
    }

    def encrypt(self, text: str) -> str:
        return second_factor.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises ValidationError, which the library shows beside the code."""
        try:
            return second_factor.decrypt(encrypted_text)
        except second_factor.Unreadable:
            text = gettext("The second factor cannot be read. Ask an admin to remove it.")
            raise ValidationError(text) from None

    def get_totp_label(self, user: Any) -> str:
        """The name of the account in the app."""
        return str(user.get_username())

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """The suggested name of a new passkey."""
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count() + 1
        return gettext("Passkey %(number)d") % {"number": number}

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        entity: dict[str, str] = super().get_public_key_credential_rp_entity()
        return entity | {"name": settings.MFA_TOTP_ISSUER}
