"""Checks that the ledger explains every figure: counters, open reservations and daily sums."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction
from django.db.models import Case, IntegerField, Sum, Value, When

from generations.models import Generation
from generations.models.money import (
    CheckedLedger,
    LedgerEntry,
    Period,
    UsageSum,
    Window,
    ledger,
    usage_day,
)
from generations.models.money.amounts import plain
from generations.models.money.period import COUNTERS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Difference:
    """A figure that the ledger does not explain."""

    what: str
    found: int
    expected: int
    is_money: bool = False  # in ten-thousandths

    def __str__(self) -> str:
        """A sentence for an admin."""
        found, expected = (
            (plain(each) if self.is_money else str(each)) for each in (self.found, self.expected)
        )
        return f"{self.what}: {found}, but the entries say {expected}"


def differences() -> list[Difference]:
    with _snapshot():
        return [*_counters(), *_reservations(), *_daily_sums()]


def check() -> list[Difference]:
    """Compare everything, and store the result for the overview of the admins."""
    found = differences()
    CheckedLedger.objects.store([str(each) for each in found])
    return found


def check_daily() -> None:
    """Scheduled by the worker."""
    if found := check():
        logger.error("The ledger does not explain %d figures, first: %s", len(found), found[0])


@contextmanager
def _snapshot() -> Iterator[None]:
    """Let all queries see one moment: requests that arrive in between are no difference.

    Inside a transaction that has begun before, the caller is responsible.
    """
    has_begun = connection.in_atomic_block
    if connection.vendor == "sqlite" and not has_begun:
        with _reading_snapshot():
            yield
        return
    with transaction.atomic():
        if connection.vendor == "postgresql" and not has_begun:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield


@contextmanager
def _reading_snapshot() -> Iterator[None]:
    """SQLite: our transactions are IMMEDIATE, in which nobody else can write for seconds."""
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def _counters() -> Iterator[Difference]:
    """Counters that are not the sum of their entries."""
    sums = ledger.sums()
    for period in Period.objects.select_related("member").order_by("pk"):
        expected = sums.get(period.pk, dict.fromkeys(COUNTERS, 0))
        for name in COUNTERS:
            found = getattr(period, name)
            if found != expected[name]:
                what = f"{name.removesuffix('_e4')} of {period}"
                yield Difference(what, found, expected[name], is_money=name.endswith("_e4"))


def _reservations() -> Iterator[Difference]:
    """Generations with more or fewer open reservations than their state requires."""
    found = _open_reservations()
    rows = Generation.objects.filter(finished_at=None, charged_e4=None, reservations__gt=0)
    expected = dict(rows.values_list("pk", "reservations"))
    for pk in sorted(found.keys() | expected.keys()):
        if found.get(pk, 0) != expected.get(pk, 0):
            what = f"open reservations of generation {pk}"
            yield Difference(what, found.get(pk, 0), expected.get(pk, 0))


def _daily_sums() -> Iterator[Difference]:
    """Days whose stored sums are shown, and are not those of the counters."""
    columns = ("charged_e4", "charged_images")
    sums = UsageSum.objects.order_by().values_list("day").annotate(*(Sum(each) for each in columns))
    stored = {day: values for day, *values in sums}
    for state in usage_day.states_of(usage_day.days_of_the_team()):
        if not state.is_rolled_up:
            continue
        for name, found in zip(columns, stored.get(state.period.pk, (0, 0)), strict=True):
            expected = getattr(state.period, name)
            if found != expected:
                what = f"{name.removesuffix('_e4')} in the daily sums of {state.period}"
                yield Difference(what, found, expected, is_money=name.endswith("_e4"))


def _open_reservations() -> dict[int, int]:
    """The number of reservations without an end, by generation: one entry each for the team."""
    entries = LedgerEntry.objects.filter(
        generation_id__isnull=False, period__member=None, period__window=Window.MONTH
    )
    sums = entries.order_by().values_list("generation_id").annotate(open=Sum(open_step()))
    return dict(sums.exclude(open=0))


def open_step() -> Case:
    """1 for an entry that makes a reservation, -1 for one that ends it: the sum is what is open."""
    kind = LedgerEntry.Kind
    return Case(
        When(kind=kind.RESERVE, then=Value(1)),
        When(kind__in=(kind.RELEASE, kind.CHARGE), then=Value(-1)),
        default=Value(0),
        output_field=IntegerField(),
    )
