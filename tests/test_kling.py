"""The door to the upstream: every answer that was seen or documented, and what it means to us.

The notes named here are docs/upstream.md; the answers are ours, built to the documented shapes.
"""

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from generations.engines import kling
from generations.engines.kling import (
    Client,
    Denied,
    ImageRequest,
    NotSent,
    OnHold,
    Refused,
    SlowDown,
    State,
    Task,
    Unanswered,
)
from tests.scripted_server import (
    ScriptedResponse,
    ScriptedServer,
    delayed,
    disconnect,
    flood,
    reply,
    trickle,
)

KEY = "sk-Abc123/def456+ghi"
WISH = ImageRequest("a red fox")
PAGE = "<!doctype html><title>Dashboard</title>"
A, B, C = "https://files.example/0.png?x=1", "https://files.example/1.png", "http://files.example/2"

Outcome = Task | kling.KlingError


def asks(script: ScriptedResponse, verb: Callable[[Client], Task], **options: Any) -> Outcome:
    with ScriptedServer(script) as server:
        client = Client(server.url, KEY, **options)
        try:
            return verb(client)
        except kling.KlingError as error:
            return error
        finally:
            client.close()


def submit(script: ScriptedResponse, wish: ImageRequest = WISH, **options: Any) -> Outcome:
    return asks(script, lambda client: client.submit(wish), **options)


def query(script: ScriptedResponse, **options: Any) -> Outcome:
    return asks(script, lambda client: client.task("CjAb-c_1"), **options)


def facts(outcome: Outcome) -> tuple[Any, ...]:
    """The kind of an error and what it tells its caller to do."""
    told = [getattr(outcome, name) for name in ("kind", "trouble") if hasattr(outcome, name)]
    return (type(outcome), *told)


def official(code: object, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "r", **more}


