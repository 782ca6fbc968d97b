"""axe-core finds no violation on any page in any state, light and dark, desktop and phone."""

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Member, password_reset
from tests.browser.all_pages import all_pages
from tests.browser.conftest import goto_in_turn, sign_in
from tests.builders import PASSWORD, make_member
from tests.one_time_codes import add_app, add_passkey, add_recovery_codes

RULES = {
    "runOnly": [
        "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
    ],
    "rules": {"target-size": {"enabled": True}},  # axe leaves it out unless it is asked for
}  # fmt: skip
# The rules whose outcome depends on colours.
COLOR_RULES = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
Scheme = Literal["dark", "light"]
SCHEMES: dict[Scheme, dict[str, Any]] = {"dark": COLOR_RULES, "light": RULES}


@pytest.fixture(params=[1280, 390])
def context(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
) -> Iterator[BrowserContext]:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": request.param, "height": 900},
        bypass_csp=True,  # axe is injected as a script; test_access checks the policy
        reduced_motion="reduce",  # contrast is measured after transitions
    )
    sign_in(context, populated_admin)
    yield context
    context.close()


def violations(page: Page, schemes: Iterable[Scheme] = SCHEMES) -> list[str]:
    """What axe finds in the light scheme, and the colours that it finds in the dark one."""
    found = []
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        for each in _run_axe(page, SCHEMES[scheme]):
            nodes = (f"{node['target']} {node['html'][:160]}" for node in each["nodes"])
            found += [f"{scheme}: {each['id']}: {node}" for node in nodes]
    return found


def _run_axe(page: Page, options: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the rules that are violated, with their elements. Injects axe once a page."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    options |= {"resultTypes": ["violations"]}  # the elements of other results take time
    found: list[dict[str, Any]] = page.evaluate("options => axe.run(options)", options)[
        "violations"
    ]
    return found


def test_axe_finds_no_violation_on_any_page(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}
    turn = 390 if page.viewport_size and page.viewport_size["width"] == 390 else 0
    for number, (name, url) in enumerate(all_pages().items(), turn):
        goto_in_turn(page, url, number)
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
    page.keyboard.press("Escape")
    for text, heading in (("", "Go to"), ("family", "Images"), ("nothing-is-like", "Actions")):
        page.keyboard.press("Control+k")
        page.locator("#search input").fill(text)
        page.locator("#search h2", has_text=heading).wait_for()
        check(f"search {text}")
        page.keyboard.press("Escape")
    page.goto("/")
    page.locator("details.variations summary").first.click()
    page.locator("form.variations").wait_for()
    check("variations")
    page.goto("/gallery/")
    for menu in page.locator(".chips details.menu:not(.months):visible").all():
        menu.locator("summary").first.click()
        check(f"menu {menu.locator('summary').first.text_content()}")
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
    page.locator(".badge").first.focus()
    page.keyboard.press("Enter")
    page.locator("#stack").wait_for()
    page.keyboard.press("Tab")
    check("open stack")
    page.locator(".tile a").first.focus()
    page.keyboard.press("Tab")
    page.locator("[data-tool=more]").first.click()
    page.locator("#tile-menu").wait_for()
    check("menu of an image")
    page.keyboard.press("Escape")
    if page.locator("#open-filters").is_visible():
        page.locator("#open-filters").click()
        page.get_by_role("dialog", name="Filter").wait_for()
        check("sheet of filters")
    page.goto("/gallery/")
    page.locator(".tile a").first.click()
    page.get_by_role("dialog", name="Image").wait_for()
    check("viewer")
    page.goto("/admin/queue/?select=unconfirmed")
    page.locator("#decide-several").get_by_role("button", name="Dismiss").click()
    page.get_by_role("heading", level=1, name="Dismiss").wait_for()
    check("decide several")
    assert found == {}


def test_axe_finds_no_violation_in_forms_and_links_of_people(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}
    page.goto("/admin/invitations/")
    page.get_by_text("Import names").click()
    found["many"] = violations(page)
    page.get_by_label("Names or e-mail addresses").fill(";")
    page.get_by_role("button", name="Create links").click()
    page.get_by_text("Paste names or e-mail addresses first.").wait_for()
    found["error"] = violations(page)
    page.get_by_label("Names or e-mail addresses").fill("Ada\nBo")
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


def test_axe_finds_no_violation_on_pages_of_the_account(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}

    def check(name: str) -> None:
        if violations_here := violations(page):
            found[name] = violations_here

    page.goto("/settings/second-factor/app/")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("This is not your password.").wait_for()
    check("confirm, wrong password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Code of 6 digits").fill("x")
    page.get_by_role("button", name="Set up app").click()
    page.get_by_text("This code is wrong or expired.").wait_for()
    check("set up app, wrong code")
    add_app(populated_admin)
    add_recovery_codes(populated_admin)
    add_passkey(populated_admin)
    for name in ("", "app/remove/", "codes/", "codes/new/", "passkeys/add/"):
        page.goto(f"/settings/second-factor/{name}")
        check(name)
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Remove Work laptop").click()
    page.get_by_role("button", name="Remove passkey").wait_for()
    check("remove passkey")
    for name in ("code", "passkey"):
        page.goto(f"/settings/confirm/{name}/")
        check(f"confirm with {name}")
    assert found == {}


def test_axe_finds_no_violation_before_signing_in(
    chromium: Browser, live_server: LiveServer, settings: Settings, transactional_db: None
) -> None:
    settings.MAIL = {"host": "mail.example"}
    settings.OIDC_URL = "https://id.example"
    member = make_member("ada")
    add_app(member)
    add_passkey(member)
    context = chromium.new_context(
        base_url=live_server.url, bypass_csp=True, reduced_motion="reduce"
    )
    page = context.new_page()
    found = {}

    def check(name: str) -> None:
        if violations_here := violations(page):
            found[name] = violations_here

    page.goto("/accounts/login/")
    check("sign-in with a provider")
    page.goto("/accounts/oidc/callback/")
    check("refused")
    page.goto("/accounts/forgotten/")
    check("forgotten")
    page.get_by_label("User name or e-mail address").fill("nobody")
    page.get_by_role("button", name="Send link").click()
    page.get_by_text("Check your e-mail").wait_for()
    check("link sent")
    page.goto("/accounts/reset/MQ/x/")
    check("link that no longer works")
    page.goto(password_reset.reset_path(member))
    check("reset")
    page.get_by_label("New password", exact=True).fill("password")
    page.get_by_label("New password again").fill("password")
    page.get_by_role("button", name="Change password").click()
    page.get_by_text("too common").wait_for()
    check("reset, common password")
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_label("Code of the app, or recovery code").fill("x")
    check("second factor")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("This code is wrong or expired.").wait_for()
    check("second factor, wrong code")
    context.close()
    assert found == {}


def test_axe_finds_no_violation_on_the_sign_in_page(
    chromium: Browser, live_server: LiveServer
) -> None:
    context = chromium.new_context(
        base_url=live_server.url, bypass_csp=True, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto("/accounts/login/")
    assert violations(page) == []
    page.get_by_label("User name").fill("unknown")
    page.get_by_label("Password").fill("nothing")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert violations(page) == []
    context.close()
