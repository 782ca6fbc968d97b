"""With the keyboard alone: invited, the first image, the limit reached, more asked for and made.

All processes of `manage.py run`, on a desktop and on a phone.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from tests.browser.conftest import DESKTOP
from tests.installation import ADMIN_PASSWORD, Installation
from tests.simulator import Simulator

PHONE: ViewportSize = {"width": 390, "height": 844}
NEW_PASSWORD = "a-long-new-passphrase"


@pytest.fixture
def installation(simulator: Simulator, tmp_path: Path) -> Iterator[Installation]:
    with Installation(
        tmp_path / "data", upstream_url=simulator.url, poll_seconds="0.5,1,1,1", unpriced="refuse"
    ) as installation:
        installation.start("run")
        installation.wait_for_web(180)  # migrations and static files, too
        installation.manage("price", "set", "kling", "*", "0.12")
        yield installation


def enter(element: Locator) -> None:
    """Press Enter on it, as a keyboard does: an element that takes no focus fails."""
    element.focus()
    expect(element).to_be_focused()
    element.page.keyboard.press("Enter")


def generate(page: Page, prompt: str) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)
    page.keyboard.press("Control+Enter")


def expect_image(page: Page, prompt: str) -> None:
    card = page.locator('article[data-status="succeeded"]', has_text=prompt)
    expect(card.locator("img").first).to_be_visible(timeout=60_000)


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_invited_to_the_first_image_and_beyond_the_limit(
    chromium: Browser, installation: Installation, viewport: ViewportSize
) -> None:
    contexts = [
        chromium.new_context(base_url=installation.url, viewport=viewport) for _person in range(2)
    ]
    for context in contexts:
        context.set_default_timeout(30_000)
    boss, guest = (context.new_page() for context in contexts)
    boss.goto("/admin/invitations/")
    boss.get_by_label("User name").fill("admin")
    boss.get_by_label("Password").fill(ADMIN_PASSWORD)
    boss.keyboard.press("Enter")
    enter(boss.locator("summary", has_text="Create a link"))
    boss.get_by_label("For (optional)").fill("Ada")
    boss.locator("#id_one_month_limit").fill("0.20")
    boss.keyboard.press("Enter")
    expect(boss.get_by_role("heading", name="1 link created")).to_be_visible()

    guest.goto(boss.get_by_label("Ada", exact=True).input_value())
    guest.get_by_label("User name").fill("ada")
    guest.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    guest.get_by_label("Password again").fill(NEW_PASSWORD)
    guest.keyboard.press("Enter")
    expect(guest.locator("#generate-label")).to_have_text("Generate 1 image · $0.12")
    generate(guest, "A first pear")
    expect_image(guest, "A first pear")
    expect(guest.locator("#left")).to_have_text("$0.08 left this month")

    generate(guest, "A second pear")
    expect(guest.get_by_role("alert")).to_contain_text("Your limit for this month does not allow")
    enter(guest.get_by_role("link", name="Ask for more"))
    guest.get_by_label("Amount").fill("0.10")
    guest.get_by_label("What is it for?").fill("The spring campaign")
    enter(guest.get_by_role("button", name="Ask for more"))
    expect(guest.get_by_text("Your request was sent to the admins.")).to_be_visible()

    boss.goto("/")
    enter(boss.get_by_role("link", name="1 person asks for more."))
    enter(boss.get_by_role("button", name="Grant $0.10"))
    expect(boss.get_by_text("Granted $0.10 to ada.")).to_be_visible()

    guest.goto("/")
    expect(guest.get_by_text("Your limit was raised by $0.10 until")).to_be_visible()
    generate(guest, "A second pear")
    expect_image(guest, "A second pear")
    for context in contexts:
        context.close()
    [month] = installation.rows(
        """SELECT charged_e4, reserved_e4, granted_e4 FROM generations_period p
           JOIN generations_member m ON m.id = p.member_id
           WHERE m.username = 'ada' AND "window" = 'month'"""
    )
    assert month == {"charged_e4": 2400, "reserved_e4": 0, "granted_e4": 1000}
    installation.manage("ledger", "check")
