"""Search in a browser: by keyboard, mouse and touch, read aloud, and without scripts."""

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Collection, Generation, Member, RecentSearch, Status, Word
from tests.browser.conftest import sign_in
from tests.builders import make_generation, picture_ids
from tests.installation import wait_until

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def rows(owner: Member) -> list[Generation]:
    rows = [
        make_generation(Status.SUCCEEDED, owner=owner, prompt=f"Mountain ridges at dawn, {number}")
        for number in range(5)
    ]
    Collection.objects.create(name="Ridge campaign", created_by=owner)
    Word.objects.learn_all()
    return rows


def field(page: Page) -> Locator:
    return page.get_by_role("combobox", name="Search images, collections")


def active(page: Page) -> Locator:
    return page.locator("#search [aria-selected=true]")


def results_for(page: Page, text: str) -> Locator:
    """The results of the whole text, after those of its first letters."""
    return page.locator(f"#search [data-list][data-text='{text}']")


def search_for(page: Page, text: str) -> None:
    """Open the dialog by `/` and type, without waiting for its script."""
    page.keyboard.press("/")
    page.keyboard.type(text)
    expect(results_for(page, text)).to_be_visible()


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


def test_slash_opens_the_search_and_no_letter_is_lost(page: Page, rows: list[Generation]) -> None:
    page.goto("/settings/")
    search_for(page, "ridges daw")
    expect(field(page)).to_be_focused()
    expect(active(page)).to_contain_text("Mountain ridges at dawn, 4")
    marks = page.locator("#search mark")
    assert marks.all_text_contents()[:2] == ["ridges", "daw"]
    expect(page.get_by_role("option", name="All 5 images")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/pictures/{picture_ids(rows[4])[0]}/")


def test_arrows_move_and_a_screen_reader_hears_the_count(
    page: Page, rows: list[Generation]
) -> None:
    search_for(page, "ridge")
    expect(page.locator("#search [role=status]")).to_have_text("5 images, 1 other result")
    listbox = page.get_by_role("listbox", name="Search images, collections")
    expect(listbox.get_by_role("group", name="Images")).to_be_visible()
    expect(field(page)).to_have_attribute("aria-expanded", "true")
    for key, name in (("ArrowDown", ", 3"), ("ArrowDown", ", 2"), ("ArrowDown", "All 5 images")):
        page.keyboard.press(key)
        expect(active(page)).to_contain_text(name)
        option = active(page).get_attribute("id")
        expect(field(page)).to_have_attribute("aria-activedescendant", str(option))
    page.keyboard.press("ArrowDown")
    expect(active(page)).to_contain_text("Ridge campaign")
    for _ in range(4):
        page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    expect(active(page)).to_contain_text("Save search as smart collection")  # around the end
    page.keyboard.press("Enter")
    page.wait_for_url("**/collections/smart/new/?q=ridge")


def test_tab_reaches_all_images_and_escape_closes(page: Page, rows: list[Generation]) -> None:
    page.goto("/settings/")
    opener = page.locator("#open-search")
    opener.focus()
    page.keyboard.press("Enter")
    page.keyboard.type("dawn")
    expect(results_for(page, "dawn")).to_be_visible()
    page.keyboard.press("Tab")  # the button that closes
    page.keyboard.press("Tab")
    expect(page.locator("#search [data-all]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_be_hidden()
    expect(opener).to_be_focused()
    page.keyboard.press("Control+k")
    expect(field(page)).to_have_value("dawn")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/gallery/?q=dawn")


def test_ctrl_k_works_in_a_text_field_and_ctrl_enter_takes_the_prompt(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).focus()
    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    page.keyboard.type("A red pear")
    expect(page.locator("#search [data-list]")).to_have_attribute("data-text", "A red pear")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/?text=A+red+pear")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A red pear")


def test_gallery_keeps_its_own_field_for_slash(page: Page) -> None:
    page.goto("/gallery/")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox", name="Search prompts, people, tags")).to_be_focused()
    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()


def test_opened_results_are_remembered_and_can_be_forgotten(
    page: Page, owner: Member, rows: list[Generation]
) -> None:
    search_for(page, "campaign")
    page.get_by_role("option", name="Ridge campaign").click()
    page.wait_for_url("**/collections/*/")
    recorded = RecentSearch.objects.filter(member=owner)
    wait_until(recorded.exists, what="the search is recorded")  # by a beacon, beside the new page
    page.keyboard.press("/")
    page.get_by_role("option", name="campaign", exact=True).click()
    expect(page.get_by_role("option", name="Ridge campaign")).to_be_visible()
    expect(field(page)).to_have_value("campaign")
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Clear recent searches").click()
    page.wait_for_url("**/search/")
    assert not recorded.exists()


def test_older_answer_does_not_replace_a_newer_one(page: Page, rows: list[Generation]) -> None:
    held: list[Route] = []
    page.route(
        lambda url: parse_qs(urlsplit(url).query).get("q") == ["zzz"],
        lambda route: held.append(route),
    )
    page.keyboard.press("/")
    with page.expect_request(lambda request: "q=zzz" in request.url):
        page.keyboard.type("zzz")
    page.keyboard.press("Control+a")
    page.keyboard.type("dawn")
    expect(page.locator("#search [data-list][data-text=dawn]")).to_be_visible()
    assert held
    expect(page.get_by_role("option", name="All 5 images")).to_be_visible()


def test_shortcuts_do_not_act_while_the_search_is_open(page: Page, rows: list[Generation]) -> None:
    page.keyboard.press("/")
    page.keyboard.type("g g?")
    expect(field(page)).to_have_value("g g?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()
    assert path_of(page) == "/"


def test_single_key_shortcuts_can_be_off(page: Page, owner: Member) -> None:
    Member.objects.filter(pk=owner.pk).update(single_key_shortcuts=False)
    page.reload()
    page.keyboard.press("/")
    expect(page.locator("#search")).to_be_hidden()
    page.keyboard.press("Control+k")
    expect(page.locator("#search")).to_be_visible()


@pytest.fixture
def phone(
    chromium: Browser, live_server: LiveServer, owner: Member, rows: list[Generation]
) -> Iterator[Callable[..., Page]]:
    """Signed in on a touch screen, or elsewhere by its options."""
    contexts: list[BrowserContext] = []

    def opened(**options: object) -> Page:
        defaults = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
        context = chromium.new_context(base_url=live_server.url, **{**defaults, **options})  # type: ignore[arg-type]
        contexts.append(context)
        sign_in(context, owner)
        return context.pages[0]

    yield opened
    for context in contexts:
        context.close()


def test_search_fills_a_phone_and_works_by_touch(
    phone: Callable[..., Page], rows: list[Generation]
) -> None:
    page = phone()
    page.locator("#open-search").tap()
    dialog = page.locator("#search")
    box = dialog.bounding_box()
    assert box == {"x": 0, "y": 0, **PHONE}
    field(page).fill("dawn")
    option = page.get_by_role("option", name="All 5 images")
    expect(option).to_be_visible()
    for row in page.locator("#search .option-row").all():
        box = row.bounding_box()
        assert box and box["height"] >= 44
    page.get_by_role("button", name="Close").tap()
    expect(dialog).to_be_hidden()
    page.locator("#open-search").tap()
    option.tap()
    page.wait_for_url("**/gallery/?q=dawn")


def test_search_works_without_scripts(phone: Callable[..., Page], owner: Member) -> None:
    page = phone(java_script_enabled=False)
    page.get_by_role("link", name="Search").click()
    assert path_of(page) == "/search/"
    page.locator("#q").fill("dawn")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("link", name="All 5 images").click()
    assert path_of(page) == "/gallery/"
    page.goto("/search/")
    page.get_by_role("link", name="dawn").click()
    expect(page.get_by_role("link", name="All 5 images")).to_be_visible()
    page.goto("/search/")
    page.get_by_role("button", name="Clear recent searches").click()
    expect(page.get_by_role("link", name="dawn")).to_have_count(0)


@pytest.mark.parametrize("width", [320, 1280])
@pytest.mark.parametrize("font_size", ["100%", "200%"])
def test_search_does_not_scroll_sideways(
    phone: Callable[..., Page], width: int, font_size: str
) -> None:
    page = phone(viewport={"width": width, "height": 700}, bypass_csp=True)
    page.goto("/search/?q=dawn")
    page.add_style_tag(content=f"html {{ font-size: {font_size}; }}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator("#open-search").click()
    field(page).last.fill("ridges at dawn")
    expect(page.locator("#search .option-row").first).to_be_visible()
    assert page.evaluate("search.scrollWidth <= search.clientWidth")


def test_search_page_is_live_too(page: Page, rows: list[Generation]) -> None:
    page.goto("/search/")
    page.get_by_role("combobox", name="Search images").fill("ridge")
    expect(page.get_by_role("option", name="All 5 images")).to_be_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/pictures/*/")


def test_filter_is_saved_shared_and_deleted(page: Page, rows: list[Generation]) -> None:
    page.goto("/gallery/?q=dawn")
    page.get_by_role("link", name="Save as smart collection").click()
    page.get_by_label("Name").fill("Dawns")
    page.get_by_label("Share with the team").check()
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/gallery/?q=dawn&smart=*")
    page.goto("/collections/")
    page.get_by_role("link", name="Dawns").click()
    expect(page.locator(".tile")).to_have_count(5)
    page.locator("a.chip", has_text="Dawns").click()
    page.locator("summary", has_text="Delete").click()
    page.get_by_role("button", name="Delete smart collection").click()
    page.wait_for_url("**/collections/")
    expect(page.get_by_role("link", name="Dawns")).to_have_count(0)


def test_more_like_this_is_named_and_left(page: Page, rows: list[Generation]) -> None:
    make_generation(Status.SUCCEEDED, owner=rows[0].owner, prompt="A pear")
    page.goto(f"/pictures/{picture_ids(rows[0])[0]}/")
    page.get_by_role("link", name="More like this").click()
    expect(page.locator(".tile")).to_have_count(5)
    page.get_by_role("link", name="Remove filter: like “Mountain ridges").click()
    expect(page.locator(".tile")).to_have_count(6)
