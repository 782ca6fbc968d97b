"""The upstream gate: its concurrency limit, pauses, holds, and one gate per engine."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import Member, Status, UpstreamGate
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
    assert len(dispatch.send_next(100)) == 2


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
    assert dispatch.send_next(10) == []
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
