"""A budget is reached, raised by an admin in place, and the member's next press passes."""

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Member
from generations.models.money import Limit, Price, Window
from tests.browser.conftest import sign_in
from tests.builders import make_admin


@pytest.mark.parametrize(
    "viewport", [{"width": 1280, "height": 900}, {"width": 390, "height": 844}]
)
@pytest.mark.parametrize("has_javascript", [True, False])
def test_raised_budget_lets_the_next_press_pass(
    page: Page,
    chromium: Browser,
    live_server: LiveServer,
    owner: Member,
    viewport: ViewportSize,
    has_javascript: bool,
) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1000)
    page.goto("/")
    page.get_by_label("Prompt", exact=True).fill("A lighthouse at dawn")
    page.get_by_role("button", name="Generate 1 image").first.click()
    expect(page.get_by_role("alert").first).to_be_visible()
    assert not Generation.objects.exists()

    context = chromium.new_context(
        base_url=live_server.url, viewport=viewport, java_script_enabled=has_javascript
    )
    sign_in(context, make_admin())
    desk = context.pages[0]
    desk.goto("/admin/limits/")
    team = desk.locator("#team")
    expect(team).to_contain_text("$0.10")
    team.locator("summary").press("Enter")
    team.get_by_label("Money a month").fill("0.5")
    if has_javascript:  # what is typed elsewhere outlasts the answer
        desk.locator("#default summary").press("Enter")
        desk.locator("#default").get_by_label("Images a day").fill("7")
    team.get_by_role("button", name="Save").click()
    expect(desk.locator("#team")).to_contain_text("$0.50")
    if has_javascript:
        expect(desk.locator("#default").get_by_label("Images a day")).to_have_value("7")
        expect(desk.locator("#default").get_by_role("button", name="Save")).to_be_visible()
    context.close()

    page.get_by_role("button", name="Generate 1 image").first.click()
    expect(page.locator(".card").first).to_be_visible()
    assert Generation.objects.get().prompt == "A lighthouse at dawn"
