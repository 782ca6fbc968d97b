"""The web server: two processes with one listening socket each, on the same port."""

import asyncio
import contextlib
import errno
import ipaddress
import resource
import signal
import socket
from collections.abc import Callable
from functools import partial
from wsgiref.types import WSGIApplication

from aiohttp import web

from .supervisor import ManagedProcess
from .wsgi_bridge import Bridge

PROCESSES = 2
THREADS = 8
BACKLOG = 2048
MAX_OPEN_FILES = 65536  # as far as the system allows: each connection is one
KEEPALIVE_SECONDS = 75.0  # also for the headers of the first request
STOP_SECONDS = 20.0


class CannotListen(Exception):
    """No server can listen there, because of the address or the port."""

    def __init__(self, message: str, *, is_address: bool = False) -> None:
        super().__init__(message)
        self.is_address = is_address


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket. `shared`: several processes of this user may listen."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        message = f"{host} is not an address: {error.strerror}."
        raise CannotListen(message, is_address=True) from error
    family, kind, _protocol, _name, address = addresses[0]
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and ipaddress.ip_address(address[0]).is_unspecified:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # and IPv4
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        is_address = error.errno == errno.EADDRNOTAVAIL
        raise CannotListen(_reason(host, port, error), is_address=is_address) from error
    return listener


def _reason(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"This machine does not have the address {host}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not use port {port}."
    return f"Cannot listen on {host}, port {port}: {error.strerror}."


def check(host: str, port: int) -> None:
    """Raise CannotListen if no server could listen there now."""
    listen(host, port).close()


def accepts_connections(host: str, port: int) -> bool:
    """Whether a server listens; 0.0.0.0 and :: are asked on this machine."""
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    with contextlib.suppress(OSError), socket.create_connection((local, port), timeout=1):
        return True
    return False


def processes(application: WSGIApplication, host: str, port: int) -> list[ManagedProcess]:
    """The processes to supervise. The kernel spreads connections over their sockets."""
    target: Callable[[], object] = partial(serve, application, host, port)
    return [
        ManagedProcess(f"web server process {number}", target) for number in range(1, PROCESSES + 1)
    ]


def serve(application: WSGIApplication, host: str, port: int) -> None:
    """Serve in this process until SIGTERM or SIGINT; then finish the requests in progress."""
    _allow_many_connections()
    asyncio.run(_serve(Bridge(application, THREADS), listen(host, port, shared=True)))


def _allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MAX_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def http_server(bridge: Bridge) -> web.Server:
    return web.Server(
        bridge.handle,
        access_log=None,
        auto_decompress=False,
        keepalive_timeout=KEEPALIVE_SECONDS,
    )


async def _serve(bridge: Bridge, listener: socket.socket) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runner = web.ServerRunner(http_server(bridge), shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    await web.SockSite(runner, listener, backlog=BACKLOG).start()
    await stopped.wait()
    await runner.cleanup()
    bridge.pool.shutdown(wait=False, cancel_futures=True)
