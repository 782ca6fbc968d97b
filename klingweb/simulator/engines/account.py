"""The account API: whose key it is, and the log of charges and refunds, in new-api's format.

A task is charged when it is accepted, and refunded when it fails (docs/upstream.md, 4.4).
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.tasks import FAILED, Json, Task

USER_PATH = "/yescale/user"
LOGS_PATH = "/yescale/logs"
MAX_PAGE_SIZE = 100
CONSUME, REFUND = 2, 6

REFUSED = CannedResponse(
    200, json.dumps({"success": False, "message": "Invalid access token", "data": None})
)


def envelope(data: Any) -> Json:
    return {"success": True, "message": "", "data": data}


def user() -> Json:
    return envelope({"username": "demo", "quota": 50_000_000, "used_quota": 0})


def page(rows: list[Json], number: int, size: int) -> Json:
    """One page, newest first. Numbers start at 1."""
    size = min(max(size, 1), MAX_PAGE_SIZE)
    items = rows[(number - 1) * size : number * size]
    return envelope({"items": items, "total": len(rows), "page": number, "page_size": size})


def log_rows(tasks: Iterable[Task], since: int, until: int, quota: int, now: float) -> list[Json]:
    """The rows of this time, newest first. `quota` is the price of an image."""
    rows = [row for task in tasks for row in _rows_of(task, quota, now)]
    rows = [row for row in rows if since <= row["created_at"] <= until]
    return sorted(rows, key=lambda row: row["created_at"], reverse=True)


def _rows_of(task: Task, quota: int, now: float) -> Iterator[Json]:
    yield _row(task, task.created_at, CONSUME, quota)
    if task.state(now) == FAILED and task.done_at is not None:
        yield _row(task, task.done_at, REFUND, quota)


def _row(task: Task, at: float, kind: int, quota: int) -> Json:
    return {
        "created_at": int(at),
        "type": kind,
        "model_name": task.model or "kling-v1",
        "quota": quota * task.n,
        "task_id": task.task_id,
        "request_id": f"{task.task_id}-{kind}",
        "content": "refunded" if kind == REFUND else "",
    }
