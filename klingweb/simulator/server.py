"""The HTTP of the simulator: who may ask, which path means what, and the record of it."""

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import parse_qs, unquote

from aiohttp import web

from klingweb.simulator import envelopes, frontpage, replies
from klingweb.simulator.control import Control
from klingweb.simulator.orders import named
from klingweb.simulator.provider import Provider
from klingweb.simulator.record import Entry
from klingweb.simulator.replies import Reply
from klingweb.simulator.scenarios import CATALOG
from klingweb.simulator.validation import bad_pixels, complaint, given
from klingweb.simulator.wire import hang_up, say

PATH = "/kling/v1/images/generations"
LARGEST_BODY = 32 * 1024 * 1024

_JSON = {"Content-Type": replies.JSON}
_PNG = {"Content-Type": "image/png"}


class Server:
    """One provider, served. `handle` is what aiohttp calls for each request.

    There is no router and no application around it: a query passes through as few hands as
    possible, for the load of a bench.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._control = Control(provider)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        path, _, query = request.raw_path.partition("?")
        if path.startswith(PATH):
            if path == PATH:
                if request.method == "POST":
                    return await self._submit(request)
                if request.method == "GET":
                    return await self._list(request, query)
            elif path[len(PATH)] == "/" and request.method == "GET":
                return await self._query(request, unquote(path[len(PATH) + 1 :]))
        elif path.startswith("/files/"):
            return await self._file(request, unquote(path.removeprefix("/files/")))
        elif path.startswith("/_control"):
            return await self._control.handle(request, path, query)
        return await self._elsewhere(request, path)

    def _note(self, request: web.BaseRequest, kind: str, task_id: str = "") -> Entry:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        has_key = "Authorization" in request.headers
        return self._provider.record.arrived(kind, task_id, has_key, peer[1] if peer else 0)

    def _answer(
        self, entry: Entry, body: bytes, headers: Mapping[str, str] = _JSON
    ) -> web.Response:
        self._provider.record.answered(entry, 200)
        return web.Response(body=body, headers=headers)

    async def _say(
        self, request: web.BaseRequest, entry: Entry, reply: Reply, retry_after: float = 0
    ) -> web.StreamResponse:
        self._provider.record.answered(entry, reply.status)
        headers = {"Retry-After": f"{retry_after:g}"} if retry_after else {}
        return await say(request, reply, headers)

    def _unknown_asker(self, request: web.BaseRequest) -> Reply | None:
        token = request.headers.get("Authorization")
        if token == f"Bearer {self._provider.settings.key}":
            return None
        return replies.BAD_TOKEN if token else replies.NO_TOKEN

    async def _query(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        entry = self._note(request, "query", task_id)
        provider = self._provider
        if provider.settings.query_seconds:
            await asyncio.sleep(provider.settings.query_seconds)
        refusal = self._unknown_asker(request)
        if refusal:
            return await self._say(request, entry, refusal)
        task = provider.tasks.get(task_id)
        if task is None:
            return await self._say(request, entry, replies.TASK_NOT_EXIST)
        answer = provider.query_answer(task, request.headers.get("Host", ""))
        if isinstance(answer, bytes):
            return self._answer(entry, answer)
        await asyncio.sleep(task.number("silent_seconds"))
        return await self._say(request, entry, answer, task.number("retry_after"))

    async def _list(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        entry = self._note(request, "list")
        refusal = self._unknown_asker(request)
        if refusal:
            return await self._say(request, entry, refusal)
        asked = parse_qs(query)
        try:
            number = int(asked.get("pageNum", ["1"])[0])
            size = int(asked.get("pageSize", ["30"])[0])
        except ValueError:
            number = size = 0
        if not 1 <= number <= 1000 or not 1 <= size <= 500:
            limits = "pageNum must be 1 to 1000, pageSize 1 to 500"
            return await self._say(request, entry, replies.official(1201, limits))
        host = request.headers.get("Host", "")
        page = [envelopes.kling_task(task) for task in self._provider.page(number, size, host)]
        told = envelopes.envelope(page, replies.fresh_id())
        return self._answer(entry, json.dumps(told).encode())

    async def _submit(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = self._note(request, "submit")
        refusal = self._unknown_asker(request)
        if refusal:
            return await self._say(request, entry, refusal)
        if (request.content_length or 0) > LARGEST_BODY:
            return await self._say(request, entry, replies.TOO_LARGE)
        try:
            body = json.loads(await request.content.read())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return await self._say(request, entry, replies.BAD_JSON)
        entry.body_keys = tuple(body)
        entry.prompt = str(body.get("prompt", ""))
        return await self._submit_body(request, entry, given(body))

    async def _submit_body(
        self, request: web.BaseRequest, entry: Entry, body: envelopes.Json
    ) -> web.StreamResponse:
        provider = self._provider
        wrong = complaint(body) or provider.repeated(body)
        if wrong:
            return await self._say(request, entry, replies.official(1201, wrong))
        chosen = provider.orders.choose(entry.prompt)
        if chosen.name == "normal" and "image" in body:
            bad = await asyncio.to_thread(bad_pixels, body["image"])
            chosen = named("failed-pixel") if bad else chosen
        entry.scenario = chosen.name
        half = provider.settings.submit_seconds / 2
        await asyncio.sleep(half)
        refusal = provider.orders.refusal(chosen, entry.prompt)
        refusal = refusal or provider.over_limit(body.get("n", 1))
        retry_after = chosen.number("retry_after")
        if refusal and not chosen.number("accepted"):
            await asyncio.sleep(half)
            return await self._say(request, entry, refusal, retry_after)
        task = provider.accept(body, chosen)
        entry.task_id = task.task_id
        await asyncio.sleep(half + chosen.number("answer_seconds"))
        if refusal:
            return await self._say(request, entry, refusal)
        return self._answer(entry, provider.submit_answer(task))

    async def _file(self, request: web.BaseRequest, name: str) -> web.StreamResponse:
        entry = self._note(request, "file")
        found = self._provider.find_picture(name)
        if found is None:
            return await self._say(request, entry, replies.page(404, "404 Not Found"))
        task, index = found
        entry.task_id = task.task_id
        png = await self._provider.png(task, index)
        fault = CATALOG[task.scenario].file
        if fault is None or not task.is_withheld(index):
            return self._answer(entry, png, _PNG)
        try:
            response = await fault(request, task, png)
        except ConnectionResetError:
            # The client has had enough, which is what some of these files are for.
            response = hang_up(request)
        self._provider.record.answered(entry, response.status)
        return response

    async def _elsewhere(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        entry = self._note(request, "other")
        if path == "/":
            return await self._say(request, entry, frontpage.PAGE)
        if path.startswith(("/v1/", "/api/")):
            return await self._say(request, entry, replies.WRONG_PATH)
        return await self._say(request, entry, replies.DASHBOARD)
