"""All uses of django-q2: its entry points, enqueue functions, schedules and cluster.

A task only starts a loop, which then reads the rows. Six loops (submit, poll, fetch, lookup,
retention, reconcile) run under leases, so that one worker process is always free for the next
wake-up.
"""

import signal
from datetime import datetime, timedelta
from types import FrameType, ModuleType

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django_q.cluster import Cluster  # noqa: TID251
from django_q.models import OrmQ, Schedule  # noqa: TID251
from django_q.models import Task as QueueTask  # noqa: TID251
from django_q.tasks import async_task  # noqa: TID251

from generations.engines.registry import ENGINES
from generations.models import ApiKey, Lease, Notification, Word, raw_answers, statistics
from generations.models.money import usage_day

from . import fetch as fetch_loop
from . import lookup as lookup_loop
from . import poll as poll_loop
from . import reconcile as reconcile_loop
from . import retention as retention_loop
from . import submit as submit_loop
from .lease import LeasedLoop, stopping
from .upstream import submit_seconds

LOOPS: dict[str, ModuleType] = {
    "submit": submit_loop,
    "poll": poll_loop,
    "fetch": fetch_loop,
    "lookup": lookup_loop,
    "retention": retention_loop,
    "reconcile": reconcile_loop,
}
# Lease names by loop. Several poll loops share the rows, also across machines.
LEASES = {name: [name] for name in LOOPS}
LEASES["poll"] += [f"poll-{number}" for number in range(2, settings.POLL_LOOPS + 1)]
# How long a clean stop may take: a submit or a download in progress, and its writes.
MAX_CALL_SECONDS = max(*map(submit_seconds, ENGINES), 90.0) + 45.0
POLL_STALE_AFTER = timedelta(seconds=30)
QUEUE_TASK_RETENTION = timedelta(days=30)


# --- entry points -------------------------------------------------------------------------------


def submit(lease_name: str = "submit") -> None:
    _run_loop("submit", lease_name)


def poll(lease_name: str = "poll") -> None:
    _run_loop("poll", lease_name)


def fetch(lease_name: str = "fetch") -> None:
    _run_loop("fetch", lease_name)


def lookup(lease_name: str = "lookup") -> None:
    _run_loop("lookup", lease_name)


def retention(lease_name: str = "retention") -> None:
    _run_loop("retention", lease_name)


def reconcile(lease_name: str = "reconcile") -> None:
    _run_loop("reconcile", lease_name)


def heartbeat() -> None:
    """Record the worker's heartbeat, sweep rows, and start loops whose wake-up was lost.

    Then learn the words of new prompts.
    """
    Lease.record_heartbeat("worker")
    submit_loop.sweep()
    poll_loop.sweep()
    fetch_loop.sweep()
    for name, module in LOOPS.items():
        if module.has_work():
            wake_up(name)
    Word.objects.learn()


def prune_expired_rows() -> None:
    """Daily: delete old tasks of django-q2, notifications and raw answers, and unused keys.

    Also expired sessions.
    """
    now = timezone.now()
    QueueTask.objects.filter(stopped__lt=now - QUEUE_TASK_RETENTION).delete()
    Session.objects.filter(expire_date__lt=now).delete()
    of_row = Session.objects.filter(session_key=OuterRef("session_key"))
    UserSession.objects.filter(~Exists(of_row)).delete()
    ApiKey.objects.erase_unused()
    Notification.objects.prune()
    raw_answers.prune()


def update_statistics() -> None:
    """Daily: let the database choose its indexes by what the tables hold now."""
    statistics.update()


def roll_up_usage() -> None:
    """Hourly: store the sums of past days for the pages about usage."""
    usage_day.roll_up()


def _run_loop(name: str, lease_name: str) -> None:
    module = LOOPS[name]
    with LeasedLoop(lease_name, wake_up, module.LOOP_SECONDS) as loop:
        if not loop.is_held:
            return
        module.run(loop)
    # Checked after the lease is free: wake-ups are dropped while it is held.
    if module.has_work():
        wake_up(name)


# --- for other layers --------------------------------------------------------------------------


def enqueue_submit() -> None:
    """Start the submit loop. Call it in the transaction that queues a row."""
    wake_up("submit")


def enqueue_poll() -> None:
    wake_up("poll")


def enqueue_fetch() -> None:
    wake_up("fetch")


def enqueue_lookup() -> None:
    wake_up("lookup")


def enqueue_retention() -> None:
    wake_up("retention")


def enqueue_reconcile() -> None:
    wake_up("reconcile")


def enqueue_poll_if_stale() -> None:
    """Start polling if it has stopped. For pages with live cards: cheap, and enqueues once."""
    if not Lease.was_active_within("poll", POLL_STALE_AFTER):
        enqueue_poll()


def wake_up(loop: str) -> None:
    """Start this loop unless its lease is held; the holder re-checks for work afterwards."""
    for lease_name in LEASES[loop]:
        if Lease.claim_wake_up(lease_name):
            async_task(
                f"generations.worker.tasks.{loop}", lease_name, timeout=LOOPS[loop].TIMEOUT_SECONDS
            )


def queue_length() -> int:
    """How many tasks wait in the queue, or are running."""
    return int(OrmQ.objects.count())


def finished_before(moment: datetime) -> int:
    """How many finished tasks are older."""
    return int(QueueTask.objects.filter(stopped__lt=moment).count())


# --- the cluster ------------------------------------------------------------------------------


def enqueue_heartbeat() -> int | None:
    """Enqueue a heartbeat; return the key of its queue row, for `is_queued`."""
    tag = async_task("generations.worker.tasks.heartbeat")
    newest = OrmQ.objects.order_by("-pk")[:50]
    return next((row.pk for row in newest if row.task_id() == tag), None)


def is_queued(key: int) -> bool:
    """Whether this queue row is still unacknowledged."""
    return bool(OrmQ.objects.filter(pk=key).exists())


def create_schedules() -> None:
    """Schedule the heartbeat, in case no watchdog enqueues it, and the hourly and daily jobs.

    Deletes schedules that an earlier release created under other names.
    """
    every_minute = {"schedule_type": Schedule.MINUTES, "minutes": 1}
    daily = {"schedule_type": Schedule.DAILY, "minutes": None}
    schedules = {
        "heartbeat": {"func": f"{__name__}.heartbeat", **every_minute},
        "prune_expired_rows": {"func": f"{__name__}.prune_expired_rows", **daily},
        "update_statistics": {"func": f"{__name__}.update_statistics", **daily},
        "roll_up_usage": {
            "func": f"{__name__}.roll_up_usage",
            "schedule_type": Schedule.HOURLY,
            "minutes": None,
        },
        # By its name: operations import the worker, not the other way round.
        "check_ledger": {"func": "generations.operations.ledger_check.check_daily", **daily},
    }
    ours = Schedule.objects.filter(func__startswith="generations.")
    ours.exclude(name__in=schedules).delete()
    for name, values in schedules.items():
        Schedule.objects.update_or_create(name=name, defaults=values)


def run_cluster() -> None:
    """Run django-q2's cluster in this process until SIGTERM or SIGINT; return when it stopped."""
    cluster = Cluster()  # installs its own signal handlers

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.value = 1  # loops end at once
        cluster.sig_handler(number, frame)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    cluster.start()
    cluster.sentinel.join()
