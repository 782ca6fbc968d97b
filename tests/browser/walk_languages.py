"""Every page in every language. Takes long, so it is not among the tests: `make walk`.

The tests of every day load each page in one language, in turn (test_axe.py, test_reach.py).
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, ViewportSize
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.browser.all_pages import all_pages
from tests.browser.conftest import DESKTOP, LANGUAGES, sign_in
from tests.browser.test_axe import violations
from tests.browser.test_reach import OVERFLOW

# Width and size of the text.
LAYOUTS = ((320, "100%"), (390, "200%"), (1280, "200%"))
SET_FONT_SIZE = "size => { document.documentElement.style.fontSize = size; }"
HEIGHT = 844
PHONE: ViewportSize = {"width": 390, "height": HEIGHT}


@pytest.fixture(params=LANGUAGES)
def page(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
) -> Iterator[Page]:
    """A page of the admin of the populated install, in one language."""
    context = chromium.new_context(
        base_url=live_server.url,
        viewport=PHONE,
        bypass_csp=True,
        reduced_motion="reduce",
    )
    context.set_default_timeout(60_000)
    sign_in(context, populated_admin)
    page = context.pages[0]
    page.set_extra_http_headers({"Accept-Language": request.param})
    yield page
    context.close()


def test_no_page_scrolls_sideways(page: Page) -> None:
    wide = []
    for name, url in all_pages().items():
        page.goto(url)
        for width, font_size in LAYOUTS:
            page.set_viewport_size(ViewportSize(width=width, height=HEIGHT))
            page.evaluate(SET_FONT_SIZE, font_size)
            if (overflow := page.evaluate(OVERFLOW)) > 0:
                wide.append(f"{name}: {overflow} px at {width} px, text of {font_size}")
    assert not wide, "\n".join(wide)


def test_axe_finds_no_violation(page: Page) -> None:
    found = []
    for name, url in all_pages().items():
        page.set_viewport_size(PHONE)
        page.goto(url)
        found += [f"{name} at 390 px: {each}" for each in violations(page)]
        page.set_viewport_size(DESKTOP)
        found += [f"{name} at 1280 px: {each}" for each in violations(page, ("light",))]
    assert not found, "\n".join(found)
