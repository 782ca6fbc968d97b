"""The line to the upstream: how wide it is by now, and what a person does to it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from generations.models import Line, Member, Status
from generations.worker import dispatch, submit
from tests.builders import make_generation
from tests.engine import drive, let_the_gap_pass, work
from tests.simulator import Simulator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _budget(settings: Settings) -> None:
    settings.UPSTREAM_UNITS, settings.UNITS_GROW_SECONDS = 20, 30


def units_now() -> int:
    return Line.lock().widen()


def let_it_be_quiet(seconds: float) -> None:
    line = Line.now()
    assert line.units_at
    Line.objects.update(units_at=line.units_at - timedelta(seconds=seconds))


def test_it_narrows_to_what_the_upstream_took_and_widens_in_quiet() -> None:
    Line.narrow(accepted=5)
    assert units_now() == 5
    let_it_be_quiet(31)
    assert units_now() == 6
    let_it_be_quiet(60)
    assert units_now() == 8
    let_it_be_quiet(3600)
    assert units_now() == 20
    assert Line.now().units is None


def test_refusals_of_one_burst_narrow_it_once() -> None:
    Line.narrow(accepted=8)
    Line.wait(60)
    Line.narrow(accepted=3)
    assert units_now() == 8


def test_each_new_burst_narrows_it_more_but_one_always_goes() -> None:
    for _burst in range(5):
        Line.narrow(accepted=3)
    assert units_now() == 1


def test_never_above_three_quarters_of_the_budget() -> None:
    Line.narrow(accepted=20)
    assert units_now() == 15


def test_refused_with_nothing_under_way_it_stays_as_wide() -> None:
    Line.narrow(accepted=0)
    assert units_now() == 20


def test_without_a_budget_it_learns_one_and_forgets_it(settings: Settings) -> None:
    settings.UPSTREAM_UNITS = 0
    Line.narrow(accepted=7)
    assert units_now() == 7
    let_it_be_quiet(24 * 3600)
    assert units_now() == 0


def test_a_success_does_not_widen_it() -> None:
    Line.narrow(accepted=4)
    Line.clear()
    assert units_now() == 4


def test_a_narrow_line_lets_no_more_through() -> None:
    for _row in range(4):
        make_generation(n=2)
    Line.narrow(accepted=4)
    assert len(dispatch.send_next(100)) == 2


def test_an_upstream_with_fewer_slots_than_our_budget_still_makes_all(
    upstream: Simulator, settings: Settings
) -> None:
    settings.UPSTREAM_UNITS, settings.UNITS_GROW_SECONDS = 20, 0.1
    upstream.settings(concurrency_limit=4)
    rows = [make_generation(prompt=f"a narrow door {number}", n=2) for number in range(8)]
    drive()
    for row in rows:
        row.refresh_from_db()
    assert {row.status for row in rows} == {Status.SUCCEEDED}
    assert len(upstream.tasks()) == 8


def test_a_paused_line_sends_nothing_and_keeps_the_queue(
    upstream: Simulator, admin: Member
) -> None:
    row = make_generation()
    assert Line.pause(admin, "The month's money is spent")
    assert not Line.pause(admin, "a second one changes nothing")
    assert not submit.has_work()
    assert dispatch.send_next(10) == []
    # what opens a hold by itself does not end what a person decided
    Line.clear()
    assert Line.now().pause_reason == "The month's money is spent"
    assert not submit.has_work()
    # and a resume lets it go
    Line.resume()
    drive()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_what_is_under_way_is_watched_through_a_pause(upstream: Simulator, admin: Member) -> None:
    row = make_generation()
    drive(lambda: row.submissions.exclude(kling_task_id="").exists())
    Line.pause(admin, "Lunch")
    drive()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert timezone.now() - (Line.now().paused_at or timezone.now()) < timedelta(minutes=1)


@pytest.mark.parametrize("trouble", [Line.Trouble.KEY, Line.Trouble.ADDRESS])
def test_a_hold_that_a_query_can_judge_ends_by_itself_without_anything_queued(
    trouble: Line.Trouble, upstream: Simulator
) -> None:
    Line.hold(trouble, gap_seconds=3600)
    assert not submit.has_work()
    let_the_gap_pass()
    assert submit.has_work()
    work("submit")
    assert not Line.now().is_held
    assert upstream.requests("submit") == []


def test_a_key_that_is_still_refused_risks_no_post(upstream: Simulator, settings: Settings) -> None:
    settings.UPSTREAM_KEY = "another key"
    settings.HOLD_RETRY_SECONDS = 60
    make_generation()
    Line.hold(Line.Trouble.KEY, gap_seconds=60)
    for probes in (1, 2):
        let_the_gap_pass()
        work("submit")
        line = Line.now()
        assert line.trouble == Line.Trouble.KEY
        assert line.probes == probes
        # the next gap is twice as long
        assert line.probe_at
        assert line.probe_at > timezone.now() + timedelta(seconds=60 * 2**probes - 5)
    assert upstream.requests("submit") == []


def test_an_account_that_no_query_can_judge_waits_for_a_row(upstream: Simulator) -> None:
    Line.hold(Line.Trouble.ACCOUNT, gap_seconds=3600)
    let_the_gap_pass()
    assert not submit.has_work()
    row = make_generation()
    assert submit.has_work()
    drive()
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED
    assert not Line.now().is_held
