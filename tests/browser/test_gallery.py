"""The gallery in a browser: search, lightbox, selection, actions and undo."""

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Collection, Generation, Member, Picture, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation, make_member

PROMPTS = ("A pear on linen", "Lighthouse at night", "Cà phê sữa đá", "Dunes", "Paper boat")
RATIOS = ("3:2", "1:1", "2:3", "16:9", "4:3")


@pytest.fixture
def generations(owner: Member, settings: Settings, tmp_path: Path) -> list[Generation]:
    """Twenty generations, newest first, alternately by the owner and by Lan; without stacks."""
    Member.objects.update(shows_stacks=False)
    settings.MEDIA_ROOT = tmp_path / "media"
    lan = make_member("lan", first_name="Lan", last_name="Nguyen")
    return [
        make_generation(
            Status.SUCCEEDED,
            owner=(owner, lan)[place % 2],
            prompt=f"{PROMPTS[place % 5]} {place}",
            aspect_ratio=RATIOS[place % 5],
            n=place % 4 + 1,
            created_at=timezone.now() - timedelta(days=place * 5),
        )
        for place in range(20)
    ]


@pytest.fixture
def gallery(page: Page, generations: list[Generation]) -> Page:
    page.goto("/gallery/")
    return page


def first_of(row: Generation) -> Picture:
    return row.pictures.get(index=0)


def test_search_and_filter_are_part_of_the_url(gallery: Page) -> None:
    gallery.keyboard.press("/")
    expect(gallery.get_by_label("Search prompts")).to_be_focused()
    gallery.keyboard.type("ca phe")
    gallery.keyboard.press("Enter")
    expect(gallery).to_have_url(re.compile(r"q=ca\+phe"))
    expect(gallery.locator(".tile")).to_have_count(4 + 3 + 2 + 1)
    gallery.get_by_text("Everyone").click()
    gallery.get_by_label("Lan Nguyen").check()
    gallery.locator("details[open]").get_by_role("button", name="Apply").click()
    expect(gallery.locator(".chip.is-on")).to_have_text("Lan Nguyen")
    expect(gallery.locator(".tile")).to_have_count(4 + 2)
    gallery.get_by_role("link", name="Clear all").click()
    expect(gallery).to_have_url(re.compile(r"/gallery/$"))


def test_next_page_loads_on_scroll_and_back_restores_the_position(
    page: Page, generations: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 6)
    page.goto("/gallery/")
    last = page.locator(f"#p{generations[-1].pictures.order_by('index').last().pk}")  # type: ignore[union-attr]
    while not last.count():
        page.mouse.wheel(0, 4000)
        expect(page.locator("#tiles[aria-busy=true]")).to_have_count(0)
    assert page.locator(".tile").count() == Picture.objects.count()
    last.scroll_into_view_if_needed()
    page.goto("/settings/")
    page.go_back()
    expect(last).to_be_in_viewport()


def test_further_images_wait_for_the_first_scroll(
    page: Page, generations: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 2)
    page.set_viewport_size({"width": 1280, "height": 200})
    page.goto("/gallery/", wait_until="networkidle")
    first = page.locator(".tile").count()
    assert first < Picture.objects.count()
    page.mouse.wheel(0, 10)
    expect(page.locator(".tile")).not_to_have_count(first)
    page.set_viewport_size({"width": 1280, "height": 9000})
    page.goto("/gallery/")
    expect(page.locator(".tile")).to_have_count(Picture.objects.count())


def test_lightbox_opens_navigates_and_closes(gallery: Page, generations: list[Generation]) -> None:
    second = first_of(generations[1])
    gallery.locator(f"#p{second.pk} a").click()
    box = gallery.get_by_role("dialog", name="Image")
    expect(box.get_by_role("heading", name=generations[1].prompt)).to_be_focused()
    expect(gallery).to_have_url(re.compile(rf"/pictures/{second.pk}/$"))
    gallery.keyboard.press("ArrowRight")
    expect(box.get_by_text("2 of 2")).to_be_visible()
    gallery.keyboard.press("ArrowLeft")
    gallery.keyboard.press("ArrowLeft")
    expect(box.get_by_role("heading", name=generations[0].prompt)).to_be_visible()
    gallery.go_back()
    expect(box).to_be_hidden()
    expect(gallery.locator(f"#p{first_of(generations[0]).pk} a")).to_be_focused()
    gallery.go_forward()
    expect(box).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(gallery).to_have_url(re.compile(r"/gallery/$"))


