"""The Kling client: every response that was observed or documented, and what it means.

"notes" are docs/upstream.md. The responses are our own, built to the documented shapes.
"""

import json
from typing import Any

import pytest

from generations.engines.base import (
    BusyReason,
    EngineError,
    ImageRequest,
    OnHold,
    RequestRefused,
    SlowDown,
    State,
    Task,
    TaskNotFound,
    Unanswered,
)
from generations.engines.kling import failure_kind, request_body
from tests.kling_responses import (
    KEY,
    PAGE,
    A,
    B,
    C,
    gateway_error,
    gateway_task,
    images_json,
    kling_json,
    make_client,
    meaning_of,
    query,
    submit,
    task_json,
    wrapped,
)
from tests.scripted_server import ScriptedServer, reply

# --- requests ----------------------------------------------------------------------------------


def test_submit_sends_one_documented_post() -> None:
    request = ImageRequest("a fox", n=2, aspect_ratio="3:2", image="aGk=", image_fidelity=0.0)
    with ScriptedServer(
        reply(200, kling_json(0, data={"task_id": "t", "task_status": "submitted"}))
    ) as server:
        make_client(server.url + "/").submit(request)
    (sent,) = server.requests
    assert (sent.method, sent.path) == ("POST", "/kling/v1/images/generations")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["content-type"] == "application/json"
    assert json.loads(sent.body) == {
        "prompt": "a fox",
        "n": 2,
        "aspect_ratio": "3:2",
        "image": "aGk=",
        "image_fidelity": 0.0,
    }


def test_extended_fields_are_sent_in_the_extended_profile_only() -> None:
    more = {"model_name": "kling-v2-1", "callback_url": "", "seed": 1}
    request = ImageRequest("a fox", extended=more, params={"resolution": "2k"})
    plain = {"prompt": "a fox", "n": 1}
    assert request_body(request, "documented") == plain
    assert request_body(request, "extended") == plain | {
        "model_name": "kling-v2-1",
        "resolution": "2k",
    }
    with pytest.raises(ValueError, match="profile"):
        make_client("http://x", profile="extendet")


@pytest.mark.parametrize(
    ("upstream_task_id", "path"),
    [
        ("CjAb-c_1", "CjAb-c_1"),
        ("871234567890123456", "871234567890123456"),
        ("a/b?c#d e%", "a%2Fb%3Fc%23d%20e%25"),
        ("số", "s%E1%BB%91"),
    ],
)
def test_task_id_is_quoted_in_the_path(upstream_task_id: str, path: str) -> None:
    with ScriptedServer(reply(200, kling_json(0, data={"task_status": ""}))) as server:
        make_client(server.url).task(upstream_task_id)
    assert server.requests[0].path == f"/kling/v1/images/generations/{path}"


# --- accepted submits --------------------------------------------------------------------------

