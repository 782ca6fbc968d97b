"""The definition of a scenario."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from klingweb.simulator.engines.kling import task_ids
from klingweb.simulator.engines.kling.formats import DOCUMENTED, ResponseFormat
from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.tasks import Json, Parameter, Task

ChangeImages = Callable[[list[Json], Task], list[Json]]
ChangeAnswer = Callable[[list[Json]], list[Json]]
FileFault = Callable[[web.BaseRequest, Task, bytes], Awaitable[web.StreamResponse]]


PARAMETERS = {
    "accepted": "1: the task is created although the response to the submit is an error",
    "refusals": "number of refusals per prompt before a submit is accepted; 0: always refused",
    "retry_after": "value of the Retry-After header in seconds",
    "answer_seconds": "seconds from creating the task to the response of the submit",
    "seconds_from": "minimum duration of the task in seconds",
    "seconds_to": "maximum duration of the task in seconds",
    "regressions": "number of polls that return `processing` after a success",
    "polls": "number of polls whose response is replaced",
    "for_seconds": "seconds since the submit in which responses to polls are replaced",
    "silent_seconds": "delay of a replaced response in seconds",
    "empty_successes": "number of successful responses without images",
    "only": "index of the only file that the fault applies to",
    "downloads": "number of downloads of a file that the fault applies to; unset: all",
    "file_seconds": "duration of a slow download in seconds",
    "url_seconds": "seconds until a URL expires",
    "redirect_to": "target of a redirect",
}
"""What a control call can set. `refusals` defaults to 0 for a queued scenario."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One behaviour of the upstream; every default is the normal behaviour.

    `submit_response` and `query_response` replace the normal responses, `file_fault` replaces a
    download, and `change_images` changes the image list of a successful task. `change_answer`
    changes the images of an API that answers with them. `params` are defaults for `PARAMETERS`.
    """

    description: str
    params: Mapping[str, Parameter] = field(default_factory=dict)
    submit_response: CannedResponse | None = None
    query_response: CannedResponse | None = None
    response_format: ResponseFormat = DOCUMENTED
    change_images: ChangeImages | None = None
    file_fault: FileFault | None = None
    change_answer: ChangeAnswer | None = None
    task_id: Callable[[], str] = task_ids.base64url
    fails_with: str | None = None
    ends: bool = True
