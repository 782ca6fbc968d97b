"""Client for the gateway's account API: who the key belongs to, and the log of what was charged.

Every call is free. The rows of the log are not documented (docs/upstream.md, 4.2); they are read as
those of new-api, from whose family the gateway is. "notes" are docs/upstream.md.
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from . import gateway
from .base import RequestRefused, Unanswered
from .gateway import Gateway, ParsedResponse

USER_PATH = "/yescale/user"
LOGS_PATH = "/yescale/logs"
PAGE_SIZE = 100  # the maximum of new-api
MAX_PAGE_BYTES = 32 * 1024 * 1024  # an API that ignores the size of a page sends a whole day

_LIST_NAMES = ("data", "items", "logs", "list", "records")
_TIME_NAMES = ("created_at", "created_time", "timestamp", "time")
_QUOTA_NAMES = ("quota", "used_quota")


@dataclass(frozen=True)
class LogRow:
    """One row, as received. `kind` is new-api's number: 2 a charge, 6 a refund."""

    at: str
    quota: str
    task_id: str
    model: str
    request_id: str
    kind: str


@dataclass(frozen=True)
class LogPage:
    """`total` is the number of rows of the whole query; None if the gateway does not say it."""

    rows: tuple[LogRow, ...]
    total: int | None


class AccountClient:
    """Raises `OnHold`, `SlowDown`, `RequestRefused` or `Unanswered`, each without the key."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def close(self) -> None:
        self._gateway.close()

    def check(self) -> None:
        """Ask whose key it is."""
        _require_success(self._gateway.get(USER_PATH))

    def log_page(self, since: int, until: int, number: int) -> LogPage:
        """Return a page of the log from `since` to `until`, Unix seconds. Numbers start at 1."""
        query = urlencode(
            {
                "start_timestamp": since,
                "end_timestamp": until,
                "p": number,
                "page_size": PAGE_SIZE,
            }
        )
        response = self._gateway.get(f"{LOGS_PATH}?{query}", MAX_PAGE_BYTES)
        _require_success(response)
        rows = _rows(response)
        if rows is None:
            raise response.as_error(Unanswered)
        return LogPage(tuple(map(_row, rows)), _total(response))


def _require_success(response: ParsedResponse) -> None:
    if error := gateway.hold_or_wait(response, hold_codes={}, busy_codes={}):
        raise error
    if not response.layers or response.http_status >= 500:
        raise response.as_error(Unanswered)  # HTML, or an error of a proxy
    root = response.layers[-1]
    if not response.is_success or response.code or root.get("success") is False:
        text = root.get("message")
        message = response.message or (text if isinstance(text, str) else "")
        raise RequestRefused(
            message[: gateway.MAX_MESSAGE_CHARACTERS], response.http_status, response.code
        )


def _rows(response: ParsedResponse) -> list[dict[str, Any]] | None:
    for layer in response.layers:
        for name in _LIST_NAMES:
            found = layer.get(name)
            if isinstance(found, list) and all(isinstance(row, dict) for row in found):
                return found
    has_nothing = "data" in response.layers[-1] and response.layers[-1]["data"] is None
    return [] if has_nothing else None


def _total(response: ParsedResponse) -> int | None:
    for layer in response.layers:
        for name in ("total", "count"):
            if type(layer.get(name)) is int:
                return int(layer[name])
    return None


def _row(row: dict[str, Any]) -> LogRow:
    other = row.get("other")
    if isinstance(other, str):
        with suppress(ValueError, RecursionError):
            other = json.loads(other)
    inner = other if isinstance(other, dict) else {}
    return LogRow(
        at=_first(row, *_TIME_NAMES),
        quota=_first(row, *_QUOTA_NAMES),
        task_id=_first(row, "task_id") or _first(inner, "task_id"),
        model=_first(row, "model_name", "model"),
        request_id=_first(row, "request_id") or _first(inner, "request_id") or _first(row, "id"),
        kind=_first(row, "type"),
    )


def _first(row: dict[str, Any], *names: str) -> str:
    """The first of these values that is a text or a number."""
    values = (row.get(name) for name in names)
    return next((str(value).strip() for value in values if _is_plain(value)), "")


def _is_plain(value: Any) -> bool:
    return type(value) in (str, int, float) and value != ""
