"""The simulator's own HTTP API under `/_control`: scenarios, settings, tasks and request log."""

import ipaddress
import json
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from klingweb.simulator.backend import Backend
from klingweb.simulator.scenario_queue import QueuedScenario
from klingweb.simulator.scenarios import DESCRIPTIONS

PATH = "/_control"


class ControlApi:
    """Answers requests under `/_control` from this machine."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def handle(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        """Answer one call: 403 to other machines, 400 to an invalid call."""
        if not _is_loopback(request):
            return web.json_response({"error": "only from this machine"}, status=403)
        call = f"{request.method} {path.removeprefix(PATH + '/')}"
        try:
            return web.json_response(await self._call(call, request, parse_qs(query)))
        except (KeyError, TypeError, ValueError) as error:
            return web.json_response({"error": repr(error)}, status=400)

    async def _call(
        self, call: str, request: web.BaseRequest, query: dict[str, list[str]]
    ) -> dict[str, Any] | list[dict[str, Any]]:
        backend = self._backend
        text = query.get("match", [""])[0]
        match call:
            case "GET scenarios":
                return DESCRIPTIONS
            case "GET stats":
                return backend.stats()
            case "GET tasks":
                return [backend.describe(task) for task in backend.tasks if text in task.prompt]
            case "GET requests":
                since = int(query.get("since", ["0"])[0])
                return backend.request_log.since(since, query.get("kind", [None])[0], text)
            case "POST reset":
                backend.reset()
            case "POST scenario":
                backend.scenario_queue.add(QueuedScenario(**await _json_body(request)))
            case "POST settings":
                backend.settings = backend.settings.updated(await _json_body(request))
                return asdict(backend.settings)
            case _:
                raise ValueError(f"no such control call: {call}")
        return {"ok": True}


async def _json_body(request: web.BaseRequest) -> dict[str, Any]:
    body = json.loads(await request.content.read())
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _is_loopback(request: web.BaseRequest) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return False
    address = ipaddress.ip_address(peer[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
