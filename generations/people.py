"""What owners and admins do about people: access, roles, and the work of those who leave.

Pages, the admin and commands call this module. The rules are those of `Member`.
"""

import logging
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from generations.models import AccessError, Collection, Generation, Member
from generations.permissions import Action

logger = logging.getLogger(__name__)

BATCH = 500  # rows of one transaction, so that others can write in between


@dataclass(frozen=True)
class HandedOver:
    generations: int
    collections: int


def disable(member: Member, by: Member | None) -> int:
    """End the person's access and sessions, then stop their work. Return what `stop_work` does.

    Raises AccessError. Images and collections stay, under the person's name.
    """
    member.change_access(by, is_active=False)
    return stop_work(member, by)


def stop_work(member: Member, by: Member | None) -> int:
    """Cancel the queued generations of a disabled person; return how many. Revoke invitations.

    Outside the transaction of the change: the worker locks generations before their owner. What it
    returns to the queue later, its heartbeat cancels.
    """
    revoked = member.invitations.revoke()
    canceled = Generation.objects.filter(owner=member).cancel_queued(by)
    logger.info(
        "%s was disabled by %s: %d queued generations canceled, %d invitations revoked",
        member, by or "a command", canceled, revoked,
    )  # fmt: skip
    return canceled


def enable(member: Member, by: Member | None) -> None:
    """Let a disabled person sign in again. Raises AccessError."""
    member.change_access(by, is_active=True)
    logger.info("%s was enabled by %s", member, by or "a command")


def change_role(member: Member, role: str, by: Member | None) -> None:
    """Raises AccessError."""
    old = member.role
    member.change_access(by, role=role)
    logger.info("The role of %s changed from %s to %s by %s", member, old, role, by or "a command")
    if not member.may(Action.GENERATE):  # a viewer cannot cancel queued requests
        canceled = Generation.objects.filter(owner=member).cancel_queued(by)
        logger.info("%d queued generations of %s were canceled", canceled, member)


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
    collections = Collection.objects.filter(created_by=member).update(created_by=to)
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
