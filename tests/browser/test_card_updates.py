"""An open page refreshes its cards with few requests, and keeps focus and typing."""

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Request, expect

from generations.models import Generation, Member, Picture, Status
from tests.builders import make_generation, store_picture

pytestmark = pytest.mark.django_db(transaction=True)

PERIOD_SECONDS = 2.0


@pytest.fixture
def refreshes(page: Page) -> list[float]:
    """The times of the requests for changes."""
    times: list[float] = []

    def record(request: Request) -> None:
        if "/cards/changes" in request.url:
            times.append(time.monotonic())

    page.on("request", record)
    return times


def finish(row: Generation) -> None:
    """Finish it as the worker does: listed, stored, done."""
    row.mark_fetching([f"https://files.example/{row.pk}.png"])
    for picture in row.pictures.all():
        store_picture(picture)
    assert row.finish_if_complete()


def hide(page: Page, hidden: bool) -> None:
    """Simulate a hidden tab; headless tabs are always visible."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def wait_for(page: Page, condition: Callable[[], Any], seconds: float = 12) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        page.wait_for_timeout(50)


def test_open_cards_share_one_request_and_polling_stops_after_the_last(
    page: Page, owner: Member, refreshes: list[float]
) -> None:
    rows = [make_generation(Status.RUNNING, owner=owner) for _row in range(10)]
    page.goto("/")
    expect(page.locator("article[data-open]")).to_have_count(10)
    wait_for(page, lambda: len(refreshes) >= 3)
    gaps = [later - earlier for earlier, later in pairwise(refreshes)]
    assert all(PERIOD_SECONDS * 0.8 < gap < PERIOD_SECONDS * 1.5 for gap in gaps)
    for row in rows:
        finish(row)
    expect(page.locator('article[data-status="succeeded"] img')).to_have_count(10)
    expect(page.locator("#poller[data-hx-trigger]")).to_have_count(0)
    count = len(refreshes)
    page.wait_for_timeout(2.5 * 1000 * PERIOD_SECONDS)  # to see that no request is made
    assert len(refreshes) == count


def test_hidden_tab_stops_polling_and_polls_on_return(
    page: Page, owner: Member, refreshes: list[float]
) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    wait_for(page, lambda: refreshes)
    hide(page, True)
    count = len(refreshes)
    page.wait_for_timeout(2.5 * 1000 * PERIOD_SECONDS)  # to see that no request is made
    assert len(refreshes) == count
    finish(row)
    returned = time.monotonic()
    hide(page, False)
    expect(page.locator('article[data-status="succeeded"]')).to_be_visible(timeout=1500)
    assert refreshes[count] - returned < 1


def test_card_added_meanwhile_is_polled(page: Page, owner: Member) -> None:
    first = make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    page.get_by_label("Prompt", exact=True).fill("The second")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="The second")).to_be_visible()
    finish(first)
    expect(page.locator('article[data-status="succeeded"]')).to_have_count(1)
    second = Generation.objects.get(prompt="The second")
    second.cancel(owner, second.version)
    expect(page.get_by_role("article", name="The second").get_by_text("Canceled")).to_be_visible()
    expect(page.locator("#poller[data-hx-trigger]")).to_have_count(0)


def test_focus_survives_a_refresh(page: Page, owner: Member) -> None:
    others = [make_generation(owner=owner) for _row in range(2)]
    row = make_generation(owner=owner)
    page.goto("/")
    button = page.locator(f"#generation-{row.pk}-cancel")
    button.focus()
    others[0].cancel(owner, others[0].version)
    card = page.locator(f"#generation-{row.pk}")
    expect(card.get_by_text("2nd in queue")).to_be_visible()
    expect(button).to_be_focused()
    row.cancel(owner, row.version)
    expect(card.get_by_role("heading", name="Canceled")).to_be_focused()


def test_typing_survives_a_refresh(page: Page, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.press_sequentially("A long ")
    finish(row)
    expect(page.locator('article[data-status="succeeded"]')).to_be_visible()
    page.keyboard.type("sentence")
    expect(prompt).to_have_value("A long sentence")


def test_refresh_keeps_loaded_images(page: Page, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=2, stored=1)
    page.goto("/")
    page.locator("article img").evaluate("image => { image.mark = 'the same element' }")
    store_picture(row.pictures.get(state=Picture.State.WANTED))
    row.finish_if_complete()
    expect(page.locator("article img")).to_have_count(2)
    marks = page.locator("article img").evaluate_all("images => images.map(i => i.mark)")
    assert marks == ["the same element", None]


def test_finished_generation_is_announced(page: Page, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner, prompt="Dunes")
    page.goto("/")
    expect(page).to_have_title("(1) Studio - klingweb")
    finish(row)
    expect(page.get_by_role("status").get_by_text("The image is ready: Dunes")).to_be_attached()
    expect(page).to_have_title("Studio - klingweb")


def test_ended_session_redirects_the_page(
    page: Page, context: BrowserContext, owner: Member, console_errors: list[str]
) -> None:
    make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    context.clear_cookies()
    page.wait_for_url("**/accounts/login/?next=/")
    console_errors.clear()  # the 401 is what this test is about


def test_lost_connection_is_shown_until_it_returns(
    page: Page, context: BrowserContext, owner: Member, console_errors: list[str]
) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    context.set_offline(True)
    expect(page.get_by_text("No connection.")).to_be_visible()
    context.set_offline(False)
    finish(row)
    expect(page.locator('article[data-status="succeeded"]')).to_be_visible()
    expect(page.get_by_text("No connection.")).to_be_hidden()
    console_errors.clear()  # a lost connection is an error to the browser


def test_elapsed_seconds_are_counted_in_the_browser(page: Page, owner: Member) -> None:
    make_generation(Status.RUNNING, owner=owner)
    page.goto("/")
    seconds = page.locator("article [data-seconds]")
    expect(seconds).not_to_have_text(seconds.inner_text())


def test_generation_page_refreshes_with_its_details(page: Page, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    page.goto(f"/generations/{row.pk}/")
    finish(row)
    expect(page.locator("article img")).to_be_visible()
    expect(page.locator(".history").get_by_text("Images stored")).to_be_visible()
    expect(page.locator("#poller[data-hx-trigger]")).to_have_count(0)
