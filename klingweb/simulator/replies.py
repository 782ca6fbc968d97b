"""Answers that say something else than a task: refusals, proxies' pages, a line that goes dead."""

import json
import uuid
from dataclasses import dataclass

JSON = "application/json"
HTML = "text/html; charset=utf-8"

REQUEST_ID = "$request_id"


def fresh_id() -> str:
    """A request id that was not used before."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. In the text `$request_id` becomes an id of its own for each sending.

    A `share` below 1 sends that part of the body and then cuts the connection; `cut` cuts it
    before anything is sent.
    """

    status: int
    text: str = ""
    content_type: str = JSON
    cut: bool = False
    share: float = 1.0

    def body(self) -> bytes:
        """The bytes of the body, with a fresh request id."""
        return self.text.replace(REQUEST_ID, fresh_id()).encode()


CUT = Reply(0, cut=True)

# HTTP status, code, message: the upstream notes, section 3.1. The text of 1303 is the documented
# one; nobody publishes the others, so they are plain words for the meaning.
OFFICIAL: dict[int, tuple[int, str]] = {
    1000: (401, "Authentication failed"),
    1001: (401, "Authorization is empty"),
    1002: (401, "Authorization is invalid"),
    1003: (401, "Authorization is not yet valid"),
    1004: (401, "Authorization has expired"),
    1100: (429, "Account exception"),
    1101: (429, "Account in arrears"),
    1102: (429, "Account balance not enough"),
    1103: (403, "No permission to access the requested resource"),
    1200: (400, "Invalid request parameters"),
    1201: (400, "Invalid request parameters: the value of a key is illegal"),
    1202: (404, "The requested method is invalid"),
    1203: (404, "The requested resource does not exist"),
    1300: (400, "Trigger the platform strategy"),
    1301: (400, "The content triggered the safety policy of the platform"),
    1302: (429, "Too many requests, please slow down"),
    1303: (429, "parallel task over resource pack limit"),
    1304: (429, "The address is not on the IP allow-list"),
    5000: (500, "Internal server error"),
    5001: (503, "The server is under maintenance"),
    5002: (504, "Internal timeout, the server has a backlog"),
}


def official(code: int, message: str = "", status: int = 0) -> Reply:
    """A refusal in Kling's own envelope (the upstream notes, sections 2.6 and 3.1)."""
    usual_status, usual_message = OFFICIAL[code]
    body = {"code": code, "message": message or usual_message, "request_id": REQUEST_ID}
    return Reply(status or usual_status, json.dumps(body))


def openai_style(status: int, message: str, code: str = "", kind: str = "new_api_error") -> Reply:
    """The gateway's own refusal, `{error: {...}}` (the upstream notes, section 4.4)."""
    error = {"message": f"{message} (request id: {REQUEST_ID})", "type": kind, "code": code}
    return Reply(status, json.dumps({"error": error}, ensure_ascii=False))


def worded(status: int, code: str, message: str) -> Reply:
    """The gateway's refusal of a task, its code a word (the upstream notes, section 4.4)."""
    body = {"code": code, "message": message, "data": None}
    return Reply(status, json.dumps(body, ensure_ascii=False))


def wrapped(code: int) -> Reply:
    """Kling's refusal carried by the gateway as one string (the upstream notes, section 4.4)."""
    inner = official(code)
    return worded(inner.status, "fail_to_fetch_task", inner.text)


def page(status: int, title: str) -> Reply:
    """A page of a proxy that stands in front of the gateway."""
    head = f"<head><title>{title}</title></head>"
    return Reply(
        status,
        f"<!DOCTYPE html>\n<html>{head}<body><center><h1>{title}</h1></center>"
        "<hr><center>nginx</center></body></html>\n",
        HTML,
    )


DASHBOARD = Reply(
    200,
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Dashboard</title></head>'
    '<body><div id="root"></div><noscript>You need to enable JavaScript to run this app.'
    "</noscript></body></html>\n",
    HTML,
)
NO_TOKEN = openai_style(401, "No token provided")
BAD_TOKEN = openai_style(401, "Invalid token")
BAD_JSON = openai_style(400, "Invalid request: the body is not a JSON object")
TOO_LARGE = page(413, "413 Request Entity Too Large")
WRONG_PATH = openai_style(404, "Invalid URL", kind="invalid_request_error")
TASK_NOT_EXIST = worded(400, "task_not_exist", "task_not_exist")
# The gateway's fixed text: "the group is saturated upstream, please try again later".
SATURATED = worded(429, "fail_to_fetch_task", "当前分组上游负载已饱和，请稍后再试")
