"""What a person decides about a difference. Each decision is one transaction, and happens once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import OuterRef, Q, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from generations.database_errors import reason_after
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Status,
    Submission,
    Team,
)
from generations.models.money import ComparedDay, Comparison, WatchedTask, ledger
from generations.models.money.price import current_upstream
from generations.requests import NotPossible, enter_task_id
from generations.worker import tasks

from . import months, reading
from .comparing import compare

Group, Decision = Comparison.Group, Comparison.Decision
NEARBY = timedelta(minutes=30)  # of a line: an unconfirmed generation may be its cause
WHOLE_SECOND = timedelta(seconds=1)  # logs leave out fractions, so a line may seem to be earlier
MAX_UNCONFIRMED = 500
MAX_OTHER_PRICES = 10  # of one line


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
    # All that fit as well, itself included: sent in the same second, at the same price. Empty: it
    # is the only one.
    alternatives: "tuple[Suggestion, ...]" = ()
    has_other_price: bool = False  # none costs what was billed: those near in time, to choose from

    @property
    def price_e4(self) -> int | None:
        """What was reserved for it, None without a price."""
        unit_e4 = self.generation.unit_price_e4
        return None if unit_e4 is None else unit_e4 * self.generation.n


def suggestions(rows: Sequence[Comparison]) -> dict[int, Suggestion]:
    """The generation that each row with an unknown task may belong to, by the key of the row.

    It is unconfirmed or lost, was sent at most `NEARBY` before the line, and cost what was billed.
    Each one is suggested once, the nearest first. Where others fit as well, a person must choose,
    and also where none costs what was billed: the price that was reserved may be wrong.
    """
    billed = [row for row in rows if row.group == Group.UNKNOWN and row.task_id]
    billed = [row for row in billed if (row.billed_e4 or 0) > 0]
    candidates = _candidates() if billed else []
    pairs = [(row, each) for row in billed for each in candidates if _fits(row, each)]
    found: dict[int, Suggestion] = {}
    used: set[int] = set()
    for row, each in sorted(pairs, key=lambda pair: abs(pair[0].at - pair[1].sent_at)):
        if row.pk not in found and each.generation.pk not in used:
            found[row.pk] = _with_alternatives(each, candidates)
            used.add(each.generation.pk)
    free = [each for each in candidates if each.generation.pk not in used]
    for row in billed:
        near = [each for each in free if row.pk not in found and _is_near(row, each)]
        near.sort(key=lambda each: abs(row.at - each.sent_at))
        if near:
            found[row.pk] = replace(
                near[0], alternatives=tuple(near[:MAX_OTHER_PRICES]), has_other_price=True
            )
    return found


def _with_alternatives(suggestion: Suggestion, candidates: Sequence[Suggestion]) -> Suggestion:
    second = suggestion.sent_at.replace(microsecond=0)
    same = tuple(
        each
        for each in candidates
        if each.sent_at.replace(microsecond=0) == second and each.price_e4 == suggestion.price_e4
    )
    return replace(suggestion, alternatives=same) if len(same) > 1 else suggestion


def _fits(row: Comparison, suggestion: Suggestion) -> bool:
    return _is_near(row, suggestion) and suggestion.price_e4 == row.billed_e4


def _is_near(row: Comparison, suggestion: Suggestion) -> bool:
    return -WHOLE_SECOND < row.at - suggestion.sent_at <= NEARBY


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
    """Decide about a difference; a correction changes the ledger.

    Raises NotPossible if it was decided already, or is not what the page showed any more. Then its
    time has been matched again, so the next page shows it as it is now.
    """
    with _matched_again_if_refused(pk), transaction.atomic():
        row = _decide(pk, decision, by, note, seen)
        compare(row.at, row.at)


def _decide(
    pk: int, decision: Comparison.Decision, by: Member, note: str, seen: Seen
) -> Comparison:
    """Write a decision. The caller matches its time again, or has that done."""
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
    if decision == Decision.WATCHED:
        _watch(row)
    _record(row, decision, by, note)
    return row


@dataclass(frozen=True)
class Decided:
    """How many of several differences were decided, and why not the others."""

    count: int
    stopped_at: Comparison | None = None
    reason: str = ""


def decide_several(
    rows: Sequence[tuple[int, Seen]], decision: Comparison.Decision, by: Member, note: str
) -> Decided:
    """Decide about each, in a transaction of its own, up to the first one that has changed.

    Their days are summed up once, and matched again by the worker: a corrected charge may be the
    only candidate of another line now.
    """
    done = Decided(len(rows))
    zone, days = Team.objects.current().zone, set[date]()
    for count, (pk, seen) in enumerate(rows):
        row = Comparison.objects.filter(pk=pk, upstream=current_upstream()).first()
        try:
            with _matched_again_if_refused(pk), transaction.atomic():
                row = _decide(pk, decision, by, note, seen)
                of_row = months.days_of([row.at], zone)
                due = {"is_due": True} if decision == Decision.CORRECTED else {}
                ComparedDay.objects.mark(of_row, is_stale=True, **due)
                days |= of_row
        except NotPossible as refusal:
            done = Decided(count, row, refusal.reason)
            break
        except DatabaseError as error:
            done = Decided(count, row, reason_after(count, error))
            break
    months.update(days, timezone.now())
    if days:
        tasks.enqueue_reconcile()
    return done


def _watch(row: Comparison) -> None:
    """Have the worker ask the gateway about the task, until it has ended."""
    WatchedTask.objects.update_or_create(
        upstream=row.upstream,
        task_id=row.task_id,
        defaults={"watched_at": timezone.now(), "next_check_at": timezone.now()},
    )
    tasks.enqueue_reconcile()


def assign(pk: int, by: Member, seen: Seen, generation_id: int, version: int) -> None:
    """Enter the task ID of a row for an unconfirmed generation, which is tracked then.

    Raises NotPossible, as `decide`.
    """
    with _matched_again_if_refused(pk), transaction.atomic():
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


@contextmanager
def _matched_again_if_refused(pk: int) -> Iterator[None]:
    """Outside the transaction that a refusal rolls back."""
    try:
        yield
    except NotPossible:
        row = Comparison.objects.filter(pk=pk).first()
        if row:
            compare(row.at, row.at)
        raise


def _undecided(pk: int, seen: Seen) -> Comparison:
    """Lock a row. Raises NotPossible if it was decided, or is not what the page showed."""
    row = Comparison.objects.select_for_update().filter(pk=pk).first()
    if row is None:
        raise NotPossible(_changed())
    if row.decision not in ("", Decision.WATCHED):
        raise NotPossible(_("Already decided. Nothing was changed."))
    if (row.billed_e4, row.recorded_e4) != (seen.billed_e4, seen.recorded_e4):
        raise NotPossible(_changed())
    if not _is_current(row):
        raise NotPossible(_changed())
    return row


def _is_current(row: Comparison) -> bool:
    """Whether the charge is still the one that was matched, and an unknown task still unknown."""
    if row.generation_id:
        locked = Generation.objects.select_for_update().filter(pk=row.generation_id)
        charge = locked.values("charged_e4", "finished_at").first()
        return charge is None or reading.amount(**charge) == row.recorded_e4
    return not row.task_id or not reading.has_task(row.task_id)


def _correct(row: Comparison, by: Member, note: str) -> None:
    """Charge what the gateway billed. The charge was found unchanged, and is locked."""
    correct(row.generation_id or 0, row.billed_e4 or 0, by, note, row.recorded_e4 or 0)


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
