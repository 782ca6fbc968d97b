"""What owners and admins do about people: roles, access, accounts, and the work of those who leave.

Pages, commands and the sign-in at an identity provider call this module. The rules are those of
`Member`. Each change is recorded in the audit log, in its transaction.
"""

import logging
from dataclasses import dataclass
from functools import partial

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from generations.models import (
    AccessError,
    AuditAction,
    AuditEntry,
    Batch,
    Collection,
    Generation,
    Member,
    Notification,
    SavedPrompt,
    SmartCollection,
    password_reset,
)
from generations.permissions import Action

logger = logging.getLogger(__name__)

BATCH = 500  # rows of one transaction, so that others can write in between


@dataclass(frozen=True)
class HandedOver:
    generations: int
    collections: int


def disable(member: Member, by: Member | None) -> int:
    """End access and sessions, then cancel the queued generations; return how many.

    Raises AccessError. Images and collections stay, under the person's name.
    """
    _change_access(member, by, is_active=False)
    return _stop_work(member, by)


def _stop_work(member: Member, by: Member | None) -> int:
    """Cancel the queued generations of a disabled person; return how many. Revoke invitations.

    Outside the transaction of the change: the worker locks generations before their owner. What it
    returns to the queue later, its heartbeat cancels.
    """
    revoked = member.invitations.revoke(by)
    canceled = Generation.objects.filter(owner=member).cancel_queued(by)
    logger.info(
        "%s was disabled by %s: %d queued generations canceled, %d invitations revoked",
        member, by or "a command", canceled, revoked,
    )  # fmt: skip
    return canceled


def enable(member: Member, by: Member | None) -> None:
    """Let a disabled person sign in again. Raises AccessError."""
    _change_access(member, by, is_active=True)
    logger.info("%s was enabled by %s", member, by or "a command")


def change_role(member: Member, role: str, by: Member | None, note: str = "") -> None:
    """Raises AccessError. `note` explains the change in the audit log."""
    old = _change_access(member, by, note, role=role)
    logger.info("The role of %s changed from %s to %s by %s", member, old, role, by or "a command")
    if not member.may(Action.GENERATE):  # a viewer cannot cancel queued requests
        canceled = Generation.objects.filter(owner=member).cancel_queued(by)
        logger.info("%d queued generations of %s were canceled", canceled, member)


@transaction.atomic
def _change_access(
    member: Member,
    by: Member | None,
    note: str = "",
    *,
    role: str | None = None,
    is_active: bool | None = None,
) -> str:
    """Change it and record what has changed. Return the old role. Raises AccessError."""
    old_role, was_active = member.change_access(by, role=role, is_active=is_active)
    record = partial(AuditEntry.objects.record, by=by, on=member, note=note)
    if old_role != member.role:
        record(AuditAction.ROLE_CHANGED, before={"role": old_role}, after={"role": member.role})
        Notification.objects.record_role(member, by)
    if was_active != member.is_active:
        record(AuditAction.ENABLED if member.is_active else AuditAction.DISABLED)
    return old_role


# --- the account of a person ---------------------------------------------------------------------


def record_joined(member: Member, note: str) -> None:
    """Record a new account that needed no invitation; call it in the transaction that saves it."""
    AuditEntry.objects.record(
        AuditAction.JOINED, None, on=member, after={"role": member.role}, note=note
    )


@transaction.atomic
def change_details(member: Member, by: Member, **columns: str) -> None:
    """Set the name, the user name or the e-mail address. Raises AccessError."""
    by.check_may_give(member.role)
    stored = Member.objects.select_for_update(no_key=True).get(pk=member.pk)
    changed = {name: value for name, value in columns.items() if getattr(stored, name) != value}
    if not changed:
        return
    before = {name: getattr(stored, name) for name in changed}
    for name, value in changed.items():
        setattr(member, name, value)
    member.save(update_fields=list(changed))
    AuditEntry.objects.record(
        AuditAction.PERSON_CHANGED, by, on=member, before=before, after=changed
    )


@transaction.atomic
def create_reset_link(member: Member, by: Member) -> str:
    """Return the path of a link to a new password: a secret. Raises AccessError."""
    by.check_may_give(member.role)
    if not member.is_active:
        raise AccessError(_("This person is disabled. Enable the account first."))
    return password_reset.create_link(member, by)


@transaction.atomic
def remove_second_factor(member: Member, by: Member) -> bool:
    """Remove app, passkeys and recovery codes. False if there were none. Raises AccessError."""
    by.check_may_give(member.role)
    number, _rows = Authenticator.objects.filter(user=member).delete()
    if number:
        AuditEntry.objects.record(AuditAction.SECOND_FACTOR_REMOVED, by, on=member)
    return bool(number)


def end_sessions(member: Member, by: Member) -> None:
    """Sign another person out everywhere. Raises AccessError."""
    by.check_may_give(member.role)
    if by.pk == member.pk:
        raise AccessError(_("You can end your own sessions in your settings."))
    with transaction.atomic():
        member.end_all_sessions()
        AuditEntry.objects.record(AuditAction.SESSIONS_ENDED, by, on=member)
    password_reset.end_sessions(member)


# --- handing over --------------------------------------------------------------------------------


def may_receive(member: Member) -> bool:
    """Whether work can be handed over to this person: someone who may change it."""
    return member.may(Action.GENERATE)


def hand_over(member: Member, to: Member, by: Member | None) -> HandedOver:
    """Make `to` the owner of all generations and collections of a disabled person.

    In batches: after a failure in between, calling it again moves the rest. Each generation gets a
    note in its history. Raises AccessError.
    """
    _check_hand_over(member, to, by)
    generations, detail = 0, f"from {member} to {to}"
    while pks := list(member.generations.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        generations += Generation.objects.filter(pk__in=pks).hand_over(to, by, detail)
    with transaction.atomic():
        collections = Collection.objects.filter(created_by=member).update(created_by=to)
        Batch.objects.hand_over(member, to)
        SavedPrompt.objects.hand_over(member, to)
        shared = SmartCollection.objects.filter(created_by=member, is_private=False)
        shared.update(created_by=to)
        AuditEntry.objects.record(
            AuditAction.HANDED_OVER,
            by,
            on=member,
            after={"to": str(to), "generations": generations, "collections": collections},
        )
        Notification.objects.record_handed_over(to, member, by)
    logger.info(
        "%d generations and %d collections were handed over %s by %s",
        generations, collections, detail, by or "a command",
    )  # fmt: skip
    return HandedOver(generations, collections)


@transaction.atomic
def _check_hand_over(member: Member, to: Member, by: Member | None) -> None:
    member.refresh_from_db(fields=["role", "is_active"])
    if by is not None:
        by.check_may_give(member.role)
    if member.is_active:
        raise AccessError(_("Disable this person first. Nothing was handed over."))
    if to.pk == member.pk or not may_receive(to):
        raise AccessError(_("Choose an active person who may generate images."))
