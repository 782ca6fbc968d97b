"""The gateway: what is true for all of its engines.

Authentication, redaction of the key, Retry-After, and the gateway's own error codes and messages.
"notes" are docs/upstream.md.
"""

import json
import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any

from . import envelope
from .base import (
    BusyReason,
    EngineError,
    FailureKind,
    HoldReason,
    NotSent,
    OnHold,
    RequestRefused,
    SlowDown,
    Unanswered,
)
from .deadline import Deadline
from .http_client import HttpConnection, HttpResponse

MAX_BYTES = 1024 * 1024  # of a response
MAX_RESPONSE_CHARACTERS = 4000  # of a response, as stored
MAX_MESSAGE_CHARACTERS = 500
MAX_CODE_CHARACTERS = 60
MAX_WAIT_SECONDS = 3600.0
MIN_SECRET_CHARACTERS = 8  # the simulator's key is shorter, and may be part of a URL

# The gateway's own codes (notes 4.4): those of one-api and new-api.
HOLD_CODES = {
    "quota_not_enough": HoldReason.ACCOUNT,
    "insufficient_user_quota": HoldReason.ACCOUNT,
}
POLICY_CODES = {"sensitive_words_detected"}
NO_CHANNEL_CODE = "model_not_found"  # with 503: no free channel for this model
WRONG_PATH_CODE = "invalid_request_error"
UNREADABLE_ENGINE_CODE = "fail_to_fetch_task"  # remains if the engine's own error is unreadable
TASK_NOT_FOUND_CODE = "task_not_exist"  # also for a task of another account
TASK_FAILED_CODE = "task_failed"
# A readable error of the gateway with one of these statuses is final (notes 6.2).
REFUSAL_STATUSES = {
    400: FailureKind.INPUT,
    404: FailureKind.OURS,
    405: FailureKind.OURS,
    413: FailureKind.INPUT,
    415: FailureKind.OURS,
    422: FailureKind.INPUT,
}
# An empty account: a 401 like any other, or a bare 429 (notes 4.4).
_QUOTA = re.compile(
    r"used.?up|quota.{0,40}(exhaust|not enough|insufficient)|exceeded your current quota"
    r"|insufficient.{0,20}(quota|balance|credit)|arrears|额度|余额|欠费",
    re.IGNORECASE,
)
_IP = re.compile(r"(?<![a-z])ip(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class ParsedResponse:
    """`code` and `message` are those of an error; "" for a success or an unreadable body."""

    http_status: int
    is_success: bool
    text: str
    layers: list[envelope.Fields]
    code: str
    message: str
    retry_after: str

    def as_error(self, error: type[EngineError], /, **details: Any) -> EngineError:
        message = self.message or "the upstream gave no reason"
        return error(message, self.http_status, self.code, self.text, **details)

    def slow_down(self, **details: Any) -> EngineError:
        return self.as_error(SlowDown, wait_seconds=wait_seconds(self.retry_after), **details)


def with_missing_model(error: EngineError) -> EngineError:
    """Give a refusal because the gateway no longer has the model its own kind."""
    if isinstance(error, RequestRefused) and error.code == NO_CHANNEL_CODE:
        return replace(error, kind=FailureKind.MODEL)
    return error


class Gateway:
    """HTTP calls with one API key. Thread-safe: each thread keeps a connection for its queries."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        submit_seconds: float = 75,
        query_seconds: float = 30,
        connect_seconds: float = 10,
    ) -> None:
        self._url = url
        self._key = key.strip()
        self._key_pattern = _key_pattern(self._key)
        self._submit_seconds = submit_seconds
        self._query_seconds = query_seconds
        self._connect_seconds = connect_seconds
        self._queries = HttpConnection(url)

    def close(self) -> None:
        self._queries.close()

    def post(self, path: str, fields: Mapping[str, Any]) -> ParsedResponse:
        """Send one POST, without retry or redirect. Raises `NotSent` or `Unanswered`.

        Always on a new connection: the server may be closing an idle one, which looks the same as a
        lost response.
        """
        return self.parse(self.post_body(path, json.dumps(fields).encode()))

    def post_body(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        into: IO[bytes] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> HttpResponse:
        """Send a POST as `post` does. The body of a success is written to `into`, where given.

        An error body is returned, and is for `parse`.
        """
        with closing(HttpConnection(self._url)) as connection:
            return self._send(
                connection,
                self._submit_seconds,
                "POST",
                path,
                body,
                content_type=content_type,
                into=into,
                max_bytes=max_bytes,
            )

    def get(self, path: str, max_bytes: int = MAX_BYTES) -> ParsedResponse:
        """Send one query. Raises `Unanswered`."""
        try:
            response = self._send(
                self._queries, self._query_seconds, "GET", path, max_bytes=max_bytes
            )
        except NotSent as error:
            raise Unanswered(error.message) from None
        return self.parse(response)

    def _send(
        self,
        connection: HttpConnection,
        seconds: float,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        content_type: str = "",
        into: IO[bytes] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> HttpResponse:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._key}"}
        if body:
            headers["Content-Type"] = content_type
        deadline = Deadline(seconds)
        try:
            with deadline:
                return connection.send(
                    method,
                    path,
                    headers=headers,
                    body=body,
                    connect_seconds=self._connect_seconds,
                    max_bytes=max_bytes,
                    into=into,
                )
        except OSError as error:
            message = self._redact(str(error))[:MAX_MESSAGE_CHARACTERS]
            failure = Unanswered(message) if deadline.was_sent else NotSent(message)
        # Outside the except clause, so that no traceback leads to the request and its key.
        raise failure

    def parse(self, response: HttpResponse) -> ParsedResponse:
        """Read a response, without the key and without what a database refuses."""
        text = self._redact(response.body.decode("utf-8-sig", "replace"))
        try:
            data = self._redact_all(json.loads(text))
        except (ValueError, RecursionError):
            data = None
        is_success = 200 <= response.http_status < 300
        code, message = envelope.error_of(data, is_success=is_success)
        location = self._redact(response.headers.get("Location", ""))
        return ParsedResponse(
            response.http_status,
            is_success,
            (text or location)[:MAX_RESPONSE_CHARACTERS],
            envelope.layers_of(data),
            code[:MAX_CODE_CHARACTERS],
            message[:MAX_MESSAGE_CHARACTERS],
            response.headers.get("Retry-After", ""),
        )

    def _redact(self, text: str) -> str:
        """Remove the key, and what a database refuses: NUL and lone surrogates."""
        if self._key_pattern:
            text = self._key_pattern.sub("[key]", text)
        return text.replace("\0", "").encode("utf-8", "replace").decode()

    def _redact_all(self, value: Any) -> Any:
        """Redact parsed JSON too: escapes (`\\u0000`, `\\/`) hide text from `_redact`."""
        if isinstance(value, dict):
            return {name: self._redact_all(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._redact_all(inner) for inner in value]
        return self._redact(value) if isinstance(value, str) else value


def _key_pattern(key: str) -> re.Pattern[str] | None:
    """Match the key unchanged, without sk- (as new-api repeats it), quoted, and in JSON."""
    bare = key.removeprefix("sk-")
    forms = {bare, repr(bare)[1:-1], bare.replace("/", "\\/")}
    if len(key) < MIN_SECRET_CHARACTERS:
        return None
    return re.compile(f"(sk-)?({'|'.join(map(re.escape, forms))})")


def hold_or_wait(
    response: ParsedResponse,
    *,
    hold_codes: Mapping[str, HoldReason],
    busy_codes: Mapping[str, BusyReason],
) -> EngineError | None:
    """Return the error that means the same for a submit and a query, or None.

    Decided by the code (the engine's or the gateway's), else by the HTTP status.
    """
    if reason := hold_codes.get(response.code) or HOLD_CODES.get(response.code):
        return response.as_error(OnHold, reason=reason)
    if busy_reason := busy_codes.get(response.code):
        return response.slow_down(reason=busy_reason)
    is_quota = bool(_QUOTA.search(response.message))
    match response.http_status:
        case 402 | 401 | 403 | 429 as status if is_quota or status == 402:
            return response.as_error(OnHold, reason=HoldReason.ACCOUNT)
        case 401:
            return response.as_error(OnHold, reason=HoldReason.KEY)
        case 403:
            # A page without a message is from a firewall, which blocks by IP address.
            is_address = not response.message or bool(_IP.search(response.message))
            reason = HoldReason.ADDRESS if is_address else HoldReason.RIGHTS
            return response.as_error(OnHold, reason=reason)
        case 429:
            return response.slow_down(reason=BusyReason.UNKNOWN)
    return None


def wait_seconds(retry_after: str) -> float | None:
    """Parse a Retry-After header: seconds or a date (RFC 9110, 10.2.3); None when invalid."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", retry_after.strip()):
        return min(float(retry_after), MAX_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    left = (at - datetime.now(at.tzinfo and UTC)).total_seconds()
    return min(max(left, 0.0), MAX_WAIT_SECONDS)
