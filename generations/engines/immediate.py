"""Client for APIs that answer one POST with the images, as links or as Base64.

There is no task: a lost answer can never be looked up. Never retries: each exception class tells
the caller what is safe to do next. What differs between these APIs is an `Api`. "notes" are
docs/engines.md.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from types import MappingProxyType

from . import embedded_images, envelope, gateway
from .answer_file import AnswerFile
from .base import (
    BusyReason,
    EngineError,
    FailureKind,
    Finished,
    FinishedImage,
    HoldReason,
    ImageRequest,
    NotSent,
    RequestRefused,
    Unanswered,
)
from .gateway import Gateway, ParsedResponse
from .http_client import HttpResponse

MAX_ANSWER_BYTES = 128 * 1024 * 1024  # ten images of several megabytes, as Base64


@dataclass(frozen=True)
class Api:
    """Where a request goes, how it is written, and what an answer without images means.

    `body` returns the body and its content type. `error_of` never returns a refusal that the
    answer does not prove. `prompt_field`: the revised prompt, in each image of an answer.
    """

    path: str
    body: Callable[[ImageRequest], tuple[bytes, str]]
    error_of: Callable[[ParsedResponse], EngineError]
    prompt_field: str


class Client:
    """An engine of this kind. Thread-safe. Implements `base.ImmediateEngine`."""

    def __init__(self, name: str, gateway: Gateway, api: Api) -> None:
        self.name = name
        self.api = api
        self._gateway = gateway

    def close(self) -> None:
        self._gateway.close()

    def submit(self, request: ImageRequest) -> Finished:
        """Send one paid POST, without retry. Raises any error of `base` but `TaskNotFound`.

        The answer is on disk before it is read, and stays there: the caller deletes it once the
        outcome is recorded.
        """
        answer_file = request.answer_file
        assert answer_file is not None
        body, content_type = self.api.body(request)
        try:
            file = answer_file.create()
        except OSError as error:
            raise NotSent(f"no file for the answer: {error.strerror or error}") from error
        try:
            response = self._gateway.post_body(
                self.api.path,
                body,
                content_type=content_type,
                into=file,
                max_bytes=MAX_ANSWER_BYTES,
            )
        except Unanswered as error:
            return self._read_cut(answer_file, error)
        if not 200 <= response.http_status < 300:
            raise self.api.error_of(self._gateway.parse(response))
        answer_file.sync()
        return self.read_answer(answer_file.path)

    def _read_cut(self, answer_file: AnswerFile, cut: Unanswered) -> Finished:
        """Read an answer whose connection has failed: it may be whole, but for its last byte."""
        try:
            answer_file.sync()
            return self.read_answer(answer_file.path)
        except (EngineError, OSError):
            raise cut from None

    def read_answer(self, answer_file: Path) -> Finished:
        """See `base.ImmediateEngine.read_answer`."""
        try:
            answer = embedded_images.take_out(answer_file)
        except ValueError as error:
            raise Unanswered(str(error)) from None
        response = self._gateway.parse(HttpResponse(200, _NO_HEADERS, answer.text))
        images, prompts = [], []
        for number, item in enumerate(items_of(response)):
            image = _image(item, answer, answer_file.with_name(f"{answer_file.name}.short{number}"))
            if image is not None:
                images.append(image)
                texts = envelope.texts([item], self.api.prompt_field)
                prompts += [text for text in texts if not answer.holds_image(text)]
        if not images:
            raise self.api.error_of(response)
        prompt = next(filter(None, prompts), "")
        return Finished(tuple(images[: envelope.MAX_IMAGES]), prompt, response.text)


_NO_HEADERS = HTTPMessage()


def items_of(response: ParsedResponse) -> list[envelope.Fields]:
    """The images of an answer: gateways may put them under a second "data"."""
    found = (layer.get("data") for layer in response.layers)
    items = next((each for each in found if isinstance(each, list)), [])
    return [item for item in items if isinstance(item, dict)]


def _image(
    item: envelope.Fields, answer: embedded_images.Answer, short_file: Path
) -> FinishedImage | None:
    """Read one item. Both fields may be declared, and the unused one be empty (notes 3)."""
    data, url = (next(iter(envelope.texts([item], name)), "") for name in ("b64_json", "url"))
    data = data or (url if answer.holds_image(url) else "")
    if data:
        file = answer.image(data, short_file)
        return FinishedImage(file=file) if file else None
    return FinishedImage(url=url) if envelope.IS_URL.fullmatch(url) else None


def error_of(
    response: ParsedResponse,
    *,
    policy_codes: Collection[str] = (),
    hold_codes: Mapping[str, HoldReason] = MappingProxyType({}),
    busy_codes: Mapping[str, BusyReason] = MappingProxyType({}),
) -> EngineError:
    """Return a refusal, a wait or a hold; `Unanswered` for 5xx, HTML, or a success without images.

    The codes are the API's own; the gateway's are known here. Nothing but a readable refusal proves
    that nothing was made.
    """
    code, status = response.code, response.http_status
    if status >= 500 and code != gateway.NO_CHANNEL_CODE:
        return response.as_error(Unanswered)
    if code in policy_codes or code in gateway.POLICY_CODES:
        return response.as_error(RequestRefused, kind=FailureKind.POLICY)
    if code == gateway.NO_CHANNEL_CODE:
        if status == 503:
            return response.slow_down(reason=BusyReason.NO_CHANNEL)
        return response.as_error(RequestRefused, kind=FailureKind.OURS)  # no longer sold
    error = gateway.hold_or_wait(response, hold_codes=hold_codes, busy_codes=busy_codes)
    if error:
        return error
    if status in gateway.REFUSAL_STATUSES and (response.message or status == 413):
        return response.as_error(RequestRefused, kind=gateway.REFUSAL_STATUSES[status])
    return response.as_error(Unanswered)