ACCEPTED: dict[str, tuple[object, str, State]] = {
    "YEScale": (
        {
            "code": 0,
            "message": "YEScale - Kling Image - Submit: SUCCEED",
            "request_id": "Cj-_1",
            "data": {"task_id": "Cj-_1", "task_status": "submitted", "created_at": 1},
        },
        "Cj-_1",
        State.RUNNING,
    ),
    "no envelope, empty status": (
        {
            "id": "task_1",
            "task_id": "task_1",
            "object": "video",
            "status": "",
            "progress": 0,
            "created_at": 1764000000,
        },
        "task_1",
        State.RUNNING,
    ),
    "code as text": (kling_json("0", data={"task_id": "t"}), "t", State.RUNNING),
    "code success": (kling_json("success", data={"id": "t"}), "t", State.RUNNING),
    "code null": (kling_json(None, data={"task_id": "t"}), "t", State.RUNNING),
    "no code": ({"data": {"task_id": "t"}}, "t", State.RUNNING),
    "only an id": ({"id": "kling_0f"}, "kling_0f", State.RUNNING),
    "a number": ({"data": {"task_id": 871234567890123456}}, "871234567890123456", State.RUNNING),
    "deep inside": ({"code": 0, "data": {"data": {"task_id": "t"}}}, "t", State.RUNNING),
    "an empty one first": ({"data": {"task_id": " ", "id": True}, "id": "t"}, "t", State.RUNNING),
    "beside a code": (kling_json(1303, data={"task_id": "t"}), "t", State.RUNNING),
    "failed at once": ({"data": {"task_id": "t", "task_status": "failed"}}, "t", State.FAILED),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_submit_response_with_an_id_is_accepted(name: str) -> None:
    body, upstream_task_id, state = ACCEPTED[name]
    task = submit(reply(200, body))
    assert isinstance(task, Task)
    assert (task.upstream_task_id, task.state) == (upstream_task_id, state)
    assert json.loads(task.response) == body


# --- other submit responses --------------------------------------------------------------------

GATEWAY_BUSY = kling_json("fail_to_fetch_task", "当前分组上游负载已饱和，请稍后再试", data=None)

SUBMIT_ERRORS: dict[str, tuple[int, object, tuple[Any, ...]]] = {
    # Final (notes 3.1; models/status.py, T3)
    "1200": (400, kling_json(1200), (RequestRefused, "input")),
    "1201": (400, kling_json(1201), (RequestRefused, "input")),
    "1202": (404, kling_json(1202), (RequestRefused, "ours")),
    "1203": (404, kling_json(1203), (RequestRefused, "ours")),
    "1300": (400, kling_json(1300), (RequestRefused, "policy")),
    "1301": (400, kling_json(1301), (RequestRefused, "policy")),
    "1301 as text": (400, kling_json("1301"), (RequestRefused, "policy")),
    "1301 with 200": (200, kling_json(1301), (RequestRefused, "policy")),
    "1301 in an error": (400, gateway_error("no", code=1301), (RequestRefused, "policy")),
    "1301 wrapped by the gateway": (400, wrapped(kling_json(1301)), (RequestRefused, "policy")),
    "1301 wrapped twice": (400, wrapped(wrapped(kling_json(1301))), (RequestRefused, "policy")),
    # The gateway's own errors (notes 4.4)
    "task_failed": (
        400,
        kling_json("task_failed", "Image pixel is invalid"),
        (RequestRefused, "input"),
    ),
    "bad JSON": (400, gateway_error("invalid character"), (RequestRefused, "input")),
    "error as text": (422, {"error": "prompt is missing"}, (RequestRefused, "input")),
    "message alone": (400, {"message": "prompt is missing"}, (RequestRefused, "input")),
    "wrong path": (
        404,
        gateway_error("Invalid URL", kind="invalid_request_error"),
        (RequestRefused, "ours"),
    ),
    "wrong method": (405, {"error": "method not allowed"}, (RequestRefused, "ours")),
    "too large, from a proxy": (
        413,
        "<html>413 Request Entity Too Large</html>",
        (RequestRefused, "input"),
    ),
    # The account, the key, the rights, the address (models/status.py, T5)
    "1000": (401, kling_json(1000), (OnHold, "key")),
    "1001": (401, kling_json(1001), (OnHold, "key")),
    "1002": (401, kling_json(1002), (OnHold, "key")),
    "1003": (401, kling_json(1003), (OnHold, "key")),
    "1004": (401, kling_json(1004), (OnHold, "key")),
    "1100": (429, kling_json(1100), (OnHold, "account")),
    "1101": (429, kling_json(1101), (OnHold, "account")),
    "1102": (429, kling_json(1102), (OnHold, "account")),
    "1102 with 200": (200, kling_json("1102"), (OnHold, "account")),
    "1102 wrapped by the gateway": (429, wrapped(kling_json(1102)), (OnHold, "account")),
    "1103": (403, kling_json(1103), (OnHold, "rights")),
    "1304": (429, kling_json(1304), (OnHold, "address")),
    "bad key": (401, gateway_error("无效的令牌 (request id: 1)"), (OnHold, "key")),
    "bad key at one-api": (
        401,
        gateway_error("invalid token", kind="one_api_error"),
        (OnHold, "key"),
    ),
    "used-up key": (401, gateway_error("quota of this token is used up"), (OnHold, "account")),
    "used-up key in Chinese": (401, gateway_error("该令牌额度已用尽"), (OnHold, "account")),
    "401 without words": (401, "", (OnHold, "key")),
    "402": (402, gateway_error("please pay"), (OnHold, "account")),
    "no quota for a task": (403, kling_json("quota_not_enough", data=None), (OnHold, "account")),
    "no quota": (403, gateway_error("no", code="insufficient_user_quota"), (OnHold, "account")),
    "no quota, with another status": (
        500,
        gateway_error("no", code="insufficient_user_quota"),
        (OnHold, "account"),
    ),
    "IP not allowed": (403, gateway_error("your IP is not in the list"), (OnHold, "address")),
    "IP not allowed, in Chinese": (
        403,
        gateway_error("您的IP不在允许访问的列表中"),
        (OnHold, "address"),
    ),
    "model not allowed": (
        403,
        gateway_error("this token may not use model kling"),
        (OnHold, "rights"),
    ),
    "a firewall's page": (403, PAGE, (OnHold, "address")),
    "429 for the quota": (
        429,
        gateway_error("You exceeded your current quota"),
        (OnHold, "account"),
    ),
    # For now (models/status.py, T4)
    "1302": (429, kling_json(1302), (SlowDown,)),
    "1303": (429, kling_json(1303, "parallel task over resource pack limit"), (SlowDown,)),
    "1303 with 200": (200, kling_json(1303), (SlowDown,)),
    "5000": (500, kling_json(5000), (SlowDown,)),
    "5001": (503, kling_json(5001), (SlowDown,)),
    "no channel": (503, gateway_error("no channel", code="model_not_found"), (SlowDown,)),
    "429 of the group": (429, GATEWAY_BUSY, (SlowDown,)),
    "429 of the user": (429, gateway_error("too many requests"), (SlowDown,)),
    "429 without words": (429, "", (SlowDown,)),
    "429 with a page": (429, PAGE, (SlowDown,)),
    # Result unknown (models/status.py, T6)
    "5002": (504, kling_json(5002), (Unanswered,)),
    "5002 wrapped by the gateway": (504, wrapped(kling_json(5002)), (Unanswered,)),
    "do_request_failed": (500, kling_json("do_request_failed", data=None), (Unanswered,)),
    "panic": (500, gateway_error("panic", kind="new_api_panic"), (Unanswered,)),
    "the facade's 500": (
        500,
        gateway_error("no", code="failed", kind="kling_error"),
        (Unanswered,),
    ),
    "unreadable error of Kling": (400, wrapped("<html>Bad Request</html>"), (Unanswered,)),
    "500 without words": (500, "", (Unanswered,)),
    "502 with a page": (502, PAGE, (Unanswered,)),
    "524 with a page": (524, PAGE, (Unanswered,)),
    "503 without a code": (503, gateway_error("no"), (Unanswered,)),
    "200 with a page": (200, PAGE, (Unanswered,)),
    "200 with nothing": (200, "", (Unanswered,)),
    "204": (204, "", (Unanswered,)),
    "200 without an id": (200, kling_json(0, "SUCCEED", data={}), (Unanswered,)),
    "200 with pictures and no id": (200, {"data": [{"url": A}]}, (Unanswered,)),
    "200 with an unknown code": (200, kling_json("what"), (Unanswered,)),
    "400 with a page": (400, PAGE, (Unanswered,)),
    "400 without words": (400, {}, (Unanswered,)),
    "404 with a page": (404, PAGE, (Unanswered,)),
    "408": (408, gateway_error("timeout"), (Unanswered,)),
    "refused and accepted": (500, kling_json(5000, data={"task_id": "t"}), (Unanswered,)),
    "a list": (400, ["no"], (Unanswered,)),
    "a depth without end": (200, "[" * 100_000, (Unanswered,)),
    "half an answer": (200, '{"code":0,"data":{"task_id":"t', (Unanswered,)),
}


@pytest.mark.parametrize("name", SUBMIT_ERRORS)
def test_submit_response_without_an_id_raises(name: str) -> None:
    status, body, meaning = SUBMIT_ERRORS[name]
    outcome = submit(reply(status, body))
    assert meaning_of(outcome) == meaning
    assert isinstance(outcome, EngineError)
    assert outcome.http_status == status


def test_missing_right_is_a_refusal_when_a_model_was_named() -> None:
    request = ImageRequest("a fox", extended={"model_name": "kling-v3"})
    script = reply(403, kling_json(1103))
    assert meaning_of(submit(script, request, profile="extended")) == (RequestRefused, "input")
    assert meaning_of(submit(script, request)) == (OnHold, "rights")


def test_only_an_internal_error_limits_attempts() -> None:
    limits = {}
    for code in (1302, 1303, 5000, 5001):
        outcome = submit(reply(429, kling_json(code)))
        assert isinstance(outcome, SlowDown)
        limits[code] = outcome.max_attempts
    assert limits == {1302: None, 1303: None, 5000: 2, 5001: None}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (429, "", BusyReason.UNKNOWN),
        (429, GATEWAY_BUSY, BusyReason.UNKNOWN),
        (429, gateway_error("no"), BusyReason.UNKNOWN),
        (429, kling_json(1302), BusyReason.RATE),
        (429, kling_json(1303), BusyReason.CONCURRENCY),
        (503, kling_json(5001), BusyReason.OVERLOADED),
        (500, kling_json(5000), BusyReason.OVERLOADED),
        (503, gateway_error("no", code="model_not_found"), BusyReason.NO_CHANNEL),
    ],
)
def test_reason_of_a_refusal_for_now(status: int, body: object, reason: BusyReason) -> None:
    outcome = submit(reply(status, body))
    assert isinstance(outcome, SlowDown)
    assert outcome.reason is reason


