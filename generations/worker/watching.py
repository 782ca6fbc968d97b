"""Asks the gateway about watched tasks: billed there, and of no generation here.

Each query is free. The images of such a task are not downloaded: nobody here has asked for them.
"""

from contextlib import closing
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from generations.engines.base import EngineError, State, Task, TaskNotFound
from generations.models import ApiKey
from generations.models.money import WatchedTask
from generations.models.money.price import current_upstream

from .upstream import Clients

RUNNING_WAIT = timedelta(seconds=30)
UNKNOWN_WAIT = timedelta(minutes=10)  # not found, or no readable response
MAX_TASKS = 20  # of one round
Outcome = WatchedTask.Outcome
_OUTCOMES = {
    State.RUNNING: Outcome.RUNNING,
    State.SUCCEEDED: Outcome.SUCCEEDED,
    State.FAILED: Outcome.FAILED,
}


def has_due() -> bool:
    return _due().exists()


def check_due() -> bool:
    """Ask about the tasks that are due. False if there is none."""
    rows = list(_due().order_by("next_check_at")[:MAX_TASKS])
    if rows:
        with closing(Clients()) as clients:
            for row in rows:
                _check(row, clients)
    return bool(rows)


def _due() -> QuerySet[WatchedTask]:
    return WatchedTask.objects.filter(
        upstream=current_upstream(), next_check_at__lte=timezone.now()
    )


def _check(row: WatchedTask, clients: Clients) -> None:
    """Store the answer, and when to ask again: not after the end, nor after a day."""
    now, wait, changes = timezone.now(), UNKNOWN_WAIT, dict[str, Any]()
    try:
        task = _ask(row.task_id, clients)
    except TaskNotFound:
        changes = {"outcome": Outcome.NOT_FOUND, "checked_at": now, "message": ""}
    except EngineError as error:
        changes = {"message": str(error)[:300]}
    else:
        wait = RUNNING_WAIT
        changes = {
            "outcome": _OUTCOMES[task.state],
            "checked_at": now,
            "images": len(task.image_urls),
            "message": task.reason[:300],
        }
    has_ended = changes.get("outcome") in (Outcome.SUCCEEDED, Outcome.FAILED)
    is_old = now - row.watched_at > timedelta(seconds=settings.WATCH_SECONDS)
    next_at = None if has_ended or is_old else now + wait
    # Unless somebody has pressed again meanwhile.
    same = WatchedTask.objects.filter(pk=row.pk, watched_at=row.watched_at)
    same.update(next_check_at=next_at, **changes)


def _ask(task_id: str, clients: Clients) -> Task:
    """Ask with each key in use, because the account is not known. Raises EngineError."""
    refusal: EngineError = TaskNotFound("no key in use knows the task")
    for api_key in ApiKey.objects.in_order():
        found = clients.for_lookups(api_key)
        if found is None:
            continue
        _key, client = found
        try:
            return client.task(task_id)
        except EngineError as error:
            # Only "not found" with every key says that the task is not there.
            refusal = refusal if isinstance(error, TaskNotFound) else error
    raise refusal
