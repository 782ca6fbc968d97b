"""One shape for every envelope of the upstream: where the id, the words, the pictures stand.

Plain functions on parsed JSON; what they mean for a submit or a query is said in `kling.py`.
"notes" are docs/upstream.md.
"""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from operator import itemgetter
from typing import Any, NamedTuple

Fields = dict[str, Any]

MAX_IMAGES = 10  # of a task: the index goes from 0 to 9 (notes 2.6)
MAX_WAIT_SECONDS = 3600.0

# What is said while nothing is wrong: the official 0, CRAZY's and ANYF's "success" (notes 4.5).
_NO_CODE = {"", "0", "success", "none"}

STATUS_NAMES = ("task_status", "status", "state")
_ID_NAMES = ("task_id", "id")

# Where pictures are listed: officially, V98, the sync facade, ANYF, CRAZY (notes 4.5 and 6.5);
# last a success whose address stands where a reason belongs, in older new-api (notes 4.4).
_PICTURE_PATHS = (
    ("task_result", "images"), ("images",), ("data",), ("output", "urls"), ("result_url",),
    ("url",), ("output", "url"), ("output",), ("fail_reason",),
)  # fmt: skip
IS_URL = re.compile(r"\s*https?://\S+\s*", re.IGNORECASE)


def layers_of(data: Any) -> list[Fields]:
    """data, data.data, data.data.data and the root (notes 6.5): the outer one is believed first.

    A root without an id is an envelope: a "status" on it is not the task's.
    """
    if not isinstance(data, dict):
        return []
    layers: list[Fields] = []
    layer = data.get("data")
    while isinstance(layer, dict) and len(layers) < 3:
        layers.append(layer)
        layer = layer.get("data")
    is_task = any(data.get(name) for name in ("task_status", *_ID_NAMES))
    root = {name: data[name] for name in data if is_task or name not in STATUS_NAMES}
    return [*layers, root]


def texts(layers: list[Fields], *names: str) -> list[str]:
    """The texts under these names, outer layers first; the empty ones too."""
    found = [layer.get(name) for layer in layers for name in names]
    return [value.strip() for value in found if isinstance(value, str)]


def first_id(layers: list[Fields]) -> str:
    """In the order of notes 6.2: data, root, then deeper. Some ids are numbers (notes 2.6)."""
    for layer in (*layers[:1], *layers[-1:], *layers[1:]):
        for name in _ID_NAMES:
            value = layer.get(name)
            if type(value) in (str, int) and value and (text := str(value).strip()):
                return text
    return ""


def external_id(layers: list[Fields]) -> str:
    """Our own name for it, which an upstream that took one repeats (notes 2.6)."""
    infos = [layer["task_info"] for layer in layers if isinstance(layer.get("task_info"), dict)]
    return next(filter(None, texts([*infos, *layers], "external_task_id")), "")


class Listed(NamedTuple):
    task_id: str
    external_id: str
    created_at: datetime | None


def listed(layers: list[Fields]) -> list[Listed] | None:
    """The tasks of a page, as they come; None when it holds no list that can be read.

    Officially `data` is the list (notes 2.6); one level deeper its name is anybody's guess.
    """
    lists = [value for layer in layers for value in layer.values() if isinstance(value, list)]
    if len(lists) != 1:
        return None
    tasks = []
    for entry in lists[0]:
        inside = layers_of({"data": entry})[:-1]
        if not (task_id := first_id(inside)):
            return None  # it may be the one that is looked for
        tasks.append(Listed(task_id, external_id(inside), _created_at(inside)))
    return tasks


def back_to(tasks: list[Listed]) -> datetime | None:
    """How far back a list is complete; in any other order than the newest first nobody knows.

    That it has an end says nothing: it may be cut after so many.
    """
    times = [task.created_at for task in tasks if task.created_at]
    is_ordered = len(times) == len(tasks) and times == sorted(times, reverse=True)
    return times[-1] if times and is_ordered else None


def _created_at(layers: list[Fields]) -> datetime | None:
    """In milliseconds, at some gateways in seconds (notes 2.6)."""
    told = [layer.get(name) for layer in layers for name in ("created_at", "submit_time")]
    for value in (value for value in told if isinstance(value, int | float | str)):
        with suppress(ValueError, OverflowError, OSError):
            number = float(value)
            seconds = number / 1000 if number > 1e11 else number
            if seconds > 0:
                return datetime.fromtimestamp(seconds, UTC)
    return None


def refusal(data: Any, *, is_good: bool) -> tuple[str, str]:
    """Code and words of a refusal, in every shape of notes 4.4; ("", "") when there is none."""
    if not isinstance(data, dict):
        return "", ""
    code, words = _code(data.get("code")), _words(data.get("message"))
    if code == "fail_to_fetch_task":  # around Kling's own answer, as one string
        with suppress(ValueError, RecursionError):
            if isinstance(kling := json.loads(words), dict):
                return refusal(kling, is_good=False)
    if code:
        return code, words or code
    for error in (layer.get("error") for layer in layers_of(data)):
        if isinstance(error, dict) and error:
            code = _code(error.get("code")) or _code(error.get("type"))
            return code, _words(error.get("message")) or code
        if _words(error):
            return "", _words(error)
    # Beside code 0 stands "SUCCEED", even where the task has failed (notes 1.4).
    return "", "" if is_good else words


def _code(value: object) -> str:
    """An int, a numeric string, a word, "", null (notes 4.4): one spelling for all."""
    code = str(value).strip().lower()
    return "" if code in _NO_CODE else code


def _words(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def progress(layers: list[Fields]) -> int | None:
    """45 or "45%"."""
    for layer in layers:
        found = re.fullmatch(r"(\d{1,3})(\.\d*)? ?%?", str(layer.get("progress")))
        if found and int(found[1]) <= 100:
            return int(found[1])
    return None


def image_urls(layers: list[Fields]) -> tuple[str, ...]:
    for path in _PICTURE_PATHS:
        for layer in layers:
            found: Any = layer
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            if urls := _urls(found if isinstance(found, list) else [found]):
                return urls
    return ()


def _urls(images: list[Any]) -> tuple[str, ...]:
    """By index where all have one (some gateways give `id` instead), else as they come."""
    if all(isinstance(image, dict) and isinstance(image.get("index"), int) for image in images):
        images = sorted(images, key=itemgetter("index"))
    urls = [image.get("url") if isinstance(image, dict) else image for image in images]
    found = (url.strip() for url in urls if isinstance(url, str) and IS_URL.fullmatch(url))
    return tuple(dict.fromkeys(found))[:MAX_IMAGES]


def wait_seconds(retry_after: str) -> float | None:
    """Seconds or a date (RFC 9110, 10.2.3); None when it says nothing of sense."""
    if re.fullmatch(r"\d{1,9}(\.\d+)?", retry_after.strip()):
        return min(float(retry_after), MAX_WAIT_SECONDS)
    try:
        at = parsedate_to_datetime(retry_after)
    except (ValueError, OverflowError):
        return None
    left = (at - datetime.now(at.tzinfo and UTC)).total_seconds()
    return min(max(left, 0.0), MAX_WAIT_SECONDS)
