"""The page Engines and keys at a desk and on a phone: a key is entered, replaced and removed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import ApiKey, Member, Status
from generations.permissions import Role
from generations.worker import poll
from tests.browser.conftest import sign_in
from tests.browser.test_axe import RULES
from tests.builders import make_generation, make_member
from tests.simulator import Simulator

pytestmark = pytest.mark.django_db(transaction=True)

OLD, NEW, SPARE = "sk-the-old-key-AAAA1111", "sk-the-new-key-BBBB2222", "sk-the-spare-CCCC3333"
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


DESK, PHONE, NO_SCRIPTS = (1280, False, True), (390, True, True), (390, True, False)


@pytest.fixture(params=[DESK, PHONE, NO_SCRIPTS])
def page(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    simulator: Simulator,
    settings: Settings,
    tmp_path: Path,
) -> Iterator[Page]:
    """The page of an owner, at a desk, on a phone, and there without JavaScript."""
    width, is_phone, has_scripts = request.param
    settings.DATA_DIR, settings.GATEWAY_URL = tmp_path, simulator.url
    settings.DEMO, settings.UPSTREAM_KEY, settings.UPSTREAM_MODE = False, "", "live"
    simulator.settings(key=OLD, other_keys={NEW: 1, SPARE: 2})
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": width, "height": 844},
        has_touch=is_phone,
        java_script_enabled=has_scripts,
        bypass_csp=True,  # axe is injected as a script
    )
    context.set_default_timeout(10_000)
    sign_in(context, make_member("boss", role=Role.OWNER))
    page = context.pages[-1]
    page.goto("/admin/keys/")
    yield page
    context.close()


def line_of(page: Page, name: str) -> Locator:
    return page.locator(".key").filter(has=page.get_by_role("heading", name=name))


def enter(page: Page, slot: str, button: str, key: str) -> None:
    line = line_of(page, f"{slot} key")
    line.locator("summary", has_text=button).click()
    line.get_by_label("API key").fill(key)
    line.get_by_role("button", name="Replace key" if button == "Replace" else "Store key").click()


def test_keys_are_entered_replaced_and_removed(page: Page) -> None:
    enter(page, "First", "Enter key", OLD)
    expect(page.get_by_text("The key ending in 1111 is in use.")).to_be_visible()
    enter(page, "Reserve", "Enter key", "sk-nobody-has-this-one")
    error = page.get_by_text("The gateway refused this key.")
    expect(error).to_be_visible()
    field = line_of(page, "Reserve key").get_by_label("API key")
    expect(field).to_have_value("")
    expect(page.get_by_text("Enter it again: keys are not sent back.")).to_be_visible()
    field.fill(SPARE)
    page.get_by_role("button", name="Store key").click()
    expect(page.get_by_text("The key ending in 3333 is the reserve.")).to_be_visible()

    make_generation(Status.RUNNING, api_key=ApiKey.objects.get(slot="first"))
    page.reload()
    enter(page, "First", "Replace", NEW)
    expect(page.get_by_text("The key ending in 2222 is in use.")).to_be_visible()
    replaced = line_of(page, "Replaced key")
    expect(replaced).to_contain_text("ends in 1111")
    expect(replaced).to_contain_text("1 in progress")

    first = line_of(page, "First key")
    first.get_by_role("button", name="Test").click()
    expect(page.get_by_text("The gateway accepts the key ending in 2222.")).to_be_visible()
    first.locator("summary", has_text="Remove").click()
    first.get_by_role("button", name="Remove key").click()
    expect(page.get_by_text("The key was removed.")).to_be_visible()
    expect(line_of(page, "Reserve key")).to_contain_text("Used for new images.")
    for key in (OLD, NEW, SPARE):
        assert key not in page.content()


@pytest.mark.parametrize("page", [DESK, PHONE], indirect=True)
def test_open_forms_fit_and_pass_axe(page: Page) -> None:
    enter(page, "First", "Enter key", OLD)
    expect(page.get_by_text("The key ending in 1111 is in use.")).to_be_visible()
    page.reload()
    for button in ("Replace", "Remove"):
        page.locator("summary", has_text=button).click()
        assert page.evaluate(OVERFLOW) <= 0
        found = Axe().run(page, options=RULES).response["violations"]
        assert [each["id"] for each in found] == []


@pytest.mark.parametrize("page", [DESK, PHONE], indirect=True)
def test_missing_key_says_what_waits_and_what_to_do(page: Page, settings: Settings) -> None:
    settings.UPSTREAM_KEY = OLD
    key = ApiKey.objects.environment()
    now = timezone.now()
    make_generation(Status.RUNNING, api_key=key, next_poll_at=now, owner=Member.objects.get())
    settings.UPSTREAM_KEY = NEW
    poll.sweep()
    page.reload()
    missing = line_of(page, "Missing key")
    expect(missing).to_contain_text("1 request waits for it.")
    assert page.evaluate(OVERFLOW) <= 0
    assert Axe().run(page, options=RULES).violations_count == 0
    page.goto("/admin/")
    decision = page.locator(".decision", has_text="An API key is gone.")
    expect(decision).to_contain_text("1 request that was sent with the key ending in 1111 waits")
    assert page.evaluate(OVERFLOW) <= 0
    page.goto("/")
    expect(page.get_by_text("The API key that sent this is gone")).to_be_visible()
    assert page.evaluate(OVERFLOW) <= 0

    page.goto("/admin/keys/")
    missing.get_by_role("button", name="Same account").click()
    expect(page.get_by_text("The key ending in 2222 is asked for these requests")).to_be_visible()
    expect(line_of(page, "Replaced key")).to_contain_text("1 in progress")
