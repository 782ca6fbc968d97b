"""Responses of the gateway itself, before or instead of the image API behind it.

The formats are those of the open-source gateway new-api (docs/upstream.md, section 4.4).
"""

import json

from klingweb.simulator.responses import HTML, REQUEST_ID, CannedResponse


def openai_error(
    status: int, message: str, code: str = "", error_type: str = "new_api_error"
) -> CannedResponse:
    """Return an error in the format of OpenAI's API: `{"error": {...}}`."""
    error = {"message": f"{message} (request id: {REQUEST_ID})", "type": error_type, "code": code}
    return CannedResponse(status, json.dumps({"error": error}, ensure_ascii=False))


def task_error(status: int, code: str, message: str) -> CannedResponse:
    """Return an error about a task, with a word as its code."""
    body = {"code": code, "message": message, "data": None}
    return CannedResponse(status, json.dumps(body, ensure_ascii=False))


def wrapped_error(inner: CannedResponse) -> CannedResponse:
    """Return an error of the image API that the gateway passes on as one string."""
    return task_error(inner.status, "fail_to_fetch_task", inner.text)


DASHBOARD = CannedResponse(
    200,
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dashboard</title></head>'
    '<body><div id="root"></div><noscript>You need to enable JavaScript to run this app.'
    "</noscript></body></html>\n",
    HTML,
)
NO_TOKEN = openai_error(401, "No token provided")
INVALID_TOKEN = openai_error(401, "Invalid token")
ACCOUNT_EMPTY = openai_error(403, "The quota is not enough", code="insufficient_user_quota")
INVALID_JSON = openai_error(400, "Invalid request: the body is not a JSON object")
INVALID_URL = openai_error(404, "Invalid URL", error_type="invalid_request_error")
TASK_NOT_FOUND = task_error(400, "task_not_exist", "task_not_exist")
# The gateway's fixed text: "the group is saturated upstream, please try again later".
SATURATED = task_error(429, "fail_to_fetch_task", "当前分组上游负载已饱和，请稍后再试")
