"""Kling clients and responses for tests of the engine."""

import json
from collections.abc import Callable
from typing import Any

from generations.engines import kling
from generations.engines.base import EngineError, ImageRequest, SlowDown, Task
from generations.engines.gateway import Gateway
from tests.scripted_server import ScriptedResponse, ScriptedServer

KEY = "sk-Abc123/def456+ghi"
REQUEST = ImageRequest("a red fox")
PAGE = "<!doctype html><title>Dashboard</title>"
A, B, C = "https://files.example/0.png?x=1", "https://files.example/1.png", "http://files.example/2"

Outcome = Task | EngineError


def make_client(
    url: str, key: str = KEY, *, profile: str = "documented", **options: Any
) -> kling.Client:
    return kling.Client(Gateway(url, key, **options), profile=profile)


def outcome_of(
    script: ScriptedResponse, call: Callable[[kling.Client], Task], **options: Any
) -> Outcome:
    with ScriptedServer(script) as server:
        client = make_client(server.url, **options)
        try:
            return call(client)
        except EngineError as error:
            return error
        finally:
            client.close()


def submit(script: ScriptedResponse, request: ImageRequest = REQUEST, **options: Any) -> Outcome:
    return outcome_of(script, lambda client: client.submit(request), **options)


def query(script: ScriptedResponse, **options: Any) -> Outcome:
    return outcome_of(script, lambda client: client.task("CjAb-c_1"), **options)


def meaning_of(outcome: Outcome) -> tuple[Any, ...]:
    """The class of an error, and the kind of a refusal or the reason of a hold."""
    if isinstance(outcome, SlowDown):
        return (SlowDown,)
    values = [getattr(outcome, name) for name in ("kind", "reason") if hasattr(outcome, name)]
    return (type(outcome), *values)


def kling_json(code: object, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "request_id": "r", **more}


def gateway_error(message: str, code: object = "", kind: str = "new_api_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "code": code}}


def wrapped(inner: object) -> dict[str, Any]:
    text = inner if isinstance(inner, str) else json.dumps(inner)
    return {"code": "fail_to_fetch_task", "message": text, "data": None}


def task_json(status: str, **more: Any) -> dict[str, Any]:
    return kling_json(0, "SUCCEED", data={"task_id": "t", "task_status": status, **more})


def images_json(*images: object) -> dict[str, Any]:
    return {"task_result": {"images": list(images)}}


def gateway_task(status: str, inner: object, **more: Any) -> dict[str, Any]:
    outer = {"task_id": "g", "status": status, "progress": "30%", "data": inner, **more}
    return {"code": "success", "message": "", "data": outer}
