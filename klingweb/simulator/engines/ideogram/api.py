"""Ideogram 3.0 as data."""

from klingweb.simulator.bodies import read_form
from klingweb.simulator.engines.ideogram.errors import BY_SCENARIO, error
from klingweb.simulator.engines.ideogram.validation import validation_error
from klingweb.simulator.engines.immediate import ImmediateApi
from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.tasks import Json, Task

MODEL = "ideogram-v3"


def _error_of(body: Json) -> CannedResponse | None:
    message = validation_error(body)
    return error(400, message) if message else None


def _task_fields(body: Json) -> Json:
    return {
        "prompt": body["prompt"],
        "n": int(body.get("num_images", "1")),
        "aspect_ratio": body.get("aspect_ratio", "1x1").replace("x", ":"),
        "model": MODEL,
    }


def _image_fields(task: Task) -> Json:
    """The prompt comes back even where it was not rewritten."""
    return {"prompt": task.prompt, "seed": 1, "style_type": "GENERAL", "is_image_safe": True}


API = ImmediateApi(
    path="/ideogram/v1/ideogram-v3/generate",
    read=read_form,
    unreadable=error(400, "The body is not a valid form"),
    error_of=_error_of,
    task_fields=_task_fields,
    refusals=BY_SCENARIO,
    answers_with_base64=lambda _body: False,
    image_fields=_image_fields,
)
