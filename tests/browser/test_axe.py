"""axe-core finds no violation on any page in any state, light and dark, desktop and phone."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from generations.models import (
    Member,
)
from tests.browser.all_pages import all_pages
from tests.browser.conftest import sign_in

RULES = {
    "runOnly": [
        "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
    ]
}  # fmt: skip


@pytest.fixture(
    params=[("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)],
    ids=lambda each: f"{each[0]}-{each[1]}",
)
def context(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
) -> Iterator[BrowserContext]:
    color_scheme, width = request.param
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": width, "height": 900},
        color_scheme=color_scheme,
        bypass_csp=True,  # axe is injected as a script; test_access checks the policy
        reduced_motion="reduce",  # contrast is measured after transitions
    )
    sign_in(context, populated_admin)
    yield context
    context.close()


def violations(page: Page) -> list[str]:
    result = Axe().run(page, options=RULES)
    return [
        f"{each['id']}: {node['target']} {node['html'][:160]}"
        for each in result.response["violations"]
        for node in each["nodes"]
    ]


def test_axe_finds_no_violation_on_any_page(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}
    for name, url in all_pages().items():
        page.goto(url)
        if violations_here := violations(page):
            found[name] = violations_here
    assert found == {}


def test_axe_finds_no_violation_in_dialogs_and_menus(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}

    def check(name: str) -> None:
        if violations_here := violations(page):
            found[name] = violations_here

    page.goto("/")
    page.get_by_role("button", name="Generate").click()
    page.get_by_text("Describe the image first.").wait_for()
    for row in page.locator("details.composer-row").all():
        row.evaluate("row => { row.open = true; }")
    check("composer with errors, all rows open")
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 2, "y": 300})
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    check("shortcut list")
    page.goto("/")
    page.locator("details.variations summary").first.click()
    page.locator("form.variations").wait_for()
    check("variations")
    page.goto("/gallery/")
    for menu in page.locator(".chips details.menu:not(.months)").all():
        menu.locator("summary").click()
        check(f"menu {menu.locator('summary').text_content()}")
    page.keyboard.press("Escape")
    page.locator("#select").click()
    page.locator(".month .select-box").first.check()
    check("month selected")
    page.locator(".tile").first.click()
    check("selecting")
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    page.locator(".toast").wait_for()
    check("toast")
    page.goto("/gallery/")
    page.locator(".tile a").first.click()
    page.get_by_role("dialog", name="Image").wait_for()
    check("viewer")
    assert found == {}


def test_axe_finds_no_violation_in_forms_and_links_of_people(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}
    page.goto("/people/")
    page.get_by_text("Invite many people").click()
    found["many"] = violations(page)
    page.get_by_label("Names or email addresses").fill(";")
    page.get_by_role("button", name="Create links").click()
    page.get_by_text("Paste names or email addresses first.").wait_for()
    found["error"] = violations(page)
    page.get_by_label("Names or email addresses").fill("Ada\nBo")
    page.get_by_role("button", name="Create links").click()
    page.get_by_role("heading", name="2 links created").wait_for()
    found["links"] = violations(page)
    link = page.get_by_label("Ada", exact=True).input_value()
    page.context.clear_cookies()
    page.goto(link.replace("http://localhost:8000", ""))
    found["invitation"] = violations(page)
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password", exact=True).fill("password")
    page.get_by_label("Password again").fill("password")
    page.get_by_role("button", name="Create account").click()
    page.get_by_text("This password is too common.").wait_for()
    found["invitation, errors"] = violations(page)
    page.goto("/invitations/unknown/")
    found["unknown"] = violations(page)
    assert {name: each for name, each in found.items() if each} == {}


def test_axe_finds_no_violation_on_the_sign_in_page(
    chromium: Browser, live_server: LiveServer
) -> None:
    context = chromium.new_context(base_url=live_server.url, bypass_csp=True)
    page = context.new_page()
    page.goto("/accounts/login/")
    assert violations(page) == []
    page.get_by_label("User name").fill("unknown")
    page.get_by_label("Password").fill("nothing")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert violations(page) == []
    context.close()
