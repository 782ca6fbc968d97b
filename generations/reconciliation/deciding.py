"""What a person decides about a difference. Each decision is one transaction, and happens once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Status,
    Submission,
)
from generations.models.money import Comparison, ledger
from generations.models.money.price import current_upstream
from generations.requests import NotPossible, enter_task_id

from .comparing import compare

Group, Decision = Comparison.Group, Comparison.Decision
NEARBY = timedelta(minutes=30)  # of a line: an unconfirmed generation may be its cause
MAX_UNCONFIRMED = 500


@dataclass(frozen=True)
class Seen:
    """The amounts that the page showed: a decision about other ones is refused."""

    billed_e4: int | None
    recorded_e4: int | None


def choices(row: Comparison) -> tuple[Comparison.Decision, ...]:
    """What may be decided about a row, the safest first."""
    match row.group:
        case Group.UNKNOWN:
            watch = (Decision.WATCHED,) if row.task_id and not row.decision else ()
            return (*watch, Decision.IGNORED)
        case Group.MISSING | Group.DIFFERENT:
            correct = (Decision.CORRECTED,) if (row.billed_e4 or 0) >= 0 else ()
            return (*correct, Decision.KEPT)
    return ()


# --- suggestions ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suggestion:
    """A generation without a known task, and when it was sent."""

    generation: Generation
    sent_at: datetime

    @property
    def price_e4(self) -> int | None:
        """What was reserved for it, None without a price."""
        unit_e4 = self.generation.unit_price_e4
        return None if unit_e4 is None else unit_e4 * self.generation.n


def suggestions(rows: Sequence[Comparison]) -> dict[int, Suggestion]:
    """The generation that each row with an unknown task may belong to, by the key of the row.

    It is unconfirmed or lost, was sent at most `NEARBY` before the line, and cost what was billed.
    Each one is suggested once, the nearest first.
    """
    billed = [row for row in rows if row.group == Group.UNKNOWN and row.task_id]
    billed = [row for row in billed if (row.billed_e4 or 0) > 0]
    candidates = _candidates() if billed else []
    pairs = [(row, each) for row in billed for each in candidates if _fits(row, each)]
    found: dict[int, Suggestion] = {}
    used: set[int] = set()
    for row, each in sorted(pairs, key=lambda pair: pair[0].at - pair[1].sent_at):
        if row.pk not in found and each.generation.pk not in used:
            found[row.pk] = each
            used.add(each.generation.pk)
    return found


def _fits(row: Comparison, suggestion: Suggestion) -> bool:
    return (
        timedelta(0) <= row.at - suggestion.sent_at <= NEARBY
        and suggestion.price_e4 == row.billed_e4
    )


def _candidates() -> list[Suggestion]:
    """Generations that have no task, or one that the gateway does not find."""
    is_lost = Q(status=Status.RUNNING, lost_at__isnull=False)
    rows = Generation.objects.filter(
        Q(status=Status.UNCONFIRMED) | is_lost, finished_at=None, upstream=current_upstream()
    )
    last_sent = Submission.objects.filter(generation=OuterRef("pk")).order_by("-attempt")
    newest = rows.select_related("owner").order_by("-created_at", "-pk")
    sent = newest.annotate(last_sent_at=Subquery(last_sent.values("sent_at")[:1]))
    found: list[Any] = list(sent[:MAX_UNCONFIRMED])
    return [Suggestion(row, row.last_sent_at or row.created_at) for row in found]


# --- decisions -----------------------------------------------------------------------------------


def decide(pk: int, decision: Comparison.Decision, by: Member, note: str, seen: Seen) -> None:
    """Decide about a difference; a correction changes the ledger. Raises NotPossible."""
    with transaction.atomic():
        row = _undecided(pk, seen)
        if decision not in choices(row):
            raise NotPossible(_changed())
        if decision == Decision.CORRECTED:
            _correct(row, by, note)
        else:
            label = f"task {row.task_id}" if row.task_id else str(row)
            after = {"decision": decision.value, "difference_e4": row.difference_e4}
            AuditEntry.objects.record(
                AuditAction.DIFFERENCE_DECIDED, by, on=row, label=label, after=after, note=note
            )
        _record(row, decision, by, note)
        compare(row.at, row.at)


def assign(pk: int, by: Member, seen: Seen, generation_id: int, version: int) -> None:
    """Enter the task ID of a row for an unconfirmed generation, which is tracked then.

    Raises NotPossible.
    """
    with transaction.atomic():
        row = _undecided(pk, seen)
        generation = Generation.objects.filter(
            pk=generation_id, upstream=current_upstream()
        ).first()
        if row.group != Group.UNKNOWN or not row.task_id or not generation:
            raise NotPossible(_changed())
        enter_task_id(generation, by, version, row.task_id)
        key = f"g{generation.pk}"
        if not Comparison.objects.filter(upstream=row.upstream, key=key).exists():
            row.key, row.generation_id = key, generation.pk
        _record(row, Decision.ASSIGNED, by, "")
        compare(row.at, row.at)


def _undecided(pk: int, seen: Seen) -> Comparison:
    """Lock a row. Raises NotPossible if it was decided, or is not what the page showed."""
    row = Comparison.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotPossible(_changed())
    if row.decision not in ("", Decision.WATCHED):
        raise NotPossible(_("Already decided. Nothing was changed."))
    if (row.billed_e4, row.recorded_e4) != (seen.billed_e4, seen.recorded_e4):
        raise NotPossible(_changed())
    return row


def _correct(row: Comparison, by: Member, note: str) -> None:
    """Charge what the gateway billed, unless the charge has changed since it was matched."""
    generation_id = row.generation_id or 0
    locked = Generation.objects.select_for_update().filter(pk=generation_id)
    charged = locked.values_list("charged_e4", flat=True).first()
    if charged is None or charged != row.recorded_e4:
        raise NotPossible(_changed())
    correct(generation_id, row.billed_e4 or 0, by, note, charged)


def correct(generation_id: int, amount_e4: int, by: Member, note: str, seen_e4: int) -> None:
    """Correct the charge of a generation. `seen_e4` is the charge that the page showed.

    Raises NotPossible if it has changed, or cannot be corrected.
    """
    with transaction.atomic():
        locked = Generation.objects.select_for_update().filter(pk=generation_id)
        row = locked.values("charged_e4", "reservations").first()
        if not row or row["charged_e4"] is None or not row["reservations"]:
            raise NotPossible(_("Only a request that has ended and was counted can be corrected."))
        if row["charged_e4"] != seen_e4:
            raise NotPossible(_changed())
        ledger.correct_charge(generation_id, amount_e4, by, note)
        AuditEntry.objects.record(
            AuditAction.CORRECTED,
            by,
            on=locked.get(),
            before={"charged_e4": seen_e4},
            after={"charged_e4": amount_e4},
            note=note,
        )


def _record(row: Comparison, decision: Comparison.Decision, by: Member, note: str) -> None:
    row.decision, row.decided_by, row.decided_at = decision, by, timezone.now()
    row.note = note[:300]
    keeps_difference = decision in (Decision.IGNORED, Decision.KEPT)
    row.accepted_e4 = row.difference_e4 if keeps_difference else 0
    if decision == Decision.CORRECTED:
        row.recorded_e4 = row.billed_e4 or 0
        row.group = Group.MATCHED
    row.set_block()
    row.save()


def _changed() -> str:
    return _("The amounts have changed meanwhile. Nothing was changed. Here is the current state.")
