"""What stands between the queue and the lines of work: kicks, the beat, and nothing true."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task  # noqa: TID251

from generations.models import Generation, Lease, Status, UpstreamGate
from generations.worker import tasks
from tests.builders import make_generation
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, LIVE_HOLDER, run_worker

pytestmark = pytest.mark.django_db


def queued() -> list[str]:
    """The tasks in the queue by their bare names."""
    rows = OrmQ.objects.order_by("pk")
    return [row.func().removeprefix("generations.worker.tasks.") for row in rows]


@pytest.mark.parametrize(
    ("enqueue", "task"),
    [
        (tasks.enqueue_submit, "submit"),
        (tasks.enqueue_poll, "poll"),
        (tasks.enqueue_fetch, "fetch"),
        (tasks.enqueue_poll_if_stale, "poll"),
    ],
)
def test_a_kick_is_a_row_of_the_same_transaction(enqueue: Callable[[], None], task: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue()
        assert queued() == [task]
        raise ZeroDivisionError
    assert queued() == []
    with transaction.atomic():
        enqueue()
    assert queued() == [task]


def test_many_pages_that_see_live_work_kick_the_pump_once() -> None:
    for _ in range(50):
        tasks.enqueue_poll_if_stale()
    assert queued() == ["poll"]


def test_pages_leave_a_pump_alone_that_shows_life() -> None:
    Lease.acquire("poll")
    tasks.enqueue_poll_if_stale()
    assert queued() == []


def test_a_thousand_presses_are_one_kick() -> None:
    for _ in range(1000):
        tasks.enqueue_submit()
    assert queued() == ["submit"]


def test_each_of_several_pumps_has_a_slot_and_its_own_kick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.LEASES, "poll", ["poll", "poll-2"])
    tasks.enqueue_poll()
    assert queued() == ["poll", "poll"]
    assert [row.args() for row in OrmQ.objects.order_by("pk")] == [("poll",), ("poll-2",)]
    Lease.acquire("poll")
    OrmQ.objects.all().delete()
    Lease.objects.update(wake_up_sent_at=None)
    tasks.enqueue_poll()
    assert [row.args() for row in OrmQ.objects.all()] == [("poll-2",)]


# --- the beat -------------------------------------------------------------------------------------


def nothing() -> None:
    pass


def a_queued_row() -> None:
    make_generation()


def a_queued_row_behind_a_held_line() -> None:
    make_generation()
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)


def a_running_row() -> None:
    make_generation(Status.RUNNING, next_poll_at=timezone.now() + timedelta(seconds=9))


def a_lost_row() -> None:
    make_generation(Status.RUNNING, lost_at=timezone.now(), next_poll_at=None)


def a_wanted_picture() -> None:
    make_generation(Status.FETCHING).pictures.update(next_try_at=timezone.now())


def a_picture_for_later() -> None:
    later = timezone.now() + timedelta(seconds=9)
    make_generation(Status.FETCHING).pictures.update(next_try_at=later)


def a_finished_row() -> None:
    make_generation(Status.SUCCEEDED)


@pytest.mark.parametrize(
    ("given", "woken"),
    [
        (nothing, []),
        (a_queued_row, ["submit"]),
        (a_queued_row_behind_a_held_line, []),
        (a_running_row, ["poll"]),
        (a_lost_row, []),
        (a_wanted_picture, ["fetch"]),
        (a_picture_for_later, []),
        (a_finished_row, []),
    ],
)
def test_the_beat_wakes_what_has_work_and_only_that(
    given: Callable[[], None], woken: list[str]
) -> None:
    given()
    tasks.heartbeat()
    assert queued() == woken


@pytest.mark.parametrize(
    ("holder", "woken"), [(LIVE_HOLDER, []), (DEAD_HOLDER, ["submit"])], ids=["alive", "dead"]
)
def test_the_beat_leaves_a_line_alone_that_somebody_works_at(holder: str, woken: list[str]) -> None:
    make_generation()
    until = timezone.now() + timedelta(seconds=10)
    Lease.objects.create(name="submit", holder=holder, expires_at=until)
    tasks.heartbeat()
    assert queued() == woken


def test_the_beat_is_a_sign_of_life_and_sweeps() -> None:
    row = make_generation(Status.SUBMITTING, attempt=1)
    row.submissions.create(attempt=1, holder=DEAD_HOLDER, deadline_at=timezone.now())
    tasks.heartbeat()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert Lease.last_heartbeat("worker")


def test_a_beat_is_found_in_the_queue_until_it_is_acknowledged() -> None:
    key = tasks.enqueue_heartbeat()
    assert key
    assert tasks.is_queued(key)
    OrmQ.objects.all().delete()
    assert not tasks.is_queued(key)


# --- the tasks ------------------------------------------------------------------------------------


def test_every_task_may_run_when_there_is_nothing_to_do(upstream: Simulator) -> None:
    for task in (tasks.submit, tasks.poll, tasks.fetch, tasks.heartbeat, tasks.prune_expired_rows):
        task()
    assert queued() == []
    assert upstream.requests() == []


def test_the_tasks_kick_one_another_until_the_pictures_are_here(upstream: Simulator) -> None:
    row = make_generation()
    tasks.enqueue_submit()

    def is_made() -> bool:
        for task in queued():
            OrmQ.objects.order_by("pk")[0].delete()
            getattr(tasks, task)()
        return Generation.objects.get().is_final

    run_worker(is_made, "the queue alone has made it", lease_names=())
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_a_task_leaves_a_line_alone_that_somebody_works_at(upstream: Simulator) -> None:
    make_generation()
    until = timezone.now() + timedelta(seconds=10)
    Lease.objects.create(name="submit", holder=LIVE_HOLDER, expires_at=until)
    tasks.submit()
    assert queued() == []
    assert upstream.requests() == []


def test_no_task_is_given_out_twice_while_it_may_still_run() -> None:
    timeouts = [line.TIMEOUT_SECONDS for line in tasks.LOOPS.values()]
    assert max(timeouts) <= settings.Q_CLUSTER["retry"] / 2


def test_a_submit_has_the_time_for_the_longest_post() -> None:
    line = tasks.LOOPS["submit"]
    assert line.LOOP_SECONDS + settings.SUBMIT_DEADLINE_SECONDS < line.TIMEOUT_SECONDS


def test_the_broom_leaves_the_rows_of_the_last_month() -> None:
    now = timezone.now()
    for days in (1, 40):
        moment = now - timedelta(days=days)
        Task.objects.create(id=f"{days}", name=f"{days}", func="f", started=moment, stopped=moment)
    tasks.prune_expired_rows()
    assert [task.id for task in Task.objects.all()] == ["1"]


def test_the_schedules_are_planned_once() -> None:
    tasks.create_schedules()
    tasks.create_schedules()
    planned = dict(Schedule.objects.values_list("name", "func"))
    assert planned == {
        "heartbeat": "generations.worker.tasks.heartbeat",
        "prune_expired_rows": "generations.worker.tasks.prune_expired_rows",
    }


def test_schedules_of_an_earlier_release_are_removed() -> None:
    Schedule.objects.create(name="beat", func="generations.worker.tasks.beat")
    theirs = Schedule.objects.create(name="report", func="somewhere.else.report")
    tasks.create_schedules()
    names = set(Schedule.objects.values_list("name", flat=True))
    assert names == {"heartbeat", "prune_expired_rows", theirs.name}
