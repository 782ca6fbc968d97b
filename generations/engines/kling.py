"""The door to the upstream: its paths, field names, codes, spellings and envelopes.

Sources are named where a rule is not ours: "notes 3.1" is that section of the upstream notes
(docs/upstream.md), "YEScale" the page "Submit Image Generation", both as read in November 2026.
Nothing here tries twice: each error says what the caller may do.
"""

import json
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import quote

from . import envelope, http_client
from .offer import AspectRatio, Offer, ReferenceRules
from .offer import gettext_noop as _

PATH = "/kling/v1/images/generations"  # YEScale; with /{id} behind it: notes 1.1
MAX_BYTES = 1024 * 1024  # of an answer
MAX_LIST_BYTES = 16 * 1024 * 1024  # 500 tasks with nine long addresses each
PAGE_SIZE = 500  # the largest, notes 2.6
MAX_PAGES = 20
LIST_SECONDS = 45.0  # after these no further page is asked for
ANSWER_CHARACTERS = 4000
REASON_CHARACTERS = 500

DOCUMENTED = (  # YEScale
    "prompt", "negative_prompt", "image", "image_fidelity", "n", "aspect_ratio",
)  # fmt: skip
EXTENDED = (  # notes 6.1
    "model_name", "image_reference", "human_fidelity", "resolution", "external_task_id",
    "callback_url", "watermark_info",
)  # fmt: skip

Kind = Literal["policy", "input", "balance", "busy", "time", "ours"]
Trouble = Literal["account", "key", "rights", "address"]


@dataclass(frozen=True)
class ImageRequest:
    """One wish. `image` is a URL or bare Base64; `extended` goes out under that profile only.

    `external_id` is our own name for it, under which the upstream can be asked whether it has it.
    """

    prompt: str
    n: int = 1
    aspect_ratio: str = ""
    negative_prompt: str = ""
    image: str = field(default="", repr=False)
    image_fidelity: float | None = None
    external_id: str = ""
    extended: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)  # by the fields of `OFFER`

    def body(self, profile: str) -> dict[str, Any]:
        """As YEScale documents it; what is empty is left out (notes 2.3)."""
        fields = {name: getattr(self, name) for name in DOCUMENTED}
        if profile == "extended":
            fields |= {name: self.extended.get(name) for name in EXTENDED}
        fields |= {
            each.name: self.params[each.name]
            for each in OFFER.fields_for(profile)
            if each.name in self.params
        }
        if self.external_id:
            fields["external_task_id"] = self.external_id
        return {name: value for name, value in fields.items() if value not in (None, "")}


class State(StrEnum):
    OPEN = "open"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Task:
    """Kling's side of a generation. DONE without `image_urls` is for the caller to doubt."""

    upstream_task_id: str
    state: State
    status_text: str = ""  # as received
    image_urls: tuple[str, ...] = ()
    reason: str = ""  # of a failure, in the upstream's words
    kind: Kind = "ours"  # of a failure
    progress: int | None = None  # per cent
    answer: str = field(default="", repr=False)  # the body as received, cut


@dataclass(frozen=True)
class Listing:
    """What the list told: the ids of tasks by our own names for them, the newest first.

    What was made after `back_to` is in it, or not there; None when nothing proves that.
    """

    task_ids: Mapping[str, tuple[str, ...]]
    back_to: datetime | None

    def reaches(self, moment: datetime) -> bool:
        return self.back_to is not None and self.back_to < moment


@dataclass(eq=False)
class KlingError(Exception):
    """`message` is in the upstream's words where it said something, and holds no secret."""

    message: str
    http_status: int | None = None
    code: str = ""
    answer: str = field(default="", repr=False)

    def __str__(self) -> str:
        told = [f"HTTP {self.http_status}"] if self.http_status else []
        told += [f"code {self.code}"] if self.code else []
        return f"{self.message} ({', '.join(told)})" if told else self.message


@dataclass(eq=False)
class Refused(KlingError):
    """Final: nothing runs there, and the same request will be refused again."""

    kind: Kind = "input"


@dataclass(eq=False)
class NotSent(KlingError):
    """Not a byte of the request has left: it is safe to send it again."""


@dataclass(eq=False)
class SlowDown(KlingError):
    """Refused for now, nothing runs there. `wait_seconds` is None when it did not say how long."""

    wait_seconds: float | None = None
    max_attempts: int | None = None
    reason_known: bool = True  # False: a bare 429, which may as well be an empty account


