"""The simulator's file host misbehaves as its scenarios say."""

import io
from typing import Any

import pytest
import requests  # noqa: TID251
from PIL import Image

from tests.simulator import Simulator, urls

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("name", "status", "kind"),
    [
        ("file-404", 404, "text/html"),
        ("file-410", 410, "text/html"),
        ("file-html", 200, "text/html"),
        ("file-html-as-png", 200, "image/png"),
        ("file-svg", 200, "image/svg+xml"),
        ("file-octets", 200, "application/octet-stream"),
        ("file-jpeg", 200, "image/jpeg"),
        ("file-empty", 200, "image/png"),
    ],
)
def test_a_file_is_something_else(simulator: Simulator, name: str, status: int, kind: str) -> None:
    (url,) = urls(simulator.ended(simulator.make(name)))
    response = requests.get(url, timeout=10)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("name", "to"),
    [("file-redirect-private", "http://169.254"), ("file-redirect-scheme", "file:///")],
)
def test_a_file_is_said_to_be_where_nobody_should_look(
    simulator: Simulator, name: str, to: str
) -> None:
    (url,) = urls(simulator.ended(simulator.make(name)))
    response = requests.get(url, timeout=10, allow_redirects=False)
    assert response.headers["Location"].startswith(to)


def test_a_redirect_leads_where_it_was_ordered_to(simulator: Simulator) -> None:
    target = f"{simulator.url}/somewhere"
    (url,) = urls(simulator.ended(simulator.make("file-redirect-private", redirect_to=target)))
    assert requests.get(url, timeout=10).url == target


def test_a_url_grows_old_and_a_query_gives_a_fresh_one(simulator: Simulator) -> None:
    task_id = simulator.make("file-403-once")
    (old,) = urls(simulator.ended(task_id))
    (fresh,) = urls(simulator.query(task_id).json())
    assert [requests.get(url, timeout=10).status_code for url in (old, fresh)] == [403, 200]
    (dated,) = urls(simulator.ended(simulator.make("file-403-later", url_seconds=0)))
    assert requests.get(dated, timeout=10).status_code == 403


def test_one_file_of_several_is_lost(simulator: Simulator) -> None:
    found = urls(simulator.ended(simulator.make("file-404", n=3, only=1)))
    assert [requests.get(url, timeout=10).status_code for url in found] == [200, 404, 200]


def test_a_download_is_better_the_third_time(simulator: Simulator) -> None:
    (url,) = urls(simulator.ended(simulator.make("file-500-twice")))
    assert [requests.get(url, timeout=10).status_code for _ in range(3)] == [500, 500, 200]


def test_a_file_is_cut_in_the_middle(simulator: Simulator) -> None:
    (url,) = urls(simulator.ended(simulator.make("file-truncated")))
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize("name", ["file-slow", "file-silent", "file-huge"])
def test_a_file_does_not_come_to_an_end(simulator: Simulator, name: str) -> None:
    (url,) = urls(simulator.ended(simulator.make(name, file_seconds=60)))
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=0.2)


def test_a_small_file_is_a_bomb(simulator: Simulator) -> None:
    (url,) = urls(simulator.ended(simulator.make("file-bomb")))
    content = requests.get(url, timeout=30).content
    assert len(content) < 2**20
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))


def test_a_file_never_ends(simulator: Simulator, capfd: pytest.CaptureFixture[str]) -> None:
    (url,) = urls(simulator.ended(simulator.make("file-endless")))
    with requests.get(url, timeout=10, stream=True) as response:
        pieces = response.iter_content(2**16)
        assert sum(len(next(pieces)) for _ in range(500)) > 10 * 2**20
    assert simulator.submit().status_code == 200
    assert capfd.readouterr().err == ""
