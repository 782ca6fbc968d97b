"""Everything can be touched and read: targets of at least 24 px, and no page scrolls sideways."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.browser.all_pages import all_pages
from tests.browser.conftest import sign_in

# Targets smaller than 24 px in one direction. A link within a sentence may be as high as its line;
# a label belongs to the target of its field.
SMALL_TARGETS = """() => {
    const isInline = (element) => getComputedStyle(element).display === "inline"
        && element.matches("a")
        && element.parentElement.textContent.trim() !== element.textContent.trim();
    const small = [];
    for (const element of document.querySelectorAll(
        "a[href], button, summary, select, textarea, input:not([type=hidden]), [tabindex='0']"
    )) {
        if (!element.checkVisibility({ visibilityProperty: true }) || isInline(element)) continue;
        const isTouch = matchMedia("(pointer: coarse)").matches;
        const label = element.labels?.[0];
        const usesLabel = label?.contains(element)
            && (!isTouch || getComputedStyle(element).opacity === "0"
                || element.matches(".visually-hidden"));
        const { width, height } = (usesLabel ? label : element).getBoundingClientRect();
        if (!width || element.matches(".skip")) continue;
        if (width < 23.99 || height < 23.99) {
            const size = `${width.toFixed(1)} x ${height.toFixed(1)}`;
            small.push(`${size}: ${element.outerHTML.replace(/\\s+/g, " ").slice(0, 120)}`);
        }
    }
    return small;
}"""
# Buttons of the main actions, which fingers should not miss.
LOW_BUTTONS = """() => [...document.querySelectorAll("main .button, .nav a, main .quiet-button")]
    .filter((element) => element.checkVisibility() && element.getBoundingClientRect().width)
    .filter((element) => element.getBoundingClientRect().height < 43.99)
    .map((element) => `${element.offsetHeight}: ${element.outerHTML.slice(0, 120)}`)"""
OPEN_ALL = """() => {
    for (const each of document.querySelectorAll("details")) {
        each.removeAttribute("name"); // of a group only one is open
        each.open = true;
    }
    document.getElementById("more-options")?.setAttribute("aria-expanded", "true");
}"""
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"


@pytest.fixture(params=["desktop", "phone"])
def context(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
) -> Iterator[BrowserContext]:
    is_phone = request.param == "phone"
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390 if is_phone else 1280, "height": 844},
        has_touch=is_phone,
        is_mobile=is_phone,
        bypass_csp=True,  # axe is injected as a script
        reduced_motion="reduce",
    )
    sign_in(context, populated_admin)
    yield context
    context.close()


def on_all_pages(page: Page, script: str) -> str:
    """Run the script, which returns a list, on every page; one line for each result."""
    lines = []
    for name, url in all_pages().items():
        page.goto(url)
        page.evaluate(OPEN_ALL)
        lines += [f"{name}: {each}" for each in page.evaluate(script)]
    return "\n".join(lines)


def test_targets_are_at_least_24_px(context: BrowserContext) -> None:
    small = on_all_pages(context.pages[0], SMALL_TARGETS)
    assert not small, small


def test_axe_finds_no_target_that_is_too_small(context: BrowserContext) -> None:
    page, small = context.pages[0], {}
    for name, url in all_pages().items():
        page.goto(url)
        result = Axe().run(page, options={"runOnly": {"type": "rule", "values": ["target-size"]}})
        if violations := result.response["violations"]:
            small[name] = [node["html"][:160] for each in violations for node in each["nodes"]]
    assert small == {}


def test_targets_of_the_selection_are_at_least_24_px(context: BrowserContext) -> None:
    page = context.pages[0]
    page.goto("/gallery/")
    page.locator("#select").click()
    page.locator(".tile").first.click()
    assert page.evaluate(SMALL_TARGETS) == []


@pytest.mark.parametrize("context", ["phone"], indirect=True)
def test_buttons_of_a_touch_screen_are_44_px_high(context: BrowserContext) -> None:
    low = on_all_pages(context.pages[0], LOW_BUTTONS)
    assert not low, low


@pytest.mark.parametrize(
    ("width", "font_size"),
    [(320, "100%"), (390, "200%"), (1280, "200%")],
    ids=["320 px", "390 px, text of 200 %", "1280 px, text of 200 %"],
)
def test_no_page_scrolls_sideways(
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
    width: int,
    font_size: str,
) -> None:
    context = chromium.new_context(
        base_url=live_server.url, viewport={"width": width, "height": 700}, bypass_csp=True
    )
    sign_in(context, populated_admin)
    page, wide = context.pages[0], {}
    for name, url in all_pages().items():
        page.goto(url)
        page.add_style_tag(content=f":root {{ font-size: {font_size}; }}")
        if (overflow := page.evaluate(OVERFLOW)) > 0:
            wide[name] = overflow
    assert wide == {}
    context.close()
