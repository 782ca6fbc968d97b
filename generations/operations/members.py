"""Members: add, disable and list. The rules are those of `Member` and of `generations.people`."""

import secrets
from collections.abc import Iterable

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from generations import people
from generations.models import AccessError, Member
from generations.models.audit_entry import ADDED_BY_COMMAND

from .errors import OperationError

PASSWORD_BYTES = 12  # of a generated password: 96 random bits


def find(username: str) -> Member:
    """Raises OperationError."""
    member = Member.objects.filter(username=Member.normalize_username(username)).first()
    if member is None:
        raise OperationError(f"There is no member “{username}”. `member list` shows all.")
    return member


def generate_password() -> str:
    return secrets.token_urlsafe(PASSWORD_BYTES)


def add(username: str, role: str, password: str) -> Member:
    """Create a member who can sign in with this password. Raises OperationError."""
    member = Member(username=Member.normalize_username(username), role=role)
    try:
        member.clean_fields(exclude=["password"])
        _check_is_new(member.username)
        validate_password(password, member)
    except ValidationError as error:
        raise OperationError(" ".join(error.messages)) from None
    member.set_password(password)
    try:
        with transaction.atomic():
            member.save(force_insert=True)
            people.record_joined(member, ADDED_BY_COMMAND)
    except IntegrityError:
        raise _exists(member.username) from None
    return member


def _check_is_new(username: str) -> None:
    """Names that differ only in case are the same, as on the page of an invitation."""
    if existing := Member.objects.filter(username__iexact=username).first():
        raise _exists(existing.username)


def _exists(username: str) -> OperationError:
    return OperationError(f"There is already a member “{username}”. Nothing was changed.")


def disable(username: str) -> tuple[Member, int]:
    """Return also how many queued generations were canceled. Raises OperationError."""
    member = find(username)
    try:
        return member, people.disable(member, by=None)
    except AccessError as error:
        raise OperationError(error.reason) from None


def listed() -> Iterable[Member]:
    return Member.objects.order_by("username")
