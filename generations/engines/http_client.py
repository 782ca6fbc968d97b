"""How a call can neither hang, nor flood us, nor reach where it must not.

HTTP libraries bound one read, never the whole call: a server that drips a byte now and then holds
a thread for ever. They read what it sends whole, and go wherever a name resolves to. Whoever
speaks HTTP here asks through a `Line` (one known address) or a `session()` (any), inside
`deadline()`.
"""

import http.client
import ipaddress
import math
import os
import queue
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests  # noqa: TID251
from requests.adapters import HTTPAdapter  # noqa: TID251
from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: TID251
from urllib3 import HTTPConnectionPool, HTTPHeaderDict, HTTPSConnectionPool  # noqa: TID251
from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: TID251
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError  # noqa: TID251
from urllib3.util import Timeout, create_urllib3_context  # noqa: TID251
from urllib3.util.connection import create_connection  # noqa: TID251

USER_AGENT = "klingweb"
_CHUNK_BYTES = 65536


class TooSlow(requests.exceptions.Timeout):
    """The whole call did not end in its time."""


class TooLarge(requests.exceptions.RequestException):
    """The body is longer than the caller wants."""


class Forbidden(requests.exceptions.RequestException):
    """An address where a guarded session does not go. Nothing was sent there."""


def deadline(seconds: float) -> "Call":
    """`with deadline(30) as call:` bounds one call of this thread, from the name to the last byte.

    Raises `TooSlow` when it was cut; `call.was_sent` says whether a byte of a request has left.
    """
    return Call(seconds)


def session(
    *, pool_size: int = 1, guarded: bool = False, allow_origin: str = ""
) -> requests.Session:
    """A session without retries, proxies, cookies or (unless asked for) redirects.

    A `guarded` one goes to https and to addresses of the public internet only, at every hop of a
    redirect; `allow_origin` (scheme://host:port) is the one exception to both.
    """
    return _Session(pool_size, guarded, allow_origin)


def read_body(response: requests.Response, max_bytes: int) -> bytes:
    """The body of a streamed response; `TooLarge` as soon as it is longer than `most_bytes`."""
    with response:
        return _take(response.iter_content(_CHUNK_BYTES), max_bytes)


def _take(chunks: Iterable[bytes], max_bytes: int) -> bytes:
    body = bytearray()
    for chunk in chunks:
        body += chunk
        if len(body) > max_bytes:
            raise TooLarge(f"the body is longer than {max_bytes} bytes")
    return bytes(body)


class Answer(NamedTuple):
    http_status: int
    headers: HTTPHeaderDict
    body: bytes


class HttpConnection:
    """Calls to one known address over connections that threads share.

    Less than half the cost of requests, which counts where thousands of tasks are polled.
    """

    def __init__(self, url: str, *, pool_size: int = 1) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        host = parts.hostname or ""
        self._pool: HTTPConnectionPool
        if parts.scheme == "https":
            self._pool = _SecurePool(host, parts.port, maxsize=pool_size, ssl_context=_trust())
        else:
            self._pool = _Pool(host, parts.port, maxsize=pool_size)

    def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        connect_seconds: float,
        max_bytes: int,
    ) -> Answer:
        """One request, and its answer whatever the status. Only an OSError comes out of it."""
        try:
            response = self._pool.urlopen(
                method,
                self._path + path,
                body,
                {"User-Agent": USER_AGENT, **headers},
                retries=False,
                redirect=False,
                timeout=Timeout(connect=connect_seconds, read=None),
                preload_content=False,
            )
            try:
                content = _take(response.stream(_CHUNK_BYTES), max_bytes)
            finally:
                # A body that was not read to its end would come as the next call's answer.
                if not response.closed:
                    response.close()
                response.release_conn()
        except (HTTPError, http.client.HTTPException, ValueError) as error:
            raise requests.exceptions.ConnectionError(f"{type(error).__name__}: {error}") from error
        return Answer(response.status, response.headers, content)

    def close(self) -> None:
        self._pool.close()


