"""A server that sends prepared bytes, to test responses that a correct server never sends."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

ScriptedResponse = bytes | Callable[[socket.socket], None]


class Request(NamedTuple):
    """A received request. `connection` is the number of its connection, from 0."""

    connection: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers each request with the next response, and then with the last one forever.

    A response is the bytes to send, or a function that writes to the socket. `routes` has the
    responses of some paths.
    """

    def __init__(
        self,
        *responses: ScriptedResponse,
        routes: Mapping[str, ScriptedResponse] | None = None,
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.responses = list(responses)
        self.routes = dict(routes or {})
        self.requests: list[Request] = []
        self.connections = 0
        self.tls = tls
        self._listener = socket.create_server((host, 0))
        self._open_sockets: list[socket.socket] = []
        self.host, self.port = host, self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for each in (self._listener, *self._open_sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open_sockets.append(client)
                number, self.connections = self.connections, self.connections + 1
                threading.Thread(target=self._serve, args=(client, number), daemon=True).start()

    def _serve(self, client: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):  # disconnected, or not HTTP
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
                self._open_sockets.append(client)
            with client, client.makefile("rb") as file:
                while line := file.readline():
                    method, path, _ = line.decode().split()
                    headers = {}
                    while (line := file.readline()) not in (b"\r\n", b""):
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    body = file.read(int(headers.get("content-length", 0)))
                    self.requests.append(Request(number, method, path, headers, body))
                    self._respond(client, path)

    def _respond(self, client: socket.socket, path: str) -> None:
        if path in self.routes:
            response = self.routes[path]
        else:
            response = self.responses.pop(0) if len(self.responses) > 1 else self.responses[0]
        if callable(response):
            response(client)
        else:
            client.sendall(response)


def reply(status: int, body: Any = b"", **headers: str) -> bytes:
    """Return a correct response: bytes and text are sent unchanged, anything else as JSON."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    content = text.encode() if isinstance(text, str) else text
    lines = [f"HTTP/1.1 {status} Reason", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def trickle(start: bytes, chunk: bytes = b"x") -> ScriptedResponse:
    """Send `start`, then one chunk every 20 ms, forever."""

    def send(client: socket.socket) -> None:
        client.sendall(start)
        while True:
            time.sleep(0.02)
            client.sendall(chunk)

    return send


def flood(start: bytes, chunk: bytes = b"x") -> ScriptedResponse:
    """Send `start`, then chunks as fast as the client reads, forever."""
    chunks = chunk * 10_000

    def send(client: socket.socket) -> None:
        client.sendall(start)
        while True:
            client.sendall(chunks)

    return send


def disconnect(client: socket.socket) -> None:
    """Close the connection without a response."""
    client.shutdown(socket.SHUT_RDWR)


def delayed(seconds: float, response: bytes) -> ScriptedResponse:
    """Send a response after some time."""

    def send(client: socket.socket) -> None:
        time.sleep(seconds)
        client.sendall(response)

    return send
