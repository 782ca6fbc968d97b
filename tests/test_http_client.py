"""HTTP calls over real sockets: deadlines, what counts as sent, body limits, guarded addresses."""

import gzip
import multiprocessing
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: TID251

from generations.engines import address_guard, deadline, http_client
from generations.engines.deadline import Deadline, DeadlineExceeded
from generations.engines.http_client import (
    AddressForbidden,
    BodyTooLarge,
    HttpConnection,
    HttpResponse,
    read_body,
    session,
)
from tests.scripted_server import (
    ScriptedResponse,
    ScriptedServer,
    delayed,
    disconnect,
    flood,
    reply,
    trickle,
)

SOON = 0.2
HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
NAME = "pictures.example"


def send(
    connection: HttpConnection, body: bytes | None = None, max_bytes: int = 1000
) -> HttpResponse:
    return connection.send(
        "POST" if body else "GET",
        "/x",
        headers={},
        body=body,
        connect_seconds=5,
        max_bytes=max_bytes,
    )


def fails_after_sending(
    limit: Deadline,
    error: type[OSError],
    connection: HttpConnection,
    body: bytes | None = None,
) -> bool:
    """Check that the call fails with this error, and return whether anything was sent."""
    with pytest.raises(error), limit:
        send(connection, body)
    return limit.was_sent


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let NAME resolve to these addresses, and return the list of the names that are resolved."""
    real, resolved = socket.getaddrinfo, []

    def resolves(*addresses: str, seconds: float = 0) -> list[str]:
        def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
            if host != NAME:
                return real(host, *args, **kwargs)
            resolved.append(host)
            time.sleep(seconds)
            return [info for address in addresses for info in real(address, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return resolved

    return resolves


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={NAME}",
            "-addext",
            f"subjectAltName=DNS:{NAME}",
            "-keyout",
            path,
            "-out",
            path.with_suffix(".crt"),
        ],
        check=True,
        capture_output=True,
    )
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server context with the certificate of NAME, which connections trust."""
    monkeypatch.setattr(
        http_client, "_ssl_context", lambda: ssl.create_default_context(cafile=certificate)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> str:
    """A loopback address that counts as public."""
    monkeypatch.setattr(address_guard, "is_public", lambda ip: ip == "127.0.0.2")
    return "127.0.0.2"


# --- deadlines ---------------------------------------------------------------------------------


SLOW: dict[str, ScriptedResponse] = {
    "silence": lambda _: time.sleep(5),
    "a header that never ends": trickle(HEAD + b"X-Slow: "),
    "headers that never end": trickle(HEAD, b"X: 1\r\n"),
    "a slow body": trickle(HEAD + b"Content-Length: 900\r\n\r\n"),
    "a slow body without length": trickle(HEAD + b"\r\n"),
    "slow chunks": trickle(CHUNKED, b"1\r\nx\r\n"),
    "a chunk that never starts": trickle(CHUNKED, b"1"),
    "continue, forever": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue, fast and forever": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_slow_response_is_aborted_at_the_deadline(name: str) -> None:
    with ScriptedServer(SLOW[name]) as server:
        assert fails_after_sending(Deadline(SOON), DeadlineExceeded, HttpConnection(server.url))


@pytest.mark.parametrize("name", SLOW)
def test_slow_response_over_tls_is_aborted_at_the_deadline(
    name: str, tls: ssl.SSLContext, resolves: Any
) -> None:
    resolves("127.0.0.1")
    with ScriptedServer(SLOW[name], tls=tls) as server:
        connection = HttpConnection(f"https://{NAME}:{server.port}")
        assert fails_after_sending(Deadline(SOON), DeadlineExceeded, connection)


def test_aborted_response_without_length_is_not_complete() -> None:
    with ScriptedServer(trickle(HEAD + b"\r\n")) as server, pytest.raises(DeadlineExceeded):  # noqa: SIM117
        with Deadline(SOON):
            list(read_body(session().get(server.url, stream=True), 1000))


def test_sending_to_a_server_that_does_not_read_is_aborted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        connection = HttpConnection(f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert fails_after_sending(
            Deadline(SOON), DeadlineExceeded, connection, body=b"x" * 30_000_000
        )


def test_sending_may_take_longer_than_connecting() -> None:
    def read_late(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        time.sleep(SOON)
        while not accepted.recv(1_000_000).endswith(b"end"):
            pass
        accepted.sendall(reply(200, "ok"))

    with socket.create_server(("127.0.0.1", 0)) as listening, Deadline(5):
        threading.Thread(target=read_late, args=(listening,), daemon=True).start()
        connection = HttpConnection(f"http://127.0.0.1:{listening.getsockname()[1]}")
        body = b"x" * 30_000_000 + b"end"
        response = connection.send(
            "POST", "/", headers={}, body=body, connect_seconds=SOON / 4, max_bytes=10
        )
    assert response.body == b"ok"


def test_deadline_of_one_call_does_not_abort_the_next_on_its_connection() -> None:
    with ScriptedServer(reply(200), delayed(3 * SOON, reply(200, "whole"))) as server:
        connection = HttpConnection(server.url)
        with pytest.raises(DeadlineExceeded), Deadline(SOON):
            send(connection)
            response = send_within(connection)
    assert (response.body, server.connections) == (b"whole", 1)


def send_within(connection: HttpConnection, seconds: float = 5) -> HttpResponse:
    with Deadline(seconds):
        return send(connection)


def test_many_calls_share_one_reaper_thread() -> None:
    with ScriptedServer(reply(200)) as server:
        connection = HttpConnection(server.url)
        for _ in range(200):
            send_within(connection)
    reapers = [thread for thread in threading.enumerate() if thread.name == "reaper"]
    assert (len(reapers), deadline._reaper.deadlines) == (1, set())


# --- what counts as sent -----------------------------------------------------------------------


def test_nothing_is_sent_to_a_closed_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        connection = HttpConnection(f"http://127.0.0.1:{closed.getsockname()[1]}")
    assert not fails_after_sending(Deadline(5), requests.ConnectionError, connection)


def test_nothing_is_sent_when_the_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror("name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    connection = HttpConnection(f"http://{NAME}")
    assert not fails_after_sending(Deadline(5), requests.ConnectionError, connection)


def test_nothing_is_sent_while_the_name_is_resolved(resolves: Any) -> None:
    resolves("127.0.0.1", seconds=2 * SOON)
    assert not fails_after_sending(
        Deadline(SOON),
        DeadlineExceeded,
        HttpConnection(f"http://{NAME}:9"),
    )


def test_nothing_is_sent_while_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy:
        address = busy.getsockname()
        waiting = [socket.create_connection(address)]  # fills the queue: the next one hangs
        connection = HttpConnection(f"http://127.0.0.1:{address[1]}")
        assert not fails_after_sending(Deadline(SOON), DeadlineExceeded, connection)
        waiting[0].close()


def test_nothing_is_sent_in_a_tls_handshake_that_hangs(tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection = HttpConnection(f"https://127.0.0.1:{silent.getsockname()[1]}")
        assert not fails_after_sending(Deadline(SOON), DeadlineExceeded, connection)


def test_nothing_is_sent_to_a_server_without_tls() -> None:
    with ScriptedServer(reply(200)) as server:
        connection = HttpConnection(server.url.replace("http:", "https:"))
        assert not fails_after_sending(
            Deadline(5), requests.ConnectionError, connection, body=b"paid"
        )
    assert not server.requests


def test_nothing_is_sent_with_an_invalid_certificate(tls: ssl.SSLContext, resolves: Any) -> None:
    resolves("127.0.0.1")
    with ScriptedServer(reply(200), tls=tls) as server:
        connection = HttpConnection(
            f"https://127.0.0.1:{server.port}"
        )  # the certificate is for NAME
        assert not fails_after_sending(
            Deadline(5), requests.ConnectionError, connection, body=b"paid"
        )


def test_connection_closed_after_the_request_counts_as_sent() -> None:
    with ScriptedServer(disconnect) as server:
        assert fails_after_sending(
            Deadline(5),
            requests.ConnectionError,
            HttpConnection(server.url),
            body=b"x",
        )


# --- body limits -------------------------------------------------------------------------------


FLOODS: dict[str, ScriptedResponse] = {
    "a long body": reply(200, b"x" * 2000),
    "a body that never ends": flood(HEAD + b"\r\n"),
    "a chunk that never ends": flood(CHUNKED + b"ffffffffff\r\n"),
    "gzip": reply(200, gzip.compress(bytes(100_000_000)), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_body_is_read_up_to_the_limit(name: str) -> None:
    with ScriptedServer(FLOODS[name]) as server:
        assert fails_after_sending(Deadline(5), BodyTooLarge, HttpConnection(server.url))
        with pytest.raises(BodyTooLarge), Deadline(5):
            list(read_body(session().get(server.url, stream=True), 1000))


def test_chunk_header_has_a_maximum_length() -> None:
    with ScriptedServer(flood(CHUNKED)) as server:
        assert fails_after_sending(
            Deadline(5),
            requests.ConnectionError,
            HttpConnection(server.url),
        )


def test_body_of_a_redirect_is_not_read() -> None:
    with ScriptedServer(flood(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")) as server:
        response = session().get(server.url, stream=True)
        assert (response.status_code, list(read_body(response, 10))) == (302, [])
    assert [request.path for request in server.requests] == ["/"]


def test_unread_body_is_not_the_response_of_the_next_call() -> None:
    def respond_in_two_parts(accepted: socket.socket) -> None:
        whole = reply(200, b"x" * 200_000)
        first = whole.index(b"x") + 65536  # as much as is read at once: nothing seems to be left
        accepted.sendall(whole[:first])
        time.sleep(SOON / 2)
        accepted.sendall(whole[first:])

    with ScriptedServer(respond_in_two_parts, reply(200, "next")) as server:
        connection = HttpConnection(server.url)
        assert fails_after_sending(Deadline(5), BodyTooLarge, connection)
        assert send_within(connection).body == b"next"


# --- sessions and connections ------------------------------------------------------------------


def test_environment_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with ScriptedServer(reply(200, Set_Cookie="a=b")) as server:
        plain = session()
        plain.get(server.url)
        plain.get(server.url)
        send_within(HttpConnection(server.url))
    assert not any(
        {"authorization", "cookie"} & set(request.headers) for request in server.requests
    )


def test_calls_share_a_connection_that_the_server_keeps_open() -> None:
    with ScriptedServer(reply(200)) as server:
        connection = HttpConnection(server.url + "/base/")
        assert [send_within(connection).http_status for _ in range(3)] == [200, 200, 200]
    assert (server.connections, server.requests[0].path) == (1, "/base/x")


def test_each_thread_has_its_own_connection() -> None:
    with ScriptedServer(delayed(SOON, reply(200)), reply(200)) as server:
        connection = HttpConnection(server.url)
        with ThreadPoolExecutor(2) as pool:
            statuses = [each.http_status for each in pool.map(send, [connection] * 2)]
    assert (statuses, server.connections) == ([200, 200], 2)


def test_query_is_sent_again_when_the_server_has_closed_the_connection() -> None:
    closing = reply(200, "first")  # it announces to keep the connection
    with ScriptedServer(closing, disconnect, reply(200, "second"), disconnect) as server:
        connection = HttpConnection(server.url)
        assert send_within(connection).body == b"first"
        assert send_within(connection).body == b"second"
        # Never a POST, which may have been accepted.
        with pytest.raises(requests.ConnectionError):
            send(connection, body=b"{}")
    assert len(server.requests) == 4


def test_closed_connection_is_not_reused() -> None:
    def respond_and_close(accepted: socket.socket) -> None:
        accepted.sendall(reply(200))
        accepted.shutdown(socket.SHUT_RDWR)

    with ScriptedServer(respond_and_close) as server:
        connection = HttpConnection(server.url)
        for _ in range(3):
            send_within(connection)
            time.sleep(0.02)
    assert server.connections == 3


def _send_as_a_child(connection: HttpConnection, slow: HttpConnection) -> None:
    assert send_within(connection).http_status == 200
    assert fails_after_sending(Deadline(SOON), DeadlineExceeded, slow)


def test_forked_child_has_its_own_connections_and_deadlines() -> None:
    with ScriptedServer(reply(200)) as server, ScriptedServer(trickle(HEAD)) as slow_server:
        connection = HttpConnection(server.url)
        send_within(connection)
        child = multiprocessing.get_context("fork").Process(
            target=_send_as_a_child, args=(connection, HttpConnection(slow_server.url))
        )
        child.start()
        child.join(10)
        send_within(connection)
    assert child.exitcode == 0
    assert [request.connection for request in server.requests] == [0, 1, 0]


# --- guarded sessions --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "localhost", NAME]
)
def test_guarded_session_rejects_local_names_before_connecting(host: str, resolves: Any) -> None:
    resolves("127.0.0.1")
    limit = Deadline(5)
    with ScriptedServer(reply(200)) as server:
        with pytest.raises(AddressForbidden), limit:
            session(guarded=True).get(f"https://{host}:{server.port}/")
        time.sleep(0.02)
    assert (server.connections, limit.was_sent) == (0, False)


@pytest.mark.parametrize("url", ["http://example.com/", "ftp://example.com/", "file:///etc/hosts"])
def test_guarded_session_accepts_https_only(url: str) -> None:
    with pytest.raises(AddressForbidden):
        session(guarded=True).get(url)


def test_guarded_session_connects_to_the_checked_address_under_the_name(
    tls: ssl.SSLContext, certificate: Path, resolves: Any, public: str
) -> None:
    resolved = resolves("127.0.0.1", public)
    with ScriptedServer(reply(200, "ok"), host=public, tls=tls) as server:
        guarded = session(guarded=True)
        guarded.verify = str(certificate)
        response = guarded.get(f"https://{NAME}:{server.port}/a?b=c")
    assert (response.text, resolved) == (
        "ok",
        [NAME],
    )  # a second result could differ
    assert server.requests[0].headers["host"] == f"{NAME}:{server.port}"


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1:{port}/",
        "http://127.0.0.1:{port}/",
        "http://10.0.0.1/",
        "https://localhost/",
        "//169.254.169.254/latest",
    ],
)
def test_guarded_session_checks_redirect_targets(
    target: str, tls: ssl.SSLContext, certificate: Path, resolves: Any, public: str
) -> None:
    resolves(public)
    with ScriptedServer(reply(200)) as inside:
        leads = reply(302, Location=target.format(port=inside.port))
        with ScriptedServer(leads, host=public, tls=tls) as server:
            guarded = session(guarded=True)
            guarded.verify = str(certificate)
            with pytest.raises(AddressForbidden):
                guarded.get(f"https://{NAME}:{server.port}/", allow_redirects=True)
        assert (len(server.requests), inside.connections) == (1, 0)


def test_redirect_is_followed_only_when_requested() -> None:
    with ScriptedServer(reply(302, Location="/there"), reply(200, "ok")) as server:
        guarded = session(guarded=True, allow_origin=server.url)
        assert guarded.get(server.url).status_code == 302
        server.responses.insert(0, reply(302, Location="/there"))
        assert guarded.get(server.url, allow_redirects=True).text == "ok"


@pytest.fixture
def simulator() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply(200, "ok")) as server:
        yield server


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "HTTP://127.0.0.1:{port}/x?y"])
def test_allowed_origin_can_be_reached(url: str, simulator: ScriptedServer) -> None:
    guarded = session(guarded=True, allow_origin=simulator.url)
    assert guarded.get(url.format(port=simulator.port)).text == "ok"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}0/",
        "http://127.0.0.1:{port}@10.0.0.1/",
        "http://127.0.0.1/",
        "http://localhost:{port}/",
        "https://127.0.0.1:{port}/",
        "http://me@127.0.0.1:{port}/",
    ],
)
def test_other_origins_cannot_be_reached(url: str, simulator: ScriptedServer) -> None:
    guarded = session(guarded=True, allow_origin=simulator.url)
    with pytest.raises((AddressForbidden, requests.exceptions.InvalidURL)):
        guarded.get(url.format(port=simulator.port))
    assert simulator.connections == 0
