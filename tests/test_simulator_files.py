"""The simulator's file faults."""

import io
from typing import Any

import pytest
import requests  # noqa: TID251
from PIL import Image

from tests.simulator import Simulator, image_urls


def create_files(simulator: Simulator, scenario: str, **params: Any) -> list[str]:
    """Create a task in a scenario, and return the URLs of its files."""
    task_id = simulator.create_task(scenario, **params)
    return image_urls(simulator.query_when_ended(task_id))


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
def test_file_has_another_status_or_content_type(
    simulator: Simulator, name: str, status: int, kind: str
) -> None:
    (url,) = create_files(simulator, name)
    response = requests.get(url, timeout=10)
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith(kind)


@pytest.mark.parametrize(
    ("name", "target"),
    [("file-redirect-private", "http://169.254"), ("file-redirect-scheme", "file:///")],
)
def test_file_redirects_to_a_forbidden_target(simulator: Simulator, name: str, target: str) -> None:
    (url,) = create_files(simulator, name)
    response = requests.get(url, timeout=10, allow_redirects=False)
    assert response.headers["Location"].startswith(target)


def test_redirect_goes_to_the_given_target(simulator: Simulator) -> None:
    target = f"{simulator.url}/somewhere"
    (url,) = create_files(simulator, "file-redirect-private", redirect_to=target)
    assert requests.get(url, timeout=10).url == target


def test_expired_url_is_replaced_by_another_query(simulator: Simulator) -> None:
    task_id = simulator.create_task("file-403-once")
    (expired,) = image_urls(simulator.query_when_ended(task_id))
    (renewed,) = image_urls(simulator.query(task_id).json())
    assert [requests.get(url, timeout=10).status_code for url in (expired, renewed)] == [403, 200]
    (dated,) = create_files(simulator, "file-403-later", url_seconds=0)
    assert requests.get(dated, timeout=10).status_code == 403


def test_one_file_of_several_is_missing(simulator: Simulator) -> None:
    urls = create_files(simulator, "file-404", n=3, only=1)
    assert [requests.get(url, timeout=10).status_code for url in urls] == [200, 404, 200]


def test_download_works_the_third_time(simulator: Simulator) -> None:
    (url,) = create_files(simulator, "file-500-twice")
    assert [requests.get(url, timeout=10).status_code for _ in range(3)] == [500, 500, 200]


def test_file_is_truncated(simulator: Simulator) -> None:
    (url,) = create_files(simulator, "file-truncated")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        requests.get(url, timeout=10)


@pytest.mark.parametrize("name", ["file-slow", "file-silent", "file-huge"])
def test_download_times_out(simulator: Simulator, name: str) -> None:
    (url,) = create_files(simulator, name, file_seconds=60)
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=0.2)


def test_file_is_a_decompression_bomb(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_478_485)  # Pillow's; klingweb raises it
    (url,) = create_files(simulator, "file-bomb")
    content = requests.get(url, timeout=30).content
    assert len(content) < 2**20
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(content))


def test_endless_file_does_not_block_other_requests(
    simulator: Simulator, capfd: pytest.CaptureFixture[str]
) -> None:
    (url,) = create_files(simulator, "file-endless")
    with requests.get(url, timeout=10, stream=True) as response:
        chunks = response.iter_content(2**16)
        assert sum(len(next(chunks)) for _ in range(500)) > 10 * 2**20
    assert simulator.submit().status_code == 200
    assert capfd.readouterr().err == ""
