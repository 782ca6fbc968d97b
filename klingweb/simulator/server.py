"""The HTTP server of the simulator: routing, authentication and request log."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs, unquote

from aiohttp import web

from klingweb.simulator import control_api, responses
from klingweb.simulator.backend import Backend
from klingweb.simulator.bodies import read_json
from klingweb.simulator.callbacks import Callbacks
from klingweb.simulator.control_api import ControlApi
from klingweb.simulator.engines import account, gateway, kling
from klingweb.simulator.engines.immediate import ImmediateApi
from klingweb.simulator.engines.kling import formats
from klingweb.simulator.engines.kling.errors import kling_error
from klingweb.simulator.engines.kling.validation import (
    drop_empty,
    has_invalid_size,
    validation_error,
)
from klingweb.simulator.engines.registry import IMMEDIATE_APIS
from klingweb.simulator.index_page import INDEX_PAGE
from klingweb.simulator.request_log import LogEntry
from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.scenario_queue import ActiveScenario
from klingweb.simulator.scenarios import SCENARIOS
from klingweb.simulator.tasks import Json
from klingweb.simulator.transport import abort_connection, respond

FILES_PATH = "/files/"
MAX_BODY_BYTES = 32 * 1024 * 1024

_JSON = {"Content-Type": responses.JSON}
_PNG = {"Content-Type": "image/png"}


class Server:
    """Serves one backend. aiohttp calls `handle` for each request.

    Routes by hand instead of with an aiohttp application, because a query must stay cheap in
    benchmarks with thousands of tasks.
    """

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._control = ControlApi(backend)
        self._callbacks = Callbacks(backend.snapshot)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer any request."""
        path, _, query = request.raw_path.partition("?")
        if path in IMMEDIATE_APIS and request.method == "POST":
            return await self._generate(request, IMMEDIATE_APIS[path])
        if path.startswith(kling.PATH):
            if path == kling.PATH:
                if request.method == "POST":
                    return await self._submit(request)
                if request.method == "GET":
                    return await self._list(request, query)
            elif path[len(kling.PATH)] == "/" and request.method == "GET":
                return await self._query(request, unquote(path[len(kling.PATH) + 1 :]))
        elif path.startswith(FILES_PATH):
            return await self._file(request, unquote(path.removeprefix(FILES_PATH)))
        elif path in (account.USER_PATH, account.LOGS_PATH) and request.method == "GET":
            return await self._account_api(request, path, query)
        elif path.startswith(control_api.PATH):
            return await self._control.handle(request, path, query)
        return await self._other(request, path)

    def _log_request(self, request: web.BaseRequest, kind: str, task_id: str = "") -> LogEntry:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        has_key = "Authorization" in request.headers
        port = peer[1] if peer else 0
        account = self._account(request)
        return self._backend.request_log.log_request(kind, task_id, has_key, account, port)

    def _account(self, request: web.BaseRequest) -> int | None:
        token = request.headers.get("Authorization", "")
        return self._backend.settings.account_of(token.removeprefix("Bearer "))

    def _ok(self, entry: LogEntry, body: bytes, headers: Mapping[str, str] = _JSON) -> web.Response:
        self._backend.request_log.log_response(entry, 200)
        return web.Response(body=body, headers=headers)

    async def _respond(
        self,
        request: web.BaseRequest,
        entry: LogEntry,
        canned: CannedResponse,
        retry_after: float = 0,
    ) -> web.StreamResponse:
        self._backend.request_log.log_response(entry, canned.status)
        headers = {"Retry-After": f"{retry_after:g}"} if retry_after else {}
        return await respond(request, canned, headers)

    def _authentication_error(self, request: web.BaseRequest) -> CannedResponse | None:
        if self._account(request) is not None:
            return None
        return gateway.INVALID_TOKEN if "Authorization" in request.headers else gateway.NO_TOKEN

    async def _query(self, request: web.BaseRequest, task_id: str) -> web.StreamResponse:
        entry = self._log_request(request, "query", task_id)
        backend = self._backend
        if backend.settings.query_seconds:
            await asyncio.sleep(backend.settings.query_seconds)
        error = self._authentication_error(request)
        if error:
            return await self._respond(request, entry, error)
        task = backend.tasks.get(task_id)
        if task is None or task.account != entry.account:
            return await self._respond(request, entry, gateway.TASK_NOT_FOUND)
        response = backend.query_response(task, request.headers.get("Host", ""))
        if isinstance(response, bytes):
            return self._ok(entry, response)
        await asyncio.sleep(task.number("silent_seconds"))
        return await self._respond(request, entry, response, task.number("retry_after"))

    async def _list(self, request: web.BaseRequest, query: str) -> web.StreamResponse:
        entry = self._log_request(request, "list")
        error = self._authentication_error(request)
        if error:
            return await self._respond(request, entry, error)
        params = parse_qs(query)
        try:
            page = int(params.get("pageNum", ["1"])[0])
            size = int(params.get("pageSize", ["30"])[0])
        except ValueError:
            page = size = 0
        if not 1 <= page <= 1000 or not 1 <= size <= 500:
            message = "pageNum must be 1 to 1000, pageSize 1 to 500"
            return await self._respond(request, entry, kling_error(1201, message))
        host = request.headers.get("Host", "")
        tasks = [
            formats.task_json(task)
            for task in self._backend.list_tasks(page, size, host, entry.account or 0)
        ]
        content = formats.envelope(tasks, responses.new_request_id())
        return self._ok(entry, json.dumps(content).encode())

    async def _account_api(
        self, request: web.BaseRequest, path: str, query: str
    ) -> web.StreamResponse:
        entry = self._log_request(request, "account")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token != self._backend.settings.account_key:
            return await self._respond(request, entry, gateway.INVALID_TOKEN)
        if path == account.USER_PATH:
            return self._ok(entry, json.dumps(account.user()).encode())
        params = parse_qs(query)
        defaults = {"start_timestamp": "0", "end_timestamp": "99999999999", "p": "1"}
        try:
            since, until, number, size = (
                int(params.get(name, [default])[0])
                for name, default in {**defaults, "page_size": "10"}.items()
            )
        except ValueError:
            return await self._respond(request, entry, account.REFUSED)
        content = self._backend.account_log(since, until, max(number, 1), size)
        return self._ok(entry, json.dumps(content).encode())

    async def _submit(self, request: web.BaseRequest) -> web.StreamResponse:
        entry = self._log_request(request, "submit")
        body = await self._read_submit(request, entry, read_json, gateway.INVALID_JSON)
        if isinstance(body, CannedResponse):
            return await self._respond(request, entry, body)
        return await self._submit_body(request, entry, drop_empty(body))

    async def _read_submit(
        self,
        request: web.BaseRequest,
        entry: LogEntry,
        read: Callable[[web.BaseRequest], Awaitable[Json | None]],
        unreadable: CannedResponse,
    ) -> Json | CannedResponse:
        """Return the body of a submit, or the error for it."""
        error = self._authentication_error(request)
        if error:
            return error
        if (request.content_length or 0) > MAX_BODY_BYTES:
            return responses.TOO_LARGE
        body = await read(request)
        if body is None:
            return unreadable
        entry.body_keys = tuple(body)
        entry.prompt = str(body.get("prompt", ""))
        return body

    async def _generate(self, request: web.BaseRequest, api: ImmediateApi) -> web.StreamResponse:
        """A submit that is answered with the images."""
        entry = self._log_request(request, "submit")
        body = await self._read_submit(request, entry, api.read, api.unreadable)
        if isinstance(body, CannedResponse):
            return await self._respond(request, entry, body)
        if error := api.error_of(body):
            return await self._respond(request, entry, error)
        backend, fields = self._backend, api.task_fields(body)
        active = backend.scenario_queue.next_for(entry.prompt)
        entry.scenario = active.name
        refusal = backend.scenario_queue.refusal(active, entry.prompt)
        if refusal:
            refusal = api.refusals.get(active.name, refusal)
        if entry.account in backend.settings.empty_accounts:
            refusal = gateway.ACCOUNT_EMPTY
        if refusal is None and backend.exceeds_limit(fields["n"]):
            refusal = api.refusals["too-many"]
        if refusal and not active.number("accepted"):
            await asyncio.sleep(backend.settings.submit_seconds)
            return await self._respond(request, entry, refusal, active.number("retry_after"))
        task = backend.create_task(fields, active, entry.account or 0)
        entry.task_id = task.task_id
        await asyncio.sleep((task.seconds or 0) + active.number("answer_seconds"))
        if refusal:
            return await self._respond(request, entry, refusal)
        answer = await backend.answer_body(
            task,
            request.headers.get("Host", ""),
            api.image_fields(task),
            with_base64=api.answers_with_base64(body),
        )
        return self._ok(entry, answer)

    async def _submit_body(
        self, request: web.BaseRequest, entry: LogEntry, body: Json
    ) -> web.StreamResponse:
        backend = self._backend
        message = validation_error(body) or self._duplicate_id_error(body)
        if message:
            return await self._respond(request, entry, kling_error(1201, message))
        active = backend.scenario_queue.next_for(entry.prompt)
        if active.name == "normal" and "image" in body:
            invalid = await asyncio.to_thread(has_invalid_size, body["image"])
            active = ActiveScenario.with_defaults("failed-pixel") if invalid else active
        entry.scenario = active.name
        half = backend.settings.submit_seconds / 2  # the task is created halfway
        await asyncio.sleep(half)
        refusal = backend.scenario_queue.refusal(active, entry.prompt)
        if entry.account in backend.settings.empty_accounts:
            refusal = gateway.ACCOUNT_EMPTY
        if refusal is None and backend.exceeds_limit(body.get("n", 1)):
            refusal = kling_error(1303)
        if refusal and not active.number("accepted"):
            await asyncio.sleep(half)
            return await self._respond(request, entry, refusal, active.number("retry_after"))
        task = backend.create_task(body, active, entry.account or 0)
        entry.task_id = task.task_id
        if url := body.get("callback_url"):
            self._callbacks.follow(task, url)
        await asyncio.sleep(half + active.number("answer_seconds"))
        if refusal:
            return await self._respond(request, entry, refusal)
        return self._ok(entry, backend.submit_body(task))

    def _duplicate_id_error(self, body: Json) -> str | None:
        external_id = body.get("external_task_id")
        if external_id and self._backend.tasks.has_external_id(external_id):
            return f"external_task_id is not unique: {external_id}"
        return None

    async def _file(self, request: web.BaseRequest, file_name: str) -> web.StreamResponse:
        entry = self._log_request(request, "file")
        found = self._backend.find_picture(file_name)
        if found is None:
            return await self._respond(request, entry, responses.NOT_FOUND)
        task, index = found
        entry.task_id = task.task_id
        png = await self._backend.picture_png(task, index)
        fault = SCENARIOS[task.scenario].file_fault
        if fault is None or not task.count_download(index):
            return self._ok(entry, png, _PNG)
        try:
            response = await fault(request, task, png)
        except ConnectionResetError:
            # The client gave up, which is the purpose of some file faults.
            response = abort_connection(request)
        self._backend.request_log.log_response(entry, response.status)
        return response

    async def _other(self, request: web.BaseRequest, path: str) -> web.StreamResponse:
        entry = self._log_request(request, "other")
        if path == "/":
            return await self._respond(request, entry, INDEX_PAGE)
        if path.startswith(("/v1/", "/api/")):
            return await self._respond(request, entry, gateway.INVALID_URL)
        return await self._respond(request, entry, gateway.DASHBOARD)
