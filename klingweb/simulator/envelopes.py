"""How a task is told: the documented envelope and the spellings other gateways use for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Json = dict[str, Any]

SUBMITTED = "submitted"
PROCESSING = "processing"
SUCCEED = "succeed"
FAILED = "failed"


@dataclass(frozen=True)
class Snapshot:
    """A task at one moment, before it is spelled. Times are Unix seconds.

    `images` are `{"index": int, "url": str}`, filled only when the status is `succeed`; `reason`
    is filled only when it is `failed`.
    """

    task_id: str
    status: str
    created_at: float
    updated_at: float
    n: int
    model: str
    external_task_id: str = ""
    reason: str = ""
    images: tuple[Json, ...] = ()


Spell = Callable[[Snapshot], Json]


@dataclass(frozen=True)
class Dialect:
    """One gateway's way to answer a submit and a query."""

    submit: Spell
    query: Spell


def milliseconds(moment: float) -> int:
    """Unix seconds as the whole Unix milliseconds Kling speaks."""
    return int(moment * 1000)


def kling_task(task: Snapshot) -> Json:
    """The task object of the documentation (the upstream notes, section 2.6)."""
    known_as = {"external_task_id": task.external_task_id} if task.external_task_id else {}
    data: Json = {
        "task_id": task.task_id,
        "task_status": task.status,
        "task_status_msg": task.reason,
        "task_info": known_as,
        "task_result": {},
        "created_at": milliseconds(task.created_at),
        "updated_at": milliseconds(task.updated_at),
    }
    if task.status == SUCCEED:
        data["watermark_info"] = {"enabled": False}
        data["final_unit_deduction"] = str(task.n)
        data["task_result"] = {"images": list(task.images)}
    return data


def envelope(data: Json | list[Json], request_id: str) -> Json:
    """Kling's `code, message, request_id, data` around anything that went well.

    A failed task goes well too: the answer is code 0, "SUCCEED" (the upstream notes, section 1).
    """
    return {"code": 0, "message": "SUCCEED", "request_id": request_id, "data": data}


def submit_documented(task: Snapshot) -> Json:
    """YEScale's documented answer to a submit; its request id equals the task id."""
    data: Json = {
        "created_at": milliseconds(task.created_at),
        "task_id": task.task_id,
        "task_status": task.status,
        "updated_at": milliseconds(task.updated_at),
    }
    if task.external_task_id:
        data["task_info"] = {"external_task_id": task.external_task_id}
    answer = envelope(data, task.task_id)
    return {**answer, "message": "YEScale - Kling Image - Submit: SUCCEED"}


def query_documented(task: Snapshot) -> Json:
    """The documented answer to a query (the upstream notes, section 2.6)."""
    return envelope(kling_task(task), task.task_id)


DOCUMENTED = Dialect(submit_documented, query_documented)


def respelled(words: Mapping[str, str]) -> Dialect:
    """The documented envelope with other words for the statuses."""

    def spell(answer: Json) -> Json:
        status = answer["data"]["task_status"]
        answer["data"]["task_status"] = words.get(status, status)
        return answer

    return Dialect(
        lambda task: spell(submit_documented(task)), lambda task: spell(query_documented(task))
    )


def with_code(code: str | None) -> Dialect:
    """The documented envelope with another spelling of `code` 0."""
    return Dialect(
        lambda task: {**submit_documented(task), "code": code},
        lambda task: {**query_documented(task), "code": code},
    )


def _crazy_submit(task: Snapshot) -> Json:
    return {
        "id": task.task_id,
        "task_id": task.task_id,
        "object": "video",
        "model": task.model or "kling-v1",
        "status": "",
        "progress": 0,
        "created_at": int(task.created_at),
    }


def _crazy_query(task: Snapshot) -> Json:
    words = {SUBMITTED: "queued", PROCESSING: "in_progress", SUCCEED: "succeeded"}
    failed = {"message": task.reason, "code": "task_failed"} if task.status == FAILED else None
    data = {
        "task_id": task.task_id,
        "status": words.get(task.status, task.status),
        "url": task.images[0]["url"] if task.images else "",
        "format": "png" if task.images else "",
        "error": failed,
        "metadata": None,
    }
    return {"code": "success", "message": "", "data": data}


CRAZY = Dialect(_crazy_submit, _crazy_query)
"""No envelope on submit, one url only on success, failure as an object (section 4.5, CRAZY)."""


def nested(task: Snapshot) -> Json:
    """The gateway's own task with Kling's envelope inside it (section 4.5, ANYF)."""
    words = {SUBMITTED: "SUBMITTED", PROCESSING: "IN_PROGRESS", SUCCEED: "SUCCESS"}
    running = {SUBMITTED: "10%", PROCESSING: "30%"}
    ended = task.status in (SUCCEED, FAILED)
    data = {
        "task_id": task.task_id,
        "action": "generations",
        "status": words.get(task.status, "FAILURE"),
        "fail_reason": task.reason,
        "progress": running.get(task.status, "100%"),
        "submit_time": int(task.created_at),
        "start_time": int(task.created_at) if task.status != SUBMITTED else 0,
        "finish_time": int(task.updated_at) if ended else 0,
        "data": query_documented(task),
    }
    return {"code": "success", "message": "", "data": data}


ANYF = Dialect(submit_documented, nested)


def _fail_reason_url(task: Snapshot) -> Json:
    answer = nested(task)
    if task.images:
        answer["data"]["fail_reason"] = task.images[0]["url"]
    return answer


FAIL_REASON_URL = Dialect(submit_documented, _fail_reason_url)
"""Older gateways put the first URL where a reason is expected (section 4.4)."""


def _outer_behind(task: Snapshot) -> Json:
    answer = nested(task)
    answer["data"].update(status="IN_PROGRESS", progress="30%", finish_time=0)
    return answer


OUTER_BEHIND = Dialect(submit_documented, _outer_behind)
"""The gateway's view lags for ever behind the task inside it (section 4.4)."""


def _gave_up(task: Snapshot) -> Json:
    if task.status == SUBMITTED:
        return nested(task)
    answer = nested(replace(task, status=PROCESSING, images=()))
    reason = "task timed out (5 minutes)"
    answer["data"].update(status="FAILURE", fail_reason=reason, progress="100%")
    return answer


GATEWAY_GAVE_UP = Dialect(submit_documented, _gave_up)
"""The gateway's sweep closed the task while the provider worked on it (section 4.4)."""


def _in_seconds(answer: Json) -> Json:
    data = answer["data"]
    data.update(created_at=data["created_at"] // 1000, updated_at=data["updated_at"] // 1000)
    return answer


SECONDS = Dialect(
    lambda task: _in_seconds(submit_documented(task)),
    lambda task: _in_seconds(query_documented(task)),
)


def _bare(answer: Json) -> Json:
    data = {k: v for k, v in answer["data"].items() if k not in ("created_at", "updated_at")}
    return {"code": 0, "message": "SUCCEED", "data": data}


BARE = Dialect(
    lambda task: _bare(submit_documented(task)), lambda task: _bare(query_documented(task))
)
"""No request id and no timestamps (section 4.5, 302)."""
