"""The task told in other words or with odd pictures (scenarios 17 to 21)."""

from klingweb.simulator import envelopes
from klingweb.simulator.envelopes import FAILED, PROCESSING, SUBMITTED, SUCCEED, Json, respelled
from klingweb.simulator.scenarios.scenario import Images, Scenario
from klingweb.simulator.tasks import Task

_SOON = {"seconds_from": 2.0, "seconds_to": 2.0}

UPPER = respelled(
    {SUBMITTED: "SUBMITTED", PROCESSING: "IN_PROGRESS", SUCCEED: "SUCCEEDED", FAILED: "FAILED"}
)
COMPLETED = respelled(
    {SUBMITTED: "queued", PROCESSING: "in_progress", SUCCEED: "completed", FAILED: "FAILURE"}
)
EMPTY = respelled({SUBMITTED: "", PROCESSING: ""})
UNKNOWN = respelled({PROCESSING: "under_review"})


def _by_id(images: list[Json], _: Task) -> list[Json]:
    return [{"id": "", "url": image["url"]} for image in images]


def _shuffled(images: list[Json], _: Task) -> list[Json]:
    return images[1:][::-1] + images[:1]


def _fewer(images: list[Json], _: Task) -> list[Json]:
    return images[: max(1, len(images) - 1)]


def _repeated(images: list[Json], _: Task) -> list[Json]:
    return [*images, {"index": len(images), "url": images[0]["url"]}]


def _none(_: list[Json], __: Task) -> list[Json]:
    return []


def _none_at_first(images: list[Json], task: Task) -> list[Json]:
    return [] if task.told_done <= task.number("empty_tellings") else images


def _odd_schemes(images: list[Json], _: Task) -> list[Json]:
    odd = ["file:///etc/passwd", "javascript:alert(1)", "data:image/png;base64,AAAA"]
    return [{**image, "url": odd[image["index"] % len(odd)]} for image in images]


def _pictures(says: str, images: Images, **params: float) -> Scenario:
    return Scenario(says=says, images=images, params=params)


SPELLINGS: dict[str, Scenario] = {
    "spelling-crazy": Scenario(
        says="No envelope on submit; on success one URL only, whatever n.",
        dialect=envelopes.CRAZY,
    ),
    "spelling-anyf": Scenario(
        says="The gateway's own task, Kling's object three levels down.", dialect=envelopes.ANYF
    ),
    "spelling-upper": Scenario(says="Statuses in upper case, SUCCEEDED.", dialect=UPPER),
    "spelling-completed": Scenario(says="queued, in_progress, completed.", dialect=COMPLETED),
    "spelling-empty": Scenario(says="An empty status until it has ended.", dialect=EMPTY),
    "spelling-unknown": Scenario(says="A status nobody knows while it runs.", dialect=UNKNOWN),
    "failed-crazy": Scenario(
        says="Fails; the reason is an object beside the code “success”.",
        dialect=envelopes.CRAZY,
        fails_with="content moderation failed",
        params=_SOON,
    ),
    "failed-anyf": Scenario(
        says="Fails as FAILURE with fail_reason.",
        dialect=envelopes.ANYF,
        fails_with="content moderation failed",
        params=_SOON,
    ),
    "failed-upper": Scenario(
        says="Fails as FAILED.", dialect=UPPER, fails_with="Image pixel is invalid", params=_SOON
    ),
    "code-text-zero": Scenario(says="code is the text “0”.", dialect=envelopes.with_code("0")),
    "code-success": Scenario(says="code is “success”.", dialect=envelopes.with_code("success")),
    "code-null": Scenario(says="code is null.", dialect=envelopes.with_code(None)),
    "image-ids": _pictures("Pictures carry an empty id instead of an index.", _by_id),
    "image-shuffled": _pictures("Pictures are listed out of order.", _shuffled),
    "image-fewer": _pictures("One picture fewer than asked for (of two or more).", _fewer),
    "image-duplicate": _pictures("The first URL is listed twice.", _repeated),
    "image-none": _pictures("Succeeds without any picture.", _none),
    "image-none-at-first": _pictures(
        "The first two successes told have no picture yet.", _none_at_first, empty_tellings=2
    ),
    "image-odd-scheme": _pictures("The URLs are none of http or https.", _odd_schemes),
    "fail-reason-url": Scenario(
        says="A success whose fail_reason holds a URL.", dialect=envelopes.FAIL_REASON_URL
    ),
    "outer-behind": Scenario(
        says="The gateway says IN_PROGRESS around a task that succeeded.",
        dialect=envelopes.OUTER_BEHIND,
    ),
    "gateway-gave-up": Scenario(
        says="The gateway says FAILURE, the task inside it is processing for ever.",
        dialect=envelopes.GATEWAY_GAVE_UP,
    ),
    "seconds": Scenario(says="Times are seconds, not milliseconds.", dialect=envelopes.SECONDS),
    "bare": Scenario(says="No request id and no times.", dialect=envelopes.BARE),
}
