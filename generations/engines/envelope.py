"""Reads ids, errors, tasks and image URLs from the JSON shapes that gateways respond with.

Pure functions. "notes" are docs/upstream.md; its section 4.5 names the source of each shape.
"""

import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, NamedTuple

Fields = dict[str, Any]

MAX_IMAGES = 10  # per task: the index goes from 0 to 9 (notes 2.6)

# Codes of a success: officially 0, "success" at gateways with their own envelope (notes 4.5).
_SUCCESS_CODES = {"", "0", "success", "none"}

STATUS_NAMES = ("task_status", "status", "state")
_ID_NAMES = ("task_id", "id")

# Where images are listed (notes 4.5, 6.5): first officially, then as other gateways do.
_IMAGE_PATHS = (
    ("task_result", "images"),
    ("images",),
    ("data",),  # synchronous responses in OpenAI's form
    ("output", "urls"),
    ("result_url",),
    ("url",),
    ("output", "url"),
    ("output",),
    ("fail_reason",),  # of a success, in older new-api (notes 4.4)
)
IS_URL = re.compile(r"\s*https?://\S+\s*", re.IGNORECASE)


def layers_of(data: Any) -> list[Fields]:
    """Return data, data.data, data.data.data and the root (notes 6.5), in order of precedence.

    A root without an id is an envelope, and its "status" is not the task's.
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
    """Return the texts under these names, outer layers first, including empty ones."""
    found = [layer.get(name) for layer in layers for name in names]
    return [value.strip() for value in found if isinstance(value, str)]


def first_id(layers: list[Fields]) -> str:
    """Return the first id, in the order of notes 6.2: data, root, deeper. May be a number (2.6)."""
    for layer in (*layers[:1], *layers[-1:], *layers[1:]):
        for name in _ID_NAMES:
            value = layer.get(name)
            if type(value) in (str, int) and value and (text := str(value).strip()):
                return text
    return ""


def external_id(layers: list[Fields]) -> str:
    """Return our own id of the task, where the upstream repeats it (notes 2.6)."""
    infos = [layer["task_info"] for layer in layers if isinstance(layer.get("task_info"), dict)]
    return next(filter(None, texts([*infos, *layers], "external_task_id")), "")


class ListedTask(NamedTuple):
    task_id: str
    external_id: str
    created_at: datetime | None


def listed_tasks(layers: list[Fields]) -> list[ListedTask] | None:
    """Return the tasks of a page in their order; None when no list can be read.

    Officially `data` is the list (notes 2.6). One level deeper its name is not documented.
    """
    lists = [value for layer in layers for value in layer.values() if isinstance(value, list)]
    if len(lists) != 1:
        return None
    tasks = []
    for entry in lists[0]:
        entry_layers = layers_of({"data": entry})[:-1]
        if not (task_id := first_id(entry_layers)):
            return None  # it may be the task that is searched for
        tasks.append(ListedTask(task_id, external_id(entry_layers), _created_at(entry_layers)))
    return tasks


def complete_since(tasks: list[ListedTask]) -> datetime | None:
    """Return the time of the oldest task, if the list is sorted from the newest to the oldest.

    Any other order proves nothing. Nor does the end of the list: it may be truncated.
    """
    times = [task.created_at for task in tasks if task.created_at]
    is_ordered = len(times) == len(tasks) and times == sorted(times, reverse=True)
    return times[-1] if times and is_ordered else None


def _created_at(layers: list[Fields]) -> datetime | None:
    """Parse milliseconds; some gateways send seconds (notes 2.6)."""
    values = [layer.get(name) for layer in layers for name in ("created_at", "submit_time")]
    for value in (value for value in values if isinstance(value, int | float | str)):
        with suppress(ValueError, OverflowError, OSError):
            number = float(value)
            seconds = number / 1000 if number > 1e11 else number
            if seconds > 0:
                return datetime.fromtimestamp(seconds, UTC)
    return None


def error_of(data: Any, *, is_success: bool) -> tuple[str, str]:
    """Return code and message of an error, in all shapes of notes 4.4; ("", "") for none."""
    if not isinstance(data, dict):
        return "", ""
    code, message = _code(data.get("code")), _text(data.get("message"))
    if code == "fail_to_fetch_task":  # the message may be Kling's own response, as JSON
        with suppress(ValueError, RecursionError):
            if isinstance(kling := json.loads(message), dict):
                return error_of(kling, is_success=False)
    if code:
        return code, message or code
    for error in (layer.get("error") for layer in layers_of(data)):
        if isinstance(error, dict) and error:
            code = _code(error.get("code")) or _code(error.get("type"))
            return code, _text(error.get("message")) or code
        if _text(error):
            return "", _text(error)
    # With code 0 the message is "SUCCEED", even where the task has failed (notes 1.4).
    return "", "" if is_success else message


def _code(value: object) -> str:
    """Normalize a code: an int, a numeric string, a word, "" or null (notes 4.4)."""
    code = str(value).strip().lower()
    return "" if code in _SUCCESS_CODES else code


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def progress(layers: list[Fields]) -> int | None:
    """Return the percentage; the value is 45 or "45%"."""
    for layer in layers:
        found = re.fullmatch(r"(\d{1,3})(\.\d*)? ?%?", str(layer.get("progress")))
        if found and int(found[1]) <= 100:
            return int(found[1])
    return None


def image_urls(layers: list[Fields]) -> tuple[str, ...]:
    """Return the URLs under the first path that has any."""
    for path in _IMAGE_PATHS:
        for layer in layers:
            found: Any = layer
            for name in path:
                found = found.get(name) if isinstance(found, dict) else None
            if urls := _urls(found if isinstance(found, list) else [found]):
                return urls
    return ()


def _urls(images: list[Any]) -> tuple[str, ...]:
    """Return URLs by index where all images have one (some gateways give `id`), else in order."""
    if all(isinstance(image, dict) and isinstance(image.get("index"), int) for image in images):
        images = sorted(images, key=itemgetter("index"))
    urls = [image.get("url") if isinstance(image, dict) else image for image in images]
    found = (url.strip() for url in urls if isinstance(url, str) and IS_URL.fullmatch(url))
    return tuple(dict.fromkeys(found))[:MAX_IMAGES]