def test_refusal_contains_the_upstreams_message_and_response() -> None:
    body = wrapped(kling_json(1301, "content is not allowed"))
    outcome = submit(reply(400, body))
    assert isinstance(outcome, RequestRefused)
    assert (outcome.message, outcome.code) == ("content is not allowed", "1301")
    assert str(outcome) == "content is not allowed (HTTP 400, code 1301)"
    assert json.loads(outcome.response) == body


# --- queries -----------------------------------------------------------------------------------


FINISHED: dict[str, tuple[object, tuple[str, ...]]] = {
    "official": (
        task_json("succeed", **images_json({"index": 0, "url": A}, {"index": 1, "url": B})),
        (A, B),
    ),
    "shuffled": (
        task_json("succeed", **images_json({"index": 1, "url": B}, {"index": 0, "url": A})),
        (A, B),
    ),
    "id for index": (
        task_json("succeed", **images_json({"id": "", "url": B}, {"id": "", "url": A})),
        (B, A),
    ),
    "one index missing": (
        task_json("succeed", **images_json({"index": 1, "url": B}, {"url": A})),
        (B, A),
    ),
    "the same twice": (
        task_json("succeed", **images_json({"url": A}, {"url": A}, {"url": B})),
        (A, B),
    ),
    "not a web URL": (
        task_json("succeed", **images_json({"url": "ftp:x"}, {"url": None}, {"url": C})),
        (C,),
    ),
    "no pictures": (task_json("succeed", **images_json()), ()),
    "no result": (task_json("succeed"), ()),
    "one url, own envelope": (
        {
            "code": "success",
            "message": "",
            "data": {
                "task_id": "t",
                "status": "succeeded",
                "url": A,
                "format": "",
                "error": None,
                "metadata": None,
            },
        },
        (A,),
    ),
    "nested in the gateway's own task": (
        gateway_task("SUCCESS", task_json("succeed", **images_json({"url": A}, {"url": B}))),
        (A, B),
    ),
    "all of them rather than the outer one": (
        gateway_task("SUCCESS", task_json("succeed", **images_json({"url": A}, {"url": B})), url=A),
        (A, B),
    ),
    "the outer one lags": (
        gateway_task("IN_PROGRESS", task_json("succeed", **images_json({"url": A}))),
        (A,),
    ),
    "failed at the gateway, succeeded at Kling": (
        gateway_task(
            "FAILURE", task_json("succeed", **images_json({"url": A})), fail_reason="timed out"
        ),
        (A,),
    ),
    "images": ({"task_id": "t", "status": "completed", "images": [A, {"url": B}]}, (A, B)),
    "result_url": ({"code": 0, "data": {"status": "done", "result_url": A}}, (A,)),
    "output": ({"code": 0, "data": {"status": "Success", "output": {"urls": [A, B]}}}, (A, B)),
    "output of one": ({"code": 0, "data": {"status": "finished", "output": {"url": A}}}, (A,)),
    "the sync facade": ({"created": 1, "data": [{"url": A}, {"url": B}]}, (A, B)),
    "fail_reason is the URL": (
        {"code": "success", "data": {"status": "SUCCESS", "fail_reason": A}},
        (A,),
    ),
}


