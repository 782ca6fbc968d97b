"""Stacks, controls on tiles, selection and filters: by mouse, keyboard, touch, without scripts."""

import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import (
    Batch,
    Collection,
    Generation,
    Member,
    Picture,
    SmartCollection,
    Status,
    Tag,
    bulk,
)
from tests.browser.conftest import sign_in
from tests.builders import make_generation, make_member, picture_ids

OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
HAS_FOCUS_INSIDE = "element => element.contains(document.activeElement)"


@pytest.fixture
def rows(owner: Member, settings: Settings, tmp_path: Path) -> list[Generation]:
    """Newest first: four images of the owner, two of Lan, then single ones of the owner."""
    settings.MEDIA_ROOT = tmp_path / "media"
    lan = make_member("lan", first_name="Lan", last_name="Nguyen")
    return [
        make_generation(
            Status.SUCCEEDED,
            owner=lan if place == 1 else owner,
            prompt=f"A pear on linen {place}",
            aspect_ratio="3:2",
            n=(4, 2)[place] if place < 2 else 1,
            created_at=timezone.now() - timedelta(minutes=place),
        )
        for place in range(14)
    ]


@pytest.fixture
def gallery(page: Page, rows: list[Generation]) -> Page:
    page.goto("/gallery/")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_enabled()
    return page


@pytest.fixture
def phone(
    chromium: Browser, live_server: LiveServer, owner: Member, rows: list[Generation]
) -> Iterator[Page]:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.goto("/gallery/")
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_enabled()
    yield page
    context.close()


@pytest.fixture
def without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, rows: list[Generation]
) -> Iterator[BrowserContext]:
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
    )
    sign_in(context, owner)
    yield context
    context.close()


def tile(page: Page, row: Generation) -> Locator:
    return page.locator(f"#tiles > .tile[data-row='{row.pk}']")


def top(element: Locator) -> float:
    box = element.bounding_box()
    assert box
    return box["y"]


# --- stacks --------------------------------------------------------------------------------------


def test_stack_opens_under_its_row_and_closes(gallery: Page, rows: list[Generation]) -> None:
    stack, badge = gallery.locator("#stack"), tile(gallery, rows[0]).locator(".badge")
    expect(gallery.locator("#tiles > .tile")).to_have_count(14)
    expect(gallery.locator("#total")).to_have_text("18 images")
    expect(badge).to_have_text(re.compile(r"^\s*4\b"))
    badge.click()
    expect(stack.locator(".tile")).to_have_count(4)
    expect(stack).to_contain_text("4 images by owner")
    expect(badge).to_have_attribute("aria-expanded", "true")
    box = tile(gallery, rows[0]).bounding_box()
    assert box
    assert 0 < top(stack) - box["y"] - box["height"] < 20
    assert top(tile(gallery, rows[1])) == box["y"]  # beside it, not below
    # Another one opens instead, and what was pressed stays where it is.
    other = tile(gallery, rows[1]).locator(".badge")
    before = top(other)
    other.click()
    expect(stack.locator(".tile")).to_have_count(2)
    expect(badge).to_have_attribute("aria-expanded", "false")
    assert top(other) == before
    stack.get_by_role("link", name="Close").click()
    expect(stack).to_have_count(0)
    badge.click()
    expect(stack).to_be_visible()
    badge.click()
    expect(stack).to_have_count(0)


@pytest.mark.parametrize("key", ["Enter", " "])
def test_stack_opens_by_key(gallery: Page, rows: list[Generation], key: str) -> None:
    badge = tile(gallery, rows[0]).get_by_role("link", name="4 images. Open stack")
    badge.focus()
    gallery.keyboard.press(key)
    expect(gallery.locator("#stack-prompt")).to_be_focused()
    gallery.keyboard.press("Tab")
    expect(gallery.get_by_role("button", name="Select all 4")).to_be_focused()
    gallery.keyboard.press("Escape")
    expect(gallery.locator("#stack")).to_have_count(0)
    expect(badge).to_be_focused()


