"""The last changes in the audit log, in a line each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from generations.models import AuditAction, AuditEntry
from generations.web.money.formats import format_money

MAX_LISTED = 8
MAX_READ = 300  # entries, of which most may be sign-ins
MAX_CHARACTERS = 80
NOT_CHANGES = (AuditAction.SIGNED_IN, AuditAction.SIGNED_OUT, AuditAction.SIGN_IN_FAILED)


@dataclass(frozen=True)
class Change:
    at: datetime
    by: str
    action: str
    target: str
    detail: str


def recent_changes() -> list[Change]:
    """The newest entries that are no sign-ins, among the last `MAX_READ`."""
    newest = AuditEntry.objects.values_list("pk", flat=True).order_by("-pk").first() or 0
    entries = AuditEntry.objects.filter(pk__gt=newest - MAX_READ).exclude(action__in=NOT_CHANGES)
    return [_change(each) for each in entries.order_by("-pk")[:MAX_LISTED]]


def _change(entry: AuditEntry) -> Change:
    return Change(
        at=entry.at,
        by=entry.by_name or _("System"),
        action=str(entry.get_action_display()),
        target=entry.target_label,
        detail=_detail(entry)[:MAX_CHARACTERS],
    )


def _detail(entry: AuditEntry) -> str:
    """The note, else what has changed: "$100.00 → $120.00"."""
    if entry.note or entry.action in (AuditAction.HELD, AuditAction.HOLD_ENDED):
        return entry.note
    return ", ".join(
        f"{_value(name, entry.before.get(name))} → {_value(name, value)}"
        for name, value in entry.after.items()
    )


def _value(name: str, value: Any) -> str:
    if value is None or value == "":
        return "–"
    is_amount = name.endswith("_e4") and isinstance(value, int)
    return format_money(value) if is_amount else str(value)
