"""HTTP calls with limits: no retries, no proxies, a cap on the body, checked addresses.

`HttpConnection` calls one known server; `session()` calls any. Use both inside a `Deadline`.
"""

import http.client
import os
import socket
import ssl
from collections.abc import Iterable, Iterator, Mapping
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

from .address_guard import AddressBlocked, public_addresses, resolve
from .deadline import Deadline, current_deadline

USER_AGENT = "klingweb"
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


class HttpResponse(NamedTuple):
    http_status: int
    headers: HTTPHeaderDict
    body: bytes


class HttpConnection:
    """A connection pool for one server, shared by threads.

    Needs less than half the processor time of the package `requests`, which matters when thousands
    of tasks are polled.
    """

    def __init__(self, url: str, *, pool_size: int = 1) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        host = parts.hostname or ""
        self._pool: HTTPConnectionPool
        if parts.scheme == "https":
            context = _ssl_context()
            self._pool = _SecurePool(host, parts.port, maxsize=pool_size, ssl_context=context)
        else:
            self._pool = _Pool(host, parts.port, maxsize=pool_size)

    def send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        connect_seconds: float,
        max_bytes: int,
    ) -> HttpResponse:
        """Send one request and return the response, whatever its status. Raises only OSError."""
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
                content = b"".join(_limit(response.stream(_CHUNK_BYTES), max_bytes))
            finally:
                # The unread rest of a body would be read as the next call's response.
                if not response.closed:
                    response.close()
                response.release_conn()
        except (HTTPError, http.client.HTTPException, ValueError) as error:
            raise requests.exceptions.ConnectionError(f"{type(error).__name__}: {error}") from error
        return HttpResponse(response.status, response.headers, content)

    def close(self) -> None:
        self._pool.close()


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
