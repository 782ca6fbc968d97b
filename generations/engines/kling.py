"""Client for the Kling image API as resold by YEScale.

Never retries: each exception class tells the caller what is safe to do next. "notes" are
docs/upstream.md, "YEScale" is the page "Submit Image Generation"; both as read in November 2026.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from . import envelope, gateway
from .base import (
    MAX_TASK_ID_CHARACTERS,
    BusyReason,
    EngineError,
    FailureKind,
    HoldReason,
    ImageRequest,
    Listing,
    RequestRefused,
    State,
    Task,
    TaskNotFound,
    Unanswered,
)
from .gateway import Gateway, ParsedResponse
from .offer import EngineOffer, Field, Offer, PriceKey, ReferenceRules, aspect_ratios
from .offer import gettext_noop as _

PATH = "/kling/v1/images/generations"  # YEScale; a query appends /{id} (notes 1.1)
MAX_LIST_BYTES = 16 * 1024 * 1024  # 500 tasks with nine long URLs each
PAGE_SIZE = 500  # the maximum, notes 2.6
MAX_PAGES = 20
LIST_SECONDS = 45.0  # no further page is requested after this time

PROFILES = ("documented", "extended")
DOCUMENTED_FIELDS = (  # YEScale
    "prompt",
    "negative_prompt",
    "image",
    "image_fidelity",
    "n",
    "aspect_ratio",
)
EXTENDED_FIELDS = (  # notes 6.1
    "model_name",
    "image_reference",
    "human_fidelity",
    "external_task_id",
    "callback_url",
    "watermark_info",
)

# Kling's codes (notes 3.1).
HOLD_CODES = {
    "1000": HoldReason.KEY,
    "1001": HoldReason.KEY,
    "1002": HoldReason.KEY,
    "1003": HoldReason.KEY,
    "1004": HoldReason.KEY,
    "1100": HoldReason.ACCOUNT,
    "1101": HoldReason.ACCOUNT,
    "1102": HoldReason.ACCOUNT,
    "1103": HoldReason.RIGHTS,
    "1304": HoldReason.ADDRESS,
}
BUSY_CODES = {
    "1302": BusyReason.RATE,
    "1303": BusyReason.CONCURRENCY,
    "5001": BusyReason.OVERLOADED,
}
# Final: these prove that nothing was accepted (T3 of models/status.py).
REFUSAL_CODES = {
    "1200": FailureKind.INPUT,
    "1201": FailureKind.INPUT,
    "1202": FailureKind.OURS,
    "1203": FailureKind.OURS,
    "1300": FailureKind.POLICY,
    "1301": FailureKind.POLICY,
}
RIGHTS_CODE = "1103"
INTERNAL_ERROR_CODE = "5000"
INTERNAL_TIMEOUT_CODE = "5002"
TASK_NOT_FOUND_CODES = {"1203", gateway.TASK_NOT_FOUND_CODE}
WRONG_PATH_CODES = {"1202", gateway.WRONG_PATH_CODE}  # these prove nothing about the task

_NOT_FOUND = re.compile(r"not.{0,4}(found|exist)|不存在", re.IGNORECASE)
_TASK_NOT_FOUND = re.compile(rf"(task|任务).{{0,80}}({_NOT_FOUND.pattern})", re.IGNORECASE)

# Spellings of a final status (notes 6.5, with sources in 4.5). Any other word, or none: RUNNING.
STATES = dict.fromkeys(
    ("succeed", "succeeded", "success", "completed", "complete", "done", "finished"),
    State.SUCCEEDED,
) | dict.fromkeys(
    ("failed", "fail", "failure", "error", "canceled", "cancelled", "expired", "timeout"),
    State.FAILED,
)

# The kind of a failure by its message, first match first. The texts are not documented (notes
# 7.8), so an unknown one is not attributed to the member's request.
_FAILURE_PATTERNS = (
    (
        FailureKind.POLICY,
        r"moderat|risk.?control|sensitive|polic(y|ies)|violat|inappropriate|nsfw|prohibit"
        r"|content.{0,10}(safety|check)|违规|敏感|审核|风控",
    ),
    (FailureKind.TIME, r"tim(ed?|e-) ?out|timeout|expired|too long to|超时"),
    (FailureKind.BALANCE, r"quota|balance|credit|arrears|余额|额度|欠费"),
    (
        FailureKind.BUSY,
        r"busy|overload|too many|capacity|saturat|try again later|rate.?limit|繁忙|拥挤",
    ),
    (
        FailureKind.INPUT,
        r"pixel|invalid|format|resolution|aspect|ratio|dimension|unsupported|not supported"
        r"|parameter|argument|too (large|small|long|short)|must (be|have)|参数|格式|尺寸",
    ),
)


class Client:
    """The engine "kling". Thread-safe. Implements `base.Engine`."""

    name = "kling"

    def __init__(self, gateway: Gateway, *, profile: str = "documented") -> None:
        if profile not in PROFILES:
            raise ValueError(f"no profile {profile!r}")
        self._profile = profile
        self._gateway = gateway

    def close(self) -> None:
        self._gateway.close()

    def submit(self, request: ImageRequest) -> Task:
        """Send one paid POST, without retry. Raises any error of `base` but `TaskNotFound`."""
        body = request_body(request, request.profile or self._profile)
        response = self._gateway.post(PATH, body)
        return _read_submit(response, names_model="model_name" in body)

    def task(self, upstream_task_id: str) -> Task:
        """Return a task. Raises `OnHold`, `SlowDown`, `TaskNotFound` or `Unanswered`."""
        response = self._gateway.get(f"{PATH}/{quote(upstream_task_id, safe='')}")
        return _read_task(response, upstream_task_id)

    def find(self, external_id: str) -> str:
        """Return the task id of the request that was submitted with this id (notes 2.6).

        Raises `TaskNotFound` for a clear "no such task"; any other error proves nothing.
        """
        response = self._gateway.get(f"{PATH}/{quote(external_id, safe='')}")
        return _read_found(response, external_id)

    def list_tasks(self, since: datetime) -> Listing:
        """List tasks page by page, from the newest back to `since` (notes 2.6).

        Raises what `task` raises, but `TaskNotFound`.
        """
        tasks: list[envelope.ListedTask] = []
        ends_at = time.monotonic() + LIST_SECONDS
        listing = Listing({}, None)
        for number in range(1, MAX_PAGES + 1):
            query = f"?pageNum={number}&pageSize={PAGE_SIZE}"
            page = _read_page(self._gateway.get(PATH + query, MAX_LIST_BYTES))
            known = {task.task_id for task in tasks}
            new = [task for task in page if task.task_id not in known]
            tasks += new
            listing = Listing(_by_external_id(tasks), envelope.complete_since(tasks))
            if not new or listing.covers(since) or time.monotonic() > ends_at:
                break
        return listing


def request_body(request: ImageRequest, profile: str) -> dict[str, Any]:
    """Return the fields that YEScale documents, without empty ones (notes 2.3)."""
    fields = {name: getattr(request, name) for name in DOCUMENTED_FIELDS}
    if profile == "extended":
        fields |= {name: request.extended.get(name) for name in EXTENDED_FIELDS}
    fields |= {
        offered.name: request.params[offered.name]
        for offered in OFFER.fields_for(profile)
        if offered.name in request.params
    }
    if request.external_id:
        fields["external_task_id"] = request.external_id
    return {name: value for name, value in fields.items() if value not in (None, "")}


def _says_end(body: bytes) -> bool:
    """Whether a callback says that its task has ended, or cannot be read (notes 2.7)."""
    try:
        layers = envelope.layers_of(json.loads(body))
    except (ValueError, RecursionError):
        return True
    words = [word.lower() for word in envelope.texts(layers, "task_status")]
    return not words or any(word in STATES for word in words)


# --- submit -----------------------------------------------------------------------------------


def _read_submit(response: ParsedResponse, *, names_model: bool) -> Task:
    """Apply notes 6.2, and T2 to T6 of models/status.py."""
    upstream_task_id = envelope.first_id(response.layers)
    if not upstream_task_id:
        raise _submit_error(response, names_model)
    if not response.is_success or len(upstream_task_id) > MAX_TASK_ID_CHARACTERS:
        raise response.as_error(Unanswered)  # an error with a task id contradicts itself
    # A task id means a charge: it counts, whatever else the response contains.
    return _parse_task(response, upstream_task_id) or Task(
        upstream_task_id, State.RUNNING, response=response.text
    )


def _submit_error(response: ParsedResponse, names_model: bool) -> EngineError:
    """Return a refusal, a wait or a hold; `Unanswered` for 5002, other 5xx, HTML, or no id.

    A redirect is `Unanswered` too: the request may have been passed on, and a paid POST is repeated
    only with proof that it was not accepted.
    """
    code, status = response.code, response.http_status
    if code in REFUSAL_CODES:
        return response.as_error(RequestRefused, kind=REFUSAL_CODES[code])
    if code == RIGHTS_CODE and names_model:
        # The missing right may be for this model only.
        return response.as_error(RequestRefused, kind=FailureKind.INPUT)
    if code == INTERNAL_ERROR_CODE:
        return response.slow_down(max_attempts=2)
    if code == gateway.NO_CHANNEL_CODE and status == 503:
        return response.slow_down(reason=BusyReason.NO_CHANNEL)
    if code == INTERNAL_TIMEOUT_CODE:
        return response.as_error(Unanswered)
    if error := _hold_or_wait(response):
        return error
    is_readable = bool(response.message) and code != gateway.UNREADABLE_ENGINE_CODE
    # A proxy sends 413 as HTML, before it passes anything on.
    if status in gateway.REFUSAL_STATUSES and (is_readable or status == 413):
        return response.as_error(RequestRefused, kind=gateway.REFUSAL_STATUSES[status])
    return response.as_error(Unanswered)


def _hold_or_wait(response: ParsedResponse) -> EngineError | None:
    return gateway.hold_or_wait(response, hold_codes=HOLD_CODES, busy_codes=BUSY_CODES)


# --- queries ----------------------------------------------------------------------------------


def _read_task(response: ParsedResponse, upstream_task_id: str) -> Task:
    """Apply notes 6.4: one bad response never ends a task."""
    task = _parse_task(response, upstream_task_id) if response.is_success else None
    if task is None:
        raise _query_error(response)
    if task.state is State.FAILED and _is_false_not_found(response, task.reason):
        raise replace(response, message=task.reason).as_error(TaskNotFound)
    return task


def _read_found(response: ParsedResponse, external_id: str) -> str:
    """A false "not found" (notes 3.3) or a task with another external id proves nothing."""
    task = (
        _parse_task(response, envelope.first_id(response.layers)) if response.is_success else None
    )
    if task is None:
        raise _query_error(response)
    is_false = task.state is State.FAILED and _is_false_not_found(response, task.reason)
    is_other = envelope.external_id(response.layers) not in ("", external_id)
    if is_false or is_other or not task.upstream_task_id:
        raise response.as_error(Unanswered)
    return task.upstream_task_id


def _read_page(response: ParsedResponse) -> list[envelope.ListedTask]:
    is_success = response.is_success and not response.code
    tasks = envelope.listed_tasks(response.layers) if is_success else None
    if tasks is None:
        raise _hold_or_wait(response) or response.as_error(Unanswered)
    return tasks


def _by_external_id(tasks: list[envelope.ListedTask]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        if task.external_id:
            found[task.external_id] = (*found.get(task.external_id, ()), task.task_id)
    return found


def _query_error(response: ParsedResponse) -> EngineError:
    if response.code in WRONG_PATH_CODES:
        return response.as_error(Unanswered)
    if response.code in TASK_NOT_FOUND_CODES:
        return response.as_error(TaskNotFound)
    if error := _hold_or_wait(response):
        return error
    is_not_found = response.http_status < 500 and bool(_TASK_NOT_FOUND.search(response.message))
    if is_not_found or (response.http_status == 404 and response.message):
        return response.as_error(TaskNotFound)
    return response.as_error(Unanswered)


def _is_false_not_found(response: ParsedResponse, reason: str) -> bool:
    """Notes 3.3: a task that was just accepted is "failed", "not found", without a time."""
    times = [layer.get(name) for layer in response.layers for name in ("created_at", "submit_time")]
    return not any(times) and bool(_NOT_FOUND.search(reason))


# --- tasks ------------------------------------------------------------------------------------


def _parse_task(response: ParsedResponse, upstream_task_id: str) -> Task | None:
    """Return the task, or None when the response contains none.

    The outer status counts, but images win over a status that lags behind (notes 6.5).
    """
    texts = envelope.texts(response.layers, *envelope.STATUS_NAMES)
    states = [STATES.get(text.lower(), State.RUNNING) for text in texts if text]
    # A response without any status is from a gateway that waits for the images (notes 4.5).
    may_list = State.SUCCEEDED in states or not (texts or response.code)
    urls = envelope.image_urls(response.layers) if may_list else ()
    if urls:
        state = State.SUCCEEDED
    elif states:
        state = states[0]
    elif response.code == gateway.TASK_FAILED_CODE:  # some report a failure only as an error
        state = State.FAILED
    elif texts and not response.code:  # new-api sends an empty status at first
        state = State.RUNNING
    else:
        return None
    reason = _failure_reason(response) if state is State.FAILED else ""
    return Task(
        upstream_task_id,
        state,
        image_urls=urls,
        reason=reason,
        kind=failure_kind(reason),
        progress=envelope.progress(response.layers),
        response=response.text,
    )


def _failure_reason(response: ParsedResponse) -> str:
    """Return why the task failed (notes 6.5). A fail_reason may be a URL instead."""
    texts = envelope.texts(response.layers, "task_status_msg", "fail_reason", "failReason")
    reasons = [text for text in texts if text and not envelope.IS_URL.fullmatch(text)]
    return (reasons[0] if reasons else response.message)[: gateway.MAX_MESSAGE_CHARACTERS]


def failure_kind(reason: str) -> FailureKind:
    """Classify a failure by the upstream's message."""
    for kind, pattern in _FAILURE_PATTERNS:
        if re.search(pattern, reason, re.IGNORECASE):
            return kind
    return FailureKind.OURS


