"""The simulator's own buttons: scenarios, settings and the record, for this machine only."""

import ipaddress
import json
from dataclasses import asdict
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from klingweb.simulator.orders import Order
from klingweb.simulator.provider import Provider
from klingweb.simulator.scenarios import SCENARIOS


class Control:
    """Everything under /_control."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    async def handle(self, request: web.BaseRequest, path: str, query: str) -> web.Response:
        """Answer one control call; 403 to other machines, 400 to a call that makes no sense."""
        if not _from_here(request):
            return web.json_response({"error": "only from this machine"}, status=403)
        call = f"{request.method} {path.removeprefix('/_control/')}"
        try:
            return web.json_response(await self._call(call, request, parse_qs(query)))
        except (KeyError, TypeError, ValueError) as wrong:
            return web.json_response({"error": repr(wrong)}, status=400)

    async def _call(
        self, call: str, request: web.BaseRequest, asked: dict[str, list[str]]
    ) -> dict[str, Any] | list[dict[str, Any]]:
        provider = self._provider
        match call:
            case "GET scenarios":
                return SCENARIOS
            case "GET stats":
                return provider.stats()
            case "GET tasks":
                return [provider.described(task) for task in provider.tasks]
            case "GET requests":
                since = int(asked.get("since", ["0"])[0])
                return provider.record.since(since, asked.get("kind", [None])[0])
            case "POST reset":
                provider.reset()
            case "POST scenario":
                provider.orders.add(Order(**await _body(request)))
            case "POST settings":
                provider.settings = provider.settings.changed(await _body(request))
                return asdict(provider.settings)
            case _:
                raise ValueError(f"no such control call: {call}")
        return {"ok": True}


async def _body(request: web.BaseRequest) -> dict[str, Any]:
    body = json.loads(await request.content.read())
    if not isinstance(body, dict):
        raise ValueError("the body must be a JSON object")
    return body


def _from_here(request: web.BaseRequest) -> bool:
    peer = request.transport.get_extra_info("peername") if request.transport else None
    if not peer:
        return False
    address = ipaddress.ip_address(peer[0])
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
