"""From the printed address of the set-up page to the first image, in a browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from generations.permissions import Role
from generations.setup import code as setup_code
from generations.setup import team
from tests.browser.conftest import sign_in
from tests.browser.test_axe import violations
from tests.builders import PASSWORD, make_member
from tests.installation import Installation, wait_until
from tests.simulator import Simulator

HORIZONTAL_OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
WIDTHS = {"phone": 390, "desktop": 1280}


@pytest.fixture(params=WIDTHS)
def device(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_set_up_to_first_image(
    device: str, chromium: Browser, simulator: Simulator, tmp_path: Path
) -> None:
    """All processes of `manage.py run`; the upstream is a simulator with a key."""
    printed = tmp_path / "printed"
    with Installation(
        tmp_path / "data",
        upstream_url=simulator.url,
        admin_password="",
        poll_seconds="0.5,1,1,1",
        unpriced="refuse",
    ) as installation:
        installation.start("run", output=printed)
        pattern = r"Set up your team: (\S+)\n"
        found = wait_until(lambda: re.search(pattern, printed.read_text()), what=pattern)
        context = chromium.new_context(
            base_url=installation.url,
            viewport={"width": WIDTHS[device], "height": 844},
            has_touch=device == "phone",
            timezone_id="Asia/Saigon",
        )
        context.set_default_timeout(30_000)
        errors: list[str] = []
        context.on("weberror", lambda error: errors.append(str(error.error)))
        context.on("console", lambda message: _collect(message, errors))
        page = context.new_page()
        page.goto("/gallery/")
        expect(page).to_have_url("/setup/")
        page.goto(found[1])
        _fill_in(page)
        expect(page.get_by_role("status").get_by_text("Your team is set up.")).to_be_visible()
        page.get_by_role("textbox", name="Prompt", exact=True).fill("The first pear")
        page.get_by_role("button", name="Generate").click()
        card = page.locator('article[data-status="succeeded"]', has_text="The first pear")
        expect(card.locator("img").first).to_be_visible(timeout=60_000)
        assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0
        page.goto(found[1])
        expect(page.get_by_text("klingweb is already set up.")).to_be_visible()
        context.close()
        assert errors == []
    [limit] = installation.rows("SELECT money_e4, by_id FROM generations_limit")
    assert limit["money_e4"] == 800_0000
    [saved] = installation.rows("SELECT name, time_zone, currency FROM generations_team")
    assert saved == {"name": "Pears", "time_zone": "Asia/Ho_Chi_Minh", "currency": "credits"}


def _collect(message: ConsoleMessage, errors: list[str]) -> None:
    """Collect errors, except the expected statuses: invalid form, page closed."""
    if message.type == "error" and not re.search("422|404", message.text):
        errors.append(message.text)


def _fill_in(page: Page) -> None:
    """With the keyboard, from the first field after the code."""
    zone = page.get_by_label("Time zone")
    expect(zone).to_have_value("Asia/Ho_Chi_Minh")  # the browser's, under its current name
    assert re.fullmatch(r"\w{4}(-\w{4}){3}", page.get_by_label("Set-up code").input_value())
    assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0
    page.get_by_label("Your user name").fill("lan")
    password = page.get_by_label("Your password")
    password.fill("password")
    page.get_by_label("Team name").fill("Pears")
    page.get_by_label("Currency").fill("credits")
    page.get_by_label("Price of an image").fill("2")
    page.get_by_label("Monthly budget").fill("8e2")
    page.keyboard.press("Enter")
    expect(password).to_have_value("")
    expect(password).to_have_accessible_description(re.compile("too common"))
    budget = page.get_by_label("Monthly budget")
    expect(budget).to_have_value("8e2")
    expect(budget).to_have_accessible_description(re.compile("Enter an amount such as"))
    budget.fill("800")
    show = page.get_by_role("button", name="Show password")
    password.fill(PASSWORD)
    expect(password).to_have_attribute("type", "password")
    password.press("Tab")
    expect(show).to_be_focused()
    page.keyboard.press("Enter")
    expect(password).to_have_attribute("type", "text")
    expect(show).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Set up team").click()


# --- axe -----------------------------------------------------------------------------------------


@pytest.fixture
def visitor(
    device: str,
    chromium: Browser,
    live_server: LiveServer,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[BrowserContext]:
    """A browser on an install without a person."""
    monkeypatch.setattr(team.Cache, "person_exists", False)
    settings.DATA_DIR = tmp_path
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": WIDTHS[device], "height": 900},
        bypass_csp=True,  # axe is injected as a script
        reduced_motion="reduce",
    )
    yield context
    context.close()


def test_axe_finds_no_violation_on_the_set_up_pages(
    visitor: BrowserContext, settings: Settings
) -> None:
    page, found = visitor.new_page(), {}
    page.goto("/setup/")
    found["without a code"] = violations(page)
    page.goto(f"/setup/?code={setup_code.renew()}")
    found["set up"] = violations(page)
    page.locator("form#setup").evaluate("form => { form.noValidate = true; }")
    page.get_by_role("button", name="Set up team").click()
    page.get_by_text("Nothing was saved.").wait_for()
    found["errors"] = violations(page)
    assert page.evaluate(HORIZONTAL_OVERFLOW) <= 0
    make_member("owner", role=Role.OWNER)
    page.goto("/setup/")
    found["closed"] = violations(page)
    sign_in(visitor, Member.objects.get())
    page = visitor.pages[-1]
    page.get_by_role("link", name="Demo", exact=True).click()
    page.get_by_role("link", name="Set up your team").click()
    page.wait_for_url("**/settings/team/")
    found["after the demo"] = violations(page)
    (settings.DATA_DIR / "upstream-key").write_text("sk-stored")
    page.goto("/setup/restart/")
    found["restarting"] = violations(page)
    assert {name: here for name, here in found.items() if here} == {}
