"""Which tables are beyond what bounds them. docs/keeping.md lists all growing tables.

Those that are the work of the team, or explain money, are kept for ever, and not judged here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from generations.models import AuditEntry, Notification, Word, notification, raw_answers, word
from generations.worker import tasks

from .finding import Finding, ok, warning

# The worker deletes once a day: what is two days older was left behind.
LATE = timedelta(days=2)
_DAILY = "The worker deletes it daily: see that it runs, and its log if it does."
_STUCK = "The worker takes them at once: see that it runs, and its log if it does."


@dataclass(frozen=True)
class Bound:
    """`beyond` counts the rows beyond the bound; up to `tolerated` of them are normal."""

    what: str
    beyond: Callable[[], int]
    tolerated: int = 0
    advice: str = _DAILY


def _expired_sessions() -> int:
    return Session.objects.filter(expire_date__lt=timezone.now() - LATE).count()


def _old_tasks() -> int:
    return tasks.finished_before(timezone.now() - tasks.QUEUE_TASK_RETENTION - LATE)


def _old_notifications() -> int:
    oldest = timezone.now() - timedelta(days=notification.DAYS) - LATE
    return Notification.objects.filter(at__lt=oldest).count()


def _old_answers() -> int:
    return raw_answers.due_since(timezone.now() - LATE)


def _cached_entries() -> int:
    cache: Any = settings.CACHES["default"]
    quoted = connection.ops.quote_name(cache["LOCATION"])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {quoted}")  # noqa: S608
        return int(cursor.fetchone()[0])


BOUNDS = (
    Bound("wake-ups wait in the queue", tasks.queue_length, 1000, _STUCK),
    Bound("results of background tasks are too old", _old_tasks),
    Bound("sessions have ended", _expired_sessions),
    Bound("notifications are too old", _old_notifications),
    Bound("generations have raw answers that are too old", _old_answers),
    Bound("entries are in the cache of failed sign-ins", _cached_entries, 150_000),
    Bound("words are in the vocabulary", Word.objects.count, word.MAX_WORDS),
    Bound(
        "entries are in the audit log, which is kept for ever",
        AuditEntry.objects.count,
        5_000_000,
        "Each takes about 240 bytes. Many failed sign-ins? See the page Audit log.",
    ),
)


def growth_findings() -> Iterator[Finding]:
    found = False
    for bound in BOUNDS:
        if (count := bound.beyond()) > bound.tolerated:
            found = True
            yield warning("growth", f"{count:,} {bound.what}.", bound.advice)
    if not found:
        yield ok("growth", "No table is beyond its bound.")
