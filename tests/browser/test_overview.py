"""The overview in a browser, on a desktop and on a phone: decide, pause, resume, stay current."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Lease, Member, Quote, Status, UpstreamGate
from generations.permissions import Role
from tests.browser.conftest import DESKTOP, sign_in
from tests.builders import make_submission

pytestmark = pytest.mark.django_db(transaction=True)

PHONE: ViewportSize = {"width": 390, "height": 844}
HORIZONTAL_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(params=[(DESKTOP, True), (PHONE, True), (PHONE, False)], ids=str)
def overview(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
    admin: Member,
) -> Iterator[Page]:
    """The overview of an admin, with and without JavaScript."""
    settings.MEDIA_ROOT = tmp_path
    viewport, has_javascript = request.param
    context = chromium.new_context(
        base_url=live_server.url,
        viewport=viewport,
        has_touch=viewport == PHONE,
        java_script_enabled=has_javascript,
    )
    context.set_default_timeout(10_000)
    sign_in(context, admin)
    Lease.record_heartbeat("worker")
    page = context.pages[-1]
    page.goto("/admin/")
    yield page
    context.close()


def unconfirmed(owner: Member, key: str, **columns: object) -> Generation:
    quote = Quote("kling", "kling-v1", "", 1200, 4)
    values = {"prompt": f"A pear, {key}", "aspect_ratio": "1:1", "n": 4} | columns
    row, _created = Generation.objects.request(owner=owner, key=key, quote=quote, **values)
    Generation.objects.filter(pk=row.pk).update(status=Status.UNCONFIRMED, attempt=1)
    row.refresh_from_db()
    make_submission(row)
    return row


def test_unconfirmed_is_decided_from_the_overview(overview: Page, owner: Member) -> None:
    dismissed, tracked = unconfirmed(owner, "dismissed"), unconfirmed(owner, "tracked")
    overview.reload()
    line = overview.locator(f"#decision-{dismissed.pk}")
    expect(line).to_contain_text("$0.48 may have been charged")
    line.get_by_role("button", name="Dismiss").click()
    expect(overview.get_by_role("status").first).to_contain_text("$0.48 counts as charged")
    expect(line).to_have_count(0)

    line = overview.locator(f"#decision-{tracked.pk}")
    line.locator("summary").click()
    line.get_by_role("button", name="Track this task").click()
    field = overview.get_by_label("Task ID from the gateway’s log")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("in-the-log")
    line.get_by_role("button", name="Track this task").click()
    expect(overview.get_by_text("Nothing needs a decision.")).to_be_visible()
    dismissed.refresh_from_db()
    tracked.refresh_from_db()
    assert (dismissed.status, dismissed.charged_e4) == (Status.ABANDONED, 4800)
    assert (tracked.status, tracked.upstream_task_id) == (Status.RUNNING, "in-the-log")


def test_pause_and_resume(overview: Page) -> None:
    overview.get_by_role("link", name="Pause generation").click()
    overview.get_by_label("Reason (shown to everyone)").fill("Inventory")
    overview.get_by_role("button", name="Pause generation").click()
    expect(overview.get_by_text("Generation is paused: Inventory")).to_be_visible()
    assert UpstreamGate.for_engine().is_paused
    overview.goto("/admin/")
    expect(overview.get_by_text("Paused: Inventory")).to_be_visible()
    overview.get_by_role("button", name="Resume").click()
    overview.wait_for_url("**/admin/")
    expect(overview.get_by_text("Running.")).to_be_visible()
    assert not UpstreamGate.for_engine().is_paused


def test_private_prompt_is_masked_and_nothing_is_too_wide(overview: Page, owner: Member) -> None:
    row = unconfirmed(owner, "the-secret", is_private=True)
    overview.reload()
    expect(overview.locator(f"#decision-{row.pk}")).to_contain_text("private")
    assert "the-secret" not in overview.content()
    for url in ("/admin/", "/admin/queue/"):
        overview.goto(url)
        assert overview.evaluate(HORIZONTAL_OVERFLOW) <= 0, url


def test_overview_refreshes_in_place_but_never_under_a_form(
    context: BrowserContext, owner: Member, admin: Member
) -> None:
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.clock.install()
    page.goto("/admin/")
    first = unconfirmed(owner, "first")
    page.clock.run_for(16_000)
    line = page.locator(f"#decision-{first.pk}")
    expect(line).to_be_visible()
    line.locator("summary").click()
    page.get_by_label("Task ID from the gateway’s log").fill("half-typ")
    second = unconfirmed(owner, "second")
    page.clock.run_for(40_000)
    expect(page.get_by_label("Task ID from the gateway’s log")).to_have_value("half-typ")
    expect(page.locator(f"#decision-{second.pk}")).to_have_count(0)
    line.locator("summary").click()  # closed again, and what was typed stays
    page.clock.run_for(16_000)
    line.locator("summary").click()
    expect(page.get_by_label("Task ID from the gateway’s log")).to_have_value("half-typ")
    page.get_by_label("Task ID from the gateway’s log").fill("")
    line.locator("summary").click()
    page.locator("h1").click()
    page.clock.run_for(16_000)
    expect(page.locator(f"#decision-{second.pk}")).to_be_visible()


def test_opening_a_decision_moves_no_button(overview: Page, owner: Member) -> None:
    row = unconfirmed(owner, "a")
    overview.reload()
    line = overview.locator(f"#decision-{row.pk}")
    dismiss = line.get_by_role("button", name="Dismiss")
    before = dismiss.bounding_box()
    line.locator("summary").click()
    expect(overview.get_by_label("Task ID from the gateway’s log")).to_be_visible()
    assert dismiss.bounding_box() == before


def test_refresh_keeps_the_focus_on_its_link(
    context: BrowserContext, owner: Member, admin: Member
) -> None:
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.clock.install()
    page.goto("/admin/")
    link = page.get_by_role("link", name="Audit log").last
    link.focus()
    row = unconfirmed(owner, "a")
    page.clock.run_for(16_000)
    expect(page.locator(f"#decision-{row.pk}")).to_be_visible()
    expect(link).to_be_focused()


def test_header_fits_tablets(context: BrowserContext, owner: Member) -> None:
    """In Vietnamese, the longest, with requests in progress beside the name of the studio."""
    Member.objects.filter(pk=owner.pk).update(language="vi", role=Role.ADMIN)
    unconfirmed(owner, "open")
    page = context.pages[-1]
    page.goto("/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "vi")
    for width in (700, 820):
        page.set_viewport_size({"width": width, "height": 844})
        assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0
        heights = page.locator(".nav a").evaluate_all("all => all.map(each => each.offsetHeight)")
        assert len(heights) == 5
        assert max(heights) < 40, "in one line"
