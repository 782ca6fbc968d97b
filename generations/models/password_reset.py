"""Links that let a member choose a new password, without the old one.

A link works once and for `PASSWORD_RESET_TIMEOUT` seconds: its token contains a hash of the
password, of the time of the last sign-in and of the role, and so ends with each of these. Nothing
is stored.
"""

from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from .audit_entry import AuditAction, AuditEntry
from .member import Member


class TokenGenerator(PasswordResetTokenGenerator):
    """Ends a link also when the member is disabled or gets another role."""

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{super()._make_hash_value(user, timestamp)}{user.role}{user.is_active}"


token_generator = TokenGenerator()


def create_link(member: Member, by: Member | None) -> str:
    """Return the path of a new link, and record that it was created. `by` None: by mail."""
    AuditEntry.objects.record(AuditAction.RESET_LINK_CREATED, by, on=member)
    return reset_path(member)


def reset_path(member: Member) -> str:
    """Return the path of a link. It is a secret: show it once, and log it nowhere."""
    uid = urlsafe_base64_encode(force_bytes(member.pk))
    token = token_generator.make_token(member)
    return reverse("reset-password", args=(uid, token))


def end_sessions(member: Member) -> None:
    """Sign the member out everywhere."""
    for row in UserSession.objects.filter(user=member):
        row.end()
