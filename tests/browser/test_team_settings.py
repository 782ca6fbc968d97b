"""A setting changed in the browser, and seen to act in the studio."""

import pytest
from playwright.sync_api import BrowserContext, Page, ViewportSize, expect

from generations.models import AuditEntry, Generation, Member, team_settings
from tests.browser.conftest import sign_in

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = [ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)]


@pytest.fixture(params=SIZES, ids=["desk", "phone"])
def admin_page(context: BrowserContext, admin: Member, request: pytest.FixtureRequest) -> Page:
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.set_viewport_size(request.param)
    return page


def test_refused_word_is_saved_tested_and_refused(admin_page: Page) -> None:
    page = admin_page
    page.goto("/admin/settings/")
    page.get_by_role("link", name="House rules").click()
    page.get_by_label("Text before every prompt").fill("Photo of")
    page.get_by_label("Refused words").fill("Acme")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    page.get_by_label("Test a prompt").fill("A pear by ACME")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("Would be refused: contains “Acme”.")).to_be_visible()

    page.goto("/")
    expect(page.get_by_text("Your team adds to each prompt: “Photo of …”")).to_be_visible()
    prompt = page.get_by_role("textbox", name="Prompt", exact=True)
    prompt.fill("A pear by Acme")
    expect(page.locator("#prompt-count")).to_have_text("23 of 500")
    page.locator("#generate").click()
    expect(page.locator("#prompt-error")).to_contain_text("“Acme”")
    assert not Generation.objects.exists()
    prompt.fill("A pear")
    page.locator("#generate").click()
    expect(page.locator("article")).to_have_count(1)
    row = Generation.objects.get()
    assert (row.prompt, row.sent_prompt) == ("A pear", "Photo of A pear")
    assert AuditEntry.objects.filter(action="setting-changed").count() == 2


def test_testing_and_saving_lose_nothing_that_was_typed(admin_page: Page) -> None:
    page = admin_page
    page.goto("/admin/settings/")
    page.get_by_label("Prompt length", exact=True).fill("400")
    page.get_by_label("Refused words").fill("Acme")
    page.get_by_label("Late after").fill("soon")
    page.get_by_label("Test a prompt").fill("A pear")
    page.get_by_role("button", name="Test", exact=True).click()
    expect(page.get_by_text("Would be sent as: “A pear”")).to_be_visible()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_label("Late after")).to_be_focused()
    expect(page.get_by_label("Prompt length", exact=True)).to_have_value("400")
    expect(page.get_by_label("Refused words")).to_have_value("Acme")
    page.get_by_label("Late after").fill("5")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved.")).to_be_visible()
    stored = team_settings.stored_values()
    assert (stored["prompt_characters"], stored["late_factor"]) == (400, 5)
    assert list(stored["refused_words"]) == ["Acme"]