def test_image_of_a_stack_opens_with_its_strip(gallery: Page, rows: list[Generation]) -> None:
    tile(gallery, rows[0]).locator("a").first.click()
    box = gallery.get_by_role("dialog", name="Image")
    expect(box.locator(".backdrop .siblings img")).to_have_count(4)
    box.locator(".siblings a").nth(2).click()
    expect(box.get_by_text("3 of 4")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(tile(gallery, rows[0]).locator("a").first).to_be_focused()


def test_every_image_is_listed_instead(gallery: Page, rows: list[Generation]) -> None:
    gallery.get_by_role("button", name="Stacks").click()
    expect(gallery.locator("#tiles > .tile")).to_have_count(18)
    gallery.reload()
    expect(gallery.locator("#tiles > .tile")).to_have_count(18)
    gallery.get_by_role("button", name="Stacks").click()
    expect(gallery.locator("#tiles > .tile")).to_have_count(14)


def test_stack_opens_without_scripts(
    without_scripts: BrowserContext, rows: list[Generation]
) -> None:
    page = without_scripts.pages[0]
    page.goto("/gallery/?q=pear")
    tile(page, rows[0]).get_by_role("link", name="4 images. Open stack").click()
    expect(page.locator("#stack .tile")).to_have_count(4)
    expect(page).to_have_url(re.compile(r"\?q=pear&stack="))
    page.get_by_role("link", name="Compare").click()
    expect(page.locator(".sides > li")).to_have_count(4)
    page.go_back()
    page.locator("#close-stack").click()
    expect(page.locator("#stack")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"\?q=pear$"))


# --- selection -----------------------------------------------------------------------------------


