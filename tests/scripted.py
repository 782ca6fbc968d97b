"""A server that says what it is told, byte by byte: what no well-behaved one would say."""

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, NamedTuple, Self

Script = bytes | Callable[[socket.socket], None]


class Request(NamedTuple):
    connection: int  # which one it came over, from 0
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Scripted:
    """One answer a request, the last one again and again; it keeps what it was asked."""

    def __init__(
        self, *answers: Script, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.connections = 0
        self.tls = tls
        self._listening = socket.create_server((host, 0))
        self._open: list[socket.socket] = []
        self.host, self.port = host, self._listening.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{host}:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for each in (self._listening, *self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = self._listening.accept()
                self._open.append(accepted)
                number, self.connections = self.connections, self.connections + 1
                threading.Thread(target=self._serve, args=(accepted, number), daemon=True).start()

    def _serve(self, accepted: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):  # gone, or it speaks no HTTP
            if self.tls:
                accepted = self.tls.wrap_socket(accepted, server_side=True)
                self._open.append(accepted)
            with accepted, accepted.makefile("rb") as file:
                while line := file.readline():
                    method, path, _ = line.decode().split()
                    headers = {}
                    while (line := file.readline()) not in (b"\r\n", b""):
                        name, _, value = line.decode().partition(":")
                        headers[name.lower()] = value.strip()
                    body = file.read(int(headers.get("content-length", 0)))
                    self.requests.append(Request(number, method, path, headers, body))
                    self._answer(accepted)

    def _answer(self, accepted: socket.socket) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer(accepted)
        else:
            accepted.sendall(answer)


def says(status: int, body: Any = b"", **headers: str) -> bytes:
    """An answer of a good server: bytes and text as they are, anything else as JSON."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    content = text.encode() if isinstance(text, str) else text
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def drips(start: bytes, drop: bytes = b"x") -> Script:
    """The start at once, and then a drop now and again for ever."""

    def answer(accepted: socket.socket) -> None:
        accepted.sendall(start)
        while True:
            time.sleep(0.02)
            accepted.sendall(drop)

    return answer


def floods(start: bytes, drop: bytes = b"x") -> Script:
    """The start, and then as much as the line takes, for ever."""
    flood = drop * 10_000

    def answer(accepted: socket.socket) -> None:
        accepted.sendall(start)
        while True:
            accepted.sendall(flood)

    return answer


def cuts(accepted: socket.socket) -> None:
    """Not a word."""
    accepted.shutdown(socket.SHUT_RDWR)


def after(seconds: float, answer: bytes) -> Script:
    def later(accepted: socket.socket) -> None:
        time.sleep(seconds)
        accepted.sendall(answer)

    return later
