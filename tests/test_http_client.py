"""A call can neither hang, nor flood us, nor reach where it must not: over real sockets."""

import gzip
import multiprocessing
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: TID251

from generations.engines import http_client
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


def ask(
    line: http_client.HttpConnection, body: bytes | None = None, max_bytes: int = 1000
) -> http_client.Answer:
    return line.ask(
        "POST" if body else "GET", "/x", headers={}, body=body, connect_seconds=5,
        max_bytes=max_bytes,
    )  # fmt: skip


def fails(
    call: http_client.Call,
    error: type[OSError],
    line: http_client.HttpConnection,
    body: bytes | None = None,
) -> bool:
    """It ends in this error; whether anything was sent by then."""
    with pytest.raises(error), call:
        ask(line, body)
    return call.was_sent


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let NAME resolve to these addresses, and return the list of the questions asked."""
    real, asked = socket.getaddrinfo, []

    def resolves(*addresses: str, seconds: float = 0) -> list[str]:
        def getaddrinfo(host: str, *args: Any, **kwargs: Any) -> Any:
            if host != NAME:
                return real(host, *args, **kwargs)
            asked.append(host)
            time.sleep(seconds)
            return [info for address in addresses for info in real(address, *args, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        return asked

    return resolves


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for NAME, and its key, in one file."""
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
            "-keyout", path, "-out", path.with_suffix(".crt"),
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    path.write_bytes(path.read_bytes() + path.with_suffix(".crt").read_bytes())
    return path


