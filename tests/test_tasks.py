"""Tasks of django-q2: wake-ups, the heartbeat, loops, pruning and schedules."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task  # noqa: TID251

from generations.models import Generation, Lease, Member, Status, UpstreamGate
from generations.worker import tasks
from tests.builders import make_generation
from tests.conftest import client_for
from tests.simulator import Simulator
from tests.worker_driver import DEAD_HOLDER, LIVE_HOLDER, run_worker

pytestmark = pytest.mark.django_db


def queued() -> list[str]:
    """The names of the queued tasks."""
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
def test_wake_up_is_part_of_the_callers_transaction(enqueue: Callable[[], None], task: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        enqueue()
        assert queued() == [task]
        raise ZeroDivisionError
    assert queued() == []
    with transaction.atomic():
        enqueue()
    assert queued() == [task]


def test_many_pages_with_live_cards_enqueue_one_poll() -> None:
    for _ in range(50):
        tasks.enqueue_poll_if_stale()
    assert queued() == ["poll"]


def test_pages_do_not_enqueue_a_poll_while_polling_is_active() -> None:
    Lease.acquire("poll")
    tasks.enqueue_poll_if_stale()
    assert queued() == []


def test_a_thousand_requests_enqueue_one_submit() -> None:
    for _ in range(1000):
        tasks.enqueue_submit()
    assert queued() == ["submit"]


def test_each_poll_loop_has_its_own_lease_and_wake_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.LEASES, "poll", ["poll", "poll-2"])
    tasks.enqueue_poll()
    assert queued() == ["poll", "poll"]
    assert [row.args() for row in OrmQ.objects.order_by("pk")] == [("poll",), ("poll-2",)]
    Lease.acquire("poll")
    OrmQ.objects.all().delete()
    Lease.objects.update(wake_up_sent_at=None)
    tasks.enqueue_poll()
    assert [row.args() for row in OrmQ.objects.all()] == [("poll-2",)]


# --- the heartbeat -----------------------------------------------------------------------------


def nothing() -> None:
    pass


def a_queued_row() -> None:
    make_generation()


def a_queued_row_during_a_hold() -> None:
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
    ("prepare", "woken"),
    [
        (nothing, []),
        (a_queued_row, ["submit"]),
        (a_queued_row_during_a_hold, []),
        (a_running_row, ["poll"]),
        (a_lost_row, []),
        (a_wanted_picture, ["fetch"]),
        (a_picture_for_later, []),
        (a_finished_row, []),
    ],
)
def test_heartbeat_starts_only_loops_with_work(
    prepare: Callable[[], None], woken: list[str]
) -> None:
    prepare()
    tasks.heartbeat()
    assert queued() == woken


@pytest.mark.parametrize(
    ("holder", "woken"),
    [(LIVE_HOLDER, []), (DEAD_HOLDER, ["submit"])],
    ids=["live holder", "dead holder"],
)
def test_heartbeat_does_not_start_a_loop_with_a_live_holder(holder: str, woken: list[str]) -> None:
    make_generation()
    until = timezone.now() + timedelta(seconds=10)
    Lease.objects.create(name="submit", holder=holder, expires_at=until)
    tasks.heartbeat()
    assert queued() == woken


def test_heartbeat_is_recorded_and_sweeps() -> None:
    row = make_generation(Status.SUBMITTING, attempt=1)
    row.submissions.create(attempt=1, holder=DEAD_HOLDER, deadline_at=timezone.now())
    tasks.heartbeat()
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    assert Lease.last_heartbeat("worker")


def test_heartbeat_is_queued_until_it_is_acknowledged() -> None:
    key = tasks.enqueue_heartbeat()
    assert key
    assert tasks.is_queued(key)
    OrmQ.objects.all().delete()
    assert not tasks.is_queued(key)


# --- loops and schedules -----------------------------------------------------------------------


def test_every_task_can_run_without_work(upstream: Simulator) -> None:
    loops = (tasks.submit, tasks.poll, tasks.fetch, tasks.lookup)
    for task in (*loops, tasks.heartbeat, tasks.prune_expired_rows, tasks.update_statistics):
        task()
    assert queued() == []
    assert upstream.requests() == []


def test_tasks_wake_each_other_up_until_the_pictures_are_stored(upstream: Simulator) -> None:
    row = make_generation()
    tasks.enqueue_submit()

    def is_done() -> bool:
        for task in queued():
            OrmQ.objects.order_by("pk")[0].delete()
            getattr(tasks, task)()
        return Generation.objects.get().is_final

    run_worker(is_done, "the queued tasks have completed it", lease_names=())
    row.refresh_from_db()
    assert row.status == Status.SUCCEEDED


def test_task_does_nothing_while_its_lease_is_held(upstream: Simulator) -> None:
    make_generation()
    until = timezone.now() + timedelta(seconds=10)
    Lease.objects.create(name="submit", holder=LIVE_HOLDER, expires_at=until)
    tasks.submit()
    assert queued() == []
    assert upstream.requests() == []


def test_queue_retries_no_task_before_its_timeout() -> None:
    timeouts = [loop.TIMEOUT_SECONDS for loop in tasks.LOOPS.values()]
    assert max(timeouts) <= settings.Q_CLUSTER["retry"] / 2


def test_submit_timeout_allows_the_longest_post() -> None:
    loop = tasks.LOOPS["submit"]
    assert loop.LOOP_SECONDS + settings.SUBMIT_DEADLINE_SECONDS < loop.TIMEOUT_SECONDS


def test_pruning_keeps_the_tasks_of_the_last_month() -> None:
    now = timezone.now()
    for days in (1, 40):
        moment = now - timedelta(days=days)
        Task.objects.create(id=f"{days}", name=f"{days}", func="f", started=moment, stopped=moment)
    tasks.prune_expired_rows()
    assert [task.id for task in Task.objects.all()] == ["1"]


def test_pruning_deletes_ended_sessions(owner: Member) -> None:
    client = client_for(owner)
    client.get("/gallery/")
    for key in ("expired", "ended"):
        UserSession.objects.create(user=owner, ip="::", session_key=key)
    Session.objects.create(session_key="expired", expire_date=timezone.now() - timedelta(days=1))
    tasks.prune_expired_rows()
    assert [row.session_key for row in UserSession.objects.all()] == [client.session.session_key]
    assert Session.objects.count() == 1


def test_schedules_are_created_once() -> None:
    tasks.create_schedules()
    tasks.create_schedules()
    schedules = dict(Schedule.objects.values_list("name", "func"))
    assert schedules == {
        "heartbeat": "generations.worker.tasks.heartbeat",
        "prune_expired_rows": "generations.worker.tasks.prune_expired_rows",
        "update_statistics": "generations.worker.tasks.update_statistics",
        "roll_up_usage": "generations.worker.tasks.roll_up_usage",
        "check_ledger": "generations.operations.ledger_check.check_daily",
    }


def test_schedules_of_an_earlier_release_are_removed() -> None:
    Schedule.objects.create(name="beat", func="generations.worker.tasks.beat")
    other = Schedule.objects.create(name="report", func="somewhere.else.report")
    tasks.create_schedules()
    names = set(Schedule.objects.values_list("name", flat=True))
    daily = {"prune_expired_rows", "update_statistics", "check_ledger"}
    assert names == {"heartbeat", "roll_up_usage", other.name} | daily
