"""Calls a WSGI application from aiohttp's HTTP server.

A thread is used only while the application computes. A request is complete before it gets a
thread, and between two chunks of a response, while the client reads, it has none: slow clients cost
a connection each, and no thread.
"""

import asyncio
import contextvars
import logging
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, TypeVar, cast
from urllib.parse import unquote_to_bytes, urlsplit
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.util import FileWrapper

from aiohttp import web

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024 * 1024  # above every form: Django's own limits answer with a page
MAX_MEMORY_BYTES = 512 * 1024  # of a body; a longer one is in a temporary file
MAX_STORED_BYTES = 1024 * 1024 * 1024  # of all bodies of a process, to spare the disk
CHUNK_BYTES = 256 * 1024  # of a response
SILENT_SECONDS = 60.0  # without a byte of the body

Result = TypeVar("Result")


class BodyError(Exception):
    """The body cannot be read; `status` and text are the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class FileChunks(FileWrapper):
    """Reads files in larger steps than the application asks for."""

    def __init__(self, file: Any, block_size: int = 0) -> None:
        super().__init__(file, CHUNK_BYTES)


class Bridge:
    """`handle` is the request handler of an `aiohttp.web.Server`. It logs all errors itself."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self.application = application
        self.stored_bytes = 0
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ConnectionError:
            return _refusal(400, "The client has gone.")  # not sent: the connection is lost
        except Exception:
            # Some of the response may be sent: the client must not take it for complete.
            logger.exception("Error while answering %s %s", request.method, request.path)
            if request.transport:
                request.transport.abort()
            return _refusal(500, "Server error.")

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        with tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES) as body:
            try:
                size = await self._read_body(request, cast("IO[bytes]", body))
            except BodyError as error:
                return _refusal(error.status, str(error))
            try:
                environ = _environ(request, cast("IO[bytes]", body), size)
                return await self._send(request, Exchange(self.application, environ))
            finally:
                self.stored_bytes -= size

    async def _read_body(self, request: web.BaseRequest, body: IO[bytes]) -> int:
        """Store the whole body; return its size. Raises BodyError."""
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise BodyError(413, "The request is too large.")
        size, is_complete = 0, False
        try:
            async for data in _body_chunks(request):
                size += len(data)
                self.stored_bytes += len(data)
                if size > MAX_BODY_BYTES:
                    raise BodyError(413, "The request is too large.")
                if self.stored_bytes > MAX_STORED_BYTES:
                    raise BodyError(503, "Too many uploads at once. Try again in a minute.")
                body.write(data)
            body.seek(0)
            is_complete = True
            return size
        except TimeoutError as error:
            raise BodyError(408, "The request took too long.") from error
        except web.RequestPayloadError as error:
            raise BodyError(400, "The request could not be read.") from error
        except ConnectionError:
            raise  # the client has gone
        except OSError as error:
            logger.error("Cannot store a request: %s", error)
            raise BodyError(503, "The request could not be stored. Try again later.") from error
        finally:
            if not is_complete:
                self.stored_bytes -= size

    async def _send(self, request: web.BaseRequest, exchange: "Exchange") -> web.StreamResponse:
        """Send chunks as fast as the client reads. A lost client ends the response early."""
        context = contextvars.copy_context()  # chunks of one response come from several threads
        try:
            chunk = await self._in_thread(context, exchange.start)
            response = exchange.response()
            await response.prepare(request)
            if exchange.has_body(request.method):
                await response.write(chunk)
                while not exchange.is_closed:
                    await response.write(await self._in_thread(context, exchange.next_chunk))
            await response.write_eof()
            return response
        finally:
            if not exchange.is_closed:
                await self._in_thread(context, exchange.close)

    async def _in_thread(
        self, context: contextvars.Context, function: Callable[[], Result]
    ) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self.pool, context.run, function)


class Exchange:
    """One call of the application. All methods but `response` and `has_body` run in threads."""

    def __init__(self, application: WSGIApplication, environ: WSGIEnvironment) -> None:
        self.application = application
        self.environ = environ
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.result: Iterable[bytes] = ()
        self.chunks: Iterator[bytes] = iter(())
        self.is_closed = False

    def start(self) -> bytes:
        """Call the application, and return the first chunk of its response."""
        self.result = self.application(self.environ, cast("StartResponse", self._start_response))
        self.chunks = iter(self.result)
        return self.next_chunk()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], error: Any = None
    ) -> Callable[[bytes], object]:
        self.status, self.headers = status, headers
        return _no_write

    def next_chunk(self) -> bytes:
        """Return at least `CHUNK_BYTES`, or the rest; then the exchange is closed."""
        parts, size = [], 0
        for part in self.chunks:
            parts.append(part)
            size += len(part)
            if size >= CHUNK_BYTES:
                break
        else:
            self.close()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Tell the application that the response has ended, whether it is complete or not."""
        self.is_closed = True
        if close := getattr(self.result, "close", None):
            close()

    def response(self) -> web.StreamResponse:
        code, _, reason = self.status.partition(" ")
        response = web.StreamResponse(status=int(code), reason=reason)
        for name, value in self.headers:
            response.headers.add(name, value)
        response.headers["Server"] = "klingweb"  # not the versions of Python and aiohttp
        return response

    def has_body(self, method: str) -> bool:
        return method != "HEAD" and self.status[:3] not in ("204", "304")


def _no_write(data: bytes) -> object:
    raise NotImplementedError("The write() function of WSGI is not supported.")


def _refusal(status: int, text: str) -> web.Response:
    response = web.Response(status=status, text=text, headers={"Server": "klingweb"})
    response.force_close()
    return response


async def _body_chunks(request: web.BaseRequest) -> AsyncIterator[bytes]:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    while True:
        async with asyncio.timeout(SILENT_SECONDS):
            data = await request.content.readany()
        if not data:
            return
        yield data


def _environ(request: web.BaseRequest, body: IO[bytes], size: int) -> WSGIEnvironment:
    target = request.raw_path
    if not target.startswith("/"):  # a whole URL, as sent to proxies
        target = urlsplit(target)._replace(scheme="", netloc="").geturl()
    path, _, query = target.partition("?")
    assert request.transport
    server, client = (
        request.transport.get_extra_info(name) or ("", "") for name in ("sockname", "peername")
    )
    environ: WSGIEnvironment = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{request.version.major}.{request.version.minor}",
        "REMOTE_ADDR": str(client[0]),
        "REMOTE_PORT": str(client[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileChunks,
    }
    for raw_name, raw_value in request.raw_headers:
        name = raw_name.decode("latin-1").upper()
        if "_" in name:  # else X_Forwarded_Proto would pass for X-Forwarded-Proto
            continue
        key = "CONTENT_TYPE" if name == "CONTENT-TYPE" else f"HTTP_{name.replace('-', '_')}"
        value = raw_value.decode("latin-1")
        separator = ";" if key == "HTTP_COOKIE" else ","
        environ[key] = f"{environ[key]}{separator}{value}" if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(size)  # also of a body that was sent in chunks
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ
