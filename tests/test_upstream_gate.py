"""The upstream gate: its concurrency limit, pauses, holds, and one gate per engine."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from generations.engines.base import (
    BusyReason,
    HoldReason,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    TaskNotFound,
    Unanswered,
)
from generations.management.commands import run
from generations.models import (
    AuditEntry,
    Generation,
    Member,
    ReportSource,
    SentRequest,
    Status,
    UpstreamGate,
)
from generations.worker import dispatch, submit
from tests.builders import make_generation, make_member
from tests.simulator import Simulator
from tests.worker_driver import make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _concurrency_limit(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 30


def limit_now() -> int:
    return UpstreamGate.for_engine().lock().grow()


def shrink(accepted: int) -> None:
    """As for a request that was sent now."""
    UpstreamGate.for_engine().shrink(accepted, timezone.now())


def pass_time(seconds: float) -> None:
    gate = UpstreamGate.for_engine()
    assert gate.concurrency_limit_changed_at
    UpstreamGate.objects.update(
        concurrency_limit_changed_at=gate.concurrency_limit_changed_at - timedelta(seconds=seconds)
    )


def test_concurrency_limit_shrinks_by_a_quarter_and_grows_back_in_steps() -> None:
    shrink(accepted=5)
    assert limit_now() == 15
    pass_time(31)
    assert limit_now() == 17
    pass_time(30)
    assert limit_now() == 19
    pass_time(30)
    assert limit_now() == 20
    assert UpstreamGate.for_engine().concurrency_limit is None


def test_refusals_of_one_round_trip_shrink_the_limit_once() -> None:
    sent_at = timezone.now()
    for _response in range(3):
        UpstreamGate.for_engine().shrink(8, sent_at)
    assert limit_now() == 15
    shrink(accepted=8)
    assert limit_now() == 11


def test_limit_shrinks_to_what_the_upstream_accepts_but_not_below_one() -> None:
    limits = []
    for accepted in (5, 5, 5, 5, 5, 1, 1, 1, 1, 1):
        shrink(accepted)
        limits.append(limit_now())
    assert limits == [15, 11, 8, 6, 5, 3, 2, 1, 1, 1]


def test_refusal_at_the_full_limit_shrinks_it_too() -> None:
    shrink(accepted=20)
    assert limit_now() == 19


def test_refusal_with_nothing_in_progress_keeps_the_limit() -> None:
    shrink(accepted=0)
    assert limit_now() == 20


def test_without_a_configured_limit_one_is_learned_and_dropped_again(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 0
    shrink(accepted=7)
    assert limit_now() == 7
    pass_time(24 * 3600)
    assert limit_now() == 0


def test_success_does_not_raise_the_limit_and_resume_does() -> None:
    shrink(accepted=4)
    UpstreamGate.for_engine().clear()
    assert limit_now() == 15
    UpstreamGate.for_engine().resume()
    assert limit_now() == 20


def test_shrunk_limit_is_applied_to_submits() -> None:
    for _row in range(4):
        make_generation(n=2)
    UpstreamGate.objects.filter(pk=UpstreamGate.for_engine().pk).update(
        concurrency_limit=4, concurrency_limit_changed_at=timezone.now()
    )
    assert len(dispatch.claim_next(100)) == 2


def test_upstream_with_a_lower_limit_still_completes_all_requests(
    upstream: Simulator, settings: Settings
) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 0.1
    upstream.settings(concurrency_limit=4)
    rows = [make_generation(prompt=f"a small limit {number}", n=2) for number in range(8)]
    run_worker()
    for row in rows:
        row.refresh_from_db()
    assert {row.status for row in rows} == {Status.SUCCEEDED}
    assert len(upstream.tasks()) == 8


def test_pause_stops_submits_and_keeps_the_queue(upstream: Simulator, admin: Member) -> None:
    row = make_generation()
    assert UpstreamGate.for_engine().pause(admin, "Monthly limit reached")
    assert not UpstreamGate.for_engine().pause(admin, "a second one changes nothing")
    assert not submit.has_work()
    assert dispatch.claim_next(10) == []
    # a success ends a hold, but not a pause
    UpstreamGate.for_engine().clear()
    assert UpstreamGate.for_engine().pause_reason == "Monthly limit reached"
    assert not submit.has_work()
    # and resuming does
    UpstreamGate.for_engine().resume()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_restored_install_is_paused_once_also_before_its_first_request(db: None) -> None:
    mode = UpstreamGate.for_engine().upstream
    UpstreamGate.objects.all().delete()
    for is_first in (True, False):
        assert UpstreamGate.pause_all(mode, "Restored") is is_first
    gate = UpstreamGate.for_engine()
    assert (gate.is_paused, gate.paused_by, gate.pause_reason) == (True, None, "Restored")
    gate.resume()
    assert not UpstreamGate.for_engine().is_paused


def test_tasks_in_progress_are_polled_during_a_pause(upstream: Simulator, admin: Member) -> None:
    row = make_generation()
    run_worker(lambda: row.submissions.exclude(upstream_task_id="").exists())
    UpstreamGate.for_engine().pause(admin, "Lunch")
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert timezone.now() - (UpstreamGate.for_engine().paused_at or timezone.now()) < timedelta(
        minutes=1
    )


@pytest.mark.parametrize("reason", [UpstreamGate.HoldReason.KEY, UpstreamGate.HoldReason.ADDRESS])
def test_hold_that_a_query_disproves_ends_with_an_empty_queue(
    reason: UpstreamGate.HoldReason, upstream: Simulator
) -> None:
    UpstreamGate.for_engine().hold(reason, by=ReportSource.POLL)
    assert not submit.has_work()
    make_probe_due()
    assert submit.has_work()
    run_loops("submit")
    assert not UpstreamGate.for_engine().is_held
    assert upstream.requests("submit") == []


def test_hold_that_a_submit_has_shown_is_not_ended_by_queries(upstream: Simulator) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    make_probe_due()
    assert not submit.has_work()
    UpstreamGate.for_engine().report(None, source=ReportSource.POLL)
    assert UpstreamGate.for_engine().is_held
    row = make_generation()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert not UpstreamGate.for_engine().is_held


def test_rejected_key_is_tested_by_queries_and_not_by_posts(
    upstream: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_KEY = "another key"
    settings.HOLD_RETRY_SECONDS = 60
    make_generation()
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    for probes in (1, 2):
        make_probe_due()
        run_loops("submit")
        gate = UpstreamGate.for_engine()
        assert gate.hold_reason == UpstreamGate.HoldReason.KEY
        assert gate.probes == probes
        # the next gap is twice as long
        assert gate.probe_at
        assert gate.probe_at > timezone.now() + timedelta(seconds=60 * 2**probes - 5)
    assert upstream.requests("submit") == []


def test_account_hold_is_tested_by_a_queued_request(upstream: Simulator) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    make_probe_due()
    assert not submit.has_work()
    row = make_generation()
    assert submit.has_work()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert not UpstreamGate.for_engine().is_held


# --- one gate per upstream and engine -----------------------------------------------------------


def test_gates_of_other_engines_and_upstreams_are_separate(settings: Settings) -> None:
    UpstreamGate.for_engine("kling").hold(UpstreamGate.HoldReason.KEY)
    UpstreamGate.for_engine("another").wait(60)
    settings.UPSTREAM_MODE = "another-upstream"
    assert not UpstreamGate.for_engine("kling").is_held
    assert UpstreamGate.objects.count() == 3


def test_reading_for_pages_creates_no_gate() -> None:
    assert UpstreamGate.current_or_none() is None
    gate = UpstreamGate.for_engine()
    assert UpstreamGate.current_or_none() == gate
    assert UpstreamGate.current_or_none("another") is None


def test_worker_leaves_rows_of_an_unknown_engine_alone(
    upstream: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    now = timezone.now()
    queued = make_generation(engine="another")
    running = make_generation(Status.RUNNING, engine="another", next_poll_at=now, n=4)
    unconfirmed = make_generation(Status.UNCONFIRMED, engine="another", next_poll_at=now)
    run_loops()
    for row, status in (
        (queued, Status.QUEUED),
        (running, Status.RUNNING),
        (unconfirmed, Status.UNCONFIRMED),
    ):
        row.refresh_from_db()
        assert (row.status, row.version) == (status, 1)
    assert upstream.requests() == []
    assert Generation.objects.images_in_flight() == 0
    assert Generation.objects.images_in_flight("another") == 5


def test_start_with_a_key_ends_demo_rows_but_no_rows_of_other_engines(settings: Settings) -> None:
    settings.UPSTREAM_MODE = "live"
    demo = make_generation(upstream="simulator")
    other_engine = make_generation(upstream="live", engine="another")
    run._end_demo_generations()
    demo.refresh_from_db()
    other_engine.refresh_from_db()
    assert (demo.status, other_engine.status) == (Status.CANCELED, Status.QUEUED)


# --- reported outcomes --------------------------------------------------------------------------


def sent(generation: Generation | None = None, **columns: Any) -> SentRequest:
    row = generation or make_generation()
    return SentRequest(row.pk, row.owner_id, **{"sent_at": timezone.now(), **columns})


def report(*errors: Exception | None) -> UpstreamGate:
    """Report one submit for each, of different requests and people."""
    for error in errors:
        with transaction.atomic():
            UpstreamGate.for_engine().report_submit(error, sent())
    return UpstreamGate.for_engine()


BUSY = SlowDown("no", reason=BusyReason.UNKNOWN)


@pytest.mark.parametrize("source", [ReportSource.POLL, ReportSource.LOOKUP])
def test_only_a_poll_ends_a_hold_that_a_query_has_started(source: ReportSource) -> None:
    gate = UpstreamGate.for_engine()
    gate.hold(UpstreamGate.HoldReason.KEY, by=ReportSource.POLL)
    gate.report(None, source=source)
    assert gate.is_held == (source is ReportSource.LOOKUP)


def test_poll_does_not_end_a_hold_that_it_cannot_disprove() -> None:
    gate = UpstreamGate.for_engine()
    gate.hold(UpstreamGate.HoldReason.ACCOUNT, by=ReportSource.POLL)
    gate.report(None, source=ReportSource.POLL)
    assert gate.is_held


@pytest.mark.parametrize("source", [ReportSource.POLL, ReportSource.LOOKUP])
def test_refused_queries_cause_a_hold_unless_another_succeeds(source: ReportSource) -> None:
    gate, refused = UpstreamGate.for_engine(), OnHold("no", reason=HoldReason.KEY)
    gate.report(refused, refused, refused, None, source=source)
    gate.report(refused, refused, source=source)
    assert not gate.is_held
    gate.report(refused, source=source)
    assert (gate.hold_reason, gate.held_by) == (HoldReason.KEY, source)


@pytest.mark.parametrize("error", [Unanswered("no"), TaskNotFound("no"), ValueError("no")])
def test_other_errors_of_queries_change_nothing(error: Exception) -> None:
    gate = UpstreamGate.for_engine()
    gate.report(error, source=ReportSource.POLL)
    assert not gate.is_held
    assert gate.unanswered_in_a_row == 0
    assert gate.can_submit(timezone.now())


def test_unsent_submit_causes_a_wait_that_does_not_count_as_busy() -> None:
    gate = report(NotSent("no"))
    assert not gate.can_submit(timezone.now())
    assert gate.busy_since is None


def test_refused_submit_ends_waits() -> None:
    UpstreamGate.for_engine().wait(60)
    assert report(RequestRefused("no")).can_submit(timezone.now())


def test_refused_prompt_does_not_end_a_hold_of_an_empty_account() -> None:
    empty = OnHold("no", reason=HoldReason.ACCOUNT)
    assert report(empty, RequestRefused("no")).is_held
    assert not report(None).is_held


# --- silences -----------------------------------------------------------------------------------


def silence() -> float:
    until = UpstreamGate.for_engine().silent_until
    assert until
    return round((until - timezone.now()).total_seconds())


def end_silence() -> None:
    UpstreamGate.objects.update(silent_until=timezone.now())


def test_first_retry_after_is_honored_for_a_minute_and_a_repeated_one_in_full() -> None:
    hour = SlowDown("no", wait_seconds=3600)
    for _burst in range(3):
        UpstreamGate.for_engine().report(hour, source=ReportSource.POLL)
    assert silence() == 60
    end_silence()
    UpstreamGate.for_engine().report(hour, source=ReportSource.POLL)
    assert silence() == 3600


def test_good_response_after_a_silence_forgets_it() -> None:
    hour = SlowDown("no", wait_seconds=3600)
    for good in (lambda: UpstreamGate.for_engine().report(None, source=ReportSource.POLL), report):
        UpstreamGate.for_engine().report(hour, source=ReportSource.POLL)
        end_silence()
        good(*[None] * (good is report))
        UpstreamGate.for_engine().report(hour, source=ReportSource.POLL)
        assert silence() == 60
        UpstreamGate.for_engine().resume()


def test_short_retry_after_is_honored_exactly() -> None:
    UpstreamGate.for_engine().report(SlowDown("no", wait_seconds=7), source=ReportSource.LOOKUP)
    assert silence() == 7


# --- one request's trouble and everybody's --------------------------------------------------------


@pytest.mark.parametrize("reason", [BusyReason.RATE, BusyReason.OVERLOADED, BusyReason.NO_CHANNEL])
def test_only_a_full_upstream_shrinks_the_limit(reason: BusyReason) -> None:
    for _request in range(4):
        UpstreamGate.for_engine().report_submit(
            SlowDown("no", reason=reason), sent(images_in_flight=8)
        )
    assert limit_now() == 20
    full = SlowDown("no", reason=BusyReason.CONCURRENCY)
    UpstreamGate.for_engine().report_submit(full, sent(images_in_flight=8))
    assert limit_now() == 15


def test_bare_429_shrinks_the_limit_when_it_comes_again_without_a_success() -> None:
    for accepted in (8, 8):
        UpstreamGate.for_engine().report_submit(BUSY, sent(images_in_flight=accepted))
    report(None)
    for accepted in (8, 8):
        UpstreamGate.for_engine().report_submit(BUSY, sent(images_in_flight=accepted))
    assert limit_now() == 20
    UpstreamGate.for_engine().report_submit(BUSY, sent(images_in_flight=8))
    assert limit_now() == 15


def test_refusals_of_one_request_delay_no_other() -> None:
    row = make_generation()
    for _attempt in range(5):
        UpstreamGate.for_engine().report_submit(BUSY, sent(row))
    assert UpstreamGate.for_engine().can_submit(timezone.now())


def test_refusals_of_three_requests_in_a_row_delay_all() -> None:
    assert report(BUSY, BUSY).can_submit(timezone.now())
    assert not report(BUSY).can_submit(timezone.now())


@pytest.mark.parametrize(
    ("reason", "hold"),
    [
        (BusyReason.UNKNOWN, UpstreamGate.HoldReason.BUSY),
        (BusyReason.NO_CHANNEL, UpstreamGate.HoldReason.MODEL),
        (BusyReason.OVERLOADED, ""),
    ],
)
def test_refusals_of_all_for_minutes_are_a_hold_if_waiting_may_not_help(
    reason: BusyReason, hold: str
) -> None:
    busy = SlowDown("no", reason=reason)
    report(busy, busy, busy)
    UpstreamGate.objects.update(busy_since=timezone.now() - timedelta(minutes=6))
    assert report(busy).hold_reason == hold


def test_unanswered_submits_of_one_person_are_tested_by_those_of_others() -> None:
    ann, bob = make_member("ann"), make_member("bob")
    rows = [make_generation(owner=ann) for _ in range(3)]
    for row in rows:
        UpstreamGate.for_engine().report_submit(Unanswered("no"), sent(row))
    assert UpstreamGate.for_engine().hold_reason == UpstreamGate.HoldReason.UNREACHED
    assert dispatch.claim_next(9) == []
    of_bob = [make_generation(owner=bob), make_generation(owner=bob)]
    (item,) = dispatch.claim_next(9)
    assert item.generation == of_bob[0]
    assert dispatch.claim_next(9) == [], "one at a time"
    UpstreamGate.for_engine().report_submit(None, sent(of_bob[0]))
    assert not UpstreamGate.for_engine().is_held


def test_unanswered_submits_of_two_people_hold_all() -> None:
    gate = report(*[Unanswered("no")] * 3)
    assert gate.is_held
    assert not gate.can_submit(timezone.now())


def test_success_of_a_request_sent_before_a_hold_does_not_end_it() -> None:
    early = sent()
    report(OnHold("no", reason=HoldReason.ACCOUNT))
    UpstreamGate.for_engine().report_submit(None, early)
    assert UpstreamGate.for_engine().is_held
    assert not report(None).is_held


def test_two_requests_with_the_same_hold_are_no_suspicion_of_one() -> None:
    gate = report(OnHold("no", reason=HoldReason.ACCOUNT))
    assert gate.can_submit(timezone.now())
    assert not report(OnHold("no", reason=HoldReason.ACCOUNT)).can_submit(timezone.now())


def test_two_requests_with_different_holds_are_tested_by_a_third_at_once() -> None:
    gate = report(OnHold("no", reason=HoldReason.RIGHTS))
    rows = [make_generation(), make_generation()]
    for row, error in zip(rows, [OnHold("no", reason=HoldReason.KEY), None], strict=True):
        (item,) = dispatch.claim_next(9)
        assert item.generation == row
        gate = UpstreamGate.for_engine()
        gate.report_submit(error, sent(row))
        assert gate.is_held == bool(error)


def test_test_of_a_hold_that_fails_for_another_reason_leaves_it_to_the_next_request() -> None:
    report(OnHold("no", reason=HoldReason.KEY))
    tests = [make_generation(owner=make_member(name)) for name in ("ann", "bob")]
    for row in tests:
        assert [item.generation for item in dispatch.claim_next(9)] == [row]
        UpstreamGate.for_engine().report_submit(Unanswered("no"), sent(row))
    make_generation()
    assert dispatch.claim_next(9) == [], "two tests at once, the next after a while"
    make_probe_due()
    assert len(dispatch.claim_next(9)) == 1


def test_gap_between_tests_doubles_only_when_they_show_the_same_problem() -> None:
    report(*[OnHold("no", reason=HoldReason.KEY)] * 2)
    gaps = []
    for error in [OnHold("no", reason=HoldReason.KEY), SlowDown("no"), Unanswered("no")]:
        make_probe_due()
        row = make_generation()
        assert dispatch.claim_next(9)
        gate = UpstreamGate.for_engine()
        gate.report_submit(error, sent(row))
        assert gate.probe_at
        gaps.append(round((gate.probe_at - timezone.now()) / timedelta(seconds=1)))
    assert gaps == [120, 60, 60]


def test_what_an_admin_does_to_a_gate_is_recorded_by_the_gate(admin: Member) -> None:
    gate = UpstreamGate.for_engine()
    assert gate.pause(admin, "Lunch")
    assert not gate.pause(admin, "Dinner")
    gate.resume(admin)
    assert gate.configure(5, None, admin)
    assert not gate.configure(5, None, admin)
    entries = AuditEntry.objects.order_by("pk").values_list("action", "by_name", "note", "after")
    assert list(entries) == [
        ("paused", admin.username, "Lunch", {}),
        ("resumed", admin.username, "Lunch", {}),
        ("queue-changed", admin.username, "", {"limit": 5, "gap": None}),
    ]
