"""What a scenario is made of."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aiohttp import web

from klingweb.simulator import ids
from klingweb.simulator.envelopes import DOCUMENTED, Dialect, Json
from klingweb.simulator.replies import Reply
from klingweb.simulator.tasks import Param, Task

Images = Callable[[list[Json], Task], list[Json]]
FileFault = Callable[[web.BaseRequest, Task, bytes], Awaitable[web.StreamResponse]]


PARAMS = {
    "accepted": "1: there is a task although the answer to the submit hides it",
    "refusals": "submits of one prompt that are refused before one is taken; 0: all",
    "retry_after": "seconds in the header of that name",
    "answer_seconds": "from the making of the task to the answer of its submit",
    "seconds_from": "shortest life of the task",
    "seconds_to": "longest life of the task",
    "regressions": "polls that deny a success already told",
    "polls": "polls that are told something else",
    "for_seconds": "since the submit, in which polls are told something else",
    "silent_seconds": "before such a poll is answered",
    "empty_tellings": "successes told without a picture",
    "only": "index of the one file that is disturbed",
    "downloads": "downloads of a file that are disturbed; not given: all",
    "file_seconds": "that a slow file takes",
    "lives_seconds": "that a URL is good",
    "to": "address a redirect leads to",
}
"""What a control call may set; an ordered scenario refuses for ever unless it says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One behaviour; what is not said here is as in the normal case.

    `submit` is said instead of the new task, `query` instead of where the task stands, `file`
    answers in place of the file host, `images` changes the list of a task that succeeded.

    `params` are the usual values of what a control call may change, by the names of `PARAMS`.
    """

    says: str
    params: Mapping[str, Param] = field(default_factory=dict)
    submit: Reply | None = None
    query: Reply | None = None
    dialect: Dialect = DOCUMENTED
    images: Images | None = None
    file: FileFault | None = None
    task_id: Callable[[], str] = ids.like_yescale
    fails_with: str | None = None
    ends: bool = True
