"""Response formats for a task: the documented envelope, and the variants of other gateways.

Section numbers, and source names such as CRAZY, are those of docs/upstream.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from klingweb.simulator.tasks import (
    FAILED,
    PROCESSING,
    SUBMITTED,
    SUCCEED,
    Json,
    TaskSnapshot,
)

Formatter = Callable[[TaskSnapshot], Json]


@dataclass(frozen=True)
class ResponseFormat:
    """The responses of one gateway to a submit and to a query."""

    submit: Formatter
    query: Formatter


def milliseconds(seconds: float) -> int:
    """Convert Unix seconds to whole milliseconds."""
    return int(seconds * 1000)


def task_json(task: TaskSnapshot) -> Json:
    """Return the documented task object (section 2.6)."""
    info = {"external_task_id": task.external_task_id} if task.external_task_id else {}
    data: Json = {
        "task_id": task.task_id,
        "task_status": task.state,
        "task_status_msg": task.reason,
        "task_info": info,
        "task_result": {},
        "created_at": milliseconds(task.created_at),
        "updated_at": milliseconds(task.updated_at),
    }
    if task.state == SUCCEED:
        data["watermark_info"] = {"enabled": False}
        data["final_unit_deduction"] = str(task.n)
        data["task_result"] = {"images": list(task.images)}
    return data


def envelope(data: Json | list[Json], request_id: str) -> Json:
    """Return Kling's envelope of a successful request.

    Also used for a failed task: the query itself succeeds with code 0 (section 1).
    """
    return {"code": 0, "message": "SUCCEED", "request_id": request_id, "data": data}


def documented_submit(task: TaskSnapshot) -> Json:
    """Return YEScale's documented response to a submit. Its request id equals the task id."""
    data: Json = {
        "created_at": milliseconds(task.created_at),
        "task_id": task.task_id,
        "task_status": task.state,
        "updated_at": milliseconds(task.updated_at),
    }
    if task.external_task_id:
        data["task_info"] = {"external_task_id": task.external_task_id}
    content = envelope(data, task.task_id)
    return {**content, "message": "YEScale - Kling Image - Submit: SUCCEED"}


def documented_query(task: TaskSnapshot) -> Json:
    """Return the documented response to a query (section 2.6)."""
    return envelope(task_json(task), task.task_id)


DOCUMENTED = ResponseFormat(documented_submit, documented_query)


def _modified(change: Callable[[Json], Json]) -> ResponseFormat:
    return ResponseFormat(
        lambda task: change(documented_submit(task)), lambda task: change(documented_query(task))
    )


def with_statuses(names: Mapping[str, str]) -> ResponseFormat:
    """Return the documented format with other names for the statuses."""

    def rename_status(content: Json) -> Json:
        status = content["data"]["task_status"]
        content["data"]["task_status"] = names.get(status, status)
        return content

    return _modified(rename_status)


def with_code(code: str | None) -> ResponseFormat:
    """Return the documented format with another value for `code` 0."""
    return _modified(lambda content: {**content, "code": code})


def _flat_submit(task: TaskSnapshot) -> Json:
    return {
        "id": task.task_id,
        "task_id": task.task_id,
        "object": "video",
        "model": task.model or "kling-v1",
        "status": "",
        "progress": 0,
        "created_at": int(task.created_at),
    }


def _flat_query(task: TaskSnapshot) -> Json:
    statuses = {SUBMITTED: "queued", PROCESSING: "in_progress", SUCCEED: "succeeded"}
    error = {"message": task.reason, "code": "task_failed"} if task.state == FAILED else None
    data = {
        "task_id": task.task_id,
        "status": statuses.get(task.state, task.state),
        "url": task.images[0]["url"] if task.images else "",
        "format": "png" if task.images else "",
        "error": error,
        "metadata": None,
    }
    return {"code": "success", "message": "", "data": data}


FLAT = ResponseFormat(_flat_submit, _flat_query)
"""Submit without envelope; query with a single URL and an error object (section 4.5, CRAZY)."""


def nested_query(task: TaskSnapshot) -> Json:
    """Return the gateway's own task with Kling's envelope inside (section 4.5, ANYF)."""
    statuses = {SUBMITTED: "SUBMITTED", PROCESSING: "IN_PROGRESS", SUCCEED: "SUCCESS"}
    progress = {SUBMITTED: "10%", PROCESSING: "30%"}
    ended = task.state in (SUCCEED, FAILED)
    data = {
        "task_id": task.task_id,
        "action": "generations",
        "status": statuses.get(task.state, "FAILURE"),
        "fail_reason": task.reason,
        "progress": progress.get(task.state, "100%"),
        "submit_time": int(task.created_at),
        "start_time": int(task.created_at) if task.state != SUBMITTED else 0,
        "finish_time": int(task.updated_at) if ended else 0,
        "data": documented_query(task),
    }
    return {"code": "success", "message": "", "data": data}


NESTED = ResponseFormat(documented_submit, nested_query)


def _nested_url_as_reason(task: TaskSnapshot) -> Json:
    content = nested_query(task)
    if task.images:
        content["data"]["fail_reason"] = task.images[0]["url"]
    return content


NESTED_URL_AS_REASON = ResponseFormat(documented_submit, _nested_url_as_reason)
"""Older gateways return the first URL in `fail_reason` (section 4.4)."""


def _nested_outer_in_progress(task: TaskSnapshot) -> Json:
    content = nested_query(task)
    content["data"].update(status="IN_PROGRESS", progress="30%", finish_time=0)
    return content


NESTED_OUTER_IN_PROGRESS = ResponseFormat(documented_submit, _nested_outer_in_progress)
"""The gateway's own status stays IN_PROGRESS after the inner task has ended (section 4.4)."""


def _nested_outer_timeout(task: TaskSnapshot) -> Json:
    if task.state == SUBMITTED:
        return nested_query(task)
    content = nested_query(replace(task, state=PROCESSING, images=()))
    reason = "task timed out (5 minutes)"
    content["data"].update(status="FAILURE", fail_reason=reason, progress="100%")
    return content


NESTED_OUTER_TIMEOUT = ResponseFormat(documented_submit, _nested_outer_timeout)
"""The gateway timed out the task while Kling was processing it (section 4.4)."""


def _with_seconds(content: Json) -> Json:
    data = content["data"]
    data.update(created_at=data["created_at"] // 1000, updated_at=data["updated_at"] // 1000)
    return content


TIMES_IN_SECONDS = _modified(_with_seconds)


def _without_id_and_times(content: Json) -> Json:
    data = {k: v for k, v in content["data"].items() if k not in ("created_at", "updated_at")}
    return {"code": 0, "message": "SUCCEED", "data": data}


WITHOUT_ID_AND_TIMES = _modified(_without_id_and_times)
"""No request id and no timestamps (section 4.5, 302)."""
