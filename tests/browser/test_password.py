"""Changing the password in a browser, with the keyboard."""

from playwright.sync_api import Page, expect

from generations.models import Member
from tests.builders import PASSWORD

NEW = "an even longer sentence"


def test_password_is_changed_with_the_keyboard(page: Page, owner: Member) -> None:
    page.goto("/settings/")
    page.get_by_role("link", name="Change password").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Current password").fill("wrong")
    page.keyboard.press("Tab")
    page.keyboard.type(NEW)
    page.keyboard.press("Tab")
    page.keyboard.type(NEW)
    page.keyboard.press("Enter")
    current = page.get_by_label("Current password")
    expect(current).to_have_accessible_description("This is not your current password.")
    expect(page.get_by_label("New password", exact=True)).to_have_value("")
    current.fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password again").fill(NEW)
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").get_by_text("Password changed.")).to_be_visible()
    page.goto("/gallery/")
    expect(page).to_have_url("/gallery/")
    owner.refresh_from_db()
    assert owner.check_password(NEW)