@dataclass(eq=False)
class OnHold(KlingError):
    """The fault is the account's or the install's: no request has a chance until it is mended."""

    trouble: Trouble = "key"


@dataclass(eq=False)
class Unanswered(KlingError):
    """A submit: sent, and nobody knows; never send it again by itself. A query: ask later."""


@dataclass(eq=False)
class Denied(KlingError):
    """A query was told that there is no such task. It lies at times (notes 3.3): doubt it."""


class Client:
    """Safe for threads: queries share a pool of connections, each submit opens its own."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        profile: str = "documented",
        pool_size: int = 1,
        submit_seconds: float = 75,
        query_seconds: float = 30,
        connect_seconds: float = 10,
    ) -> None:
        if profile not in ("documented", "extended"):
            raise ValueError(f"no profile {profile!r}")
        self._url = url
        self._key = key.strip()
        self._secret = _secret(self._key)
        self._profile = profile
        self._submit_seconds = submit_seconds
        self._query_seconds = query_seconds
        self._connect_seconds = connect_seconds
        self._line = http_client.HttpConnection(url, pool_size=pool_size)

    def close(self) -> None:
        self._line.close()

    def submit(self, request: ImageRequest) -> Task:
        """One paid POST: no retry, no redirect, and no old connection.

        A connection that was kept open may be closed by the other side just then, which looks the
        same as a lost answer. Raises every error of this module but `Denied`.
        """
        fields = request.body(self._profile)
        body = json.dumps(fields).encode()
        with closing(http_client.HttpConnection(self._url)) as line:
            answer = self._ask(line, self._submit_seconds, "POST", PATH, body)
        return _read_submit(answer, names_model="model_name" in fields)

    def task(self, upstream_task_id: str) -> Task:
        """How it stands. Raises `OnHold`, `SlowDown`, `Denied` or `Unanswered`, never an end."""
        return _read_task(self._get(f"/{quote(upstream_task_id, safe='')}"), upstream_task_id)

    def find(self, external_id: str) -> str:
        """The task id of what was submitted under our own name (notes 2.6).

        `Denied` is a clean "no such task"; whatever else is raised says nothing.
        """
        return _read_found(self._get(f"/{quote(external_id, safe='')}"), external_id)

    def listing(self, since: datetime) -> Listing:
        """What the upstream lists, page by page from the newest back to `since` (notes 2.6).

        Raises what `task` raises, but `Denied`: a page that cannot be read says nothing.
        """
        tasks: list[envelope.Listed] = []
        ends_at = time.monotonic() + LIST_SECONDS
        listing = Listing({}, None)
        for number in range(1, MAX_PAGES + 1):
            query = f"?pageNum={number}&pageSize={PAGE_SIZE}"
            page = _read_page(self._get(query, MAX_LIST_BYTES))
            known = {task.task_id for task in tasks}
            fresh = [task for task in page if task.task_id not in known]
            tasks += fresh
            listing = Listing(_by_external_id(tasks), envelope.back_to(tasks))
            if not fresh or listing.reaches(since) or time.monotonic() > ends_at:
                break
        return listing

    def _get(self, path: str, max_bytes: int = MAX_BYTES) -> "_Answer":
        try:
            return self._ask(
                self._line, self._query_seconds, "GET", PATH + path, max_bytes=max_bytes
            )
        except NotSent as error:
            raise Unanswered(error.message) from None

    def _ask(
        self,
        line: http_client.HttpConnection,
        seconds: float,
        method: str,
        path: str,
        body: bytes | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> "_Answer":
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._key}"}
        if body:
            headers["Content-Type"] = "application/json"
        call = http_client.deadline(seconds)
        try:
            with call:
                answer = line.ask(
                    method, path, headers=headers, body=body,
                    connect_seconds=self._connect_seconds, max_bytes=max_bytes,
                )  # fmt: skip
        except OSError as error:
            told = self._clean(str(error))[:REASON_CHARACTERS]
            failure = Unanswered(told) if call.was_sent else NotSent(told)
        else:
            return self._read(answer)
        # Out of the except clause, so that no traceback leads to the request and its key.
        raise failure

    def _read(self, answer: http_client.Answer) -> "_Answer":
        text = self._clean(answer.body.decode("utf-8-sig", "replace"))
        try:
            data = self._clean_all(json.loads(text))
        except (ValueError, RecursionError):
            data = None
        is_good = 200 <= answer.http_status < 300
        code, words = envelope.refusal(data, is_good=is_good)
        return _Answer(
            answer.http_status,
            is_good,
            (text or self._clean(answer.headers.get("Location", "")))[:ANSWER_CHARACTERS],
            envelope.layers_of(data),
            code[:60],
            words[:REASON_CHARACTERS],
            answer.headers.get("Retry-After", ""),
        )

    def _clean(self, text: str) -> str:
        """Fit for logs and for the database, which takes neither NUL nor half a character."""
        if self._secret:
            text = self._secret.sub("[key]", text)
        return text.replace("\0", "").encode("utf-8", "replace").decode()

    def _clean_all(self, value: Any) -> Any:
        """JSON can spell what `_clean` has not seen yet: `\\u0000`, or the key with `\\/`."""
        if isinstance(value, dict):
            return {name: self._clean_all(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._clean_all(inner) for inner in value]
        return self._clean(value) if isinstance(value, str) else value


def _secret(key: str) -> re.Pattern[str] | None:
    """Finds the key in a text: as it is, without sk- (so new-api repeats it), quoted, in JSON.

    A short one is no secret but the simulator's word, which may stand in an address.
    """
    bare = key.removeprefix("sk-")
    forms = {bare, repr(bare)[1:-1], bare.replace("/", "\\/")}
    return re.compile(f"(sk-)?({'|'.join(map(re.escape, forms))})") if len(key) >= 8 else None


# --- what an answer means ---------------------------------------------------------------------

# The official codes of notes 3.1 and the words of one-api and new-api of notes 4.4.
_HELD: dict[str, Trouble] = {
    "1000": "key", "1001": "key", "1002": "key", "1003": "key", "1004": "key",
    "1100": "account", "1101": "account", "1102": "account",
    "quota_not_enough": "account", "insufficient_user_quota": "account",
    "1103": "rights", "1304": "address",
}  # fmt: skip
_BUSY = {"1302", "1303", "5001"}
# Final, because they prove that nothing was accepted (T3 of models/status.py).
_REFUSED: dict[str, Kind] = {
    "1200": "input", "1201": "input", "1202": "ours", "1203": "ours",
    "1300": "policy", "1301": "policy",
}  # fmt: skip
# With these a readable answer of the gateway's own refuses for good (notes 6.2).
_REFUSING: dict[int, Kind] = {
    400: "input", 404: "ours", 405: "ours", 413: "input", 415: "ours", 422: "input",
}  # fmt: skip
_DENIED = {"1203", "task_not_exist"}  # the word: also for a task of another account
_WRONG_PATH = {"1202", "invalid_request_error"}  # says nothing of the task

# A used-up key is a 401 like any other, and Kling's 1102 may come as a bare 429 (notes 4.4).
_QUOTA = re.compile(
    r"used.?up|quota.{0,40}(exhaust|not enough|insufficient)|exceeded your current quota"
    r"|insufficient.{0,20}(quota|balance|credit)|arrears|额度|余额|欠费",
    re.IGNORECASE,
)
_IP = re.compile(r"(?<![a-z])ip(?![a-z])", re.IGNORECASE)
_NOT_FOUND = re.compile(r"not.{0,4}(found|exist)|不存在", re.IGNORECASE)
_TASK_NOT_FOUND = re.compile(rf"(task|任务).{{0,80}}({_NOT_FOUND.pattern})", re.IGNORECASE)


@dataclass(frozen=True)
class _Answer:
    """`code` and `words` are those of a refusal; "" when nothing is wrong, or nothing readable."""

    http_status: int
    is_good: bool
    text: str
    layers: list[envelope.Fields]
    code: str
    words: str
    retry_after: str

    def as_error(self, error: type[KlingError], /, **facts: Any) -> KlingError:
        message = self.words or "the upstream gave no reason"
        return error(message, self.http_status, self.code, self.text, **facts)

    def slow_down(self, **facts: Any) -> KlingError:
        wait_seconds = envelope.wait_seconds(self.retry_after)
        return self.as_error(SlowDown, wait_seconds=wait_seconds, **facts)


def _read_submit(answer: _Answer, *, names_model: bool) -> Task:
    """Notes 6.2, with T2 to T6 of models/status.py above them."""
    upstream_task_id = envelope.first_id(answer.layers)
    if not upstream_task_id:
        raise _not_accepted(answer, names_model)
    if not answer.is_good:
        raise answer.as_error(Unanswered)  # refused and accepted at once
    # An id is money: it counts, whatever else the answer says.
    return _task(answer, upstream_task_id) or Task(upstream_task_id, State.OPEN, answer=answer.text)


def _not_accepted(answer: _Answer, names_model: bool) -> KlingError:
    """Refused for good or for now, or the doubt that stays: 5002, any other 5xx, HTML, no id.

    A redirect stays a doubt too. Whoever sent it is not the gateway we know, and nothing says that
    it has not passed the request on; repeating a paid POST needs more than that.
    """
    code, status = answer.code, answer.http_status
    if code in _REFUSED:
        return answer.as_error(Refused, kind=_REFUSED[code])
    if code == "1103" and names_model:
        return answer.as_error(Refused, kind="input")  # the missing right may be this model's
    if code == "5000":
        return answer.slow_down(max_attempts=2)
    if code == "model_not_found" and status == 503:
        return answer.slow_down()
    if code == "5002":
        return answer.as_error(Unanswered)
    if error := _hold_or_wait(answer):
        return error
    # fail_to_fetch_task is here only when Kling's words to the gateway could not be read.
    is_readable = bool(answer.words) and code != "fail_to_fetch_task"
    # A proxy says 413 in HTML, before it has passed anything on.
    if status in _REFUSING and (is_readable or status == 413):
        return answer.as_error(Refused, kind=_REFUSING[status])
    return answer.as_error(Unanswered)


def _hold_or_wait(answer: _Answer) -> KlingError | None:
    """What means the same to a submit and to a query: by the code, else by the status."""
    code, words, is_quota = answer.code, answer.words, bool(_QUOTA.search(answer.words))
    if code in _HELD:
        return answer.as_error(OnHold, trouble=_HELD[code])
    if code in _BUSY:
        return answer.slow_down()
    match answer.http_status:
        case 402 | 401 | 403 | 429 as status if is_quota or status == 402:
            return answer.as_error(OnHold, trouble="account")
        case 401:
            return answer.as_error(OnHold, trouble="key")
        case 403:
            # A page instead of words comes from a firewall in front, which judges addresses.
            is_address = not words or bool(_IP.search(words))
            return answer.as_error(OnHold, trouble="address" if is_address else "rights")
        case 429:
            return answer.slow_down(reason_known=False)
    return None


def _read_task(answer: _Answer, upstream_task_id: str) -> Task:
    """Notes 6.4: one bad answer never ends a task."""
    task = _task(answer, upstream_task_id) if answer.is_good else None
    if task is None:
        raise _not_told(answer)
    if task.state is State.FAILED and _is_lie(answer, task.reason):
        raise replace(answer, words=task.reason).as_error(Denied)
    return task


def _read_found(answer: _Answer, external_id: str) -> str:
    """The lie of notes 3.3 has no authority here, nor has a task that bears another name."""
    task = _task(answer, envelope.first_id(answer.layers)) if answer.is_good else None
    if task is None:
        raise _not_told(answer)
    is_lie = task.state is State.FAILED and _is_lie(answer, task.reason)
    told = envelope.external_id(answer.layers)
    if is_lie or not task.upstream_task_id or told not in ("", external_id):
        raise answer.as_error(Unanswered)
    return task.upstream_task_id


def _read_page(answer: _Answer) -> list[envelope.Listed]:
    tasks = envelope.listed(answer.layers) if answer.is_good and not answer.code else None
    if tasks is None:
        raise _hold_or_wait(answer) or answer.as_error(Unanswered)
    return tasks


def _by_external_id(tasks: list[envelope.Listed]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        if task.external_id:
            found[task.external_id] = (*found.get(task.external_id, ()), task.task_id)
    return found


def _not_told(answer: _Answer) -> KlingError:
    if answer.code in _WRONG_PATH:
        return answer.as_error(Unanswered)
    if answer.code in _DENIED:
        return answer.as_error(Denied)
    if error := _hold_or_wait(answer):
        return error
    is_denied = answer.http_status < 500 and bool(_TASK_NOT_FOUND.search(answer.words))
    if is_denied or (answer.http_status == 404 and answer.words):
        return answer.as_error(Denied)
    return answer.as_error(Unanswered)


def _is_lie(answer: _Answer, reason: str) -> bool:
    """Notes 3.3: failed, "task not found" and no time of creation, for a task just accepted."""
    times = [layer.get(name) for layer in answer.layers for name in ("created_at", "submit_time")]
    return not any(times) and bool(_NOT_FOUND.search(reason))


# Notes 6.5; the sources of each spelling are in notes 4.5. Any other word, and none, is OPEN.
_STATES = dict.fromkeys(
    ("succeed", "succeeded", "success", "completed", "complete", "done", "finished"), State.DONE
) | dict.fromkeys(
    ("failed", "fail", "failure", "error", "canceled", "cancelled", "expired", "timeout"),
    State.FAILED,
)


def _task(answer: _Answer, upstream_task_id: str) -> Task | None:
    """None when it says nothing of a task. The outer status counts, but pictures beat whatever
    lags behind (notes 6.5)."""
    texts = envelope.texts(answer.layers, *envelope.STATUS_NAMES)
    states = [_STATES.get(text.lower(), State.OPEN) for text in texts if text]
    # Without any status: a gateway that waits for the pictures itself (notes 4.5, NA-img).
    may_list = State.DONE in states or not (texts or answer.code)
    urls = envelope.image_urls(answer.layers) if may_list else ()
    if urls:
        state = State.DONE
    elif states:
        state = states[0]
    elif answer.code == "task_failed":  # CRAZY: data.error beside code "success"
        state = State.FAILED
    elif texts and not answer.code:  # CRAZY and new-api say "" at first
        state = State.OPEN
    else:
        return None
    reason = _reason(answer) if state is State.FAILED else ""
    return Task(
        upstream_task_id,
        state,
        status_text=next(filter(None, texts), "")[:100],
        image_urls=urls,
        reason=reason,
        kind=_kind_of(reason),
        progress=envelope.progress(answer.layers),
        answer=answer.text,
    )


def _reason(answer: _Answer) -> str:
    """Why it failed (notes 6.5). A fail_reason may be an address instead."""
    told = envelope.texts(answer.layers, "task_status_msg", "fail_reason", "failReason")
    reasons = [text for text in told if text and not envelope.IS_URL.fullmatch(text)]
    return (reasons[0] if reasons else answer.words)[:REASON_CHARACTERS]


# What the words of a failure tell of its kind, in the order in which they are asked. The texts are
# nobody's promise (notes 7.8): what is not known is not guessed to be the member's fault.
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("policy", r"moderat|risk.?control|sensitive|polic(y|ies)|violat|inappropriate|nsfw|prohibit"
               r"|content.{0,10}(safety|check)|违规|敏感|审核|风控"),
    ("time", r"tim(ed?|e-) ?out|timeout|expired|too long to|超时"),
    ("balance", r"quota|balance|credit|arrears|余额|额度|欠费"),
    ("busy", r"busy|overload|too many|capacity|saturat|try again later|rate.?limit|繁忙|拥挤"),
    ("input", r"pixel|invalid|format|resolution|aspect|ratio|dimension|unsupported|not supported"
              r"|parameter|argument|too (large|small|long|short)|must (be|have)|参数|格式|尺寸"),
)  # fmt: skip


def _kind_of(reason: str) -> Kind:
    for kind, words in _KINDS:
        if re.search(words, reason, re.IGNORECASE):
            return kind
    return "ours"


# --- what is offered --------------------------------------------------------------------------

OFFER = Offer(
    slug="kling",
    label=_("Kling"),
    aspect_ratios=(
        AspectRatio("21:9", _("21 to 9, very wide")),
        AspectRatio("16:9", _("16 to 9, wide")),
        AspectRatio("3:2", _("3 to 2, landscape")),
        AspectRatio("4:3", _("4 to 3, landscape")),
        AspectRatio("1:1", _("1 to 1, square")),
        AspectRatio("3:4", _("3 to 4, portrait")),
        AspectRatio("2:3", _("2 to 3, portrait")),
        AspectRatio("9:16", _("9 to 16, tall")),
    ),
    default_aspect_ratio="3:2",
    max_images=9,
    prompt_limit="PROMPT_CHARACTERS",
    negative_prompt_limit="NEGATIVE_PROMPT_CHARACTERS",
    reference=ReferenceRules(
        # MPO is a JPEG with several images, written by many cameras.
        types={"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png"},
        max_bytes=10 * 1024 * 1024,  # notes 2.5, as the next two
        min_side=300,
        max_ratio=2.5,
        max_area=50_000_000,  # ours: what one web thread may decode
    ),
)
