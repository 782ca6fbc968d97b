"""The comparison in a browser: linked actual size, overlay, favourites, the way back."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Favourite, Member, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation, picture_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]


@pytest.fixture
def address(owner: Member) -> str:
    images = picture_ids(make_generation(Status.SUCCEEDED, owner=owner, n=3, prompt="A pear"))
    return "/compare/?from=/history/&" + "&".join(f"picture={pk}" for pk in images)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_hearts_and_facts_are_on_the_first_screen(
    page: Page, address: str, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(address)
    for place in (page.locator("[id^=favourite-]").first, page.locator(".facts div").first):
        box = place.bounding_box()
        assert box
        assert box["y"] + box["height"] < height


def test_actual_size_is_linked(page: Page, address: str) -> None:
    page.goto(address)
    # Larger than its frame, as images of an upstream are.
    for image in page.locator(".side-frame img").all():
        image.evaluate("e => { e.setAttribute('width', 3000); e.setAttribute('height', 2000); }")
    page.keyboard.press("z")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    first, last = page.locator(".side-frame").first, page.locator(".side-frame").last
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        """() => {
            const [first, , last] = document.querySelectorAll(".side-frame");
            return first.scrollLeft > 0 && Math.abs(first.scrollLeft - last.scrollLeft) < 2;
        }"""
    )
    assert first.evaluate("e => e.scrollLeft") > 0
    assert last.evaluate("e => e.scrollLeft") > 0
    page.keyboard.press("Escape")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    page.wait_for_url("**/history/")


def test_one_image_is_laid_over_another(page: Page, address: str) -> None:
    page.goto(address)
    page.keyboard.press("o")
    left = page.locator("#overlay-left-image")
    expect(left).to_be_visible()
    page.locator("#reveal").focus()
    page.keyboard.press("Home")
    assert left.evaluate("e => e.style.clipPath") == "inset(0px 100% 0px 0px)"
    page.get_by_label("Right").select_option(label="Image 3")
    third = page.locator(".side-frame img").last.get_attribute("data-preview")
    expect(page.locator("#overlay-right-image")).to_have_attribute("src", third or "")
    page.keyboard.press("Escape")
    expect(page.locator("#sides")).to_be_visible()


def test_favourite_is_a_toast(page: Page, address: str, owner: Member) -> None:
    page.goto(address)
    heart = page.get_by_role("button", name="Favourite: image 2")
    heart.click()
    expect(page.locator("#toast")).to_contain_text("1 image added to favourites")
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Undo").click()
    expect(heart).to_have_attribute("aria-pressed", "false")
    assert not Favourite.objects.filter(member=owner).exists()


def test_comparison_works_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, address: str
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.goto(address)
    page.get_by_role("button", name="Favourite: image 1").click()
    expect(page.get_by_text("1 image added to favourites")).to_be_visible()
    page.get_by_role("link", name="Prompt history").click()
    page.wait_for_url("**/history/")
    context.close()
