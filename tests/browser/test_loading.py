"""What a phone loads: the first screen first, the rest when it is near, and nothing jumps."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Member, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation
from tests.conftest import CHROMIUM, CHROMIUM_ARGUMENTS

RATIOS = ("3:2", "1:1", "2:3", "16:9", "4:3")
SCREEN_HEIGHT = 823
# Chromium keeps `content-visibility: auto` ready within one and a half screens.
MAX_DISTANCE = 1.5 * SCREEN_HEIGHT + 300  # a tile that begins within it ends below
SCRIPT_OF_THE_GRID = "script[src*='js/pages/gallery']"
SHIFTS = """
window.layoutShift = 0;
new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) window.layoutShift += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""
TILES = """() => [...document.querySelectorAll(".tile")].map((tile) => {
    const image = tile.querySelector("img");
    return {
        top: tile.getBoundingClientRect().top,
        bottom: tile.getBoundingClientRect().bottom,
        area: tile.offsetWidth * tile.offsetHeight,
        isLazy: image.loading === "lazy",
        isFirst: image.fetchPriority === "high",
        isLoaded: image.currentSrc !== "",
    };
})"""


@pytest.fixture(scope="module")
def slow_chromium(chromium: Browser) -> Iterator[Browser]:
    """A browser on a slow network: it loads lazy images from thousands of pixels away."""
    arguments = [*CHROMIUM_ARGUMENTS, "--force-effective-connection-type=Slow-2G"]
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


@pytest.fixture
def phone(
    slow_chromium: Browser,
    live_server: LiveServer,
    owner: Member,
    settings: Settings,
    tmp_path: Path,
) -> Iterator[BrowserContext]:
    settings.MEDIA_ROOT = tmp_path
    Member.objects.filter(pk=owner.pk).update(shows_stacks=False)  # more tiles
    for place in range(30):
        make_generation(
            Status.SUCCEEDED,
            owner=owner,
            aspect_ratio=RATIOS[place % 5],
            n=place % 4 + 1,
            created_at=timezone.now() - timedelta(minutes=place),
        )
    context = slow_chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 412, "height": SCREEN_HEIGHT},
        device_scale_factor=1.75,
        is_mobile=True,
        has_touch=True,
    )
    context.add_init_script(SHIFTS)
    sign_in(context, owner)
    yield context
    context.close()


@pytest.fixture
def gallery(phone: BrowserContext) -> Page:
    page = phone.pages[0]
    page.goto("/gallery/", wait_until="networkidle")
    return page


def tiles(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate(TILES)
    return found


def test_images_far_below_the_screen_are_not_loaded(gallery: Page) -> None:
    far = [tile for tile in tiles(gallery) if tile["top"] > SCREEN_HEIGHT + MAX_DISTANCE]
    assert len(far) > 10
    assert not any(tile["isLoaded"] for tile in far)


def test_images_are_loaded_when_they_come_near(gallery: Page) -> None:
    last = gallery.locator(".tile img").last
    last.scroll_into_view_if_needed()
    expect(last).to_have_js_property("complete", True)
    assert last.evaluate("image => image.naturalWidth > 0")


def test_images_of_the_first_screen_do_not_wait_for_the_layout(gallery: Page) -> None:
    for tile in tiles(gallery):
        if tile["top"] < SCREEN_HEIGHT * 0.9:
            assert not tile["isLazy"]
        if tile["top"] > SCREEN_HEIGHT * 1.2:
            assert tile["isLazy"]


def test_largest_image_of_the_first_screen_is_requested_first(gallery: Page) -> None:
    shown = [tile for tile in tiles(gallery) if tile["bottom"] < SCREEN_HEIGHT]
    [first] = [tile for tile in tiles(gallery) if tile["isFirst"]]
    assert first["area"] >= 0.95 * max(tile["area"] for tile in shown)


def test_nothing_jumps_while_the_gallery_loads_and_scrolls(gallery: Page) -> None:
    for _step in range(6):
        gallery.evaluate("scrollBy(0, innerHeight)")
        gallery.wait_for_load_state("networkidle")
    assert gallery.evaluate("layoutShift") <= 0.01


def test_address_of_a_tile_scrolls_to_it(phone: BrowserContext) -> None:
    page = phone.pages[0]
    page.goto("/gallery/")
    tile = page.locator(".tile").nth(40)
    anchor = tile.get_attribute("id")
    page.goto(f"/settings/#{anchor}")
    page.goto(f"/gallery/#{anchor}")
    expect(page.locator(f"#{anchor}")).to_be_in_viewport()


def test_all_images_are_printed(gallery: Page) -> None:
    """Boxes outside the screen are part of the printed pages."""
    gallery.emulate_media(media="print")
    pdf = gallery.context.new_cdp_session(gallery).send("Page.printToPDF", {})
    assert pdf["data"]
    assert all(tile["isLoaded"] for tile in tiles(gallery))


def test_mean_colour_is_shown_until_an_image_has_loaded(phone: BrowserContext) -> None:
    page = phone.pages[0]
    page.route("**/files/**", lambda route: None)  # never answered
    page.goto("/gallery/", wait_until="commit")
    link = page.locator(".tile a").first
    expect(link).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
    colour = link.get_attribute("data-colour") or ""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    expect(link).to_have_css("background-color", f"rgb({red}, {green}, {blue})")


def test_scripts_of_the_grid_come_after_its_largest_image(phone: BrowserContext) -> None:
    page = phone.pages[0]
    held: list[Route] = []
    page.route("**/files/**", lambda route: held.append(route))
    page.goto("/gallery/", wait_until="domcontentloaded")
    assert page.locator(SCRIPT_OF_THE_GRID).count() == 0
    for route in held:
        route.continue_()
    page.unroute("**/files/**")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_enabled()


def test_scripts_of_the_grid_do_not_wait_for_an_image_after_a_key(phone: BrowserContext) -> None:
    page = phone.pages[0]
    page.route("**/files/**", lambda route: None)  # never answered
    page.goto("/gallery/", wait_until="domcontentloaded")
    assert page.locator(SCRIPT_OF_THE_GRID).count() == 0
    page.keyboard.press("Shift")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_enabled()
