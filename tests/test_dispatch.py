"""Dispatch: queue order, concurrency limit, claims, and holds."""

from datetime import timedelta
from itertools import chain, repeat
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    Failure,
    Generation,
    Member,
    ReferenceImage,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
)
from generations.worker.dispatch import claim_next
from tests.builders import make_generation, make_member

pytestmark = pytest.mark.django_db

ALL = 100


def queue(owner: Member, *sizes: int) -> list[Generation]:
    return [make_generation(owner=owner, n=n) for n in sizes]


def sent(limit: int = ALL) -> list[Generation]:
    return [item.generation for item in claim_next(limit)]


@pytest.fixture(autouse=True)
def _no_concurrency_limit(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 0


# --- queue order -------------------------------------------------------------------------------


@pytest.mark.parametrize("b_was_served", [None, timedelta(hours=1), timedelta()])
def test_second_member_is_served_within_two_turns(b_was_served: timedelta | None) -> None:
    a, b = make_member(), make_member()
    queue(a, *repeat(1, 100))
    sent(1)
    (of_b,) = queue(b, 1)
    if b_was_served is not None:
        Member.objects.filter(pk=b.pk).update(last_submitted_at=timezone.now() - b_was_served)
    assert of_b in (*sent(1), *sent(1))


def test_batch_takes_one_request_per_member_in_a_round() -> None:
    people = [make_member(name) for name in ("ada", "bo", "cy")]
    for person, count in zip(people, (3, 1, 2), strict=True):
        queue(person, *repeat(1, count))
    owners = [generation.owner.username for generation in sent()]
    assert owners == ["ada", "bo", "cy", "ada", "cy", "ada"]


def test_member_served_longest_ago_is_first() -> None:
    ada, bo = make_member("ada"), make_member("bo")
    queue(ada, 1, 1, 1)
    queue(bo, 1, 1, 1)
    assert [row.owner.username for row in chain(*(sent(1) for _ in range(4)))] == [
        "ada",
        "bo",
        "ada",
        "bo",
    ]


def test_postponed_request_keeps_its_place() -> None:
    first, second = queue(make_member(), 1, 1)
    (item,) = claim_next(1)
    item.generation.mark_postponed(item.submission, TransitionReason.BUSY)
    assert sent(1) == [first]
    assert sent(1) == [second]


# --- concurrency limit -------------------------------------------------------------------------


def test_smaller_request_does_not_overtake_one_that_does_not_fit(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    three, four, one = queue(make_member(), 3, 4, 1)
    assert sent() == [three]
    assert sent() == []
    Generation.objects.filter(pk=three.pk).update(
        status=Status.CANCELED, finished_at=timezone.now()
    )
    assert sent() == [four, one]


def test_request_larger_than_the_limit_runs_alone(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    one, nine, another = queue(make_member(), 1, 9, 1)
    assert sent() == [one]
    Generation.objects.filter(pk=one.pk).update(status=Status.CANCELED, finished_at=timezone.now())
    assert sent() == [nine]
    assert sent() == []
    Generation.objects.filter(pk=nine.pk).update(status=Status.CANCELED, finished_at=timezone.now())
    assert sent() == [another]


MINUTES_AGO = timezone.now() - timedelta(minutes=11)


@pytest.mark.parametrize(
    ("status", "columns", "counts"),
    [
        (Status.SUBMITTING, {}, True),
        (Status.RUNNING, {}, True),
        (Status.RUNNING, {"lost_at": timezone.now()}, False),
        (Status.UNCONFIRMED, {}, True),
        (Status.UNCONFIRMED, {"status_at": MINUTES_AGO}, False),
        (Status.FETCHING, {}, False),
        (Status.QUEUED, {}, False),
    ],
)
def test_images_in_flight_counts_rows_that_may_be_in_progress(
    status: Status, columns: dict[str, Any], counts: bool
) -> None:
    make_generation(status, n=4, **columns)
    assert Generation.objects.images_in_flight() == (4 if counts else 0)


# --- claims ------------------------------------------------------------------------------------


def test_row_is_submitting_before_anything_is_sent() -> None:
    make_generation(owner=make_member())
    (item,) = claim_next(1)
    row = Generation.objects.get()
    assert (row.status, row.attempt) == (Status.SUBMITTING, 1)
    assert item.submission == Submission.objects.get(generation=row, attempt=1)
    assert item.submission.deadline_at > timezone.now()


def test_request_with_a_missing_reference_image_fails_unsent() -> None:
    owner = make_member()
    gone = ReferenceImage.objects.create(
        owner=owner,
        file="references/gone.png",
        name="pear.png",
        content_type="image/png",
        width=300,
        height=300,
        size_bytes=1,
        sha256="0",
    )
    row = make_generation(owner=owner, reference=gone)
    assert claim_next(1) == []
    row.refresh_from_db()
    assert (row.status, row.failure) == (Status.FAILED, Failure.OURS)
    assert row.submissions.get().outcome == Submission.Outcome.REFUSED


# --- holds and waits ---------------------------------------------------------------------------


def test_hold_lets_no_request_through_before_its_probe() -> None:
    queue(make_member(), 1, 1)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    assert sent() == []


def test_hold_lets_one_request_through_as_probe() -> None:
    queue(make_member(), 1, 1, 1)
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    UpstreamGate.objects.update(probe_at=timezone.now())
    assert len(sent()) == 1
    assert sent() == []
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.KEY


def test_probe_gap_doubles_up_to_fifteen_minutes(settings: Settings) -> None:
    settings.HOLD_RETRY_SECONDS = 60
    queue(make_member(), *repeat(1, 7))
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    gaps = []
    for _ in range(6):
        UpstreamGate.objects.update(probe_at=timezone.now())
        before = timezone.now()
        (item,) = claim_next(ALL)
        # Refused again: the response must not double the gap a second time.
        item.generation.mark_postponed(item.submission, TransitionReason.BUSY)
        UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
        probe_at = UpstreamGate.for_engine().probe_at
        assert probe_at
        gaps.append(round((probe_at - before).total_seconds() / 60))
    assert gaps == [2, 4, 8, 15, 15, 15]


def test_burst_of_holds_does_not_delay_the_probe() -> None:
    for _ in range(16):
        UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT, "no money")
    gate = UpstreamGate.for_engine()
    assert gate.held_at
    assert gate.probe_at
    assert round((gate.probe_at - gate.held_at).total_seconds()) == 60


def test_wait_stops_submits_until_it_is_over() -> None:
    queue(make_member(), 1)
    UpstreamGate.for_engine().wait(60)
    assert sent() == []
    UpstreamGate.objects.update(submit_not_before=timezone.now())
    assert len(sent()) == 1
