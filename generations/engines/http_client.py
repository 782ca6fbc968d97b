"""HTTP calls with limits: no retries, no proxies, a cap on the body, checked addresses.

`HttpConnection` calls one known server; `session()` calls any. Use both inside a `Deadline`.
"""

import http.client
import os
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import IO, Any, NamedTuple
from urllib.parse import urlsplit

import requests  # noqa: TID251
from requests.adapters import HTTPAdapter  # noqa: TID251
from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: TID251
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool  # noqa: TID251
from urllib3.connection import HTTPConnection, HTTPSConnection  # noqa: TID251
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError  # noqa: TID251
from urllib3.filepost import encode_multipart_formdata  # noqa: TID251
from urllib3.util import create_urllib3_context  # noqa: TID251
from urllib3.util.connection import create_connection  # noqa: TID251

from .address_guard import AddressBlocked, public_addresses, resolve
from .deadline import Deadline, current_deadline

USER_AGENT = "klingweb"
MAX_ERROR_BYTES = 1024 * 1024  # where a success is written to a file
_CHUNK_BYTES = 65536


class BodyTooLarge(requests.exceptions.RequestException):
    """The body is longer than the caller accepts."""


class AddressForbidden(requests.exceptions.RequestException):
    """A guarded session does not connect to this address. Nothing was sent."""


def session(
    *, pool_size: int = 1, guarded: bool = False, allow_origin: str = ""
) -> requests.Session:
    """Return a session without retries, proxies or cookies.

    Redirects are followed only with `allow_redirects=True`.

    A guarded session uses https and connects to addresses of the public internet only, also after
    redirects. `allow_origin` (scheme://host:port) is the one exception to both.
    """
    return _Session(pool_size, guarded, allow_origin)


def read_body(response: requests.Response, max_bytes: int) -> Iterator[bytes]:
    """Yield the body of a streamed response in chunks; raises `BodyTooLarge` beyond `max_bytes`."""
    with response:
        yield from _limit(response.iter_content(_CHUNK_BYTES), max_bytes)


def _limit(chunks: Iterable[bytes], max_bytes: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise BodyTooLarge(f"the body is longer than {max_bytes} bytes")
        yield chunk


def multipart_form(fields: Mapping[str, str]) -> tuple[bytes, str]:
    """Return the body of a form, multipart/form-data, and its content type."""
    return encode_multipart_formdata(fields)


class HttpResponse(NamedTuple):
    http_status: int
    headers: http.client.HTTPMessage
    body: bytes


class HttpConnection:
    """Connections to one server, one for each thread that uses it.

    Needs a third of the processor time of the package `requests`, which matters when thousands of
    tasks are polled: no lock that threads share, and as few system calls as possible, since after
    each a thread waits for its turn. So sockets have no timeout: the `Deadline` aborts a call.
    """

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._path = self._url.path.rstrip("/")
        self._of_thread = threading.local()
        self._connections: list[_Connection] = []

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        connect_seconds: float,
        max_bytes: int,
        into: IO[bytes] | None = None,
    ) -> HttpResponse:
        """Send one request and return the response, whatever its status. Raises only OSError.

        A query on a connection that the server has closed meanwhile is sent on a new one. The body
        of a success is written to `into`, where given, instead of being returned.
        """
        connection = self._connection()
        try:
            is_reused = connection.is_open
            if not is_reused:
                connection.open(connect_seconds)
            response = connection.exchange(method, self._path + path, headers, body)
            if response is None and is_reused and method == "GET":
                connection.open(connect_seconds)
                response = connection.exchange(method, self._path + path, headers, body)
            if response is None:
                raise http.client.RemoteDisconnected("the server closed the connection")
            with response:
                if into is not None and 200 <= response.status < 300:
                    into.writelines(_limit(_chunks(response), max_bytes))
                    content = b""
                else:
                    most = max_bytes if into is None else min(max_bytes, MAX_ERROR_BYTES)
                    content = b"".join(_limit(_chunks(response), most))
                if not response.isclosed() or response.will_close:
                    connection.close()
        except (HTTPError, http.client.HTTPException, ssl.SSLError, ValueError) as error:
            connection.close()
            raise requests.exceptions.ConnectionError(f"{type(error).__name__}: {error}") from error
        except BaseException:
            # The unread rest of a body would be read as the next call's response.
            connection.close()
            raise
        return HttpResponse(response.status, response.headers, content)

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _connection(self) -> "_Connection":
        """Return the connection of this thread, open or not."""
        connection: _Connection | None = getattr(self._of_thread, "connection", None)
        if connection is None:
            host, port = self._url.hostname or "", self._url.port
            if self._url.scheme == "https":
                connection = _SecureConnection(host, port, ssl_context=_ssl_context())
            else:
                connection = _Connection(host, port)
            self._of_thread.connection = connection
            self._connections.append(connection)
        return connection