def test_focus_stays_in_the_lightbox(gallery: Page, generations: list[Generation]) -> None:
    gallery.locator(f"#p{first_of(generations[0]).pk} a").click()
    box = gallery.get_by_role("dialog", name="Image")
    expect(box).to_be_visible()
    for _step in range(30):
        gallery.keyboard.press("Tab")
        outside = gallery.evaluate(
            "document.activeElement !== document.body"
            " && !document.getElementById('lightbox').contains(document.activeElement)"
        )
        assert not outside


def test_actions_in_the_lightbox(
    gallery: Page, generations: list[Generation], owner: Member
) -> None:
    picture = first_of(generations[0])
    gallery.locator(f"#p{picture.pk} a").click()
    box = gallery.get_by_role("dialog", name="Image")
    expect(box).to_be_visible()
    gallery.keyboard.press("f")
    favourite = box.get_by_role("button", name="Favourite")
    expect(favourite).to_have_attribute("aria-pressed", "true")
    expect(favourite).to_be_focused()
    box.get_by_label("New tag").fill("Fruit")
    box.get_by_role("button", name="Add tag").click()
    expect(box.get_by_role("link", name="Fruit")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(gallery.locator(f"#p{picture.pk} .heart")).to_be_visible()
    gallery.locator(f"#p{picture.pk} a").click()
    expect(box).to_be_visible()
    gallery.keyboard.press("c")
    box.get_by_label("New collection").fill("Spring")
    box.get_by_role("button", name="Create and add").click()
    expect(box.get_by_role("link", name="Spring")).to_be_visible()
    box.get_by_role("button", name="Make private").click()
    expect(box.get_by_text("Private", exact=True)).to_be_visible()
    assert Generation.objects.get(pk=generations[0].pk).is_private
    assert Collection.objects.get().pictures.get() == picture
    assert owner.favourites.count() == 1


def test_selected_images_are_downloaded(gallery: Page, generations: list[Generation]) -> None:
    tiles = gallery.locator(".tile")
    expect(tiles).to_have_count(50)
    gallery.get_by_role("button", name="Select").click()
    tiles.first.click()
    tiles.last.click(modifiers=["Shift"])
    expect(gallery.get_by_text("50 selected")).to_be_visible()
    with gallery.expect_download() as download:
        gallery.locator("#bulk-bar").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        reader = csv.DictReader(io.StringIO(archive.read("images.csv").decode("utf-8-sig")))
        rows = list(reader)
    assert len(names) == 51
    assert len(rows) == 50
    assert any("lighthouse-at-night" in name for name in names)


def test_month_is_selected_beyond_the_loaded_page(
    page: Page, owner: Member, generations: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the month is never loaded, and selected all the same."""
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 4)
    month = timezone.now().replace(year=2024, month=2, day=10)
    for day in range(6):
        make_generation(
            Status.SUCCEEDED, owner=owner, prompt="Snow", created_at=month + timedelta(days=day)
        )
    page.route("**/gallery/?*seen=*", lambda route: None)  # never answered
    page.goto("/gallery/?q=snow")
    page.get_by_role("button", name="Select").click()
    page.get_by_label("All of February 2024").check()
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.get_by_role("checkbox", name="All of February 2024").last.check()
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    expect(page.get_by_text("6 images added to favourites.")).to_be_visible()
    page.locator(".tile").first.click()
    expect(page.get_by_text("3 selected")).to_be_visible()
    expect(page.locator("#select-all")).not_to_be_checked()


def test_undo_restores_trashed_images(gallery: Page, generations: list[Generation]) -> None:
    mine, lans = first_of(generations[0]), first_of(generations[1])
    gallery.locator(f"#p{mine.pk} a").focus()
    gallery.keyboard.press("x")
    gallery.locator(f"#p{lans.pk}").click()
    expect(gallery.get_by_text("2 selected")).to_be_visible()
    gallery.locator("#bulk-bar").get_by_role("button", name="Trash").click()
    expect(gallery.get_by_text("1 image moved to trash.")).to_be_visible()
    expect(gallery.locator(f"#p{mine.pk}")).to_be_hidden()
    expect(gallery.locator(f"#p{lans.pk}")).to_be_visible()
    gallery.get_by_role("button", name="Undo").click()
    expect(gallery.get_by_text("1 image restored.")).to_be_visible()
    expect(gallery.locator(f"#p{mine.pk}")).to_be_visible()
    assert Picture.objects.available().count() == 50


def test_keyboard_shortcuts_work_in_the_grid(
    gallery: Page, generations: list[Generation], owner: Member
) -> None:
    gallery.keyboard.press("j")
    gallery.keyboard.press("j")
    gallery.keyboard.press("f")
    second = gallery.locator(".tile").nth(1)
    expect(second.locator(".heart")).to_be_visible()
    gallery.keyboard.press("Enter")
    expect(gallery.get_by_role("dialog", name="Image")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(second.locator("a")).to_be_focused()
    gallery.keyboard.press("k")
    gallery.keyboard.press("Delete")
    expect(gallery.get_by_text("1 image moved to trash.")).to_be_visible()
    gallery.keyboard.press("u")
    expect(gallery.get_by_text("1 image restored.")).to_be_visible()


def test_two_images_are_compared(gallery: Page, generations: list[Generation]) -> None:
    gallery.get_by_role("button", name="Select").click()
    gallery.locator(".tile").nth(0).click()
    gallery.locator(".tile").nth(1).click()
    gallery.keyboard.press("c")
    collection = gallery.locator("#bulk-bar summary", has_text="Collection")
    expect(collection).to_be_focused()
    expect(gallery.get_by_label("New collection")).to_be_visible()
    gallery.keyboard.press("c")
    gallery.locator("#bulk-bar").get_by_text("More", exact=True).click()
    gallery.get_by_role("button", name="Compare").click()
    expect(gallery.get_by_role("heading", name="Compare")).to_be_visible()
    assert "csrf" not in gallery.url
    expect(gallery.locator(".sides > li")).to_have_count(2)


@pytest.fixture
def without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, generations: list[Generation]
) -> Iterator[BrowserContext]:
    """A browser of the owner with JavaScript disabled."""
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    yield context
    context.close()


def test_actions_work_without_scripts(
    without_scripts: BrowserContext, generations: list[Generation]
) -> None:
    page = without_scripts.pages[0]
    page.goto("/gallery/?select=1")
    mine = first_of(generations[0])
    page.locator(f"#p{mine.pk} .select-box").check()
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    expect(page.get_by_text("1 image added to favourites.")).to_be_visible()
    page.goto("/gallery/?favourite=1")
    page.locator(f"#p{mine.pk} a").click()
    expect(page.get_by_role("heading", name=generations[0].prompt)).to_be_visible()
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("1 image moved to trash.")).to_be_visible()
    page.goto("/trash/")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Restore selected").click()
    expect(page.get_by_text("1 image restored.")).to_be_visible()
    assert Picture.objects.available().filter(pk=mine.pk).exists()


def test_gallery_works_on_a_phone(
    chromium: Browser, live_server: LiveServer, owner: Member, generations: list[Generation]
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Gallery").tap()
    picture = first_of(generations[0])
    expect(page.get_by_role("button", name="Select")).to_be_enabled()  # scripts have loaded
    page.locator(f"#p{picture.pk} a").tap()
    box = page.get_by_role("dialog", name="Image")
    expect(box).to_be_visible()
    box.get_by_role("button", name="Favourite").tap()
    expect(box.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    box.get_by_role("link", name="Gallery").tap()
    expect(box).to_be_hidden()
    page.get_by_role("button", name="Select").tap()
    page.locator(f"#p{picture.pk}").tap()
    expect(page.get_by_text("1 selected")).to_be_visible()
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0
    context.close()
