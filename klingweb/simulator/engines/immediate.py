"""What differs between the APIs that answer a submit with the images."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.tasks import Json, Task


@dataclass(frozen=True, kw_only=True)
class ImmediateApi:
    """One API: how it reads and checks a body, and what its answers have.

    `error_of` returns the first error in a body. `task_fields` returns prompt, n, aspect_ratio and
    model of a valid one. `refusals` are those of scenarios in this API's own words; "too-many" is
    one. `image_fields` are added to each image of an answer.
    """

    path: str
    read: Callable[[web.BaseRequest], Awaitable[Json | None]]
    unreadable: CannedResponse
    error_of: Callable[[Json], CannedResponse | None]
    task_fields: Callable[[Json], Json]
    refusals: Mapping[str, CannedResponse]
    answers_with_base64: Callable[[Json], bool]
    image_fields: Callable[[Task], Json]
