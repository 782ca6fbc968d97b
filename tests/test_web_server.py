"""The web server: slow clients stop nobody, and requests reach the application as sent."""

import asyncio
import errno
import http.client
import io
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from generations.processes import web_server, wsgi_bridge
from generations.processes.forked import ForkedProcess
from generations.processes.wsgi_bridge import Bridge
from tests.installation import Installation, free_port, wait_until

SLOW_CLIENTS = 60
THREADS = 2
Application = Callable[[dict[str, Any], Callable[..., Any]], Any]


class Server:
    """The bridge with an application of a test, in a thread of this process."""

    def __init__(self, application: Application) -> None:
        self.listener = web_server.listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.bridge = Bridge(application, THREADS)
        self.loop = asyncio.new_event_loop()
        self.stopped = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_until_complete, args=[self._serve()])
        self.thread.start()

    async def _serve(self) -> None:
        runner = web.ServerRunner(web_server.http_server(self.bridge))
        await runner.setup()
        await web.SockSite(runner, self.listener).start()
        await self.stopped.wait()
        await runner.cleanup()

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.thread.join()
        self.loop.close()
        self.bridge.pool.shutdown()

    def get(self, path: str = "/") -> http.client.HTTPResponse:
        return self.request("GET", path)

    def request(self, method: str, path: str, **more: Any) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(method, path, **more)
        return connection.getresponse()

    def send(self, data: bytes) -> socket.socket:
        """Open a connection, send this, and leave it open."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        connection.sendall(data)
        return connection


@pytest.fixture
def serve() -> Iterator[Callable[[Application], Server]]:
    with ExitStack() as stack:
        yield lambda application: stack.enter_context(closing(Server(application)))


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Answer with the variables and the size of the body."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    return [repr({**shown, "size": len(body)}).encode()]


# --- slow clients ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        b"GET /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /accounts/login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\nusern",
        b"",
    ],
    ids=["headers", "bodies", "nothing"],
)
def test_health_answers_while_slow_requests_are_open(
    slow_installation: Installation, start: bytes
) -> None:
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", slow_installation.port)))
            for _ in range(SLOW_CLIENTS)
        ]
        for client in slow:
            client.sendall(start)
        connection = http.client.HTTPConnection("127.0.0.1", slow_installation.port, timeout=10)
        for _ in range(2 * web_server.PROCESSES):
            connection.request("GET", "/healthz")
            response = connection.getresponse()
            assert b'"database": "ok"' in response.read()
            connection.close()  # the next connection may reach the other process
        for client in slow:
            client.setblocking(False)
            with pytest.raises(BlockingIOError):  # still open, and not answered
                client.recv(1)


@pytest.fixture(scope="module")
def slow_installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("slow")) as installation:
        installation.prepare().start("web")
        installation.wait_for_web()
        yield installation


def test_slow_readers_hold_no_thread_and_no_memory(
    serve: Callable[[Application], Server],
) -> None:
    """More of them than threads, each with a response larger than all buffers."""
    produced = [0] * (THREADS * 5)

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Type", "application/zip")])
        if environ["PATH_INFO"] == "/healthz":
            return [b"ok"]
        return endless(int(environ["QUERY_STRING"]))

    def endless(number: int) -> Iterator[bytes]:
        while True:
            produced[number] += 1
            yield bytes(64 * 1024)

    server = serve(application)
    with ExitStack() as stack:
        for number in range(len(produced)):
            request = f"GET /zip?{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
            stack.enter_context(server.send(request))
        wait_until(lambda: all(produced), what="every download has begun")
        assert server.get("/healthz").read() == b"ok"
        # 64 KB each: what the buffers of the kernel take, and a few chunks of ours.
        assert max(produced) < 200


def test_request_in_progress_is_finished_at_a_stop(tmp_path: Path) -> None:
    begun, may_end = tmp_path / "begun", tmp_path / "may-end"

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        begun.touch()
        wait_until(may_end.exists)
        start_response("200 OK", [])
        return [b"done"]

    port = free_port()
    process = ForkedProcess(lambda: web_server.serve(application, "127.0.0.1", port))
    try:
        wait_until(lambda: web_server.accepts_connections("127.0.0.1", port))
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/")
        wait_until(begun.exists)
        process.terminate()
        wait_until(lambda: not web_server.accepts_connections("127.0.0.1", port))
        assert process.poll() is None
        may_end.touch()
        assert connection.getresponse().read() == b"done"
        assert process.wait(30) == 0
    finally:
        process.kill()


# --- requests and responses ------------------------------------------------------------------


def test_request_reaches_the_application_as_sent(serve: Callable[[Application], Server]) -> None:
    connection = serve(echo).send(
        b"POST /a%20b/%C3%A9?x=%20&y HTTP/1.1\r\nHost: studio.example\r\nConnection: close\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\nX-Forwarded-Proto: https\r\nX_Forwarded_Proto: http\r\n"
        b"Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    with connection, connection.makefile("rb") as file:
        answer = file.read().decode()
    for shown in (
        "'REQUEST_METHOD': 'POST'",
        "'PATH_INFO': '/a b/Ã©'",  # bytes of UTF-8 as latin-1, as WSGI wants them
        "'QUERY_STRING': 'x=%20&y'",
        "'HTTP_HOST': 'studio.example'",
        "'HTTP_COOKIE': 'a=1;b=2'",
        "'HTTP_X_FORWARDED_PROTO': 'https'",
        "'CONTENT_TYPE': 'text/plain'",
        "'CONTENT_LENGTH': '5'",
        "'REMOTE_ADDR': '127.0.0.1'",
        "'size': 5",
    ):
        assert shown in answer
    assert "HTTP_TRANSFER_ENCODING" not in answer
    assert "\r\nServer: klingweb\r\n" in answer


def test_connection_serves_several_requests(serve: Callable[[Application], Server]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", serve(echo).port, timeout=30)
    for size in (0, 10, wsgi_bridge.MAX_MEMORY_BYTES + 1):
        connection.request("POST", "/", body=bytes(size))
        assert f"'size': {size}".encode() in connection.getresponse().read()


def test_head_has_the_headers_and_no_body(serve: Callable[[Application], Server]) -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Length", "5")])
        return [b"12345"]

    server = serve(application)
    response = server.request("HEAD", "/")
    assert (response.getheader("Content-Length"), response.read()) == ("5", b"")
    assert server.get().read() == b"12345"


def test_files_are_sent_whole_and_closed(
    serve: Callable[[Application], Server], tmp_path: Path
) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    file = (tmp_path / "file").open("rb")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Length", str(len(content)))])
        return environ["wsgi.file_wrapper"](file, 4096)

    assert serve(application).get().read() == content
    wait_until(lambda: file.closed)


def test_body_over_the_limit_is_refused(
    serve: Callable[[Application], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_bridge, "MAX_BODY_BYTES", 1000)
    server = serve(echo)
    assert server.request("POST", "/", body=bytes(1001)).status == 413
    chunks = iter([bytes(600), bytes(600)])
    assert server.request("POST", "/", body=chunks, encode_chunked=True).status == 413
    assert server.request("POST", "/", body=bytes(1000)).status == 200


def test_silent_body_is_refused(
    serve: Callable[[Application], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_bridge, "SILENT_SECONDS", 0.1)
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    with serve(echo).send(request) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 408 ")


def test_bodies_share_the_disk(
    serve: Callable[[Application], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wsgi_bridge, "MAX_STORED_BYTES", 1000)
    server = serve(echo)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 901\r\n\r\n"
    with server.send(head + bytes(900)):
        wait_until(lambda: server.bridge.stored_bytes == 900)
        assert server.request("POST", "/", body=bytes(101)).status == 503
        assert server.get().status == 200
    wait_until(lambda: server.bridge.stored_bytes == 0)
    assert server.request("POST", "/", body=bytes(1000)).status == 200


def test_full_disk_is_answered(
    serve: Callable[[Application], Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    class FullDisk(io.BytesIO):
        def __init__(self, max_size: int) -> None:
            super().__init__()

        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    server = serve(echo)
    with monkeypatch.context() as context:
        context.setattr("tempfile.SpooledTemporaryFile", FullDisk)
        assert server.request("POST", "/", body=b"abc").status == 503
    assert server.request("POST", "/", body=b"abc").status == 200


def test_unreadable_requests_are_refused_without_a_traceback(
    serve: Callable[[Application], Server], caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(echo)
    for request in (
        b"nonsense\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n",
    ):
        with server.send(request) as connection:
            assert connection.recv(100).startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 "))
    server.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc").close()
    assert server.get().status == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_client_that_waits_for_permission_to_send_gets_it(
    serve: Callable[[Application], Server],
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with serve(echo).send(head) as connection:
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_lost_client_ends_the_response(
    serve: Callable[[Application], Server], caplog: pytest.LogCaptureFixture
) -> None:
    closed = threading.Event()

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                yield bytes(64 * 1024)
        finally:
            closed.set()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return chunks()

    connection = serve(application).send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    connection.recv(1000)
    connection.close()
    assert closed.wait(30)
    assert not caplog.records


def test_error_in_the_middle_never_looks_like_a_complete_response(
    serve: Callable[[Application], Server], caplog: pytest.LogCaptureFixture
) -> None:
    def chunks() -> Iterator[bytes]:
        yield bytes(wsgi_bridge.CHUNK_BYTES)
        raise RuntimeError("for a test")

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [])
        return chunks()

    response = serve(application).get()
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    assert "Error while answering GET /" in caplog.text


# --- ports -----------------------------------------------------------------------------------


def test_taken_port_is_called_taken() -> None:
    with (
        web_server.listen("127.0.0.1", 0) as listener,
        pytest.raises(web_server.CannotListen, match="is in use"),
    ):
        web_server.check("127.0.0.1", listener.getsockname()[1])


def test_foreign_address_is_not_called_taken() -> None:
    with pytest.raises(web_server.CannotListen, match=r"does not have the address 203\.0\.113\.1"):
        web_server.check("203.0.113.1", free_port())


def test_port_that_needs_permission_is_not_called_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    def bind(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("socket.socket.bind", bind)  # root may use every port
    with pytest.raises(web_server.CannotListen, match="may not use port 80"):
        web_server.check("127.0.0.1", 80)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_ipv6_addresses_are_served() -> None:
    with web_server.listen("::1", 0) as listener:
        assert web_server.accepts_connections("::1", listener.getsockname()[1])
    with web_server.listen("::", 0) as listener:
        port = listener.getsockname()[1]
        assert web_server.accepts_connections("::", port)
        assert web_server.accepts_connections("127.0.0.1", port)