@pytest.mark.parametrize("name", FINISHED)
def test_finished_task_lists_its_images(name: str) -> None:
    body, urls = FINISHED[name]
    task = query(reply(200, body))
    assert isinstance(task, Task)
    assert (task.state, task.image_urls, task.reason) == (State.SUCCEEDED, urls, "")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.SUCCEEDED, "succeed succeeded SUCCESS Success completed complete done finished"),
        (State.FAILED, "failed FAILED fail FAILURE error canceled cancelled expired timeout"),
        (
            State.RUNNING,
            "submitted processing queued in_progress IN_PROGRESS NOT_START running "
            "generating pending SUBMITTED created not_started something_new",
        ),
    ],
)
def test_every_spelling_of_a_status_is_known(state: State, words: str) -> None:
    for word in words.split():
        task = query(reply(200, task_json(f" {word} ", created_at=1)))
        assert isinstance(task, Task)
        assert task.state == state


NOT_FINISHED: dict[str, object] = {
    "an empty status": task_json(""),
    "an empty status at the root": {"id": "t", "task_id": "t", "status": "", "progress": 0},
    "running, with what may be a preview": task_json("processing", **images_json({"url": A})),
    "an envelope that succeeded": {"status": "success", "data": {"task_status": "processing"}},
    "the inner one failed first": gateway_task("IN_PROGRESS", task_json("failed")),
}


