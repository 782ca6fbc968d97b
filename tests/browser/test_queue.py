"""Pauses on open pages, entering a task ID by keyboard, and page widths."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Member, Status, UpstreamGate
from tests.browser.conftest import sign_in
from tests.builders import make_generation, make_submission

pytestmark = pytest.mark.django_db(transaction=True)

HORIZONTAL_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_open_page_shows_a_pause_and_its_end(page: Page, owner: Member, admin: Member) -> None:
    make_generation(Status.RUNNING, owner=owner)
    page.reload()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    expect(page.get_by_role("region", name="Generation is paused: Lunch")).to_be_visible()
    UpstreamGate.for_engine().resume()
    expect(page.locator("#banner-title")).to_have_count(0)


def test_task_id_form_keeps_the_focus_when_used_by_keyboard(
    context: BrowserContext, owner: Member, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    make_submission(row)
    make_generation(Status.RUNNING, upstream_task_id="taken")
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.goto(f"/generations/{row.pk}/")
    page.get_by_text("Enter task ID").press("Enter")
    field = page.get_by_label("Task ID from the gateway’s log")
    field.fill("taken")
    field.press("Enter")
    expect(page.get_by_text("Another generation already has this task")).to_be_visible()
    expect(field).to_have_value("taken")
    expect(field).to_be_focused()
    field.fill("found-in-the-log")
    field.press("Enter")
    expect(page.get_by_text("Task ID entered by an admin")).to_be_visible()
    expect(page.locator(f"#generation-{row.pk}-title")).to_be_focused()


def test_forms_beside_each_other_keep_what_was_typed(
    context: BrowserContext, admin: Member
) -> None:
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.goto("/admin/queue/")
    reason, limit = page.get_by_label("Reason"), page.get_by_label("Images in progress at once")
    reason.fill("The budget is spent")
    limit.fill("7")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved. The worker uses these values from now on.")).to_be_visible()
    expect(reason).to_have_value("The budget is spent")
    limit.fill("9")
    page.get_by_role("button", name="Pause generation").click()
    expect(page.get_by_role("button", name="Resume").first).to_be_visible()
    expect(limit).to_have_value("9")
    page.reload()
    expect(limit).to_have_value("7")


def test_open_queue_page_follows_a_pause_and_a_hold_and_keeps_what_is_typed(
    context: BrowserContext, admin: Member
) -> None:
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.clock.install()
    page.goto("/admin/queue/")
    reason = page.get_by_label("Reason")
    expect(page.locator("#queue-head .page-facts")).to_contain_text("Not running")
    reason.fill("The budget is spent")
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT)
    page.clock.fast_forward(11_000)
    expect(page.locator("#banner-title")).to_contain_text("Kling is on hold: its account is empty")
    expect(page.locator("#queue-head .page-facts")).to_have_count(0)
    expect(reason).to_have_value("The budget is spent")
    expect(reason).to_be_focused()
    UpstreamGate.for_engine().pause(admin, "Lunch")
    page.clock.fast_forward(11_000)
    expect(page.locator("#banner-title")).to_contain_text("Generation is paused: Lunch")
    expect(page.locator("#queue-hold")).to_contain_text("Kling is on hold: its account is empty")
    expect(reason).to_have_count(0)
    UpstreamGate.for_engine().resume()
    page.clock.fast_forward(11_000)
    expect(page.locator("#banner-title")).to_have_count(0)
    expect(reason).to_have_value("")


def test_forms_keep_what_was_typed_without_javascript(
    chromium: Browser, live_server: LiveServer, admin: Member
) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, admin)
    page = context.pages[0]
    page.goto("/admin/queue/")
    page.get_by_label("Reason").fill("The budget is spent")
    page.get_by_label("Images in progress at once").fill("7")
    page.get_by_label("Images in progress at once").press("Enter")
    expect(page.get_by_text("Saved. The worker uses these values from now on.")).to_be_visible()
    expect(page.get_by_label("Reason")).to_have_value("The budget is spent")
    page.get_by_label("Images in progress at once").fill("9")
    page.get_by_role("button", name="Pause generation").click()
    expect(page.get_by_text("Generation is paused: The budget is spent")).to_be_visible()
    expect(page.get_by_label("Images in progress at once")).to_have_value("9")
    context.close()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_admin_pages_do_not_scroll_sideways(
    context: BrowserContext, width: int, owner: Member, admin: Member
) -> None:
    rows = [
        make_generation(Status.RUNNING, owner=owner, n=2),
        make_generation(Status.SUCCEEDED, owner=owner, n=4, stored=3),
        make_generation(Status.UNCONFIRMED, owner=owner),
    ]
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.ACCOUNT, "the raw response " * 40)
    UpstreamGate.for_engine().pause(admin, "The budget of this month is spent " * 8)
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.set_viewport_size(ViewportSize(width=width, height=900))
    for url in ("/admin/queue/", *(f"/generations/{row.pk}/" for row in rows)):
        page.goto(url)
        assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0, url


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_studio_does_not_scroll_sideways(page: Page, width: int, owner: Member) -> None:
    for n in (1, 2, 4, 9):
        make_generation(Status.RUNNING, owner=owner, n=n)
        make_generation(Status.SUCCEEDED, owner=owner, n=n)
    page.set_viewport_size(ViewportSize(width=width, height=900))
    page.reload()
    assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0