# --- offer ------------------------------------------------------------------------------------

MODEL = "kling-v1"  # the upstream's default; requests do not name one (notes 2.1)


def price_key(params: Mapping[str, Any], has_reference: bool) -> PriceKey:
    """The options that resellers price: "2k", "reference" or "2k+reference"."""
    resolution = str(params.get("resolution", ""))
    options = (resolution if resolution == "2k" else "", "reference" if has_reference else "")
    return PriceKey(MODEL, "+".join(filter(None, options)))


REFERENCE = ReferenceRules(
    types={"JPEG": "image/jpeg", "PNG": "image/png"},
    max_bytes=10 * 1024 * 1024,  # notes 2.5, as the next two
    min_side=300,
    max_ratio=2.5,
    max_side=2048,  # ours: results have no more pixels, and a gateway may cap its bodies
)

OFFER = Offer(
    engine="kling",
    model=MODEL,
    label=_("Kling 1"),
    line=_("Scenes, people and things."),
    aspect_ratios=aspect_ratios("21:9", "16:9", "3:2", "4:3", "1:1", "3:4", "2:3", "9:16"),
    default_aspect_ratio="3:2",
    max_images=9,
    usual_seconds=(10, 30),
    prompt_limit="prompt_characters",
    negative_prompt_limit="negative_prompt_characters",
    reference=REFERENCE,
    price_key=price_key,
    fields=(
        Field(
            name="resolution",  # notes 6.1
            label=_("Resolution"),
            choices=(("1k", "1K"), ("2k", "2K")),
            default="1k",
            profile="extended",
        ),
    ),
)

ENGINE = EngineOffer(
    slug="kling",
    label=_("Kling"),
    models=(OFFER,),
    can_look_up=True,
    says_end=_says_end,
)


def make_client(gateway: Gateway, profile: str) -> Client:
    return Client(gateway, profile=profile)
