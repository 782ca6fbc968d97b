"""Second factor and sessions in a browser: set up, used, revoked elsewhere."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.browser.conftest import DESKTOP
from tests.builders import PASSWORD
from tests.one_time_codes import code_of

PHONE: Any = {"width": 390, "height": 844}


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def elsewhere(
    request: pytest.FixtureRequest, chromium: Browser, live_server: LiveServer
) -> Iterator[BrowserContext]:
    """Another browser, signed out."""
    context = chromium.new_context(base_url=live_server.url, viewport=request.param)
    context.set_default_timeout(10_000)
    yield context
    context.close()


def enter_password(page: Page) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill("owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")


def confirm(page: Page) -> None:
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Confirm it is you")).to_have_count(0)


def use_passkey(page: Page) -> None:
    button = page.get_by_role("button", name="Use passkey")
    expect(button).to_be_enabled()
    button.press("Enter")


def test_second_factor_set_and_used_and_session_revoked_elsewhere(
    page: Page, elsewhere: BrowserContext, owner: Member
) -> None:
    page.goto("/settings/")
    page.get_by_role("link", name="Manage second factor").press("Enter")
    page.get_by_role("link", name="Set up app").press("Enter")
    confirm(page)
    expect(page.get_by_role("img", name="QR code with the key")).to_be_visible()
    secret = page.locator(".key").inner_text()
    expect(page.get_by_label("Code of 6 digits")).to_be_focused()
    page.keyboard.type(code_of(secret))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
    recovery_code = page.locator(".codes code").first.inner_text()

    other = elsewhere.new_page()
    enter_password(other)
    expect(other.get_by_label("Code of the app")).to_be_focused()
    other.keyboard.type("000000x")
    other.keyboard.press("Enter")
    expect(other.get_by_label("Code of the app")).to_have_accessible_description(
        "This code is wrong or expired. Enter the current one."
    )
    other.get_by_label("Code of the app").fill(recovery_code)
    other.keyboard.press("Enter")
    expect(other).to_have_url("/")

    page.goto("/settings/")
    page.get_by_role("link", name="Manage sessions").press("Enter")
    page.get_by_role("button", name="Sign out Chrome on Linux").press("Enter")
    expect(page.get_by_role("status").get_by_text("Signed out there.")).to_be_visible()
    other.goto("/gallery/")
    expect(other).to_have_url("/accounts/login/?next=/gallery/")
    page.goto("/gallery/")
    expect(page).to_have_url("/gallery/")


def test_passkey_is_added_used_and_removed(page: Page, owner: Member) -> None:
    """With a virtual authenticator of Chromium, under the site's own content security policy."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    device = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.goto("/settings/second-factor/passkeys/add/")
    confirm(page)
    expect(page.get_by_role("button", name="Add passkey")).to_be_enabled()
    page.get_by_label("Name of the passkey").fill("Work laptop")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()

    page.context.clear_cookies()
    enter_password(page)
    use_passkey(page)
    expect(page).to_have_url("/")

    page.goto("/settings/second-factor/")
    page.get_by_role("link", name="Remove Work laptop").press("Enter")
    page.get_by_role("link", name="Use passkey").press("Enter")
    use_passkey(page)
    page.get_by_role("button", name="Remove passkey").press("Enter")
    expect(page.get_by_text("Passkey removed.")).to_be_visible()
    devtools.send(
        "WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device["authenticatorId"]}
    )


def test_canceled_passkey_is_explained(page: Page, owner: Member) -> None:
    page.goto("/settings/second-factor/passkeys/add/")
    confirm(page)
    expect(page.get_by_role("heading", name="Add passkey")).to_be_visible()
    page.evaluate("() => { navigator.credentials.create = () => Promise.reject(new Error()); }")
    page.get_by_role("button", name="Add passkey").click()
    expect(page.get_by_role("alert")).to_have_text("The passkey was not read. Try again.")
    expect(page.get_by_role("button", name="Add passkey")).to_be_enabled()
