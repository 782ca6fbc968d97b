"""Transactions that change periods of several months lock them in one order: no deadlock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.models import F

from generations import batches
from generations.models import Batch, Generation, LimitReached, Member, Quote, Status
from generations.models.money import LedgerEntry, Limit, Period, Price, Window, ledger
from generations.operations import ledger_check
from generations.requests import GenerationRequest, create
from tests.builders import make_admin, make_generation
from tests.installation import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

PRICE_E4 = 500
QUOTE = Quote("kling", "kling-v1", "", PRICE_E4, 1)
TWO_MONTHS = timedelta(days=62)


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    """Two generations, each reserved two months ago and again now."""
    rows = [make_generation(owner=owner, reservations=2) for _row in range(2)]
    for row in rows:
        ledger.reserve(row.pk, 1, owner, QUOTE)
    Period.objects.update(starts_at=F("starts_at") - TWO_MONTHS, ends_at=F("ends_at") - TWO_MONTHS)
    for row in rows:
        ledger.reserve(row.pk, 2, owner, QUOTE)
    assert Period.objects.count() == 8
    return rows


def is_one_waiting() -> bool:
    """Whether another transaction waits for this one. On SQLite it waits to begin."""
    if connection.vendor == "sqlite":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks"
            " WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"
        )
        return bool(cursor.fetchone()[0])


def test_correction_waits_for_an_end_that_locks_the_same_months(rows: list[Generation]) -> None:
    """It has to start with the earlier month, which the other transaction holds."""
    corrected, ending = rows
    charged = sum(ledger.end(corrected.pk, each, 1) for each in (1, 2))
    Generation.objects.filter(pk=corrected.pk).update(charged_e4=charged)
    admin, differences = make_admin(), []

    def correct() -> None:
        try:
            differences.append(ledger.correct_charge(corrected.pk, 0, admin, "not billed"))
        finally:
            connection.close()

    other = Thread(target=correct)
    with transaction.atomic():
        parts = [ledger.end(ending.pk, 1, 1)]
        other.start()
        wait_until(is_one_waiting, what="the correction waits")
        parts.append(ledger.end(ending.pk, 2, 1))
        Generation.objects.filter(pk=ending.pk).update(charged_e4=sum(parts))
    other.join()
    assert differences == [-1000]
    assert Generation.objects.get(pk=corrected.pk).charged_e4 == 0
    assert ledger_check.differences() == []


def test_periods_are_locked_in_the_order_of_a_request(rows: list[Generation]) -> None:
    with transaction.atomic():
        locked = [(each.member_id, each.window) for each in Period.objects.all().lock()]
    windows, owners = ["month", "month", "day", "day"], (None, rows[0].owner_id)
    assert locked == [(owner, window) for owner in owners for window in windows]


def test_cancel_of_a_batch_waits_for_that_of_one_of_its_rows(owner: Member) -> None:
    """It must not hold the periods while it waits for the row."""
    requests = [GenerationRequest(f"Pear {number}", "1:1") for number in range(3)]
    batch = batches.start(owner, "", requests, str(uuid4()))
    row, canceled = batch.rows.get(batch_row=2), list[int]()

    def cancel() -> None:
        try:
            canceled.append(batches.cancel_rest(batch, owner))
        finally:
            connection.close()

    other = Thread(target=cancel)
    with transaction.atomic():
        Generation.objects.select_for_update().get(pk=row.pk)
        other.start()
        wait_until(is_one_waiting, what="the cancel of the batch waits")
        assert row.cancel(owner, row.version)
    other.join()
    assert canceled == [2]
    assert not batch.rows.filter(status=Status.QUEUED).exists()
    assert ledger_check.differences() == []


def test_of_two_batches_at_the_limit_one_starts_whole_beside_single_presses(
    owner: Member, stranger: Member
) -> None:
    """In the first moment of a month: all of them create the same periods. Each batch twice."""
    Price.objects.create(engine="kling", model="*", amount_e4=PRICE_E4)
    presses, rows = 3, 200
    most = rows + 2 * presses  # room for one of the batches, and for all presses in any order
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=PRICE_E4 * most, images=most)
    requests = [GenerationRequest(f"Pear {number}", "1:1") for number in range(rows)]

    people = (owner, stranger)
    keys = {person.pk: str(uuid4()) for person in people}

    def start(member: Member) -> None:
        batches.start(member, "", requests, keys[member.pk])

    def press(member: Member) -> None:
        create(member, GenerationRequest("A plum", "1:1"), str(uuid4()))

    steps = [*product((start,), people * 2), *product((press,), people * presses)]
    together = Barrier(len(steps))

    def is_refused(step: Callable[[Member], None], member: Member) -> bool:
        try:
            together.wait()
            step(member)
        except LimitReached:
            return True
        finally:
            connection.close()
        return False

    with ThreadPoolExecutor(len(steps)) as pool:
        refused = list(pool.map(is_refused, *zip(*steps, strict=True)))
    assert sorted(refused[:2]) == [False, True], "one of the batches"
    assert refused[2:4] == refused[:2], "a second press is answered as the first"
    assert not any(refused[4:])
    [batch] = Batch.objects.all()
    assert batch.rows.count() == rows
    assert Generation.objects.count() == most
    months = Period.objects.filter(window=Window.MONTH)
    assert [(each.reserved_e4, each.reserved_images) for each in months.filter(member=None)] == [
        (PRICE_E4 * most, most)
    ]
    assert sum(each.reserved_images for each in months.exclude(member=None)) == most
    assert LedgerEntry.objects.filter(period__in=months.filter(member=None)).count() == most
    assert ledger_check.differences() == []