def openai(message: str, code: object = "", kind: str = "new_api_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def nested(inner: object) -> dict[str, Any]:
    text = inner if isinstance(inner, str) else json.dumps(inner)
    return {"code": "fail_to_fetch_task", "message": text, "data": None}


# --- what goes out --------------------------------------------------------------------------------


def test_a_submit_is_one_documented_post() -> None:
    wish = ImageRequest("a fox", n=2, aspect_ratio="3:2", image="aGk=", image_fidelity=0.0)
    with ScriptedServer(
        reply(200, official(0, data={"task_id": "t", "task_status": "submitted"}))
    ) as server:
        Client(server.url + "/", KEY).submit(wish)
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("POST", "/kling/v1/images/generations")
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {
        "prompt": "a fox", "n": 2, "aspect_ratio": "3:2", "image": "aGk=", "image_fidelity": 0.0,
    }  # fmt: skip


def test_the_extended_fields_go_out_under_their_profile_only() -> None:
    more = {"model_name": "kling-v2-1", "resolution": "2k", "callback_url": "", "seed": 1}
    wish = ImageRequest("a fox", extended=more)
    plain = {"prompt": "a fox", "n": 1}
    assert wish.body("documented") == plain
    assert wish.body("extended") == plain | {"model_name": "kling-v2-1", "resolution": "2k"}
    with pytest.raises(ValueError, match="profile"):
        Client("http://x", KEY, profile="extendet")


@pytest.mark.parametrize(
    ("upstream_task_id", "path"),
    [("CjAb-c_1", "CjAb-c_1"), ("871234567890123456", "871234567890123456"),
     ("a/b?c#d e%", "a%2Fb%3Fc%23d%20e%25"), ("số", "s%E1%BB%91")],
)  # fmt: skip
def test_an_id_is_quoted_in_the_path(upstream_task_id: str, path: str) -> None:
    with ScriptedServer(reply(200, official(0, data={"task_status": ""}))) as server:
        Client(server.url, KEY).task(upstream_task_id)
    assert server.requests[0].path == f"/kling/v1/images/generations/{path}"


def test_each_submit_has_a_fresh_connection_and_queries_share_theirs() -> None:
    answer = reply(200, official(0, data={"task_id": "t", "task_status": "submitted"}))
    with ScriptedServer(answer) as server:
        client = Client(server.url, KEY)
        for _ in range(3):
            client.task("t")
        client.submit(WISH)
        client.submit(WISH)
        client.task("t")
    assert [asked.connection for asked in server.requests] == [0, 0, 0, 1, 2, 0]


# --- a submit that was accepted -------------------------------------------------------------------

ACCEPTED: dict[str, tuple[object, str, State]] = {
    "YEScale": (
        {"code": 0, "message": "YEScale - Kling Image - Submit: SUCCEED", "request_id": "Cj-_1",
         "data": {"task_id": "Cj-_1", "task_status": "submitted", "created_at": 1}},
        "Cj-_1", State.OPEN,
    ),
    "no envelope, empty status (CRAZY)": (
        {"id": "task_1", "task_id": "task_1", "object": "video", "status": "", "progress": 0,
         "created_at": 1764000000},
        "task_1", State.OPEN,
    ),
    "code as text": (official("0", data={"task_id": "t"}), "t", State.OPEN),
    "code success": (official("success", data={"id": "t"}), "t", State.OPEN),
    "code null": (official(None, data={"task_id": "t"}), "t", State.OPEN),
    "no code": ({"data": {"task_id": "t"}}, "t", State.OPEN),
    "only an id": ({"id": "kling_0f"}, "kling_0f", State.OPEN),
    "a number": ({"data": {"task_id": 871234567890123456}}, "871234567890123456", State.OPEN),
    "deep inside": ({"code": 0, "data": {"data": {"task_id": "t"}}}, "t", State.OPEN),
    "an empty one first": ({"data": {"task_id": " ", "id": True}, "id": "t"}, "t", State.OPEN),
    "beside a code": (official(1303, data={"task_id": "t"}), "t", State.OPEN),
    "failed at once": ({"data": {"task_id": "t", "task_status": "failed"}}, "t", State.FAILED),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_an_answer_with_an_id_is_accepted(name: str) -> None:
    body, upstream_task_id, state = ACCEPTED[name]
    task = submit(reply(200, body))
    assert isinstance(task, Task)
    assert (task.upstream_task_id, task.state) == (upstream_task_id, state)
    assert json.loads(task.answer) == body


# --- a submit that was not ------------------------------------------------------------------------

GATEWAY_IS_BUSY = official("fail_to_fetch_task", "当前分组上游负载已饱和，请稍后再试", data=None)

NOT_ACCEPTED: dict[str, tuple[int, object, tuple[Any, ...]]] = {
    # Final (notes 3.1; models/status.py, T3)
    "1200": (400, official(1200), (Refused, "input")),
    "1201": (400, official(1201), (Refused, "input")),
    "1202": (404, official(1202), (Refused, "ours")),
    "1203": (404, official(1203), (Refused, "ours")),
    "1300": (400, official(1300), (Refused, "policy")),
    "1301": (400, official(1301), (Refused, "policy")),
    "1301 as text": (400, official("1301"), (Refused, "policy")),
    "1301 with 200": (200, official(1301), (Refused, "policy")),
    "1301 in an error": (400, openai("no", code=1301), (Refused, "policy")),
    "1301 told by the gateway": (400, nested(official(1301)), (Refused, "policy")),
    "1301 told twice": (400, nested(nested(official(1301))), (Refused, "policy")),
    # By the gateway's own words (notes 4.4)
    "task_failed": (400, official("task_failed", "Image pixel is invalid"), (Refused, "input")),
    "bad JSON": (400, openai("invalid character"), (Refused, "input")),
    "error as text": (422, {"error": "prompt is missing"}, (Refused, "input")),
    "message alone": (400, {"message": "prompt is missing"}, (Refused, "input")),
    "wrong path": (404, openai("Invalid URL", kind="invalid_request_error"), (Refused, "ours")),
    "wrong method": (405, {"error": "method not allowed"}, (Refused, "ours")),
    "too large, said nginx": (413, "<html>413 Request Entity Too Large</html>", (Refused, "input")),
    # The account, the key, the rights, the address (models/status.py, T5)
    "1000": (401, official(1000), (OnHold, "key")),
    "1001": (401, official(1001), (OnHold, "key")),
    "1002": (401, official(1002), (OnHold, "key")),
    "1003": (401, official(1003), (OnHold, "key")),
    "1004": (401, official(1004), (OnHold, "key")),
    "1100": (429, official(1100), (OnHold, "account")),
    "1101": (429, official(1101), (OnHold, "account")),
    "1102": (429, official(1102), (OnHold, "account")),
    "1102 with 200": (200, official("1102"), (OnHold, "account")),
    "1102 told by the gateway": (429, nested(official(1102)), (OnHold, "account")),
    "1103": (403, official(1103), (OnHold, "rights")),
    "1304": (429, official(1304), (OnHold, "address")),
    "bad key": (401, openai("无效的令牌 (request id: 1)"), (OnHold, "key")),
    "bad key at one-api": (401, openai("invalid token", kind="one_api_error"), (OnHold, "key")),
    "used-up key": (401, openai("quota of this token is used up"), (OnHold, "account")),
    "used-up key in Chinese": (401, openai("该令牌额度已用尽"), (OnHold, "account")),
    "401 without words": (401, "", (OnHold, "key")),
    "402": (402, openai("please pay"), (OnHold, "account")),
    "poor for a task": (403, official("quota_not_enough", data=None), (OnHold, "account")),
    "poor": (403, openai("no", code="insufficient_user_quota"), (OnHold, "account")),
    "poor with another status": (500, openai("no", code="insufficient_user_quota"),
                                 (OnHold, "account")),
    "IP not allowed": (403, openai("your IP is not in the list"), (OnHold, "address")),
    "IP not allowed, in Chinese": (403, openai("您的IP不在允许访问的列表中"), (OnHold, "address")),
    "model not allowed": (403, openai("this token may not use model kling"), (OnHold, "rights")),
    "a firewall's page": (403, PAGE, (OnHold, "address")),
    "429 for the quota": (429, openai("You exceeded your current quota"), (OnHold, "account")),
    # For now (models/status.py, T4)
    "1302": (429, official(1302), (SlowDown,)),
    "1303": (429, official(1303, "parallel task over resource pack limit"), (SlowDown,)),
    "1303 with 200": (200, official(1303), (SlowDown,)),
    "5000": (500, official(5000), (SlowDown,)),
    "5001": (503, official(5001), (SlowDown,)),
    "no channel": (503, openai("no channel", code="model_not_found"), (SlowDown,)),
    "429 of the group": (429, GATEWAY_IS_BUSY, (SlowDown,)),
    "429 of the user": (429, openai("too many requests"), (SlowDown,)),
    "429 without words": (429, "", (SlowDown,)),
    "429 with a page": (429, PAGE, (SlowDown,)),
    # Nobody knows (models/status.py, T6)
    "5002": (504, official(5002), (Unanswered,)),
    "5002 told by the gateway": (504, nested(official(5002)), (Unanswered,)),
    "do_request_failed": (500, official("do_request_failed", data=None), (Unanswered,)),
    "panic": (500, openai("panic", kind="new_api_panic"), (Unanswered,)),
    "the facade's 500": (500, openai("no", code="failed", kind="kling_error"), (Unanswered,)),
    "unreadable Kling": (400, nested("<html>Bad Request</html>"), (Unanswered,)),
    "500 without words": (500, "", (Unanswered,)),
    "502 with a page": (502, PAGE, (Unanswered,)),
    "524 with a page": (524, PAGE, (Unanswered,)),
    "503 without a code": (503, openai("no"), (Unanswered,)),
    "200 with a page": (200, PAGE, (Unanswered,)),
    "200 with nothing": (200, "", (Unanswered,)),
    "204": (204, "", (Unanswered,)),
    "200 without an id": (200, official(0, "SUCCEED", data={}), (Unanswered,)),
    "200 with pictures and no id": (200, {"data": [{"url": A}]}, (Unanswered,)),
    "200 with an unknown code": (200, official("what"), (Unanswered,)),
    "400 with a page": (400, PAGE, (Unanswered,)),
    "400 without words": (400, {}, (Unanswered,)),
    "404 with a page": (404, PAGE, (Unanswered,)),
    "408": (408, openai("timeout"), (Unanswered,)),
    "refused and accepted": (500, official(5000, data={"task_id": "t"}), (Unanswered,)),
    "a list": (400, ["no"], (Unanswered,)),
    "a depth without end": (200, "[" * 100_000, (Unanswered,)),
    "half an answer": (200, '{"code":0,"data":{"task_id":"t', (Unanswered,)),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_ACCEPTED)
def test_an_answer_without_an_id_means_one_thing(name: str) -> None:
    status, body, meaning = NOT_ACCEPTED[name]
    outcome = submit(reply(status, body))
    assert facts(outcome) == meaning
    assert isinstance(outcome, kling.KlingError)
    assert outcome.http_status == status


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_proves_nothing(status: int) -> None:
    with ScriptedServer(reply(status, "moved", Location="/elsewhere")) as server:
        with pytest.raises(Unanswered) as raised:
            Client(server.url, KEY).submit(WISH)
        with pytest.raises(Unanswered):
            Client(server.url, KEY).task("t")
    assert [asked.method for asked in server.requests] == ["POST", "GET"]
    assert raised.value.http_status == status


def test_a_missing_right_is_the_models_fault_when_we_named_one() -> None:
    wish = ImageRequest("a fox", extended={"model_name": "kling-v3"})
    script = reply(403, official(1103))
    assert facts(submit(script, wish, profile="extended")) == (Refused, "input")
    assert facts(submit(script, wish)) == (OnHold, "rights")


def test_only_an_internal_error_has_a_limit_of_attempts() -> None:
    limits = {}
    for code in (1302, 1303, 5000, 5001):
        outcome = submit(reply(429, official(code)))
        assert isinstance(outcome, SlowDown)
        limits[code] = outcome.max_attempts
    assert limits == {1302: None, 1303: None, 5000: 2, 5001: None}


@pytest.mark.parametrize(
    ("status", "body", "known"),
    [(429, "", False), (429, GATEWAY_IS_BUSY, False), (429, openai("no"), False),
     (429, official(1303), True), (503, openai("no", code="model_not_found"), True)],
)  # fmt: skip
def test_a_bare_429_does_not_say_why(status: int, body: object, known: bool) -> None:
    outcome = submit(reply(status, body))
    assert isinstance(outcome, SlowDown)
    assert outcome.reason_known is known


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("1.5", 1.5), (" 0 ", 0.0), ("99999999", 3600.0), ("-1", None), ("soon", None),
     ("", None), ("1e9", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
     ("Wed, 99 Oct 2015 07:28:00 GMT", None)],
)  # fmt: skip
def test_the_wait_is_read_in_every_form(header: str, seconds: float | None) -> None:
    outcome = submit(reply(429, official(1302), Retry_After=header))
    assert isinstance(outcome, SlowDown)
    assert outcome.wait_seconds == seconds


def test_the_wait_until_a_date_is_counted_from_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    outcome = query(reply(429, "", Retry_After=date))
    assert isinstance(outcome, SlowDown)
    assert 50 < (outcome.wait_seconds or 0) <= 60


def test_a_refusal_keeps_the_upstreams_words_and_its_answer() -> None:
    body = nested(official(1301, "content is not allowed"))
    outcome = submit(reply(400, body))
    assert isinstance(outcome, Refused)
    assert (outcome.message, outcome.code) == ("content is not allowed", "1301")
    assert str(outcome) == "content is not allowed (HTTP 400, code 1301)"
    assert json.loads(outcome.answer) == body


# --- how a task stands ----------------------------------------------------------------------------


def one(status: str, **more: Any) -> dict[str, Any]:
    return official(0, "SUCCEED", data={"task_id": "t", "task_status": status, **more})


def listed(*images: object) -> dict[str, Any]:
    return {"task_result": {"images": list(images)}}


def anyfast(status: str, inner: object, **more: Any) -> dict[str, Any]:
    outer = {"task_id": "g", "status": status, "progress": "30%", "data": inner, **more}
    return {"code": "success", "message": "", "data": outer}


DONE: dict[str, tuple[object, tuple[str, ...]]] = {
    "official": (one("succeed", **listed({"index": 0, "url": A}, {"index": 1, "url": B})), (A, B)),
    "shuffled": (one("succeed", **listed({"index": 1, "url": B}, {"index": 0, "url": A})), (A, B)),
    "id for index": (one("succeed", **listed({"id": "", "url": B}, {"id": "", "url": A})), (B, A)),
    "one index missing": (one("succeed", **listed({"index": 1, "url": B}, {"url": A})), (B, A)),
    "the same twice": (one("succeed", **listed({"url": A}, {"url": A}, {"url": B})), (A, B)),
    "no web address": (one("succeed", **listed({"url": "ftp:x"}, {"url": None}, {"url": C})), (C,)),
    "no pictures": (one("succeed", **listed()), ()),
    "no result": (one("succeed"), ()),
    "one url (CRAZY)": (
        {"code": "success", "message": "", "data": {"task_id": "t", "status": "succeeded", "url": A,
         "format": "", "error": None, "metadata": None}}, (A,)),
    "nested (ANYF)": (anyfast("SUCCESS", one("succeed", **listed({"url": A}, {"url": B}))), (A, B)),
    "all of them rather than the outer one": (
        anyfast("SUCCESS", one("succeed", **listed({"url": A}, {"url": B})), url=A), (A, B)),
    "the outer one lags": (anyfast("IN_PROGRESS", one("succeed", **listed({"url": A}))), (A,)),
    "swept by the gateway, made by Kling": (
        anyfast("FAILURE", one("succeed", **listed({"url": A})), fail_reason="timed out"), (A,)),
    "images": ({"task_id": "t", "status": "completed", "images": [A, {"url": B}]}, (A, B)),
    "result_url": ({"code": 0, "data": {"status": "done", "result_url": A}}, (A,)),
    "output": ({"code": 0, "data": {"status": "Success", "output": {"urls": [A, B]}}}, (A, B)),
    "output of one": ({"code": 0, "data": {"status": "finished", "output": {"url": A}}}, (A,)),
    "the sync facade": ({"created": 1, "data": [{"url": A}, {"url": B}]}, (A, B)),
    "fail_reason is the address": (
        {"code": "success", "data": {"status": "SUCCESS", "fail_reason": A}}, (A,)),
}  # fmt: skip


@pytest.mark.parametrize("name", DONE)
def test_a_finished_task_lists_its_pictures(name: str) -> None:
    body, urls = DONE[name]
    task = query(reply(200, body))
    assert isinstance(task, Task)
    assert (task.state, task.image_urls, task.reason) == (State.DONE, urls, "")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.DONE, "succeed succeeded SUCCESS Success completed complete done finished"),
        (State.FAILED, "failed FAILED fail FAILURE error canceled cancelled expired timeout"),
        (State.OPEN, "submitted processing queued in_progress IN_PROGRESS NOT_START running "
                     "generating pending SUBMITTED created not_started something_new"),
    ],
)  # fmt: skip
def test_every_spelling_of_a_status_is_known(state: State, words: str) -> None:
    for word in words.split():
        task = query(reply(200, one(f" {word} ", created_at=1)))
        assert isinstance(task, Task)
        assert (task.state, task.status_text) == (state, word)