@pytest.mark.parametrize("name", NOT_FINISHED)
def test_unfinished_task_is_running(name: str) -> None:
    task = query(reply(200, NOT_FINISHED[name]))
    assert isinstance(task, Task)
    assert (task.state, task.image_urls) == (State.RUNNING, ())


FAILED: dict[str, tuple[object, str]] = {
    "official (notes 1.4)": (
        task_json(
            "failed",
            task_status_msg="Image pixel is invalid",
            task_info={},
            task_result={},
            created_at=1764000000000,
        ),
        "Image pixel is invalid",
    ),
    "without a reason": (task_json("failed", created_at=1), ""),
    "beside a code": (
        {"code": 1301, "message": "content moderation failed", "data": {"task_status": "failed"}},
        "content moderation failed",
    ),
    "a URL is no reason": (task_json("failed", fail_reason=A, task_status_msg=""), ""),
    "in the gateway's own task": (
        gateway_task("FAILURE", None, fail_reason="timed out (9 min)"),
        "timed out (9 min)",
    ),
    "outer failed, inner processing": (
        gateway_task("FAILURE", task_json("processing"), failReason="gone"),
        "gone",
    ),
    "as an error beside code success": (
        {
            "code": "success",
            "message": "",
            "data": {"status": "failed", "error": {"code": "task_failed", "message": "moderation"}},
        },
        "moderation",
    ),
    "as an error without a status": (
        {
            "code": "success",
            "message": "",
            "data": {"error": {"code": "task_failed", "message": "moderation"}},
        },
        "moderation",
    ),
    "error as text": ({"task_id": "t", "status": "FAILURE", "error": "no luck"}, "no luck"),
    "not found, but it was created": (
        task_json("failed", task_status_msg="image not found", created_at=1),
        "image not found",
    ),
}


@pytest.mark.parametrize("name", FAILED)
def test_failed_task_has_the_upstreams_reason(name: str) -> None:
    body, reason = FAILED[name]
    task = query(reply(200, body))
    assert isinstance(task, Task)
    assert (task.state, task.reason, task.image_urls) == (State.FAILED, reason, ())


