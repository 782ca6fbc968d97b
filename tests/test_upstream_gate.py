"""The upstream gate: its concurrency limit, pauses, holds, and one gate per engine."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.engines.base import (
    HoldReason,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    TaskNotFound,
    Unanswered,
)
from generations.management.commands import run
from generations.models import Generation, Member, ReportSource, Status, UpstreamGate
from generations.worker import dispatch, submit
from tests.builders import make_generation
from tests.simulator import Simulator
from tests.worker_driver import make_probe_due, run_loops, run_worker

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _concurrency_limit(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 30


def limit_now() -> int:
    return UpstreamGate.for_engine().lock().grow()


def pass_time(seconds: float) -> None:
    gate = UpstreamGate.for_engine()
    assert gate.concurrency_limit_changed_at
    UpstreamGate.objects.update(
        concurrency_limit_changed_at=gate.concurrency_limit_changed_at - timedelta(seconds=seconds)
    )


def test_concurrency_limit_shrinks_when_refused_and_grows_back() -> None:
    UpstreamGate.for_engine().shrink(accepted=5)
    assert limit_now() == 5
    pass_time(31)
    assert limit_now() == 6
    pass_time(60)
    assert limit_now() == 8
    pass_time(3600)
    assert limit_now() == 20
    assert UpstreamGate.for_engine().concurrency_limit is None


def test_refusals_of_one_burst_shrink_the_limit_once() -> None:
    UpstreamGate.for_engine().shrink(accepted=8)
    UpstreamGate.for_engine().wait(60)
    UpstreamGate.for_engine().shrink(accepted=3)
    assert limit_now() == 8


def test_each_burst_shrinks_the_limit_further_but_not_below_one() -> None:
    for _burst in range(5):
        UpstreamGate.for_engine().shrink(accepted=3)
    assert limit_now() == 1


def test_shrunk_limit_is_at_most_three_quarters_of_the_configured_one() -> None:
    UpstreamGate.for_engine().shrink(accepted=20)
    assert limit_now() == 15


def test_refusal_with_nothing_in_progress_keeps_the_limit() -> None:
    UpstreamGate.for_engine().shrink(accepted=0)
    assert limit_now() == 20


def test_without_a_configured_limit_one_is_learned_and_dropped_again(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 0
    UpstreamGate.for_engine().shrink(accepted=7)
    assert limit_now() == 7
    pass_time(24 * 3600)
    assert limit_now() == 0


def test_success_does_not_raise_the_limit() -> None:
    UpstreamGate.for_engine().shrink(accepted=4)
    UpstreamGate.for_engine().clear()
    assert limit_now() == 4


def test_shrunk_limit_is_applied_to_submits() -> None:
    for _row in range(4):
        make_generation(n=2)
    UpstreamGate.for_engine().shrink(accepted=4)
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
    UpstreamGate.for_engine().hold(reason)
    assert not submit.has_work()
    make_probe_due()
    assert submit.has_work()
    run_loops("submit")
    assert not UpstreamGate.for_engine().is_held
    assert upstream.requests("submit") == []


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


@pytest.mark.parametrize("source", ReportSource)
def test_only_submits_and_polls_end_a_hold(source: ReportSource) -> None:
    gate = UpstreamGate.for_engine()
    gate.hold(UpstreamGate.HoldReason.KEY)
    gate.report(None, source=source)
    assert gate.is_held == (source is ReportSource.LOOKUP)


def test_poll_does_not_end_a_hold_that_it_cannot_disprove() -> None:
    gate = UpstreamGate.for_engine()
    gate.hold(UpstreamGate.HoldReason.ACCOUNT)
    gate.report(None, source=ReportSource.POLL)
    assert gate.is_held


@pytest.mark.parametrize("source", [ReportSource.POLL, ReportSource.LOOKUP])
def test_error_in_a_batch_of_queries_wins_over_a_success(source: ReportSource) -> None:
    gate = UpstreamGate.for_engine()
    gate.report(
        OnHold("no", reason=HoldReason.KEY), None, SlowDown("no", wait_seconds=60), source=source
    )
    assert gate.hold_reason == HoldReason.KEY
    assert gate.is_silent


@pytest.mark.parametrize("error", [Unanswered("no"), TaskNotFound("no"), ValueError("no")])
def test_other_errors_of_queries_change_nothing(error: Exception) -> None:
    gate = UpstreamGate.for_engine()
    gate.report(error, source=ReportSource.POLL)
    assert not gate.is_held
    assert gate.unanswered_in_a_row == 0
    assert gate.can_submit(timezone.now())


def test_unsent_submit_causes_a_wait_that_does_not_count_as_busy() -> None:
    gate = UpstreamGate.for_engine()
    gate.report(NotSent("no"), source=ReportSource.SUBMIT)
    assert not gate.can_submit(timezone.now())
    assert gate.busy_since is None


def test_refused_submit_ends_waits() -> None:
    gate = UpstreamGate.for_engine()
    gate.wait(60)
    gate.report(RequestRefused("no"), source=ReportSource.SUBMIT)
    assert gate.can_submit(timezone.now())