OPEN: dict[str, object] = {
    "an empty status": one(""),
    "an empty status at the root": {"id": "t", "task_id": "t", "status": "", "progress": 0},
    "running, with what may be a preview": one("processing", **listed({"url": A})),
    "an envelope that succeeded": {"status": "success", "data": {"task_status": "processing"}},
    "the inner one failed first": anyfast("IN_PROGRESS", one("failed")),
}


@pytest.mark.parametrize("name", OPEN)
def test_what_is_not_finished_is_open(name: str) -> None:
    task = query(reply(200, OPEN[name]))
    assert isinstance(task, Task)
    assert (task.state, task.image_urls) == (State.OPEN, ())


FAILED: dict[str, tuple[object, str]] = {
    "official (notes 1.4)": (
        one("failed", task_status_msg="Image pixel is invalid", task_info={}, task_result={},
            created_at=1764000000000), "Image pixel is invalid"),
    "without a word": (one("failed", created_at=1), ""),
    "beside a code": (
        {"code": 1301, "message": "content moderation failed", "data": {"task_status": "failed"}},
        "content moderation failed"),
    "an address is no reason": (one("failed", fail_reason=A, task_status_msg=""), ""),
    "ANYF": (anyfast("FAILURE", None, fail_reason="timed out (9 min)"), "timed out (9 min)"),
    "outer failed, inner processing": (
        anyfast("FAILURE", one("processing"), failReason="gone"), "gone"),
    "CRAZY": (
        {"code": "success", "message": "", "data": {"status": "failed", "error":
         {"code": "task_failed", "message": "moderation"}}}, "moderation"),
    "CRAZY without a status": (
        {"code": "success", "message": "", "data": {"error":
         {"code": "task_failed", "message": "moderation"}}}, "moderation"),
    "error as text": ({"task_id": "t", "status": "FAILURE", "error": "no luck"}, "no luck"),
    "not found, but it was created": (
        one("failed", task_status_msg="image not found", created_at=1), "image not found"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_task_says_why_in_the_upstreams_words(name: str) -> None:
    body, reason = FAILED[name]
    task = query(reply(200, body))
    assert isinstance(task, Task)
    assert (task.state, task.reason, task.image_urls) == (State.FAILED, reason, ())


NOT_TOLD: dict[str, tuple[int, object, tuple[Any, ...]]] = {
    # Denied, to be doubted (notes 3.3, 6.4)
    "task_not_exist": (400, official("task_not_exist", "task_not_exist", data=None), (Denied,)),
    "1203": (404, official(1203), (Denied,)),
    "404 in words": (404, openai("no such record"), (Denied,)),
    "task not found": (400, openai("task not found"), (Denied,)),
    "task not found with 200": (200, official(-1, "Task does not exist"), (Denied,)),
    "told by the gateway": (404, nested(official(1203)), (Denied,)),
    "in Chinese": (400, openai("任务不存在"), (Denied,)),
    "the lying form": (200, one("failed", task_status_msg="task not found"), (Denied,)),
    "the lying form, nested": (200, anyfast("FAILURE", 0, fail_reason="task_not_exist"), (Denied,)),
    # The line's trouble
    "1002": (401, official(1002), (OnHold, "key")),
    "1101": (429, official(1101), (OnHold, "account")),
    "1103": (403, official(1103), (OnHold, "rights")),
    "1304": (429, official(1304), (OnHold, "address")),
    "used up": (401, openai("quota is used up"), (OnHold, "account")),
    "1302": (429, official(1302), (SlowDown,)),
    "1303 with 200": (200, official(1303, data=None), (SlowDown,)),
    "1303 beside an empty status": (200, {"code": 1303, "data": {"task_status": ""}}, (SlowDown,)),
    "5001": (503, official(5001), (SlowDown,)),
    "429 without words": (429, "", (SlowDown,)),
    # Nothing of these ends a task
    "1201": (400, official(1201), (Unanswered,)),
    "1202": (404, official(1202), (Unanswered,)),
    "1301": (400, official(1301), (Unanswered,)),
    "5000": (500, official(5000), (Unanswered,)),
    "5000 with 200": (200, official(5000, data=None), (Unanswered,)),
    "5002": (504, official(5002), (Unanswered,)),
    "no channel": (503, openai("no", code="model_not_found"), (Unanswered,)),
    "task not found, says a crash": (500, openai("task not found"), (Unanswered,)),
    "wrong path": (404, openai("Invalid URL", kind="invalid_request_error"), (Unanswered,)),
    "wrong path with 200": (200, PAGE, (Unanswered,)),
    "404 with a page": (404, PAGE, (Unanswered,)),
    "400 with words": (400, openai("no"), (Unanswered,)),
    "500 with nothing": (500, "", (Unanswered,)),
    "502 with a page": (502, PAGE, (Unanswered,)),
    "nothing": (200, "", (Unanswered,)),
    "no data": (200, official(0, "SUCCEED", data=None), (Unanswered,)),
    "no status": (200, official(0, "SUCCEED", data={"task_id": "t"}), (Unanswered,)),
    "an envelope in trouble": (200, {"status": "error", "message": "try later"}, (Unanswered,)),
    "an address beside a code": (200, {"code": 7, "message": "no", "url": A}, (Unanswered,)),
    "a list": (200, [one("failed")], (Unanswered,)),
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_TOLD)
def test_an_odd_answer_never_ends_a_task(name: str) -> None:
    status, body, meaning = NOT_TOLD[name]
    outcome = query(reply(status, body))
    assert facts(outcome) == meaning
    assert isinstance(outcome, kling.KlingError)
    assert outcome.http_status == status


@pytest.mark.parametrize(
    ("said", "progress"),
    [("45%", 45), (45, 45), ("45", 45), (12.7, 12), ("10.5 %", 10), ("", None), (None, None),
     (True, None), (101, None), ("half", None), ([], None)],
)  # fmt: skip
def test_progress_is_a_hint(said: object, progress: int | None) -> None:
    task = query(reply(200, one("processing", progress=said)))
    assert isinstance(task, Task)
    assert task.progress == progress


# --- the wire -------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, ScriptedResponse] = {
    "cut after the request": disconnect,
    "half a body": reply(200, one("succeed"))[:-20],
    "slow headers": trickle(HEAD + b"X: "),
    "a slow body": trickle(HEAD + b"Content-Length: 5000\r\n\r\n"),
    "a late answer": delayed(0.5, reply(200, one("succeed"))),
    "an endless body": flood(HEAD + b"\r\n"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a broken length": HEAD + b"Content-Length: x\r\nContent-Length: 9\r\n\r\n{}",
    "broken chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "broken gzip": reply(200, b"no gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_sent_without_a_readable_answer_is_unanswered(name: str) -> None:
    # The endless body is ended by its cap, not by the time.
    seconds: dict[str, Any] = (
        {} if "endless" in name else {"submit_seconds": 0.2, "query_seconds": 0.2}
    )
    assert facts(submit(BROKEN[name], **seconds)) == (Unanswered,)
    assert facts(query(BROKEN[name], **seconds)) == (Unanswered,)


def test_what_never_left_is_not_sent() -> None:
    with ScriptedServer(reply(200)) as gone:
        url = gone.url
    with pytest.raises(NotSent):
        Client(url, KEY).submit(WISH)
    with pytest.raises(NotSent):
        Client(url.replace("http:", "https:"), KEY).submit(WISH)
    with pytest.raises(Unanswered):
        Client(url, KEY).task("t")


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(query(reply(200, one("processing"))), Task)


# --- no secret comes out --------------------------------------------------------------------------

ECHOES: dict[str, ScriptedResponse] = {
    "in words": reply(401, openai(f"invalid key {KEY}")),
    "without sk-": reply(403, openai(f"token [{KEY[3:]}] may not")),
    "spelled otherwise": reply(400, json.dumps(official(1201, KEY)).replace("/", "\\/")),
    "spelled in numbers": reply(400, json.dumps(official(1201, KEY)).replace("k-", "\\u006b-")),
    "in a page": reply(502, f"<pre>Authorization: Bearer {KEY}</pre>"),
    "in a failed task": reply(200, one("failed", task_status_msg=KEY, created_at=1)),
    "in a status": reply(200, one(KEY, id=KEY)),
    "in a code": reply(400, official(KEY)),
    "in a redirect": reply(302, "", Location=f"https://x/?key={KEY}"),
}  # fmt: skip


@pytest.mark.parametrize("name", ECHOES)
def test_the_key_comes_out_nowhere(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for outcome in (submit(ECHOES[name]), query(ECHOES[name])):
        texts = [repr(outcome), str(outcome), repr(vars(outcome))]
        if isinstance(outcome, BaseException):
            texts += [repr(outcome.__cause__), repr(outcome.__context__), repr(outcome.args)]
        for text in [*texts, caplog.text]:
            assert not any(part in text for part in (KEY[3:9], KEY[10:]))


def test_a_key_that_cannot_be_sent_is_not_told_either() -> None:
    for key in ("sk-secret\nsecret", "sk-sécrët€-secret"):
        with pytest.raises(NotSent) as raised:
            Client("http://127.0.0.1:1", key).submit(WISH)
        assert "secret" not in str(raised.value)
    assert "sk-" not in repr(Client("http://127.0.0.1:1", KEY))


def test_what_a_database_does_not_take_is_left_out() -> None:
    task = query(reply(200, one("failed", task_status_msg="a\0b\ud800", created_at=1)))
    page = query(reply(502, b"<p>\0\xff"))
    assert isinstance(task, Task)
    assert isinstance(page, Unanswered)
    assert (task.reason, page.answer) == ("ab?", "<p>\N{REPLACEMENT CHARACTER}")


def test_long_texts_are_cut() -> None:
    outcome = submit(reply(400, official(1201, "x" * 9000)))
    assert isinstance(outcome, Refused)
    assert (len(outcome.message), len(outcome.answer)) == (500, 4000)
    assert "aGk" not in repr(ImageRequest("a fox", image="aGk="))


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
def test_the_words_of_a_failure_tell_its_kind(reason: str, kind: str) -> None:
    assert kling._kind_of(reason) == kind
