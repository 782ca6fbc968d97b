"""The scripts as an installation serves them: each page gets its own in few files."""

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.conftest import DESKTOP
from tests.installation import Installation


def test_scripts_of_a_page_work_in_one_file(chromium: Browser, tmp_path: Path) -> None:
    with Installation(tmp_path).prepare() as installation:
        installation.manage("demo", "--verbosity", "0")
        cookies = installation.open().session.cookies
        context = chromium.new_context(base_url=installation.url, viewport=DESKTOP)
        context.add_cookies(
            [
                {"name": each.name, "value": each.value or "", "url": installation.url}
                for each in cookies
            ]
        )
        errors: list[str] = []
        context.on("weberror", lambda error: errors.append(str(error.error)))
        page = context.new_page()

        page.goto("/")
        counter = page.locator("#prompt-count")
        before = counter.inner_text()
        page.locator("#prompt").fill("A pear on linen")  # studio.js
        expect(counter).not_to_have_text(before)
        page.locator("#open-search").click()  # shortcuts.js, which loads search.js
        expect(page.locator("#search")).to_be_visible()

        page.goto("/gallery/")
        page.locator("#select").click()  # selection.js
        expect(page.locator("#bulk-bar")).to_be_visible()
        page.keyboard.press("Escape")
        page.locator(".tile > a").first.click()  # gallery.js, then viewer.js
        expect(page.locator("#lightbox #backdrops")).to_be_visible()

        page.goto(page.url)  # the page of the image
        expect(page.locator("main #backdrops")).to_be_visible()
        context.close()
    assert not errors
