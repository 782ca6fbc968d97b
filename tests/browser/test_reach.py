"""Everything can be touched and read: targets of at least 24 px, and no page scrolls sideways."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, ViewportSize
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.browser.all_pages import all_pages
from tests.browser.conftest import goto_in_turn, sign_in

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
# Each page begins on the edge of the logo, in the admin on that of the content beside its list; and
# has one heading, of 28 px, except an image, whose prompt is its heading.
UNEVEN = """() => {
    const isSeen = (element) => element.checkVisibility() && element.offsetWidth > 2;
    const left = (element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return [...range.getClientRects()].find((box) => box.width > 1).left;
    };
    const edge = left(document.querySelector(".brand"))
        + (innerWidth >= 1040 && document.querySelector(".side-list") ? 240 : 0);
    const headings = [...document.querySelectorAll("h1")];
    const uneven = headings.length === 1 ? [] : [`${headings.length} headings`];
    if (document.querySelector("#viewer")) return uneven;
    for (const heading of headings.filter(isSeen)) {
        const size = getComputedStyle(heading).fontSize;
        if (size !== "28px") uneven.push(`${innerWidth} px: heading of ${size}`);
        const x = left(heading);
        if (Math.abs(x - edge) > 1) uneven.push(`${innerWidth} px: begins at ${x}`);
    }
    for (const heading of [...document.querySelectorAll("main h2")].filter(isSeen)) {
        const size = parseFloat(getComputedStyle(heading).fontSize);
        if (![12, 13, 15, 16, 22].includes(size) && !heading.closest(".empty")) {
            uneven.push(`${innerWidth} px: second heading of ${size}`);
        }
    }
    return uneven;
}"""
DESKTOP: ViewportSize = {"width": 1280, "height": 844}
TABLET: ViewportSize = {"width": 820, "height": 844}
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
        reduced_motion="reduce",
    )
    sign_in(context, populated_admin)
    yield context
    context.close()


def test_targets_are_at_least_24_px_and_pages_begin_on_one_edge(context: BrowserContext) -> None:
    page, found = context.pages[0], []
    for name, url in all_pages().items():
        page.goto(url)
        results = page.evaluate(UNEVEN)
        if page.viewport_size == DESKTOP:
            page.set_viewport_size(TABLET)
            results += page.evaluate(UNEVEN)
            page.set_viewport_size(DESKTOP)
        page.evaluate(OPEN_ALL)
        found += [f"{name}: {each}" for each in [*results, *page.evaluate(SMALL_TARGETS)]]
    assert not found, "\n".join(found)


def test_targets_of_the_selection_are_at_least_24_px(context: BrowserContext) -> None:
    page = context.pages[0]
    page.goto("/gallery/")
    page.locator("#select").click()
    page.locator(".tile").first.click()
    assert page.evaluate(SMALL_TARGETS) == []


@pytest.mark.parametrize("context", ["phone"], indirect=True)
def test_buttons_of_a_touch_screen_are_44_px_high(context: BrowserContext) -> None:
    page, low = context.pages[0], []
    for name, url in all_pages().items():
        page.goto(url)
        page.evaluate(OPEN_ALL)
        low += [f"{name}: {each}" for each in page.evaluate(LOW_BUTTONS)]
    assert not low, "\n".join(low)


@pytest.mark.parametrize(
    ("turn", "width", "font_size"),
    [(0, 320, "100%"), (1, 390, "200%"), (2, 1280, "200%")],
    ids=["320 px", "390 px, text of 200 %", "1280 px, text of 200 %"],
)
def test_no_page_scrolls_sideways(
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
    turn: int,
    width: int,
    font_size: str,
) -> None:
    context = chromium.new_context(
        base_url=live_server.url, viewport={"width": width, "height": 700}, bypass_csp=True
    )
    sign_in(context, populated_admin)
    page, wide = context.pages[0], {}
    for number, (name, url) in enumerate(all_pages().items(), turn):
        goto_in_turn(page, url, number)
        page.add_style_tag(content=f":root {{ font-size: {font_size}; }}")
        if (overflow := page.evaluate(OVERFLOW)) > 0:
            wide[name] = overflow
    assert wide == {}
    context.close()
