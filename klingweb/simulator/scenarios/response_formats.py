"""Unusual formats of a task and of its image list.

Scenarios 17 to 21 of docs/upstream.md, section 6.7.
"""

from klingweb.simulator.engines.kling import formats
from klingweb.simulator.engines.kling.formats import with_code, with_statuses
from klingweb.simulator.scenarios.lifecycle import TWO_SECONDS
from klingweb.simulator.scenarios.scenario import ChangeImages, Scenario
from klingweb.simulator.tasks import FAILED, PROCESSING, SUBMITTED, SUCCEED, Json, Task

UPPER_CASE = with_statuses(
    {SUBMITTED: "SUBMITTED", PROCESSING: "IN_PROGRESS", SUCCEED: "SUCCEEDED", FAILED: "FAILED"}
)
COMPLETED = with_statuses(
    {SUBMITTED: "queued", PROCESSING: "in_progress", SUCCEED: "completed", FAILED: "FAILURE"}
)
EMPTY = with_statuses({SUBMITTED: "", PROCESSING: ""})
UNKNOWN = with_statuses({PROCESSING: "under_review"})


def _empty_ids(images: list[Json], _: Task) -> list[Json]:
    return [{"id": "", "url": image["url"]} for image in images]


def _shuffled(images: list[Json], _: Task) -> list[Json]:
    return images[1:][::-1] + images[:1]


def _one_missing(images: list[Json], _: Task) -> list[Json]:
    return images[: max(1, len(images) - 1)]


def _first_repeated(images: list[Json], _: Task) -> list[Json]:
    return [*images, {"index": len(images), "url": images[0]["url"]}]


def _none(_: list[Json], __: Task) -> list[Json]:
    return []


def _none_at_first(images: list[Json], task: Task) -> list[Json]:
    return [] if task.successes_reported <= task.number("empty_successes") else images


def _other_schemes(images: list[Json], _: Task) -> list[Json]:
    urls = ["file:///etc/passwd", "javascript:alert(1)", "data:image/png;base64,AAAA"]
    return [{**image, "url": urls[image["index"] % len(urls)]} for image in images]


def _images(description: str, change_images: ChangeImages, **params: float) -> Scenario:
    return Scenario(description=description, change_images=change_images, params=params)


def _format(description: str, response_format: formats.ResponseFormat) -> Scenario:
    return Scenario(description=description, response_format=response_format)


RESPONSE_FORMATS: dict[str, Scenario] = {
    "spelling-crazy": _format(
        "No envelope on submit; a single URL on success, for any n", formats.FLAT
    ),
    "spelling-anyf": _format(
        "The gateway's own task, with Kling's object three levels down", formats.NESTED
    ),
    "spelling-upper": _format("Statuses in upper case, with SUCCEEDED", UPPER_CASE),
    "spelling-completed": _format("Statuses queued, in_progress and completed", COMPLETED),
    "spelling-empty": _format("Empty status until the task ends", EMPTY),
    "spelling-unknown": _format("Unknown status while the task runs", UNKNOWN),
    "failed-crazy": Scenario(
        description="Fails; the error is an object, with code “success”",
        response_format=formats.FLAT,
        fails_with="content moderation failed",
        params=TWO_SECONDS,
    ),
    "failed-anyf": Scenario(
        description="Fails with status FAILURE and fail_reason",
        response_format=formats.NESTED,
        fails_with="content moderation failed",
        params=TWO_SECONDS,
    ),
    "failed-upper": Scenario(
        description="Fails with status FAILED",
        response_format=UPPER_CASE,
        fails_with="Image pixel is invalid",
        params=TWO_SECONDS,
    ),
    "code-text-zero": _format("code is the text “0”", with_code("0")),
    "code-success": _format("code is “success”", with_code("success")),
    "code-null": _format("code is null", with_code(None)),
    "image-ids": _images("Images have an empty id instead of an index", _empty_ids),
    "image-shuffled": _images("Images are listed out of order", _shuffled),
    "image-fewer": _images("One image fewer than requested, if n is 2 or more", _one_missing),
    "image-duplicate": _images("The first URL is listed twice", _first_repeated),
    "image-none": _images("Succeeds without any image", _none),
    "image-none-at-first": _images(
        "The first two successful responses have no images", _none_at_first, empty_successes=2
    ),
    "image-odd-scheme": _images("The URLs are neither http nor https", _other_schemes),
    "fail-reason-url": _format("Succeeds, with a URL in fail_reason", formats.NESTED_URL_AS_REASON),
    "outer-behind": _format(
        "The gateway's status stays IN_PROGRESS after the task inside succeeds",
        formats.NESTED_OUTER_IN_PROGRESS,
    ),
    "gateway-gave-up": _format(
        "The gateway's status is FAILURE while the task inside stays in processing",
        formats.NESTED_OUTER_TIMEOUT,
    ),
    "seconds": _format("Times in seconds instead of milliseconds", formats.TIMES_IN_SECONDS),
    "bare": _format("No request id and no times", formats.WITHOUT_ID_AND_TIMES),
}
