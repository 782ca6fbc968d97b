"""All of django-q2: the entry points it calls, what enqueues them, the schedules, the cluster.

A task carries no truth: it wakes a line of work, which then looks at the rows. Three lines (submit,
pump, fetch) run as shifts at a slot, so that at least one worker is always free for the next kick.
"""

import signal
from datetime import timedelta
from types import FrameType, ModuleType

from django.conf import settings
from django.contrib.sessions.models import Session
from django.utils import timezone
from django_q.cluster import Cluster  # noqa: TID251
from django_q.models import OrmQ, Schedule  # noqa: TID251
from django_q.models import Task as QueueTask  # noqa: TID251
from django_q.tasks import async_task  # noqa: TID251

from generations.models import Slot

from . import fetch as fetch_line
from . import pump as pump_line
from . import submit as submit_line
from .shift import Shift, stopping

LINES: dict[str, ModuleType] = {"submit": submit_line, "pump": pump_line, "fetch": fetch_line}
# A clean stop waits so long: a submit or a download that is under way, and what is written then.
LONGEST_CALL_SECONDS = max(settings.SUBMIT_DEADLINE, 90.0) + 30.0
STALE = timedelta(seconds=30)
KEEP_FAILURES = timedelta(days=30)


# --- entry points -------------------------------------------------------------------------------


def submit() -> None:
    _work("submit")


def pump() -> None:
    _work("pump")


def fetch() -> None:
    _work("fetch")


def beat() -> None:
    """A sign of life, and the net under every lost kick."""
    Slot.beat("worker")
    submit_line.sweep()
    fetch_line.sweep()
    for slot, line in LINES.items():
        if line.has_work():
            wake(slot)


def tidy() -> None:
    """Once a day: what django-q2 and the sessions leave behind."""
    now = timezone.now()
    QueueTask.objects.filter(stopped__lt=now - KEEP_FAILURES).delete()
    Session.objects.filter(expire_date__lt=now).delete()


def _work(slot: str) -> None:
    line = LINES[slot]
    with Shift(slot, wake, line.SHIFT_SECONDS) as shift:
        if not shift.is_mine:
            return
        line.run(shift)
    # Looked at after the slot is free: a kick that came while it was taken did nothing.
    if line.has_work():
        _enqueue(slot)


# --- what others may call -------------------------------------------------------------------------


def enqueue_submit() -> None:
    """Call it in the transaction that queues a row: kick and row commit together."""
    _enqueue("submit")


def enqueue_pump() -> None:
    _enqueue("pump")


def enqueue_fetch() -> None:
    _enqueue("fetch")


def enqueue_pump_if_stale() -> None:
    """A page that shows live cards asks for this: cheap, and only one of many pages enqueues."""
    if Slot.claim_kick("pump", STALE):
        enqueue_pump()


def wake(slot: str) -> None:
    """Kick that line unless somebody works at it: who does will look once more at the end."""
    if not Slot.is_held(slot):
        _enqueue(slot)


def _enqueue(slot: str) -> None:
    async_task(f"generations.worker.tasks.{slot}", timeout=LINES[slot].TIMEOUT_SECONDS)


# --- the cluster ------------------------------------------------------------------------------


def enqueue_beat() -> int | None:
    """Returns the key of its queue row, for `is_queued`."""
    tag = async_task("generations.worker.tasks.beat")
    newest = OrmQ.objects.order_by("-pk")[:50]
    return next((row.pk for row in newest if row.task_id() == tag), None)


def is_queued(key: int) -> bool:
    """Whether that queue row is still unacknowledged."""
    return bool(OrmQ.objects.filter(pk=key).exists())


def plan_schedules() -> None:
    """The net when no watchdog beats, and the daily broom."""
    for func, kind, minutes in (("beat", Schedule.MINUTES, 1), ("tidy", Schedule.DAILY, None)):
        Schedule.objects.update_or_create(
            name=func,
            defaults={
                "func": f"generations.worker.tasks.{func}",
                "schedule_type": kind,
                "minutes": minutes,
            },
        )


def run_cluster() -> None:
    """Run django-q2's cluster in this process until SIGTERM or SIGINT; returns when it stopped."""
    cluster = Cluster()  # installs its own signal handlers

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.value = 1  # the shifts hand over at once instead of at their end
        cluster.sig_handler(number, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cluster.start()
    cluster.sentinel.join()
