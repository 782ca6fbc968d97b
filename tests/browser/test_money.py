"""Prices and limits in a browser: the limit is reached, more is asked for, granted and spent."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from generations.models.money import Limit, LimitRequest, Price, Window
from tests.browser.conftest import DESKTOP, sign_in
from tests.builders import make_admin

PHONE = {"width": 390, "height": 844}


@pytest.fixture(autouse=True)
def _prices(transactional_db: None) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    Price.objects.create(engine="kling", model="*", option="reference", amount_e4=2000)


def write(page: Page, prompt: str, n: int) -> None:
    page.get_by_role("textbox", name="Prompt", exact=True).fill(prompt)
    page.locator(f"[name=n][value='{n}']").check(force=True)


def test_label_follows_number_and_reference(page: Page) -> None:
    write(page, "A harbour", 4)
    label = page.locator("#generate-label")
    expect(label).to_have_text("Generate 4 images · $0.48")
    page.get_by_text("Reference image", exact=True).click()
    page.locator("#image_url").fill("https://pictures.example/1.png")
    expect(label).to_have_text("Generate 4 images · $0.80")
    expect(page.locator("#seen-prices")).to_have_value("2000")
    page.locator("#image_url").fill("")
    expect(label).to_have_text("Generate 4 images · $0.48")


def test_refused_number_can_be_replaced_by_the_one_that_fits(page: Page, owner: Member) -> None:
    Limit.objects.put(Limit.Scope.MEMBER, Window.DAY, member=owner, money_e4=3000)
    write(page, "A harbour", 4)
    page.keyboard.press("Control+Enter")
    error = page.get_by_role("alert")
    expect(error).to_contain_text("Your limit for today does not allow this request.")
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_value("A harbour")
    page.get_by_role("button", name="Generate 2 images · $0.24").click()
    expect(page.locator("article")).to_contain_text("A harbour")
    expect(error).to_have_count(0)
    expect(page.locator("#left")).to_have_text("$0.06 left today")
    assert [row.n for row in owner.generations.all()] == [2]


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_limit_reached_asked_granted_and_made(
    chromium: Browser, live_server: LiveServer, owner: Member, viewport: dict[str, int]
) -> None:
    Limit.objects.put(Limit.Scope.MEMBER, Window.MONTH, member=owner, money_e4=1200)
    contexts = [
        chromium.new_context(base_url=live_server.url, viewport=viewport)  # type: ignore[arg-type]
        for _person in range(2)
    ]
    for context, member in zip(contexts, (owner, make_admin("mira")), strict=True):
        context.set_default_timeout(10_000)
        sign_in(context, member)
    page, boss = (context.pages[0] for context in contexts)

    write(page, "A first harbour", 1)
    page.locator("#generate").click()
    expect(page.locator("article")).to_have_count(1)
    write(page, "A second harbour", 1)
    page.locator("#generate").click()
    page.get_by_role("link", name="Ask for more").click()
    page.get_by_label("Amount").fill("0.12")
    page.get_by_label("What is it for?").fill("The spring campaign")
    page.get_by_role("button", name="Ask for more").click()
    expect(page.get_by_text("Your request was sent to the admins.")).to_be_visible()

    boss.goto("/")
    boss.get_by_role("link", name="1 person asks for more.").click()
    expect(boss.get_by_text("The spring campaign")).to_be_visible()
    boss.get_by_role("button", name="Grant").click()
    expect(boss.get_by_role("button", name="Grant")).to_have_count(0)
    assert LimitRequest.objects.get().decision == LimitRequest.Decision.GRANTED

    page.goto("/")
    expect(page.get_by_text("Your limit was raised by $0.12 until")).to_be_visible()
    page.get_by_role("button", name="OK").click()
    expect(page.get_by_text("Your limit was raised by $0.12 until")).to_have_count(0)
    write(page, "A second harbour", 1)
    page.locator("#generate").click()
    expect(page.locator("article")).to_have_count(2)
    for context in contexts:
        context.close()