def _chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK_BYTES):
        yield chunk


@lru_cache(maxsize=1)
def _ssl_context() -> ssl.SSLContext:
    """Cached: reading the certificates costs 10 ms of processor time."""
    context = create_urllib3_context()
    context.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
    return context


# --- connections --------------------------------------------------------------------------------


class _Connection(HTTPConnection):
    """Checks addresses, reports to the current deadline, and is used by one process only."""

    is_guarded = False
    deadline: Deadline | None = None
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
        deadline = current_deadline()
        return deadline.limit(self.timeout) if deadline else self.timeout

    def _addresses(self) -> list[str]:
        deadline = current_deadline()
        try:
            found = resolve(self._dns_host, self.port, deadline.limit(None) if deadline else None)
        except TimeoutError:
            raise ConnectTimeoutError(f"{self.host} was not resolved in time") from None
        except (OSError, UnicodeError) as error:
            raise NewConnectionError(self, f"cannot be resolved: {error}") from error
        return public_addresses(self.host, found) if self.is_guarded else found

    @property
    def is_connected(self) -> bool:
        """Read by the pool before reuse. A forked child shares the socket and must not use it."""
        return self.pid == os.getpid() and super().is_connected

    @property
    def is_open(self) -> bool:
        """Whether this process has opened it. The server may have closed it since."""
        return self.sock is not None and self.pid == os.getpid()

    def open(self, connect_seconds: float) -> None:
        self.close()
        self.timeout = connect_seconds
        self.connect()
        self.sock.settimeout(None)

    def exchange(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> http.client.HTTPResponse | None:
        """Send a request and read the head of its response. None: the server has hung up."""
        if deadline := current_deadline():
            deadline.attach(self)
        try:
            self.putrequest(method, path)
            self.putheader("User-Agent", USER_AGENT)
            for name, value in headers.items():
                self.putheader(name, value)
            if body is not None:
                self.putheader("Content-Length", str(len(body)))
            with suppress(BrokenPipeError):  # a server may refuse a body before it has read it
                self.endheaders(body)
            return http.client.HTTPConnection.getresponse(self)
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return None

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is None:
            self.connect()
        if deadline := current_deadline():
            deadline.attach(self)
            # urllib3 would send under the connect timeout; a large image takes longer than that.
            self.timeout = deadline.limit(None)
        super().request(*args, **kwargs)

    def send(self, data: Any) -> None:
        # Connected: the server may have received the request before any later error.
        if deadline := current_deadline():
            deadline.was_sent = True
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


# --- sessions -----------------------------------------------------------------------------------


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
        except AddressBlocked as blocked:
            raise AddressForbidden(str(blocked), request=request) from None


class _Session(requests.Session):
    def __init__(self, pool_size: int, guarded: bool, allow_origin: str) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no .netrc, no certificates of the environment
        self.max_redirects = 5
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # An uncompressed body cannot grow while it is read.
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
            raise AddressForbidden("only https is allowed here") from error

    def request(self, method: str | bytes, url: str | bytes, **kwargs: Any) -> requests.Response:  # type: ignore[override]
        return super().request(method, url, **{"allow_redirects": False, **kwargs})

    def get(self, url: str | bytes, **kwargs: Any) -> requests.Response:
        return self.request("GET", url, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return the target of a redirect. Closes its body, which requests would read whole."""
        if (target := super().get_redirect_target(resp)) is not None:
            resp.close()
        return target
