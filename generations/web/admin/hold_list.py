"""Holds and pauses of the past, read from the audit log."""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from generations.joining import join_facts
from generations.models import AuditAction, AuditEntry, UpstreamGate
from generations.web.formats import format_datetime, format_duration
from generations.web.model_names import engine_label

MAX_LISTED = 20


@dataclass(frozen=True)
class PastStop:
    """A hold or a pause. `ended_at` is None while it lasts."""

    what: str  # of a hold with the name of its engine
    since: datetime
    ended_at: datetime | None
    ended_by: str  # "" is the system

    @property
    def duration(self) -> str:
        if self.ended_at is None:
            return ""
        return format_duration(int((self.ended_at - self.since).total_seconds()))


def past_stops() -> list[PastStop]:
    """The newest holds and pauses that have ended, the newest first."""
    stops = [*map(_hold, _newest(AuditAction.HOLD_ENDED)), *_pauses()]
    return sorted(stops, key=lambda each: each.since, reverse=True)[:MAX_LISTED]


def last_hold_text(gate: UpstreamGate) -> str:
    """Return when the last hold was, and how long it lasted."""
    if gate.is_held and gate.held_at:
        return _("since %s") % format_datetime(gate.held_at, "SHORT_DATETIME_FORMAT")
    newest = _newest(AuditAction.HOLD_ENDED, 1)
    if not newest:
        return _("none recorded")
    hold = _hold(newest[0])
    engine = engine_label(engine_of_gate(newest[0].target_label))
    since = format_datetime(hold.since, "SHORT_DATETIME_FORMAT")
    return join_facts((engine, since, hold.duration))


def engine_of_gate(label: str) -> str:
    """The engine in the label of an audit entry: "kling (simulator): open"."""
    return label.partition(" (")[0]


def _newest(action: AuditAction, limit: int = MAX_LISTED) -> list[AuditEntry]:
    """One action at a time, so that an index finds the entries."""
    return list(AuditEntry.objects.filter(action=action).order_by("-pk")[:limit])


def _hold(ended: AuditEntry) -> PastStop:
    """A hold from the entry of its end, which says when it began."""
    reason = str(ended.after.get("hold_reason", ""))
    label = dict(UpstreamGate.HoldReason.choices).get(reason, reason)
    since = parse_datetime(str(ended.after.get("since", ""))) or ended.at
    engine = engine_label(engine_of_gate(ended.target_label))
    what = _("%(engine)s: %(reason)s") % {"engine": engine, "reason": label}
    return PastStop(what, since, ended.at, ended.by_name)


def _pauses() -> list[PastStop]:
    """Each resumption with the pause before it. One without a pause has ended a hold or a wait."""
    resumed, pauses = _newest(AuditAction.RESUMED), _newest(AuditAction.PAUSED)
    entries = sorted([*resumed, *pauses], key=lambda entry: entry.pk)
    return [
        PastStop(_("Paused: %s") % start.note, start.at, end.at, end.by_name)
        for start, end in pairwise(entries)
        if start.action == AuditAction.PAUSED and end.action == AuditAction.RESUMED
    ]