@lru_cache(maxsize=1)
def _trust() -> ssl.SSLContext:
    """Read once: reading the certificates anew costs each connection 10 ms of processor time."""
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


# --- the deadline -----------------------------------------------------------------------------


class Call:
    """One call of one thread: until when, over which socket, and whether anything was sent."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ends_at = math.inf
        self.was_sent = False
        self.was_cut = False
        self._connection: _Connection | None = None
        self._socket: socket.socket | None = None

    def __enter__(self) -> "Call":
        self.ends_at = time.monotonic() + self.seconds
        _here.call = self
        _reaper.watch(self)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        _here.call = None
        _reaper.forget(self)
        self._connection = self._socket = None
        is_late = isinstance(error, OSError) and self.left() <= 0
        # A cut answer can look whole (where no length was told), or break whoever reads it.
        if is_late or (self.was_cut and (error is None or isinstance(error, Exception))):
            raise TooSlow(f"not finished within {self.seconds:g} s") from error

    def left(self) -> float:
        return self.ends_at - time.monotonic()

    def within(self, timeout: float | None) -> float:
        """The time for one step: what the step may take, or what the call has left."""
        left = self.left() if timeout is None else min(timeout, self.left())
        return max(left, 0.001)  # 0 would mean "do not block" to a socket

    def uses(self, connection: "_Connection") -> None:
        with _reaper.lock:
            connection.call = self
            self._connection, self._socket = connection, connection.sock

    def cut(self) -> None:
        """End every read and write of this call, but not those of the next user of its socket."""
        self.was_cut = True
        if self._connection is not None and self._connection.call is self and self._socket:
            with suppress(OSError, ValueError):  # closed by now
                # Below TLS: SSLSocket.shutdown would pull its state from under the reading thread.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Reaper:
    """One thread that cuts what is late: a thread a call would cost more than the calls."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.calls: set[Call] = set()
        self.wakes_at = math.inf
        self.thread: threading.Thread | None = None

    def watch(self, call: Call) -> None:
        with self.lock:
            self.calls.add(call)
            if self.thread is None:
                thread = threading.Thread(target=self._run, name="reaper", daemon=True)
                thread.start()
                self.thread = thread
            # Seldom: calls of one length come in order, and it wakes before the first of them.
            if call.ends_at < self.wakes_at:
                self.wakes_at = call.ends_at
                self.lock.notify()

    def forget(self, call: Call) -> None:
        with self.lock:
            self.calls.discard(call)

    def _run(self) -> None:
        with self.lock:
            while True:
                now = time.monotonic()
                for call in [call for call in self.calls if call.ends_at <= now]:
                    self.calls.remove(call)
                    call.cut()
                self.wakes_at = min((call.ends_at for call in self.calls), default=math.inf)
                self.lock.wait(None if self.wakes_at == math.inf else self.wakes_at - now)


class _Here(threading.local):
    call: Call | None = None


_here = _Here()
_reaper = _Reaper()


def _begin_anew() -> None:
    """A forked child has no reaper, and its copy of the lock may be held for ever."""
    global _reaper
    _reaper = _Reaper()


os.register_at_fork(after_in_child=_begin_anew)


# --- the connections ----------------------------------------------------------------------------


