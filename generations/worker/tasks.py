"""All of django-q2: the entry points it calls, what enqueues them, the schedules, the cluster.

A task carries no truth: it wakes a line of work, which then looks at the rows. Four lines (submit,
pump, fetch, lookup) run as shifts at a slot, so that one worker is always free for the next kick.
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
from . import lookup as lookup_line
from . import pump as pump_line
from . import submit as submit_line
from .shift import Shift, stopping

LINES: dict[str, ModuleType] = {
    "submit": submit_line,
    "pump": pump_line,
    "fetch": fetch_line,
    "lookup": lookup_line,
}
# One shift at a slot; several pumps share the rows, on this machine or on others.
SLOTS = {name: [name] for name in LINES}
SLOTS["pump"] += [f"pump-{number}" for number in range(2, settings.PUMPS + 1)]
# A clean stop waits so long: a submit or a download that is under way, and what is written then.
LONGEST_CALL_SECONDS = max(settings.SUBMIT_DEADLINE, 90.0) + 30.0
STALE = timedelta(seconds=30)
KEEP_FAILURES = timedelta(days=30)


# --- entry points -------------------------------------------------------------------------------


def submit(slot: str = "submit") -> None:
    _work("submit", slot)


def pump(slot: str = "pump") -> None:
    _work("pump", slot)


def fetch(slot: str = "fetch") -> None:
    _work("fetch", slot)


def lookup(slot: str = "lookup") -> None:
    _work("lookup", slot)


def beat() -> None:
    """A sign of life, and the net under every lost kick."""
    Slot.beat("worker")
    submit_line.sweep()
    pump_line.sweep()
    fetch_line.sweep()
    for name, line in LINES.items():
        if line.has_work():
            wake(name)


def tidy() -> None:
    """Once a day: what django-q2 and the sessions leave behind."""
    now = timezone.now()
    QueueTask.objects.filter(stopped__lt=now - KEEP_FAILURES).delete()
    Session.objects.filter(expire_date__lt=now).delete()


def _work(name: str, slot: str) -> None:
    line = LINES[name]
    with Shift(slot, wake, line.SHIFT_SECONDS) as shift:
        if not shift.is_mine:
            return
        line.run(shift)
    # Looked at after the slot is free: a kick that came while it was taken did nothing.
    if line.has_work():
        wake(name)


# --- what others may call -------------------------------------------------------------------------


def enqueue_submit() -> None:
    """Call it in the transaction that queues a row: kick and row commit together."""
    wake("submit")


def enqueue_pump() -> None:
    wake("pump")


def enqueue_fetch() -> None:
    wake("fetch")


def enqueue_lookup() -> None:
    wake("lookup")


def enqueue_pump_if_stale() -> None:
    """A page that shows live cards asks for this: cheap, and only one of many pages enqueues."""
    if not Slot.shows_life("pump", STALE):
        enqueue_pump()


def wake(line: str) -> None:
    """Kick that line unless somebody works at it, who will look once more at the end."""
    for slot in SLOTS[line]:
        if Slot.claim_kick(slot):
            async_task(
                f"generations.worker.tasks.{line}", slot, timeout=LINES[line].TIMEOUT_SECONDS
            )


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
