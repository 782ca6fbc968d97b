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

from generations.models import Lease

from . import fetch as fetch_loop
from . import lookup as lookup_loop
from . import poll as poll_loop
from . import submit as submit_loop
from .lease import LeasedLoop, stopping

LOOPS: dict[str, ModuleType] = {
    "submit": submit_loop,
    "poll": poll_loop,
    "fetch": fetch_loop,
    "lookup": lookup_loop,
}
# One shift at a slot; several pumps share the rows, on this machine or on others.
LEASES = {name: [name] for name in LOOPS}
LEASES["poll"] += [f"poll-{number}" for number in range(2, settings.POLL_LOOPS + 1)]
# A clean stop waits so long: a submit or a download that is under way, and what is written then.
MAX_CALL_SECONDS = max(settings.SUBMIT_DEADLINE_SECONDS, 90.0) + 30.0
STALE = timedelta(seconds=30)
KEEP_FAILURES = timedelta(days=30)


# --- entry points -------------------------------------------------------------------------------


def submit(lease_name: str = "submit") -> None:
    _work("submit", lease_name)


def poll(lease_name: str = "poll") -> None:
    _work("poll", lease_name)


def fetch(lease_name: str = "fetch") -> None:
    _work("fetch", lease_name)


def lookup(lease_name: str = "lookup") -> None:
    _work("lookup", lease_name)


def heartbeat() -> None:
    """A sign of life, and the net under every lost kick."""
    Lease.record_heartbeat("worker")
    submit_loop.sweep()
    poll_loop.sweep()
    fetch_loop.sweep()
    for name, module in LOOPS.items():
        if module.has_work():
            wake_up(name)


def prune_expired_rows() -> None:
    """Once a day: what django-q2 and the sessions leave behind."""
    now = timezone.now()
    QueueTask.objects.filter(stopped__lt=now - KEEP_FAILURES).delete()
    Session.objects.filter(expire_date__lt=now).delete()


def _work(name: str, lease_name: str) -> None:
    module = LOOPS[name]
    with LeasedLoop(lease_name, wake_up, module.LOOP_SECONDS) as loop:
        if not loop.is_held:
            return
        module.run(loop)
    # Looked at after the slot is free: a kick that came while it was taken did nothing.
    if module.has_work():
        wake_up(name)


# --- what others may call -------------------------------------------------------------------------


def enqueue_submit() -> None:
    """Call it in the transaction that queues a row: kick and row commit together."""
    wake_up("submit")


def enqueue_poll() -> None:
    wake_up("poll")


def enqueue_fetch() -> None:
    wake_up("fetch")


def enqueue_lookup() -> None:
    wake_up("lookup")


def enqueue_poll_if_stale() -> None:
    """A page that shows live cards asks for this: cheap, and only one of many pages enqueues."""
    if not Lease.was_active_within("poll", STALE):
        enqueue_poll()


def wake_up(loop: str) -> None:
    """Kick that line unless somebody works at it, who will look once more at the end."""
    for lease_name in LEASES[loop]:
        if Lease.claim_wake_up(lease_name):
            async_task(
                f"generations.worker.tasks.{loop}", lease_name, timeout=LOOPS[loop].TIMEOUT_SECONDS
            )


# --- the cluster ------------------------------------------------------------------------------


def enqueue_heartbeat() -> int | None:
    """Returns the key of its queue row, for `is_queued`."""
    tag = async_task("generations.worker.tasks.heartbeat")
    newest = OrmQ.objects.order_by("-pk")[:50]
    return next((row.pk for row in newest if row.task_id() == tag), None)


def is_queued(key: int) -> bool:
    """Whether that queue row is still unacknowledged."""
    return bool(OrmQ.objects.filter(pk=key).exists())


def create_schedules() -> None:
    """Schedule the heartbeat, for when no watchdog enqueues it, and the daily pruning.

    Schedules that an earlier release made under other names are removed.
    """
    schedules = {
        "heartbeat": {"schedule_type": Schedule.MINUTES, "minutes": 1},
        "prune_expired_rows": {"schedule_type": Schedule.DAILY, "minutes": None},
    }
    ours = Schedule.objects.filter(func__startswith="generations.worker.tasks.")
    ours.exclude(name__in=schedules).delete()
    for name, when in schedules.items():
        Schedule.objects.update_or_create(
            name=name, defaults={"func": f"generations.worker.tasks.{name}", **when}
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
