"""The line to the upstream: how wide it is by now, and what a person does to it."""

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
def _budget(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 30


def limit_now() -> int:
    return UpstreamGate.for_engine().lock().grow()


def let_it_be_quiet(seconds: float) -> None:
    gate = UpstreamGate.for_engine()
    assert gate.concurrency_limit_changed_at
    UpstreamGate.objects.update(
        concurrency_limit_changed_at=gate.concurrency_limit_changed_at - timedelta(seconds=seconds)
    )


def test_it_narrows_to_what_the_upstream_took_and_widens_in_quiet() -> None:
    UpstreamGate.for_engine().shrink(accepted=5)
    assert limit_now() == 5
    let_it_be_quiet(31)
    assert limit_now() == 6
    let_it_be_quiet(60)
    assert limit_now() == 8
    let_it_be_quiet(3600)
    assert limit_now() == 20
    assert UpstreamGate.for_engine().concurrency_limit is None


def test_refusals_of_one_burst_narrow_it_once() -> None:
    UpstreamGate.for_engine().shrink(accepted=8)
    UpstreamGate.for_engine().wait(60)
    UpstreamGate.for_engine().shrink(accepted=3)
    assert limit_now() == 8


def test_each_new_burst_narrows_it_more_but_one_always_goes() -> None:
    for _burst in range(5):
        UpstreamGate.for_engine().shrink(accepted=3)
    assert limit_now() == 1


def test_never_above_three_quarters_of_the_budget() -> None:
    UpstreamGate.for_engine().shrink(accepted=20)
    assert limit_now() == 15


def test_refused_with_nothing_under_way_it_stays_as_wide() -> None:
    UpstreamGate.for_engine().shrink(accepted=0)
    assert limit_now() == 20


def test_without_a_budget_it_learns_one_and_forgets_it(settings: Settings) -> None:
    settings.CONCURRENCY_LIMIT = 0
    UpstreamGate.for_engine().shrink(accepted=7)
    assert limit_now() == 7
    let_it_be_quiet(24 * 3600)
    assert limit_now() == 0


def test_a_success_does_not_widen_it() -> None:
    UpstreamGate.for_engine().shrink(accepted=4)
    UpstreamGate.for_engine().clear()
    assert limit_now() == 4


def test_a_narrow_line_lets_no_more_through() -> None:
    for _row in range(4):
        make_generation(n=2)
    UpstreamGate.for_engine().shrink(accepted=4)
    assert len(dispatch.send_next(100)) == 2


def test_an_upstream_with_fewer_slots_than_our_budget_still_makes_all(
    upstream: Simulator, settings: Settings
) -> None:
    settings.CONCURRENCY_LIMIT, settings.CONCURRENCY_GROW_SECONDS = 20, 0.1
    upstream.settings(concurrency_limit=4)
    rows = [make_generation(prompt=f"a narrow door {number}", n=2) for number in range(8)]
    run_worker()
    for row in rows:
        row.refresh_from_db()
    assert {row.status for row in rows} == {Status.SUCCEEDED}
    assert len(upstream.tasks()) == 8


def test_a_paused_line_sends_nothing_and_keeps_the_queue(
    upstream: Simulator, admin: Member
) -> None:
    row = make_generation()
    assert UpstreamGate.for_engine().pause(admin, "The month's money is spent")
    assert not UpstreamGate.for_engine().pause(admin, "a second one changes nothing")
    assert not submit.has_work()
    assert dispatch.send_next(10) == []
    # what opens a hold by itself does not end what a person decided
    UpstreamGate.for_engine().clear()
    assert UpstreamGate.for_engine().pause_reason == "The month's money is spent"
    assert not submit.has_work()
    # and a resume lets it go
    UpstreamGate.for_engine().resume()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_what_is_under_way_is_watched_through_a_pause(upstream: Simulator, admin: Member) -> None:
    row = make_generation()
    run_worker(lambda: row.submissions.exclude(upstream_task_id="").exists())
    UpstreamGate.for_engine().pause(admin, "Lunch")
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert timezone.now() - (UpstreamGate.for_engine().paused_at or timezone.now()) < timedelta(
        minutes=1
    )


@pytest.mark.parametrize("trouble", [UpstreamGate.HoldReason.KEY, UpstreamGate.HoldReason.ADDRESS])
def test_a_hold_that_a_query_can_judge_ends_by_itself_without_anything_queued(
    trouble: UpstreamGate.HoldReason, upstream: Simulator
) -> None:
    UpstreamGate.for_engine().hold(trouble)
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


def test_an_account_that_no_query_can_judge_waits_for_a_row(upstream: Simulator) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    make_probe_due()
    assert not submit.has_work()
    row = make_generation()
    assert submit.has_work()
    run_worker()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert not UpstreamGate.for_engine().is_held