def test_closed_stack_is_selected_as_a_whole(gallery: Page, rows: list[Generation]) -> None:
    gallery.get_by_role("button", name="Select", exact=True).click()
    select = gallery.get_by_role("button", name="Select", exact=True)
    expect(select).to_have_attribute("aria-pressed", "true")
    tile(gallery, rows[0]).locator("img").click()
    bar, box = gallery.locator("#bulk-bar"), tile(gallery, rows[0]).locator(".select-box")
    expect(bar.get_by_text("4 selected")).to_be_visible()
    expect(bar.get_by_text("All 4 images of the stack")).to_be_visible()
    tile(gallery, rows[0]).locator(".badge").click()
    inside = gallery.locator("#stack .tile")
    inside.nth(1).locator("img").click()
    expect(bar.get_by_text("3 selected")).to_be_visible()
    expect(box).to_have_js_property("indeterminate", True)
    gallery.keyboard.press("Escape")  # first the selection, then the stack
    expect(bar).to_be_hidden()
    expect(gallery.locator("#stack")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(gallery.locator("#stack")).to_have_count(0)


def test_selection_stays_when_a_stack_closes(
    gallery: Page, rows: list[Generation], owner: Member
) -> None:
    ids = picture_ids(rows[0])
    tile(gallery, rows[0]).locator(".badge").click()
    gallery.locator(f"#o{ids[0]} > a").focus()
    gallery.keyboard.press("x")
    gallery.locator(f"#o{ids[2]} img").click()
    gallery.locator("#close-stack").click()
    bar = gallery.locator("#bulk-bar")
    expect(bar.get_by_text("2 selected")).to_be_visible()
    bar.get_by_role("button", name="Favourite").click()
    expect(gallery.get_by_text("2 images added to favourites.")).to_be_visible()
    assert {each.picture_id for each in owner.favourites.all()} == {ids[0], ids[2]}


def test_counts_follow_the_trash_and_its_undo(
    gallery: Page, rows: list[Generation], owner: Member
) -> None:
    ids = picture_ids(rows[0])
    badge = tile(gallery, rows[0]).locator(".badge")
    badge.click()
    gallery.locator(f"#o{ids[0]} > a").focus()
    gallery.keyboard.press("Delete")
    expect(gallery.get_by_text("1 image moved to trash.")).to_be_visible()
    expect(gallery.locator("#total")).to_have_text("17 images")
    expect(gallery.locator(".month .fact").first).to_have_text("17 images")
    expect(badge).to_have_text(re.compile(r"^\s*3\b"))
    expect(tile(gallery, rows[0])).to_have_id(f"p{ids[1]}")  # the cover is another image
    gallery.get_by_role("button", name="Undo").click()
    expect(gallery.locator("#total")).to_have_text("18 images")
    expect(badge).to_have_text(re.compile(r"^\s*4\b"))
    tile(gallery, rows[1]).locator("img").click(modifiers=["Shift"])
    expect(gallery.locator("#bulk-bar").get_by_role("button", name="Trash")).to_be_hidden()
    assert Picture.objects.available().count() == 18


def test_bar_says_why_it_changes_fewer(gallery: Page, rows: list[Generation]) -> None:
    Member.objects.filter(username="owner").update(role="member")
    gallery.reload()
    gallery.get_by_role("button", name="Select", exact=True).click()
    for row in rows[1:3]:
        tile(gallery, row).locator("img").click()
    bar = gallery.locator("#bulk-bar")
    expect(bar.get_by_text("3 selected")).to_be_visible()
    trash = bar.get_by_role("button", name="Trash")
    if trash.get_attribute("data-part") == "":
        pytest.fail("the number of changeable images is missing")
    expect(
        bar.get_by_text("You can change 1 of 3. The others belong to other people.")
    ).to_be_visible()


def test_tag_is_added_and_removed_in_bulk(gallery: Page, rows: list[Generation]) -> None:
    gallery.get_by_role("button", name="Select", exact=True).click()
    tile(gallery, rows[0]).locator("img").click()
    bar = gallery.locator("#bulk-bar")
    for button, message in (
        ("Add tag", "Tag “Fruit” added to 4 images."),
        ("Remove tag", "Tag “Fruit” removed from 4 images."),
    ):
        bar.get_by_text("Tags", exact=True).click()
        bar.get_by_label("Tag").fill("Fruit")
        bar.get_by_role("button", name=button).click()
        expect(gallery.get_by_text(message)).to_be_visible()
    assert not Tag.objects.get().pictures.exists()


def test_bar_without_a_selection_offers_nothing(gallery: Page, rows: list[Generation]) -> None:
    gallery.get_by_role("button", name="Select", exact=True).click()
    bar = gallery.locator("#bulk-bar")
    expect(bar).to_contain_text("Select images")
    expect(bar.get_by_role("button")).to_have_text(["Done"])
    tile(gallery, rows[2]).locator("img").click()
    expect(bar).to_contain_text("1 selected")
    expect(bar.get_by_role("button", name="Download")).to_be_enabled()


def test_enter_in_a_field_of_the_bar_presses_its_own_button(
    gallery: Page, rows: list[Generation]
) -> None:
    gallery.get_by_role("button", name="Select", exact=True).click()
    tile(gallery, rows[0]).locator("img").click()
    bar = gallery.locator("#bulk-bar")
    for menu, field, message in (
        ("Tags", "Tag", "Tag “Fruit” added to 4 images."),
        ("Collection", "New collection", "4 images added to “Fruit”."),
    ):
        bar.get_by_text(menu, exact=True).click()
        bar.get_by_label(field).fill("Fruit")
        bar.get_by_label(field).press("Enter")
        expect(gallery.get_by_text(message)).to_be_visible()
    assert Collection.objects.get().pictures.count() == 4


def test_toast_is_above_the_selection_bar(gallery: Page, phone: Page) -> None:
    for page in (gallery, phone):
        page.get_by_role("button", name="Select", exact=True).click()
        page.locator("#tiles > .tile").nth(4).locator("img").click()
        page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
        toast, bar = page.locator(".toast"), page.locator("#bulk-bar")
        expect(toast).to_be_visible()
        box = toast.bounding_box()
        assert box
        assert box["y"] + box["height"] <= top(bar)
        for word in ("Download", "Collection", "Tags", "Favourite", "Trash"):
            expect(bar.get_by_text(word, exact=True)).to_be_visible()


# --- hover and focus -----------------------------------------------------------------------------


def test_controls_appear_under_the_pointer(
    gallery: Page, rows: list[Generation], owner: Member
) -> None:
    lans = tile(gallery, rows[1])
    lans.hover()
    expect(lans.locator(".caption")).to_have_css("opacity", "1")
    expect(lans.locator(".caption")).to_have_text("Lan Nguyen A pear on linen 1")
    lans.get_by_role("button", name="Favourite").click()
    expect(gallery.get_by_text("1 image added to favourites.")).to_be_visible()
    expect(lans.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    assert [each.picture_id for each in owner.favourites.all()] == picture_ids(rows[1])[:1]
    single = tile(gallery, rows[2])
    single.hover()
    single.get_by_role("button", name="More").click()
    menu = gallery.locator("#tile-menu")
    expect(menu.get_by_role("link", name="Reuse settings")).to_be_focused()
    reuse = menu.get_by_role("link", name="Reuse settings").get_attribute("href")
    assert reuse == f"/?remix={rows[2].pk}"
    gallery.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(single.get_by_role("button", name="More")).to_be_focused()
    single.get_by_role("button", name="More").click()
    menu.get_by_role("button", name="Move to trash").click()
    expect(single).to_be_hidden()
    lans.hover()
    lans.get_by_role("button", name="Select").click()
    expect(gallery.get_by_text("2 selected")).to_be_visible()


def test_controls_are_reached_by_key(gallery: Page, rows: list[Generation]) -> None:
    gallery.keyboard.press("j")
    first = tile(gallery, rows[0])
    expect(first.locator(".caption")).to_have_css("opacity", "1")
    for name in ("Open stack", "Select", "Favourite", "More"):
        gallery.keyboard.press("Tab")
        expect(gallery.locator(":focus")).to_have_accessible_name(re.compile(name))
    gallery.keyboard.press("Enter")
    gallery.keyboard.press("ArrowDown")
    expect(gallery.get_by_role("link", name="Variations")).to_be_focused()
    gallery.keyboard.press("Escape")
    gallery.keyboard.press("Tab")
    expect(tile(gallery, rows[1]).locator("a").first).to_be_focused()


def test_long_press_selects(phone: Page, rows: list[Generation]) -> None:
    box = tile(phone, rows[2]).bounding_box()
    assert box
    point = {"x": box["x"] + 40, "y": box["y"] + 40}
    touch = phone.context.new_cdp_session(phone)
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
    expect(phone.get_by_text("1 selected")).to_be_visible()
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tile(phone, rows[0]).locator("img").tap()
    expect(phone.get_by_text("5 selected")).to_be_visible()
    expect(phone.get_by_role("dialog", name="Image")).to_be_hidden()


# --- the filters ---------------------------------------------------------------------------------


def test_sheet_filters_on_a_phone(phone: Page, rows: list[Generation], owner: Member) -> None:
    bulk.favourite(picture_ids(rows[0])[:2], owner)
    opener, sheet = phone.locator("#open-filters"), phone.get_by_role("dialog", name="Filter")
    expect(phone.locator("#filters")).to_be_hidden()
    opener.tap()
    expect(sheet.get_by_role("heading", name="Filter")).to_be_focused()
    expect(sheet.get_by_role("button", name="Show 18 images")).to_be_visible()
    for _step in range(25):
        phone.keyboard.press("Tab")
        body_has_focus = phone.evaluate("document.activeElement === document.body")
        assert body_has_focus or sheet.evaluate(HAS_FOCUS_INSIDE)
    sheet.get_by_text("Favourites").tap()
    expect(sheet.get_by_role("button", name="Show 2 images")).to_be_visible()
    sheet.get_by_text("Wide").tap()
    low = sheet.evaluate(
        "sheet => [...sheet.querySelectorAll('.option, .chip, .button')]"
        ".filter((each) => each.checkVisibility() && each.offsetHeight < 44).length"
    )
    assert low == 0
    sheet.get_by_role("button", name="Show 2 images").tap()
    expect(phone).to_have_url(re.compile(r"/gallery/\?ratio=wide&favourite=1$"))
    expect(opener).to_have_text("Filter 2")
    opener.tap()
    sheet.get_by_role("link", name="Clear").tap()
    expect(phone).to_have_url(re.compile(r"/gallery/$"))


def test_tap_outside_closes_the_sheet_and_opens_nothing(phone: Page) -> None:
    sheet = phone.get_by_role("dialog", name="Filter")
    opener = phone.locator("#open-filters")
    phone.set_viewport_size({"width": 390, "height": 1200})
    opener.tap()
    expect(sheet).to_be_visible()
    phone.touchscreen.tap(200, top(phone.locator("#filter-sheet")) - 60)
    expect(sheet).to_be_hidden()
    expect(opener).to_be_focused()
    expect(phone.get_by_role("dialog", name="Image")).to_be_hidden()
    expect(phone).to_have_url(re.compile(r"/gallery/$"))


def test_sheet_is_dragged_down(phone: Page) -> None:
    phone.locator("#open-filters").tap()
    sheet = phone.get_by_role("dialog", name="Filter")
    expect(sheet).to_be_visible()
    y = top(phone.locator("#sheet-head")) + 20
    touch = phone.context.new_cdp_session(phone)
    for kind, points in (
        ("touchStart", [{"x": 190, "y": y}]),
        ("touchMove", [{"x": 190, "y": y + 60}]),
        ("touchMove", [{"x": 190, "y": y + 160}]),
        ("touchEnd", []),
    ):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(sheet).to_be_hidden()


def test_months_and_stacks_are_in_the_sheet(phone: Page, rows: list[Generation]) -> None:
    phone.locator("#open-filters").tap()
    sheet = phone.get_by_role("dialog", name="Filter")
    sheet.get_by_role("button", name="Stacks").tap()
    expect(sheet.get_by_role("button", name="Stacks")).to_have_attribute("aria-pressed", "false")
    phone.keyboard.press("Escape")
    expect(phone.locator("#tiles > .tile")).to_have_count(18)
    phone.locator("#open-filters").tap()
    sheet.locator(".months summary").tap()
    sheet.locator(".months a").first.tap()
    expect(sheet).to_be_hidden()


def test_sheet_opens_without_scripts(
    without_scripts: BrowserContext, rows: list[Generation]
) -> None:
    page = without_scripts.pages[0]
    page.goto("/gallery/")
    expect(page.locator("#filters")).to_be_hidden()
    page.locator("#open-filters").click()
    page.locator("#filters").get_by_text("Lan Nguyen").click()
    page.get_by_role("button", name="Show images").click()
    expect(page.locator("#tiles > .tile")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/gallery/\?by=\d+$"))


def test_search_leaves_no_empty_fields_in_the_address(gallery: Page) -> None:
    gallery.locator("#q").fill("pear")
    gallery.keyboard.press("Enter")
    expect(gallery).to_have_url(re.compile(r"/gallery/\?q=pear$"))


def test_nothing_is_selected_where_nothing_can_be(gallery: Page, owner: Member) -> None:
    make_generation(Status.FAILED, owner=owner, prompt="A plum")
    gallery.goto("/gallery/?state=failed")
    expect(gallery.get_by_text("A plum")).to_be_visible()
    expect(gallery.locator("#select, #bulk-bar")).to_have_count(0)


def test_wide_menu_of_filters_is_on_the_page(gallery: Page, owner: Member) -> None:
    bulk.tag([Picture.objects.all()[0].pk], owner, "linen")
    Collection.objects.create(name="Autumn campaign of the north", created_by=owner)
    for width in (700, 820, 1280):
        gallery.set_viewport_size({"width": width, "height": 900})
        gallery.goto("/gallery/?favourite=1")
        gallery.locator("#filters summary", has_text="More").click()
        assert gallery.evaluate(OVERFLOW) <= 0
        box = gallery.locator(".more-list").bounding_box()
        assert box and box["x"] >= 0 and box["x"] + box["width"] <= width


def test_title_of_a_batch_stays_in_its_chip(gallery: Page, owner: Member) -> None:
    title = "Autumn campaign for the northern stores, second round of shots"
    batch = Batch.objects.create(owner=owner, title=title)
    Generation.objects.update(batch=batch)
    gallery.goto(f"/gallery/?batch={batch.pk}")
    chip = gallery.locator(".chip", has_text=title)
    assert chip.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_phone_shows_which_smart_collection_is_open(phone: Page, owner: Member) -> None:
    row = SmartCollection.objects.create(name="Pears", query="q=pear", created_by=owner)
    phone.goto(f"/gallery/?q=pear&smart={row.pk}")
    expect(phone.get_by_role("link", name="Pears")).to_be_visible()


@pytest.mark.parametrize("width", [320, 360, 390, 820])
def test_targets_of_the_header_do_not_overlap(phone: Page, width: int) -> None:
    phone.set_viewport_size({"width": width, "height": 844})
    targets = phone.locator(".header :is(.brand, #open-search, #bell, .account > summary)").all()
    boxes = [target.bounding_box() for target in targets]
    assert len(boxes) == 4
    for box, following in pairwise(boxes):
        assert box and following and box["x"] + box["width"] <= following["x"]


@pytest.mark.parametrize(("width", "font_size"), [(320, "100%"), (390, "200%"), (1280, "200%")])
def test_nothing_scrolls_sideways(
    page: Page, rows: list[Generation], width: int, font_size: str
) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    page.goto("/gallery/")
    page.evaluate("size => { document.documentElement.style.fontSize = size; }", font_size)
    tile(page, rows[0]).locator(".badge").click()
    expect(page.locator("#stack .tile")).to_have_count(4)
    page.locator("#select").click()
    tile(page, rows[0]).locator("img").click()
    expect(page.get_by_text("4 selected")).to_be_visible()
    assert page.evaluate(OVERFLOW) <= 0
    bar = page.locator("#bulk-bar")
    assert bar.evaluate("bar => bar.scrollWidth - bar.clientWidth") <= 1
    page.get_by_role("button", name="Done").click()
    if width < 700:
        page.locator("#open-filters").click()
        sheet = page.locator("#filter-sheet")
        assert sheet.evaluate("sheet => sheet.scrollWidth - sheet.clientWidth") <= 0
