"""Variations in a browser: by mouse, finger and keyboard, with their undo."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Member, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation, picture_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]


@pytest.fixture
def before(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, prompt="A pear", n=2, aspect_ratio="3:2")


@pytest.fixture
def phone(
    chromium: Browser, live_server: LiveServer, owner: Member, before: Generation
) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    sign_in(context, owner)
    yield context.pages[0]
    context.close()


def made() -> list[tuple[int, str, str]]:
    rows = Generation.objects.exclude(status=Status.SUCCEEDED).order_by("pk")
    return list(rows.values_list("n", "aspect_ratio", "status"))


def test_variation_of_an_image_stays_on_its_page_and_is_undone(
    page: Page, before: Generation
) -> None:
    address = f"/pictures/{picture_ids(before)[0]}/"
    page.goto(address)
    page.keyboard.press("v")
    form = page.get_by_role("form", name="Variations")
    expect(form.locator(".is-current")).to_have_count(2)
    form.get_by_role("button", name="1 to 1, square").press("Enter")
    expect(page.locator("#toast")).to_contain_text("2 images queued.")
    expect(form).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("Canceled. Nothing was charged.")
    assert page.url.endswith(address)
    assert made() == [(2, "1:1", Status.CANCELED)]


def test_variation_of_a_card_is_undone(page: Page, before: Generation) -> None:
    page.goto("/")
    page.locator(f"#generation-{before.pk}-variations").click()
    page.get_by_role("button", name="Generate 1 image", exact=True).click()
    toast = page.locator("#toast")
    expect(toast).to_contain_text("1 image queued.")
    toast.get_by_role("button", name="Undo").click()
    expect(toast).to_contain_text("Canceled. Nothing was charged.")
    expect(page.get_by_role("article").first).to_have_attribute("data-status", "canceled")
    assert made() == [(1, "3:2", Status.CANCELED)]


def test_finger_presses_twice_for_more_than_one_image(phone: Page, before: Generation) -> None:
    phone.goto(f"/pictures/{picture_ids(before)[0]}/")
    phone.locator("#viewer-variations").tap()
    square = phone.get_by_role("button", name="1 to 1, square")
    square.tap()
    expect(phone.locator(".variation-price")).to_have_text("Press again: Generate 2 images")
    phone.get_by_role("button", name="Generate 4 images").tap()
    expect(phone.locator(".variation-price")).to_have_text("Press again: Generate 4 images")
    assert made() == []
    square.tap()
    assert made() == []
    square.tap()
    expect(phone.locator("#toast")).to_contain_text("2 images queued.")
    phone.locator("#viewer-variations").tap()
    phone.get_by_role("button", name="Generate 1 image", exact=True).tap()
    expect(phone.locator("#toast")).to_contain_text("1 image queued.")
    assert [row[:2] for row in made()] == [(2, "1:1"), (1, "3:2")]


def test_variation_works_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, before: Generation
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.goto(f"/pictures/{picture_ids(before)[0]}/")
    page.locator("#viewer-variations").click()
    page.get_by_role("link", name="Choose a variation").click()
    page.get_by_role("button", name="1 to 1, square").click()
    page.wait_for_url("**/#generation-*")
    expect(page.get_by_role("article")).to_have_count(2)
    assert [row[:2] for row in made()] == [(2, "1:1")]
    context.close()
