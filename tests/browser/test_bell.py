"""The bell: mouse, keyboard, phones, without scripts, and cards that end in a hidden tab."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Member, Notification, Status
from tests.browser.conftest import sign_in
from tests.browser.test_notifications import FAKE_OUTPUTS
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def ready(owner: Member) -> Generation:
    row = make_generation(Status.FETCHING, owner=owner, n=4, stored=4)
    assert row.finish_if_complete()
    return row


def unread(owner: Member) -> int:
    return Notification.objects.unread_of(owner).count()


def test_list_opens_below_the_bell_and_marks_nothing(
    page: Page, owner: Member, ready: Generation
) -> None:
    page.goto("/gallery/")
    page.locator("#bell").click()
    entry = page.get_by_role("link", name="4 images are ready")
    expect(entry).to_be_visible()
    expect(page.locator("#bell")).to_have_attribute("aria-expanded", "true")
    assert unread(owner) == 1
    page.locator("#bell").click()
    expect(entry).to_be_hidden()
    page.locator("#bell").click()
    entry.click()
    page.wait_for_url(f"**/generations/{ready.pk}/")
    expect(page.locator("#unread-dot *")).to_have_count(0)
    assert unread(owner) == 0


def test_keyboard_opens_closes_and_marks_all_as_read(
    page: Page, owner: Member, ready: Generation
) -> None:
    page.goto("/gallery/")
    page.keyboard.press("g")
    page.keyboard.press("n")
    expect(page.get_by_role("button", name="Mark all as read")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#notifications")).to_be_hidden()
    expect(page.locator("#bell")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Mark all as read")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#unread-dot *")).to_have_count(0)
    expect(page.get_by_role("link", name="4 images are ready")).to_be_focused()
    assert unread(owner) == 0


def test_phone_opens_a_page(page: Page, owner: Member, ready: Generation) -> None:
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.goto("/gallery/")
    page.locator("#bell").click()
    page.wait_for_url("**/notifications/")
    page.get_by_role("link", name="4 images are ready").click()
    page.wait_for_url(f"**/generations/{ready.pk}/")


def test_without_scripts_the_bell_is_a_link(
    chromium: Browser, live_server: LiveServer, owner: Member
) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    page = context.pages[0]
    assert make_generation(Status.FETCHING, owner=owner, stored=1).finish_if_complete()
    page.goto("/gallery/")
    page.get_by_role("link", name="Notifications").click()
    expect(page.get_by_role("heading", name="Notifications")).to_be_visible()
    page.get_by_role("button", name="Mark all as read").click()
    expect(page.get_by_role("button", name="Mark all as read")).to_have_count(0)
    assert unread(owner) == 0
    context.close()


def test_card_that_ends_before_ones_eyes_is_no_news(page: Page, owner: Member) -> None:
    row = make_generation(Status.FETCHING, owner=owner, stored=1)
    page.goto("/")
    assert row.finish_if_complete()
    page.evaluate("htmx.trigger('#poller', 'refresh')")
    expect(page.locator(f"#generation-{row.pk}")).to_have_attribute("data-state", "succeeded")
    assert unread(owner) == 0
    expect(page.locator("#unread-dot *")).to_have_count(0)


def test_card_that_ends_in_a_hidden_tab_is_news_until_the_tab_is_shown(
    context: BrowserContext, owner: Member
) -> None:
    Member.objects.filter(pk=owner.pk).update(browser_notifications=True)  # so that it polls
    row = make_generation(Status.FETCHING, owner=owner, stored=1)
    context.add_init_script(FAKE_OUTPUTS)
    page = context.pages[0]
    page.goto("/")
    page.evaluate("window.isHidden = true")
    assert row.finish_if_complete()
    page.evaluate("Date.now = () => 9e15")  # the next poll of a hidden tab is due
    page.evaluate("htmx.trigger('#poller', 'refresh')")
    expect(page.locator(f"#generation-{row.pk}")).to_have_attribute("data-state", "succeeded")
    assert unread(owner) == 1
    with page.expect_response("**/cards/changes**"):
        page.evaluate(
            "window.isHidden = false; document.dispatchEvent(new Event('visibilitychange'))"
        )
    assert unread(owner) == 0
