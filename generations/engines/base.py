"""The protocol of an image engine: requests, tasks and errors.

An engine never retries. Each error class tells the caller what is safe to do next.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from .answer_file import AnswerFile

MAX_TASK_ID_CHARACTERS = 500  # as stored; a longer one cannot be polled


class FailureKind(StrEnum):
    """Why a generation failed. Stored in rows: values never change."""

    POLICY = "policy"
    INPUT = "input"
    BALANCE = "balance"
    BUSY = "busy"
    TIME = "time"
    OURS = "ours"  # an error of this install, of the gateway or of the engine
    MODEL = "model"  # the gateway no longer has the model
    REFUSED = "refused"  # set by the worker: refused as if for all, while others were accepted
    FILES = "files"  # set by the worker: the images exist, but none could be downloaded


class HoldReason(StrEnum):
    """Why no request of this install can succeed now. Stored in rows: values never change."""

    ACCOUNT = "account"
    KEY = "key"
    RIGHTS = "rights"
    ADDRESS = "address"
    MODEL = "model"  # set by the gate: the gateway has no channel for the model, for minutes
    BUSY = "busy"  # set by the gate: 429 for minutes, without a known reason
    NO_KEY = "no-key"  # set by the gate: no API key can be used
    UNREACHED = "unreached"  # set by the gate: several submits without a readable response


class BusyReason(StrEnum):
    """Why a request was not accepted for now."""

    CONCURRENCY = "concurrency"  # too many tasks in progress
    RATE = "rate"  # too many requests per second
    OVERLOADED = "overloaded"  # an error or maintenance of the upstream
    NO_CHANNEL = "no-channel"  # the gateway has no channel for the model now
    UNKNOWN = "unknown"  # a bare 429: any of these, or an empty account


class State(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True)
class ImageRequest:
    """An image request. `image` is a URL or bare Base64.

    `external_id` is our own id of the request, under which the upstream may find it later.
    `profile` replaces the client's. `params` holds the fields of the engine's offer, `extended`
    others that it knows. `answer_file` is where an engine without tasks stores its answer before
    it reads it.
    """

    prompt: str
    n: int = 1
    aspect_ratio: str = ""
    negative_prompt: str = ""
    image: str = field(default="", repr=False)
    image_fidelity: float | None = None
    external_id: str = ""
    profile: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    extended: Mapping[str, Any] = field(default_factory=dict)
    model: str = ""
    answer_file: AnswerFile | None = None


@dataclass(frozen=True)
class Task:
    """The upstream's side of a generation.

    SUCCEEDED may come without `image_urls`; the caller should then poll again.
    """

    upstream_task_id: str
    state: State
    image_urls: tuple[str, ...] = ()
    reason: str = ""  # of a failure, in the upstream's words
    kind: FailureKind = FailureKind.OURS  # of a failure
    progress: int | None = None  # percent; for engines whose tasks take minutes, not stored yet
    response: str = field(default="", repr=False)  # the body as received, truncated


@dataclass(frozen=True)
class FinishedImage:
    """An image of a finished request: its URL, or the file that was received with the answer."""

    url: str = ""
    file: Path | None = None


@dataclass(frozen=True)
class Finished:
    """The answer of an engine without tasks: at least one image. `prompt`: as it was revised."""

    images: tuple[FinishedImage, ...]
    prompt: str = ""
    response: str = field(default="", repr=False)  # without the images, truncated


@dataclass(frozen=True)
class Listing:
    """The upstream's list of tasks: task ids by external id, newest first.

    The list contains every task created after `complete_since`; None when that is not proven.
    """

    task_ids: Mapping[str, tuple[str, ...]]
    complete_since: datetime | None

    def covers(self, moment: datetime) -> bool:
        return self.complete_since is not None and self.complete_since < moment


@dataclass(eq=False)
class EngineError(Exception):
    """`message` is the upstream's own where it sent one. Contains no secret."""

    message: str
    http_status: int | None = None
    code: str = ""
    response: str = field(default="", repr=False)

    def __str__(self) -> str:
        details = [f"HTTP {self.http_status}"] if self.http_status else []
        details += [f"code {self.code}"] if self.code else []
        return f"{self.message} ({', '.join(details)})" if details else self.message


@dataclass(eq=False)
class RequestRefused(EngineError):
    """Final: nothing was accepted, and the same request would be refused again."""

    kind: FailureKind = FailureKind.INPUT


@dataclass(eq=False)
class NotSent(EngineError):
    """No byte of the request was sent. Safe to send again."""


@dataclass(eq=False)
class SlowDown(EngineError):
    """Not accepted for now. `wait_seconds` is None when the upstream named no time.

    `max_attempts` limits how often this response may be treated as "not accepted".
    """

    wait_seconds: float | None = None
    max_attempts: int | None = None
    reason: BusyReason = BusyReason.OVERLOADED


@dataclass(eq=False)
class OnHold(EngineError):
    """Not accepted: a problem of the account or of this install blocks every request."""

    reason: HoldReason = HoldReason.KEY


@dataclass(eq=False)
class Unanswered(EngineError):
    """For a submit: sent, result unknown, never send it again automatically.

    For a query: no usable response, ask again later.
    """


@dataclass(eq=False)
class TaskNotFound(EngineError):
    """A query was answered with "no such task". Not reliable: see docs/upstream.md, 3.3."""


class Engine(Protocol):
    """One image service of the gateway, with one API key. Methods are thread-safe."""

    name: str  # stored in rows: never changes

    def submit(self, request: ImageRequest) -> Task | Finished:
        """Send one paid request. Raises any error of this module but `TaskNotFound`."""

    def close(self) -> None: ...


class TaskEngine(Engine, Protocol):
    """An engine whose submit creates a task, which is asked for until it ends."""

    def submit(self, request: ImageRequest) -> Task: ...

    def task(self, upstream_task_id: str) -> Task:
        """Return a task. Raises `OnHold`, `SlowDown`, `TaskNotFound` or `Unanswered`."""

    def find(self, external_id: str) -> str:
        """Return the task id of a submitted request.

        Raises `TaskNotFound` when the upstream has no such task; any other error proves nothing.
        """

    def list_tasks(self, since: datetime) -> Listing:
        """Return the tasks created since then. Raises what `task` raises, but `TaskNotFound`."""


class ImmediateEngine(Engine, Protocol):
    """An engine whose submit is answered with the images. A lost answer can't be asked for."""

    def submit(self, request: ImageRequest) -> Finished:
        """Stores the answer in `request.answer_file` before it is read; the caller ends that."""

    def read_answer(self, answer_file: Path) -> Finished:
        """Read a stored answer again, after its process died. Raises `Unanswered`."""
