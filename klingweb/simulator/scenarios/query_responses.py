"""Responses to a query other than the task's state, and every error code.

Scenario 16 of docs/upstream.md, section 6.7.
"""

import json

from klingweb.simulator.engines import gateway
from klingweb.simulator.engines.gateway import openai_error, wrapped_error
from klingweb.simulator.engines.kling.errors import ERROR_CODES, kling_error
from klingweb.simulator.responses import CUT, REQUEST_ID, CannedResponse, proxy_page
from klingweb.simulator.scenarios.scenario import Scenario

_ALL_POLLS = 10**9


def _first_polls(
    description: str, response: CannedResponse, polls: int = 2, **params: float
) -> Scenario:
    return Scenario(
        description=description, query_response=response, params={"polls": polls, **params}
    )


def _by_code(code: int) -> Scenario:
    status, message = ERROR_CODES[code]
    return _first_polls(
        f"Two queries get HTTP {status}, code {code} ({message})", kling_error(code)
    )


_FALSE_NOT_FOUND = {
    "code": 0,
    "message": "SUCCEED",
    "request_id": REQUEST_ID,
    "data": {"task_id": "", "task_status": "failed", "task_status_msg": "task not found"},
}
_NO_STATUS = {"code": 0, "message": "SUCCEED", "request_id": REQUEST_ID, "data": {}}

QUERY_RESPONSES: dict[str, Scenario] = {
    "query-500-twice": _first_polls(
        "Two queries get 500 with HTML", proxy_page(500, "500 Internal Server Error")
    ),
    "query-not-exist-10s": Scenario(
        description="Queries do not find the task for 10 s",
        query_response=gateway.TASK_NOT_FOUND,
        params={"for_seconds": 10.0},
    ),
    "query-never-exists": _first_polls(
        "Queries never find the task", gateway.TASK_NOT_FOUND, polls=_ALL_POLLS
    ),
    "query-lying-not-found": _first_polls(
        "Two queries get “failed, task not found” without times",
        CannedResponse(200, json.dumps(_FALSE_NOT_FOUND)),
    ),
    "query-429-retry-after": _first_polls(
        "Two queries get 429 with Retry-After", kling_error(1302), retry_after=3
    ),
    "query-429-empty": _first_polls("Two queries get 429 without a body", CannedResponse(429)),
    "query-saturated": _first_polls(
        "Two queries get 429 with the gateway's fixed text", gateway.SATURATED
    ),
    "query-502-html": _first_polls(
        "Two queries get 502 with HTML", proxy_page(502, "502 Bad Gateway")
    ),
    "query-200-html": _first_polls(
        "Two queries get 200 with the HTML dashboard", gateway.DASHBOARD
    ),
    "query-empty": _first_polls("Two queries get 200 without a body", CannedResponse(200)),
    "query-broken-json": _first_polls(
        "Two queries get incomplete JSON", CannedResponse(200, '{"code": 0, "da')
    ),
    "query-no-status": _first_polls(
        "Two queries get a response without a status",
        CannedResponse(200, json.dumps(_NO_STATUS)),
    ),
    "query-cut": _first_polls("Two queries are cut without a response", CUT),
    "query-silent": _first_polls(
        "The first query is cut after 45 s without a response", CUT, polls=1, silent_seconds=45
    ),
    "query-401-openai": _first_polls(
        "Two queries get 401 in the gateway's own format", openai_error(401, "Invalid token")
    ),
    "query-ok-5000": _first_polls(
        "Two queries get code 5000 with HTTP 200", kling_error(5000, status=200)
    ),
    "query-wrapped-1303": _first_polls(
        "Two queries get code 1303 inside the gateway's message",
        wrapped_error(kling_error(1303)),
    ),
    **{f"query-{code}": _by_code(code) for code in ERROR_CODES},
}
