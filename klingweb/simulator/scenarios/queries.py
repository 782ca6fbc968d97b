"""What a query is told instead of where the task stands (scenario 16, and all of 3.1)."""

import json

from klingweb.simulator import replies
from klingweb.simulator.replies import OFFICIAL, Reply, official, openai_style, page
from klingweb.simulator.scenarios.scenario import Scenario

_FOR_EVER = 10**9


def _polls(says: str, reply: Reply, polls: int = 2, **params: float) -> Scenario:
    return Scenario(says=says, query=reply, params={"polls": polls, **params})


def _by_code(code: int) -> Scenario:
    status, message = OFFICIAL[code]
    return _polls(
        f"The first two queries get HTTP {status}, code {code}: {message}.", official(code)
    )


_LYING = {
    "code": 0,
    "message": "SUCCEED",
    "request_id": replies.REQUEST_ID,
    "data": {"task_id": "", "task_status": "failed", "task_status_msg": "task not found"},
}
_NO_STATUS = {"code": 0, "message": "SUCCEED", "request_id": replies.REQUEST_ID, "data": {}}

QUERIES: dict[str, Scenario] = {
    "query-500-twice": _polls(
        "Two queries get 500 with HTML, then all is well.", page(500, "500 Internal Server Error")
    ),
    "query-not-exist-10s": Scenario(
        says="For 10 s the task “does not exist”, then all is well.",
        query=replies.TASK_NOT_EXIST,
        params={"for_seconds": 10.0},
    ),
    "query-never-exists": _polls(
        "The task is denied for ever.", replies.TASK_NOT_EXIST, polls=_FOR_EVER
    ),
    "query-lying-not-found": _polls(
        "Two queries say “failed, task not found” without times, then all is well.",
        Reply(200, json.dumps(_LYING)),
    ),
    "query-429-retry-after": _polls(
        "Two queries get 429 with Retry-After.", official(1302), retry_after=3
    ),
    "query-429-empty": _polls("Two queries get 429 without a body.", Reply(429)),
    "query-saturated": _polls("Two queries get 429 with a fixed text.", replies.SATURATED),
    "query-502-html": _polls("Two queries get 502 with HTML.", page(502, "502 Bad Gateway")),
    "query-200-html": _polls("Two queries get the HTML dashboard.", replies.DASHBOARD),
    "query-empty": _polls("Two queries get 200 without a body.", Reply(200)),
    "query-broken-json": _polls("Two queries get half a JSON.", Reply(200, '{"code": 0, "da')),
    "query-no-status": _polls(
        "Two queries get an answer without a status.", Reply(200, json.dumps(_NO_STATUS))
    ),
    "query-cut": _polls("Two queries are cut without an answer.", replies.CUT),
    "query-silent": _polls(
        "The first query gets no answer for 45 s and is cut.",
        replies.CUT,
        polls=1,
        silent_seconds=45,
    ),
    "query-401-openai": _polls(
        "Two queries get 401 in the gateway's own form.", openai_style(401, "Invalid token")
    ),
    "query-ok-5000": _polls("Two queries get code 5000 with HTTP 200.", official(5000, status=200)),
    "query-wrapped-1303": _polls(
        "Two queries get 1303 inside the gateway's message.", replies.wrapped(1303)
    ),
    **{f"query-{code}": _by_code(code) for code in OFFICIAL},
}