@pytest.fixture
def tls(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """What a server shows as NAME; lines trust it."""
    monkeypatch.setattr(
        http_client, "_trust", lambda: ssl.create_default_context(cafile=certificate)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> str:
    """An address of this machine that counts as public."""
    monkeypatch.setattr(http_client, "is_public", lambda ip: ip == "127.0.0.2")
    return "127.0.0.2"


# --- it cannot hang -----------------------------------------------------------------------------


SLOW: dict[str, ScriptedResponse] = {
    "silence": lambda _: time.sleep(5),
    "a header that never ends": trickle(HEAD + b"X-Slow: "),
    "headers that never end": trickle(HEAD, b"X: 1\r\n"),
    "a body that drips": trickle(HEAD + b"Content-Length: 900\r\n\r\n"),
    "a body of no length that drips": trickle(HEAD + b"\r\n"),
    "chunks that drip": trickle(CHUNKED, b"1\r\nx\r\n"),
    "a chunk that never starts": trickle(CHUNKED, b"1"),
    "continue, for ever": trickle(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "continue, at once and for ever": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_is_cut_at_the_deadline(name: str) -> None:
    with ScriptedServer(SLOW[name]) as server:
        assert fails(
            http_client.deadline(SOON), http_client.TooSlow, http_client.HttpConnection(server.url)
        )


@pytest.mark.parametrize("name", SLOW)
def test_a_slow_answer_over_tls_is_too_slow(name: str, tls: ssl.SSLContext, resolves: Any) -> None:
    resolves("127.0.0.1")
    with ScriptedServer(SLOW[name], tls=tls) as server:
        line = http_client.HttpConnection(f"https://{NAME}:{server.port}")
        assert fails(http_client.deadline(SOON), http_client.TooSlow, line)


def test_a_cut_answer_of_no_length_is_not_taken_for_a_whole_one() -> None:
    with ScriptedServer(trickle(HEAD + b"\r\n")) as server, pytest.raises(http_client.TooSlow):  # noqa: SIM117
        with http_client.deadline(SOON):
            http_client.read_body(http_client.session().get(server.url, stream=True), 1000)


def test_a_server_that_does_not_read_cuts_the_sending_short() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        line = http_client.HttpConnection(f"http://127.0.0.1:{deaf.getsockname()[1]}")
        assert fails(http_client.deadline(SOON), http_client.TooSlow, line, body=b"x" * 30_000_000)


def test_sending_may_take_longer_than_connecting() -> None:
    def reads_late(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        time.sleep(SOON)
        while not accepted.recv(1_000_000).endswith(b"end"):
            pass
        accepted.sendall(reply(200, "ok"))

    with socket.create_server(("127.0.0.1", 0)) as listening, http_client.deadline(5):
        threading.Thread(target=reads_late, args=(listening,), daemon=True).start()
        line = http_client.HttpConnection(f"http://127.0.0.1:{listening.getsockname()[1]}")
        body = b"x" * 30_000_000 + b"end"
        answer = line.ask(
            "POST", "/", headers={}, body=body, connect_seconds=SOON / 4, max_bytes=10
        )
    assert answer.body == b"ok"


def test_the_deadline_of_one_call_spares_the_next_on_its_connection() -> None:
    with ScriptedServer(reply(200), delayed(3 * SOON, reply(200, "whole"))) as server:
        line = http_client.HttpConnection(server.url)
        with pytest.raises(http_client.TooSlow), http_client.deadline(SOON):
            ask(line)
            other = threading.Thread(target=lambda: answers.append(ask_within(line)))
            answers: list[http_client.Answer] = []
            other.start()
            time.sleep(2 * SOON)
        other.join()
    assert (answers[0].body, server.connections) == (b"whole", 1)


def ask_within(line: http_client.HttpConnection, seconds: float = 5) -> http_client.Answer:
    with http_client.deadline(seconds):
        return ask(line)


def test_many_calls_share_one_thread_and_leave_nothing_behind() -> None:
    with ScriptedServer(reply(200)) as server:
        line = http_client.HttpConnection(server.url)
        for _ in range(200):
            ask_within(line)
    reapers = [thread for thread in threading.enumerate() if thread.name == "reaper"]
    assert (len(reapers), http_client._reaper.calls) == (1, set())


# --- it knows whether anything was sent -----------------------------------------------------------


def test_nothing_is_sent_where_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        line = http_client.HttpConnection(f"http://127.0.0.1:{gone.getsockname()[1]}")
    assert not fails(http_client.deadline(5), requests.ConnectionError, line)


def test_nothing_is_sent_when_the_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror("name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    line = http_client.HttpConnection(f"http://{NAME}")
    assert not fails(http_client.deadline(5), requests.ConnectionError, line)


def test_nothing_is_sent_while_the_name_is_being_resolved(resolves: Any) -> None:
    resolves("127.0.0.1", seconds=2 * SOON)
    assert not fails(
        http_client.deadline(SOON),
        http_client.TooSlow,
        http_client.HttpConnection(f"http://{NAME}:9"),
    )


def test_nothing_is_sent_while_connecting() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as busy:
        address = busy.getsockname()
        waiting = [socket.create_connection(address)]  # fills the queue: the next one hangs
        line = http_client.HttpConnection(f"http://127.0.0.1:{address[1]}")
        assert not fails(http_client.deadline(SOON), http_client.TooSlow, line)
        waiting[0].close()


def test_nothing_is_sent_in_a_tls_handshake_that_hangs(tls: ssl.SSLContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        line = http_client.HttpConnection(f"https://127.0.0.1:{mute.getsockname()[1]}")
        assert not fails(http_client.deadline(SOON), http_client.TooSlow, line)


def test_nothing_is_sent_to_who_speaks_no_tls() -> None:
    with ScriptedServer(reply(200)) as server:
        line = http_client.HttpConnection(server.url.replace("http:", "https:"))
        assert not fails(http_client.deadline(5), requests.ConnectionError, line, body=b"paid")
    assert not server.requests


def test_nothing_is_sent_to_whom_we_do_not_trust(tls: ssl.SSLContext, resolves: Any) -> None:
    resolves("127.0.0.1")
    with ScriptedServer(reply(200), tls=tls) as server:
        line = http_client.HttpConnection(
            f"https://127.0.0.1:{server.port}"
        )  # the certificate is for NAME
        assert not fails(http_client.deadline(5), requests.ConnectionError, line, body=b"paid")


def test_a_connection_cut_after_the_request_counts_as_sent() -> None:
    with ScriptedServer(disconnect) as server:
        assert fails(
            http_client.deadline(5),
            requests.ConnectionError,
            http_client.HttpConnection(server.url),
            body=b"x",
        )


# --- it cannot flood us ---------------------------------------------------------------------------


FLOODS: dict[str, ScriptedResponse] = {
    "a long body": reply(200, b"x" * 2000),
    "a body that never ends": flood(HEAD + b"\r\n"),
    "a chunk that never ends": flood(CHUNKED + b"ffffffffff\r\n"),
    "gzip": reply(200, gzip.compress(bytes(100_000_000)), Content_Encoding="gzip"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_body_is_read_up_to_the_cap(name: str) -> None:
    with ScriptedServer(FLOODS[name]) as server:
        assert fails(
            http_client.deadline(5), http_client.TooLarge, http_client.HttpConnection(server.url)
        )
        with pytest.raises(http_client.TooLarge), http_client.deadline(5):
            http_client.read_body(http_client.session().get(server.url, stream=True), 1000)


def test_a_line_before_a_chunk_has_an_end() -> None:
    with ScriptedServer(flood(CHUNKED)) as server:
        assert fails(
            http_client.deadline(5),
            requests.ConnectionError,
            http_client.HttpConnection(server.url),
        )


def test_the_endless_body_of_a_redirect_is_not_read() -> None:
    with ScriptedServer(flood(b"HTTP/1.1 302 Found\r\nLocation: /there\r\n\r\n")) as server:
        response = http_client.session().get(server.url, stream=True)
        assert (response.status_code, http_client.read_body(response, 10)) == (302, b"")
    assert [request.path for request in server.requests] == ["/"]


def test_what_was_not_read_is_not_the_answer_of_the_next_call() -> None:
    def in_two(accepted: socket.socket) -> None:
        whole = reply(200, b"x" * 200_000)
        first = whole.index(b"x") + 65536  # as much as is read at once: nothing seems to be left
        accepted.sendall(whole[:first])
        time.sleep(SOON / 2)
        accepted.sendall(whole[first:])

    with ScriptedServer(in_two, reply(200, "next")) as server:
        line = http_client.HttpConnection(server.url)
        assert fails(http_client.deadline(5), http_client.TooLarge, line)
        assert ask_within(line).body == b"next"


# --- it takes nothing along, and keeps what it may ----------------------------------------------


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret")
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HOME", str(tmp_path))
    with ScriptedServer(reply(200, Set_Cookie="a=b")) as server:
        session = http_client.session()
        session.get(server.url)
        session.get(server.url)
        ask_within(http_client.HttpConnection(server.url))
    assert not any({"authorization", "cookie"} & set(asked.headers) for asked in server.requests)


def test_calls_share_a_connection_that_the_other_side_keeps() -> None:
    with ScriptedServer(reply(200)) as server:
        line = http_client.HttpConnection(server.url + "/base/")
        assert [ask_within(line).http_status for _ in range(3)] == [200, 200, 200]
    assert (server.connections, server.requests[0].path) == (1, "/base/x")


def test_a_connection_that_was_closed_meanwhile_is_not_used() -> None:
    def says_and_leaves(accepted: socket.socket) -> None:
        accepted.sendall(reply(200))
        accepted.shutdown(socket.SHUT_RDWR)

    with ScriptedServer(says_and_leaves) as server:
        line = http_client.HttpConnection(server.url)
        for _ in range(3):
            ask_within(line)
            time.sleep(0.02)
    assert server.connections == 3


def _asks_as_a_child(line: http_client.HttpConnection, slow: http_client.HttpConnection) -> None:
    assert ask_within(line).http_status == 200
    assert fails(http_client.deadline(SOON), http_client.TooSlow, slow)


def test_a_forked_child_has_its_own_connections_and_deadlines() -> None:
    with ScriptedServer(reply(200)) as server, ScriptedServer(trickle(HEAD)) as dripping:
        line = http_client.HttpConnection(server.url)
        ask_within(line)
        child = multiprocessing.get_context("fork").Process(
            target=_asks_as_a_child, args=(line, http_client.HttpConnection(dripping.url))
        )
        child.start()
        child.join(10)
        ask_within(line)
    assert child.exitcode == 0
    assert [asked.connection for asked in server.requests] == [0, 1, 0]


# --- the guard ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1",  # noqa: S104
        "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255",
        "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
        "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.255.255.255", "240.0.0.1",
        "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
        "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1",
        "2001:10::1", "2001:20::1", "2001:db8::1", "2002:7f00:1::", "3fff::1", "5f00::1",
        "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
        "no address", "",
    ],
)  # fmt: skip
def test_the_guard_refuses_what_is_not_public(address: str) -> None:
    assert not http_client.is_public(address)


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "223.1.1.1",
     "2606:4700::1111", "2a00:1450:4001::1", "2001:4860:4860::8888"],
)  # fmt: skip
def test_the_guard_lets_the_public_internet_pass(address: str) -> None:
    assert http_client.is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "localhost", NAME]
)
def test_a_name_of_this_machine_is_refused_before_connecting(host: str, resolves: Any) -> None:
    resolves("127.0.0.1")
    call = http_client.deadline(5)
    with ScriptedServer(reply(200)) as server:
        with pytest.raises(http_client.Forbidden), call:
            http_client.session(guarded=True).get(f"https://{host}:{server.port}/")
        time.sleep(0.02)
    assert (server.connections, call.was_sent) == (0, False)


@pytest.mark.parametrize("url", ["http://example.com/", "ftp://example.com/", "file:///etc/hosts"])
def test_a_guarded_session_speaks_https_only(url: str) -> None:
    with pytest.raises(http_client.Forbidden):
        http_client.session(guarded=True).get(url)


def test_it_connects_to_the_checked_address_under_the_name(
    tls: ssl.SSLContext, certificate: Path, resolves: Any, public: str
) -> None:
    asked = resolves("127.0.0.1", public)
    with ScriptedServer(reply(200, "ok"), host=public, tls=tls) as server:
        session = http_client.session(guarded=True)
        session.verify = str(certificate)
        response = session.get(f"https://{NAME}:{server.port}/a?b=c")
    assert (response.text, asked) == ("ok", [NAME])  # asked once: DNS has no second word
    assert server.requests[0].headers["host"] == f"{NAME}:{server.port}"


@pytest.mark.parametrize(
    "target",
    ["https://127.0.0.1:{port}/", "http://127.0.0.1:{port}/", "http://10.0.0.1/",
     "https://localhost/", "//169.254.169.254/latest"],
)  # fmt: skip
def test_the_guard_holds_after_a_redirect(
    target: str, tls: ssl.SSLContext, certificate: Path, resolves: Any, public: str
) -> None:
    resolves(public)
    with ScriptedServer(reply(200)) as inside:
        leads = reply(302, Location=target.format(port=inside.port))
        with ScriptedServer(leads, host=public, tls=tls) as server:
            session = http_client.session(guarded=True)
            session.verify = str(certificate)
            with pytest.raises(http_client.Forbidden):
                session.get(f"https://{NAME}:{server.port}/", allow_redirects=True)
        assert (len(server.requests), inside.connections) == (1, 0)


def test_a_redirect_is_followed_when_asked_for() -> None:
    with ScriptedServer(reply(302, Location="/there"), reply(200, "ok")) as server:
        session = http_client.session(guarded=True, allow_origin=server.url)
        assert session.get(server.url).status_code == 302
        server.responses.insert(0, reply(302, Location="/there"))
        assert session.get(server.url, allow_redirects=True).text == "ok"


@pytest.fixture
def simulator() -> Iterator[ScriptedServer]:
    with ScriptedServer(reply(200, "ok")) as server:
        yield server


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "HTTP://127.0.0.1:{port}/x?y"])
def test_the_one_allowed_origin_is_reached(url: str, simulator: ScriptedServer) -> None:
    session = http_client.session(guarded=True, allow_origin=simulator.url)
    assert session.get(url.format(port=simulator.port)).text == "ok"


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}0/", "http://127.0.0.1:{port}@10.0.0.1/", "http://127.0.0.1/",
     "http://localhost:{port}/", "https://127.0.0.1:{port}/", "http://me@127.0.0.1:{port}/"],
)  # fmt: skip
def test_nothing_beside_the_allowed_origin_is_reached(url: str, simulator: ScriptedServer) -> None:
    session = http_client.session(guarded=True, allow_origin=simulator.url)
    with pytest.raises((http_client.Forbidden, requests.exceptions.InvalidURL)):
        session.get(url.format(port=simulator.port))
    assert simulator.connections == 0
