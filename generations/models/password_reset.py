"""Links that let a member choose a new password, without the old one.

A link works once and for `PASSWORD_RESET_TIMEOUT` seconds: its token contains a hash of the
password and of the time of the last sign-in, and so ends with either. Nothing is stored.
"""

from allauth.usersessions.models import UserSession
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from .member import Member


def reset_path(member: Member) -> str:
    """Return the path of a new link. It is a secret: show it once, and log it nowhere."""
    uid = urlsafe_base64_encode(force_bytes(member.pk))
    token = default_token_generator.make_token(member)
    return reverse("reset-password", args=(uid, token))


def end_sessions(member: Member) -> None:
    """Sign the member out everywhere."""
    for row in UserSession.objects.filter(user=member):
        row.end()
