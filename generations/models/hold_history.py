"""Holds in the audit log: an entry when one starts, and one when it ends."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from .audit_entry import AuditAction, AuditEntry
from .member import Member

# A faulty request can start a hold that others end at once, again and again.
MIN_GAP = timedelta(minutes=1)


def record_start(gate: models.Model, hold: Mapping[str, Any], label: str) -> None:
    """Record a hold, unless one of this gate was recorded within the last minute.

    `hold` says what it is.
    """
    newest = _newest(gate, AuditAction.HELD)
    if newest is None or timezone.now() - newest.at > MIN_GAP:
        AuditEntry.objects.record(AuditAction.HELD, None, on=gate, label=label, after=hold)


def record_end(gate: models.Model, hold: Mapping[str, Any], label: str, by: Member | None) -> None:
    """Record the end of a hold whose start was recorded. `by` ended it; None: a good answer."""
    started, ended = _newest(gate, AuditAction.HELD), _newest(gate, AuditAction.HOLD_ENDED)
    if started is not None and (ended is None or ended.pk < started.pk):
        AuditEntry.objects.record(AuditAction.HOLD_ENDED, by, on=gate, label=label, after=hold)


def _newest(gate: models.Model, action: AuditAction) -> AuditEntry | None:
    """The newest of this gate, by the index of objects."""
    entries = AuditEntry.objects.filter(target_type=gate._meta.model_name, target_id=str(gate.pk))
    return entries.filter(action=action).order_by("-pk").first()