class _Connection(HTTPConnection):
    """Connects to checked addresses, tells its call what it does, and belongs to one process."""

    is_guarded = False
    call: Call | None = None
    pid = 0

    def _new_conn(self) -> socket.socket:
        self.pid = os.getpid()
        failure: HTTPError | None = None
        for ip in self._addresses():
            try:
                connected = create_connection(
                    (ip, self.port), self._timeout(), self.source_address, self.socket_options
                )
            except TimeoutError:
                failure = ConnectTimeoutError(f"{self.host} ({ip}) did not answer in time")
            except OSError as error:
                failure = NewConnectionError(self, f"{ip}: {error}")
            else:
                connected.settimeout(self._timeout())  # for the whole TLS handshake
                return connected
        raise failure or NewConnectionError(self, "the name has no address")

    def _timeout(self) -> float | None:
        return _here.call.within(self.timeout) if _here.call else self.timeout

    def _addresses(self) -> list[str]:
        try:
            found = _resolve(self._dns_host, self.port)
        except TimeoutError:
            raise ConnectTimeoutError(f"{self.host} was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"cannot be resolved: {error}") from error
        if self.is_guarded and not (found := [ip for ip in found if is_public(ip)]):
            raise _Refusal(f"{self.host} is not on the public internet")
        return found

    @property
    def is_connected(self) -> bool:
        """The pool asks before it uses it again; a forked child shares the socket, so: no."""
        return self.pid == os.getpid() and super().is_connected

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        if call := _here.call:
            call.uses(self)
            # urllib3 would send under the connect timeout; a large image takes longer than that.
            self.timeout = call.within(None)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        # Connected by now: whatever fails from here on may have reached the other side.
        if call := _here.call:
            call.was_sent = True
        super().send(data)


class _SecureConnection(_Connection, HTTPSConnection):
    pass


class _GuardedConnection(_SecureConnection):
    is_guarded = True


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _GuardedPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedConnection


def _resolve(host: str, port: int | None) -> list[str]:
    """The addresses of a name.

    Nothing can interrupt getaddrinfo, so it waits in a thread of its own, and an answer that comes
    after the call's end is dropped. Only new connections pay that.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host.strip("[]")))]
    answer: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answer.put(list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)))
        except (OSError, UnicodeError) as error:
            answer.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=_here.call.within(None) if _here.call else None)
    except queue.Empty:
        raise TimeoutError(host) from None
    if isinstance(found, Exception):
        raise found
    return found


# --- the guard --------------------------------------------------------------------------------

# `is_global` of Python 3.11 lets these pass; the first two lead back to IPv4 addresses.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("2002::/16", "2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
]
# Of IPv6 only this part is the public internet: outside it lie the IPv4-mapped addresses, NAT64
# (64:ff9b::/96), which would carry us to any IPv4 address, and every local kind.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


def is_public(ip: str) -> bool:
    """Whether the address is one of the public internet, as text from the resolver."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if address.version == 6 and address not in _PUBLIC_IPV6:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


class _Refusal(Exception):
    """No OSError, so that urllib3 does not take it for a broken connection."""


class _Adapter(HTTPAdapter):
    def __init__(self, pool_size: int, *, guarded: bool) -> None:
        self._secure_pool = _GuardedPool if guarded else _SecurePool
        super().__init__(pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools = {"http": _Pool, "https": self._secure_pool}
        self.poolmanager.pool_classes_by_scheme = pools

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().send(request, *args, **kwargs)
        except _Refusal as refusal:
            raise Forbidden(str(refusal), request=request) from None


class _Session(requests.Session):
    def __init__(self, pool_size: int, guarded: bool, allow_origin: str) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc, no certificates of the environment
        self.max_redirects = 5
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # What is not compressed cannot grow while it is read.
        self.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        self.adapters.clear()
        self.mount("https://", _Adapter(pool_size, guarded=guarded))
        if not guarded:
            self.mount("http://", _Adapter(pool_size, guarded=False))
        elif allow_origin:
            # The slash ends the port: else :80 would allow :8080, and :80@elsewhere.
            self.mount(allow_origin.rstrip("/") + "/", _Adapter(pool_size, guarded=False))

    def get_adapter(self, url: str | bytes) -> Any:
        try:
            return super().get_adapter(str(url))
        except requests.exceptions.InvalidSchema as error:
            raise Forbidden("only https is allowed here") from error

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, url, **{"allow_redirects": False, **kwargs})

    def get(self, url: str | bytes, **kwargs: Any) -> requests.Response:
        return self.request("GET", url, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where it redirects to, if it does; its body, which requests would read whole, is cut."""
        if (target := super().get_redirect_target(resp)) is not None:
            resp.close()
        return target
