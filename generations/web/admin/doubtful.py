"""Generations whose outcome is in doubt, and what is at risk with them.

Unconfirmed, lost and late rows are open rows, which an index finds; there are few.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Max
from django.utils import timezone

from generations.models import Generation, Picture, Status
from generations.models.counting import count_up_to
from generations.models.generation import GenerationQuerySet
from generations.models.money import LedgerEntry
from generations.models.picture import NOT_STORED

# A late task is polled on, so at first nobody has to decide anything about it.
LATE_NEEDS_DECISION = timedelta(hours=1)
# Then the gateway has deleted the files.
DOWNLOADABLE_FOR = timedelta(days=7)
MAX_ROWS = 1000  # of which the amounts are added up
MAX_LOST = 200  # images without a file that are looked at, the newest first


@dataclass(frozen=True)
class AtRisk:
    amount_e4: int
    unconfirmed: int
    late: int
    lost: int
    not_found: int
    key_missing: int


def unconfirmed() -> GenerationQuerySet:
    """First those that a member asks to check, the first one asked first."""
    asked_first = F("asked_at").asc(nulls_last=True)
    return _open(Status.UNCONFIRMED).order_by(asked_first, "created_at", "pk")


def lost() -> GenerationQuerySet:
    return _open(Status.RUNNING).filter(lost_at__isnull=False)


def not_found() -> GenerationQuerySet:
    """The gateway has not found their task so far: its ID may have been mistyped."""
    running = _open(Status.RUNNING).filter(lost_at=None, late_at=None, key_missing_since=None)
    return running.filter(first_not_found_at__isnull=False)


def late() -> GenerationQuerySet:
    rows = _open(Status.RUNNING).filter(lost_at=None, key_missing_since=None)
    return rows.filter(late_at__isnull=False)


def key_missing() -> GenerationQuerySet:
    """Nobody asks about their task, because the key that sent them is gone."""
    return _open(Status.RUNNING).filter(lost_at=None, key_missing_since__isnull=False)


def late_for_long() -> GenerationQuerySet:
    return late().filter(late_at__lt=timezone.now() - LATE_NEEDS_DECISION)


def without_files(limit: int) -> GenerationQuerySet:
    """Up to `limit` recent generations with images that could not be downloaded."""
    lost = Picture.objects.filter(NOT_STORED, state=Picture.State.LOST).order_by("-pk")
    keys = set(lost.values_list("generation", flat=True)[:MAX_LOST])
    since = timezone.now() - DOWNLOADABLE_FOR
    rows = Generation.objects.for_current_upstream().filter(pk__in=keys, created_at__gte=since)
    return rows.select_related("owner").order_by("-pk")[:limit]


def _open(status: Status) -> GenerationQuerySet:
    rows = Generation.objects.for_current_upstream().filter(status=status, finished_at=None)
    return rows.order_by("created_at", "pk")


def at_risk() -> AtRisk:
    """What the gateway may have charged, or may charge yet, for rows that are in doubt."""
    kinds = (unconfirmed(), late(), lost(), not_found(), key_missing())
    counts = count_up_to(MAX_ROWS, kinds)
    keys = [
        pk
        for count, rows in zip(counts, kinds, strict=True)
        if count
        for pk in rows.values_list("pk", flat=True)[:MAX_ROWS]
    ]
    return AtRisk(sum(reserved_amounts(keys).values()), *counts)


def reserved_amounts(keys: Collection[int]) -> dict[int, int]:
    """What each of these open generations has reserved, by its key.

    A step has an entry for each of its periods, all with the same amount.
    """
    if not keys:
        return {}
    steps = (
        LedgerEntry.objects.filter(generation_id__in=keys, kind=LedgerEntry.Kind.RESERVE)
        .order_by()
        .values("generation_id", "reservation")
        .annotate(amount=Max("reserved_e4"))
    )
    amounts: dict[int, int] = {}
    for key, amount in steps.values_list("generation_id", "amount"):
        if key is not None:
            amounts[key] = amounts.get(key, 0) + amount
    return amounts
