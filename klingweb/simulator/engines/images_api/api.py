"""OpenAI's image API as data."""

from klingweb.simulator.bodies import read_json
from klingweb.simulator.engines import gateway
from klingweb.simulator.engines.images_api import validation
from klingweb.simulator.engines.images_api.errors import BY_SCENARIO, invalid_value
from klingweb.simulator.engines.immediate import ImmediateApi
from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.tasks import Json, Task

MODEL_NOT_FOUND = gateway.openai_error(404, "The model does not exist", "model_not_found")


def _error_of(body: Json) -> CannedResponse | None:
    if not validation.is_sold(body):
        return MODEL_NOT_FOUND
    message = validation.validation_error(body)
    return invalid_value(message) if message else None


def _task_fields(body: Json) -> Json:
    return {
        "prompt": body["prompt"],
        "n": body.get("n", 1),
        "aspect_ratio": validation.aspect_ratio(body),
        "model": body["model"],
    }


def _image_fields(task: Task) -> Json:
    is_revised = task.model == validation.DALL_E
    return {"revised_prompt": f"A photo: {task.prompt}"} if is_revised else {}


API = ImmediateApi(
    path="/v1/images/generations",
    read=read_json,
    unreadable=gateway.INVALID_JSON,
    error_of=_error_of,
    task_fields=_task_fields,
    refusals=BY_SCENARIO,
    answers_with_base64=validation.answers_with_base64,
    image_fields=_image_fields,
)
