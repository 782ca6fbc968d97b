"""The gateway: connections, Retry-After, broken responses, and redaction of the key."""

import json
import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from generations.engines.base import (
    ImageRequest,
    NotSent,
    RequestRefused,
    SlowDown,
    Task,
    Unanswered,
)
from tests.kling_responses import (
    KEY,
    REQUEST,
    gateway_error,
    kling_json,
    make_client,
    meaning_of,
    query,
    submit,
    task_json,
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

# --- connections -------------------------------------------------------------------------------


def test_each_submit_opens_a_connection_and_queries_share_one() -> None:
    response = reply(200, kling_json(0, data={"task_id": "t", "task_status": "submitted"}))
    with ScriptedServer(response) as server:
        client = make_client(server.url)
        for _ in range(3):
            client.task("t")
        client.submit(REQUEST)
        client.submit(REQUEST)
        client.task("t")
    assert [sent.connection for sent in server.requests] == [0, 0, 0, 1, 2, 0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_not_followed_and_is_unanswered(status: int) -> None:
    with ScriptedServer(reply(status, "moved", Location="/elsewhere")) as server:
        with pytest.raises(Unanswered) as raised:
            make_client(server.url).submit(REQUEST)
        with pytest.raises(Unanswered):
            make_client(server.url).task("t")
    assert [sent.method for sent in server.requests] == ["POST", "GET"]
    assert raised.value.http_status == status


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        (" 0 ", 0.0),
        ("99999999", 3600.0),
        ("-1", None),
        ("soon", None),
        ("", None),
        ("1e9", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Wed, 99 Oct 2015 07:28:00 GMT", None),
    ],
)
def test_retry_after_is_parsed_in_every_form(header: str, seconds: float | None) -> None:
    outcome = submit(reply(429, kling_json(1302), Retry_After=header))
    assert isinstance(outcome, SlowDown)
    assert outcome.wait_seconds == seconds


def test_retry_after_date_is_relative_to_now() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    outcome = query(reply(429, "", Retry_After=date))
    assert isinstance(outcome, SlowDown)
    assert 50 < (outcome.wait_seconds or 0) <= 60


# --- broken responses --------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
BROKEN: dict[str, ScriptedResponse] = {
    "cut after the request": disconnect,
    "half a body": reply(200, task_json("succeed"))[:-20],
    "slow headers": trickle(HEAD + b"X: "),
    "a slow body": trickle(HEAD + b"Content-Length: 5000\r\n\r\n"),
    "a late response": delayed(0.5, reply(200, task_json("succeed"))),
    "an endless body": flood(HEAD + b"\r\n"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
    "a broken length": HEAD + b"Content-Length: x\r\nContent-Length: 9\r\n\r\n{}",
    "broken chunks": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "broken gzip": reply(200, b"no gzip", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_request_without_a_readable_response_is_unanswered(name: str) -> None:
    # The endless body ends at its size limit, not at the deadline.
    seconds: dict[str, Any] = (
        {} if "endless" in name else {"submit_seconds": 0.2, "query_seconds": 0.2}
    )
    assert meaning_of(submit(BROKEN[name], **seconds)) == (Unanswered,)
    assert meaning_of(query(BROKEN[name], **seconds)) == (Unanswered,)


def test_failed_connection_is_not_sent() -> None:
    with ScriptedServer(reply(200)) as closed:
        url = closed.url
    with pytest.raises(NotSent):
        make_client(url).submit(REQUEST)
    with pytest.raises(NotSent):
        make_client(url.replace("http:", "https:"), KEY).submit(REQUEST)
    with pytest.raises(Unanswered):
        make_client(url).task("t")


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert isinstance(query(reply(200, task_json("processing"))), Task)


# --- redaction ---------------------------------------------------------------------------------

ECHOES: dict[str, ScriptedResponse] = {
    "in a message": reply(401, gateway_error(f"invalid key {KEY}")),
    "without sk-": reply(403, gateway_error(f"token [{KEY[3:]}] may not")),
    "with escaped slashes": reply(400, json.dumps(kling_json(1201, KEY)).replace("/", "\\/")),
    "with an escaped character": reply(
        400, json.dumps(kling_json(1201, KEY)).replace("k-", "\\u006b-")
    ),
    "in a page": reply(502, f"<pre>Authorization: Bearer {KEY}</pre>"),
    "in a failed task": reply(200, task_json("failed", task_status_msg=KEY, created_at=1)),
    "in a status": reply(200, task_json(KEY, id=KEY)),
    "in a code": reply(400, kling_json(KEY)),
    "in a redirect": reply(302, "", Location=f"https://x/?key={KEY}"),
}


@pytest.mark.parametrize("name", ECHOES)
def test_key_is_redacted_everywhere(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for outcome in (submit(ECHOES[name]), query(ECHOES[name])):
        texts = [repr(outcome), str(outcome), repr(vars(outcome))]
        if isinstance(outcome, BaseException):
            texts += [repr(outcome.__cause__), repr(outcome.__context__), repr(outcome.args)]
        for text in [*texts, caplog.text]:
            assert not any(part in text for part in (KEY[3:9], KEY[10:]))


def test_invalid_key_is_not_in_the_error() -> None:
    for key in ("sk-secret\nsecret", "sk-sécrët€-secret"):
        with pytest.raises(NotSent) as raised:
            make_client("http://127.0.0.1:1", key).submit(REQUEST)
        assert "secret" not in str(raised.value)
    assert "sk-" not in repr(make_client("http://127.0.0.1:1", KEY))


def test_characters_that_a_database_refuses_are_removed() -> None:
    task = query(reply(200, task_json("failed", task_status_msg="a\0b\ud800", created_at=1)))
    page = query(reply(502, b"<p>\0\xff"))
    assert isinstance(task, Task)
    assert isinstance(page, Unanswered)
    assert (task.reason, page.response) == ("ab?", "<p>\N{REPLACEMENT CHARACTER}")


def test_long_texts_are_truncated() -> None:
    outcome = submit(reply(400, kling_json(1201, "x" * 9000)))
    assert isinstance(outcome, RequestRefused)
    assert (len(outcome.message), len(outcome.response)) == (500, 4000)
    assert "aGk" not in repr(ImageRequest("a fox", image="aGk="))