QUERY_ERRORS: dict[str, tuple[int, object, tuple[Any, ...]]] = {
    # Not found, which is not reliable (notes 3.3, 6.4)
    "task_not_exist": (
        400,
        kling_json("task_not_exist", "task_not_exist", data=None),
        (TaskNotFound,),
    ),
    "1203": (404, kling_json(1203), (TaskNotFound,)),
    "404 in words": (404, gateway_error("no such record"), (TaskNotFound,)),
    "task not found": (400, gateway_error("task not found"), (TaskNotFound,)),
    "task not found with 200": (200, kling_json(-1, "Task does not exist"), (TaskNotFound,)),
    "wrapped by the gateway": (404, wrapped(kling_json(1203)), (TaskNotFound,)),
    "in Chinese": (400, gateway_error("任务不存在"), (TaskNotFound,)),
    "the false form": (200, task_json("failed", task_status_msg="task not found"), (TaskNotFound,)),
    "the false form, nested": (
        200,
        gateway_task("FAILURE", 0, fail_reason="task_not_exist"),
        (TaskNotFound,),
    ),
    # Holds and waits
    "1002": (401, kling_json(1002), (OnHold, "key")),
    "1101": (429, kling_json(1101), (OnHold, "account")),
    "1103": (403, kling_json(1103), (OnHold, "rights")),
    "1304": (429, kling_json(1304), (OnHold, "address")),
    "used up": (401, gateway_error("quota is used up"), (OnHold, "account")),
    "1302": (429, kling_json(1302), (SlowDown,)),
    "1303 with 200": (200, kling_json(1303, data=None), (SlowDown,)),
    "1303 beside an empty status": (200, {"code": 1303, "data": {"task_status": ""}}, (SlowDown,)),
    "5001": (503, kling_json(5001), (SlowDown,)),
    "429 without words": (429, "", (SlowDown,)),
    # None of these ends a task
    "1201": (400, kling_json(1201), (Unanswered,)),
    "1202": (404, kling_json(1202), (Unanswered,)),
    "1301": (400, kling_json(1301), (Unanswered,)),
    "5000": (500, kling_json(5000), (Unanswered,)),
    "5000 with 200": (200, kling_json(5000, data=None), (Unanswered,)),
    "5002": (504, kling_json(5002), (Unanswered,)),
    "no channel": (503, gateway_error("no", code="model_not_found"), (Unanswered,)),
    "task not found with 500": (500, gateway_error("task not found"), (Unanswered,)),
    "wrong path": (404, gateway_error("Invalid URL", kind="invalid_request_error"), (Unanswered,)),
    "wrong path with 200": (200, PAGE, (Unanswered,)),
    "404 with a page": (404, PAGE, (Unanswered,)),
    "400 with words": (400, gateway_error("no"), (Unanswered,)),
    "500 with nothing": (500, "", (Unanswered,)),
    "502 with a page": (502, PAGE, (Unanswered,)),
    "nothing": (200, "", (Unanswered,)),
    "no data": (200, kling_json(0, "SUCCEED", data=None), (Unanswered,)),
    "no status": (200, kling_json(0, "SUCCEED", data={"task_id": "t"}), (Unanswered,)),
    "an envelope with an error": (200, {"status": "error", "message": "try later"}, (Unanswered,)),
    "a URL beside a code": (200, {"code": 7, "message": "no", "url": A}, (Unanswered,)),
    "a list": (200, [task_json("failed")], (Unanswered,)),
}


@pytest.mark.parametrize("name", QUERY_ERRORS)
def test_odd_query_response_never_ends_a_task(name: str) -> None:
    status, body, meaning = QUERY_ERRORS[name]
    outcome = query(reply(status, body))
    assert meaning_of(outcome) == meaning
    assert isinstance(outcome, EngineError)
    assert outcome.http_status == status


@pytest.mark.parametrize(
    ("value", "progress"),
    [
        ("45%", 45),
        (45, 45),
        ("45", 45),
        (12.7, 12),
        ("10.5 %", 10),
        ("", None),
        (None, None),
        (True, None),
        (101, None),
        ("half", None),
        ([], None),
    ],
)
def test_progress_is_read_in_every_form(value: object, progress: int | None) -> None:
    task = query(reply(200, task_json("processing", progress=value)))
    assert isinstance(task, Task)
    assert task.progress == progress


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("content moderation failed", "policy"),
        ("The prompt contains sensitive words", "policy"),
        ("任务审核不通过", "policy"),
        ("Image pixel is invalid", "input"),
        ("aspect ratio is not supported", "input"),
        ("task timed out (5 minutes)", "time"),
        ("Insufficient account balance", "balance"),
        ("The service is busy, try again later", "busy"),
        ("internal error 42", "ours"),
        ("", "ours"),
    ],
)
def test_failure_kind_is_read_from_the_message(reason: str, kind: str) -> None:
    assert failure_kind(reason) == kind
