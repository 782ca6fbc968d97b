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


def finish(*rows: Generation) -> None:
    Generation.objects.filter(pk__in=[row.pk for row in rows]).update(
        status=Status.CANCELED, finished_at=timezone.now()
    )


def pass_room_wait(settings: Settings) -> None:
    """Let the time end in which smaller requests may pass."""
    past = timezone.now() - timedelta(seconds=settings.ROOM_WAIT_SECONDS + 1)
    Generation.objects.exclude(waits_for_room_since=None).update(waits_for_room_since=past)


def test_smaller_requests_pass_one_that_does_not_fit(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    three, four, one = queue(make_member(), 3, 4, 1)
    assert sent() == [three, one]
    finish(three)
    assert sent() == [four]


def test_smaller_requests_far_behind_in_the_queue_are_found(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    rows = queue(make_member(), 3, *repeat(4, 30), 1)
    assert sent(2) == [rows[0], rows[-1]]


def test_room_is_kept_for_a_request_that_others_have_passed_for_long(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    ann, bob = make_member("ann"), make_member("bob")
    (three,) = queue(bob, 3)
    assert sent() == [three]
    (four,), (one,) = queue(ann, 4), queue(bob, 1)
    assert sent() == [one]
    pass_room_wait(settings)
    finish(one)
    (another,) = queue(bob, 1)
    assert sent() == []
    finish(three)
    assert sent() == [four, another]


def test_no_room_is_kept_for_a_member_who_has_more_than_their_share(settings: Settings) -> None:
    """Two tasks that never end and a third request of one member do not stop the others."""
    settings.CONCURRENCY_LIMIT = 20
    ann, bob = make_member("ann"), make_member("bob")
    never_end = queue(ann, 9, 9)
    assert sent() == never_end
    queue(ann, 4, 1)
    (of_bob,) = queue(bob, 1)
    assert of_bob in sent()
    pass_room_wait(settings)
    finish(of_bob)
    (later_of_ann,), (later_of_bob,) = queue(ann, 1), queue(bob, 1)
    assert sent() == [later_of_bob], "but her other requests wait"
    assert later_of_ann.status == Status.QUEUED


def test_request_larger_than_the_limit_runs_alone(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 5
    one, nine = queue(make_member("ann"), 1, 9)
    assert sent() == [one]
    (another,) = queue(make_member("bob"), 1)
    pass_room_wait(settings)
    assert sent() == [another]
    (third,) = queue(make_member("cem"), 1)
    finish(one)
    assert sent() == [], "room is kept for it"
    finish(another)
    assert sent() == [nine]
    assert sent() == []
    finish(nine)
    assert sent() == [third]


def test_queue_of_a_member_who_is_in_doubt_waits_and_others_go() -> None:
    ann, bob = make_member("ann"), make_member("bob")
    queue(ann, 1, 1)
    (of_bob,) = queue(bob, 1)
    until = timezone.now() + timedelta(minutes=1)
    Member.objects.filter(pk=ann.pk).update(submit_not_before=until)
    assert sent() == [of_bob]


def test_row_with_a_wait_of_its_own_is_passed() -> None:
    first, second = queue(make_member(), 1, 1)
    (item,) = claim_next(1)
    item.generation.mark_postponed(item.submission, TransitionReason.BUSY, seconds=60)
    assert sent() == [second]
    Generation.objects.filter(pk=first.pk).update(submit_not_before=timezone.now())
    assert sent() == [first]


MINUTES_AGO = timezone.now() - timedelta(minutes=11)


@pytest.mark.parametrize(
    ("status", "columns", "counts"),
    [
        (Status.SUBMITTING, {}, True),
        (Status.RUNNING, {}, True),
        (Status.RUNNING, {"lost_at": timezone.now()}, False),
        (Status.RUNNING, {"late_at": timezone.now()}, False),
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
