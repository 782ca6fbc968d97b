"""The whole story once: real processes, real HTTP, nothing patched but addresses."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
import requests  # noqa: TID251
from PIL import Image
from playwright.sync_api import Browser, Request, expect

from tests.installation import ADMIN_PASSWORD, Installation, wait_until
from tests.simulator import Simulator

PERIOD_SECONDS = 2


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulator]:
    with Simulator(seconds=(0.5, 1)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def installation(
    upstream: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("house")
    with Installation(
        folder, upstream_url=upstream.url, poll_seconds="0.5,1,1,1"
    ).prepare() as installation:
        installation.open()
        yield installation


def _only_row(installation: Installation, prompt: str) -> dict[str, object]:
    (row,) = installation.rows("SELECT * FROM generations_generation WHERE prompt = ?", prompt)
    return row


def test_a_press_becomes_pictures_in_the_card(
    installation: Installation, upstream: Simulator
) -> None:
    person = installation.sign_in()
    response = person.generate("two quiet hills", n=2, aspect_ratio="3:2")
    row = _only_row(installation, "two quiet hills")
    assert response.url.endswith(f"/#generation-{row['id']}")
    assert f'id="generation-{row["id"]}"' in response.text

    wait_until(installation.is_idle, what="the row is final")
    card = person.get(f"/generations/{row['id']}/").text
    assert 'data-status="succeeded"' in card
    pictures = installation.rows(
        "SELECT * FROM generations_picture WHERE generation_id = ?", row["id"]
    )
    assert [picture["state"] for picture in pictures] == ["stored", "stored"]
    for picture in pictures:
        address = f"/files/{picture['id']}/original"
        stored = person.get(address)
        assert stored.headers["Content-Type"] == "image/png"
        stored_file = installation.folder / "files" / picture["file"]
        assert stored.content == stored_file.read_bytes()
        with Image.open(stored_file) as image:
            assert (image.width, image.height) == (picture["width"], picture["height"])

    (sent,) = [one for one in upstream.requests("submit") if one["prompt"] == "two quiet hills"]
    assert sent["authorization"]
    assert sorted(sent["body_keys"]) == ["aspect_ratio", "n", "prompt"]
    moves = installation.rows("SELECT to_status FROM generations_transition ORDER BY id")
    story = ["queued", "submitting", "running", "fetching", "succeeded"]
    assert [move["to_status"] for move in moves] == story


def test_a_stranger_sees_nothing_of_it(installation: Installation) -> None:
    (picture,) = installation.rows("SELECT id FROM generations_picture ORDER BY id LIMIT 1")
    for path in ("/", "/generations/1/", f"/files/{picture['id']}/original", "/cards/changes"):
        response = requests.get(installation.url + path, allow_redirects=False, timeout=10)
        assert response.status_code == 302
        assert "/accounts/login/" in response.headers["Location"]


def test_twenty_parallel_posts_of_one_form_make_one_row_and_one_submit(
    installation: Installation, upstream: Simulator
) -> None:
    person = installation.sign_in()
    nonce = str(uuid4())
    with ThreadPoolExecutor(20) as pool:
        responses = list(
            pool.map(lambda _number: person.generate("one door", nonce=nonce), range(20))
        )  # fmt: skip
    assert [response.status_code for response in responses] == [200] * 20
    row = _only_row(installation, "one door")
    wait_until(installation.is_idle, what="the row is final")
    assert len([one for one in upstream.requests("submit") if one["prompt"] == "one door"]) == 1
    assert {response.url for response in responses} == {
        f"{installation.url}/#generation-{row['id']}"
    }


def test_ten_cards_refresh_in_a_browser_with_one_request_a_period(
    installation: Installation, upstream: Simulator, chromium: Browser
) -> None:
    upstream.settings(seconds=[12, 16])
    page = chromium.new_page()
    page.goto(f"{installation.url}/accounts/login/")
    page.get_by_label("User name").fill("admin")
    page.get_by_label("Password").fill(ADMIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    refreshes: list[tuple[float, int]] = []
    page.on("request", lambda request: _note_refresh(request, refreshes))
    for number in range(10):
        page.get_by_role("textbox", name="Prompt", exact=True).fill(f"ten boats, {number}")
        page.get_by_role("button", name="Generate").click()
        expect(page.locator("article", has_text=f"ten boats, {number}")).to_be_visible()
    done = page.locator('article[data-status="succeeded"]', has_text="ten boats")
    expect(done).to_have_count(10, timeout=60_000)
    expect(done.locator("img")).to_have_count(10)
    # Ten open cards were asked for together, never more often than once a period.
    assert max(cards for _at, cards in refreshes) == 10
    watched_seconds = refreshes[-1][0] - refreshes[0][0]
    assert 3 < len(refreshes) <= watched_seconds / PERIOD_SECONDS + 2

    # Nothing is open any more: watched for two periods, no request may come.
    expect(page.locator("#poller[data-hx-trigger]")).to_have_count(0)
    before = len(refreshes)
    page.wait_for_timeout(2000 * PERIOD_SECONDS)
    assert len(refreshes) == before
    page.close()


def _note_refresh(request: Request, refreshes: list[tuple[float, int]]) -> None:
    if "/cards/changes" in request.url:
        asked = parse_qs(urlsplit(request.url).query).get("k", [""])[0]
        refreshes.append((time.monotonic(), len(asked.split(","))))


def test_health_tells_that_both_are_alive(installation: Installation) -> None:
    wait_until(
        lambda: requests.get(f"{installation.url}/healthz", timeout=10).ok, what="all is well"
    )
    health = requests.get(f"{installation.url}/healthz", timeout=10).json()
    assert set(health.values()) == {"ok"}
