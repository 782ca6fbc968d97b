"""Journeys through the gallery with real clicks: look, find, choose many, take away and back."""

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

WORDS = ("A pear on linen", "Lighthouse at night", "Cà phê sữa đá", "Dunes", "Paper boat")
RATIOS = ("3:2", "1:1", "2:3", "16:9", "4:3")


@pytest.fixture
def wall(owner: Member, settings: Settings, tmp_path: Path) -> list[Generation]:
    """Twenty wishes with their pictures, newest first, by the owner and by Lan in turn."""
    settings.MEDIA_ROOT = tmp_path / "media"
    lan = make_member("lan", first_name="Lan", last_name="Nguyen")
    return [
        make_generation(
            Status.SUCCEEDED,
            owner=(owner, lan)[place % 2],
            prompt=f"{WORDS[place % 5]} {place}",
            aspect_ratio=RATIOS[place % 5],
            n=place % 4 + 1,
            created_at=timezone.now() - timedelta(days=place * 5),
        )
        for place in range(20)
    ]


@pytest.fixture
def gallery(page: Page, wall: list[Generation]) -> Page:
    page.goto("/gallery/")
    return page


def first_of(row: Generation) -> Picture:
    return row.pictures.get(index=0)


def test_find_by_words_and_filter_and_send_the_address_on(gallery: Page) -> None:
    gallery.keyboard.press("/")
    expect(gallery.get_by_label("Search prompts")).to_be_focused()
    gallery.keyboard.type("ca phe")
    gallery.keyboard.press("Enter")
    expect(gallery).to_have_url(re.compile(r"q=ca\+phe"))
    expect(gallery.locator(".tile")).to_have_count(4 + 3 + 2 + 1)
    gallery.get_by_text("Everyone").click()
    gallery.get_by_label("Lan Nguyen").check()
    gallery.locator("details[open]").get_by_role("button", name="Show").click()
    expect(gallery.locator(".chip.is-on")).to_have_text("Lan Nguyen")
    expect(gallery.locator(".tile")).to_have_count(4 + 2)
    gallery.get_by_role("link", name="Clear all").click()
    expect(gallery).to_have_url(re.compile(r"/gallery/$"))


def test_the_next_page_comes_by_itself_and_back_finds_the_same_place(
    page: Page, wall: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 6)
    page.goto("/gallery/")
    last = page.locator(f"#p{wall[-1].pictures.order_by('index').last().pk}")  # type: ignore[union-attr]
    while not last.count():
        page.mouse.wheel(0, 4000)
        expect(page.locator("#tiles[aria-busy=true]")).to_have_count(0)
    assert page.locator(".tile").count() == Picture.objects.count()
    last.scroll_into_view_if_needed()
    page.goto("/settings/")
    page.go_back()
    expect(last).to_be_in_viewport()


def test_a_picture_opens_over_the_wall_and_leaves_it_as_it_was(
    gallery: Page, wall: list[Generation]
) -> None:
    second = first_of(wall[1])
    gallery.locator(f"#p{second.pk} a").click()
    box = gallery.get_by_role("dialog", name="Picture")
    expect(box.get_by_role("heading", name=wall[1].prompt)).to_be_focused()
    expect(gallery).to_have_url(re.compile(rf"/pictures/{second.pk}/$"))
    gallery.keyboard.press("ArrowRight")
    expect(box.get_by_text("2 of 2")).to_be_visible()
    gallery.keyboard.press("ArrowLeft")
    gallery.keyboard.press("ArrowLeft")
    expect(box.get_by_role("heading", name=wall[0].prompt)).to_be_visible()
    gallery.go_back()
    expect(box).to_be_hidden()
    expect(gallery.locator(f"#p{first_of(wall[0]).pk} a")).to_be_focused()
    gallery.go_forward()
    expect(box).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(gallery).to_have_url(re.compile(r"/gallery/$"))


def test_the_focus_stays_in_the_lightbox(gallery: Page, wall: list[Generation]) -> None:
    gallery.locator(f"#p{first_of(wall[0]).pk} a").click()
    box = gallery.get_by_role("dialog", name="Picture")
    expect(box).to_be_visible()
    for _step in range(30):
        gallery.keyboard.press("Tab")
        outside = gallery.evaluate(
            "document.activeElement !== document.body"
            " && !document.getElementById('lightbox').contains(document.activeElement)"
        )
        assert not outside


def test_heart_collect_tag_and_keep_private_in_the_lightbox(
    gallery: Page, wall: list[Generation], owner: Member
) -> None:
    picture = first_of(wall[0])
    gallery.locator(f"#p{picture.pk} a").click()
    box = gallery.get_by_role("dialog", name="Picture")
    expect(box).to_be_visible()
    gallery.keyboard.press("f")
    heart = box.get_by_role("button", name="Favourite")
    expect(heart).to_have_attribute("aria-pressed", "true")
    expect(heart).to_be_focused()
    box.get_by_label("New tag").fill("Fruit")
    box.get_by_role("button", name="Tag it").click()
    expect(box.get_by_role("link", name="Fruit")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(gallery.locator(f"#p{picture.pk} .heart")).to_be_visible()
    gallery.locator(f"#p{picture.pk} a").click()
    expect(box).to_be_visible()
    gallery.keyboard.press("c")
    box.get_by_label("A new one").fill("Spring")
    box.get_by_role("button", name="Make it and put it in").click()
    expect(box.get_by_role("link", name="Spring")).to_be_visible()
    box.get_by_role("button", name="Make private").click()
    expect(box.get_by_text("Only you see it.")).to_be_visible()
    assert Generation.objects.get(pk=wall[0].pk).is_private
    assert Collection.objects.get().pictures.get() == picture
    assert owner.favourites.count() == 1


def test_choose_many_and_carry_them_home(gallery: Page, wall: list[Generation]) -> None:
    order = gallery.locator(".tile")
    expect(order).to_have_count(50)
    gallery.get_by_role("button", name="Select").click()
    order.first.click()
    order.last.click(modifiers=["Shift"])
    expect(gallery.get_by_text("50 selected")).to_be_visible()
    with gallery.expect_download() as waiting:
        gallery.locator("#bulk-bar").get_by_role("button", name="Download").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        table = csv.DictReader(io.StringIO(archive.read("pictures.csv").decode("utf-8-sig")))
        rows = list(table)
    assert len(names) == 51
    assert len(rows) == 50
    assert any("lighthouse-at-night" in name for name in names)


def test_a_month_is_chosen_whole_though_the_page_ends_within_it(
    page: Page, owner: Member, wall: list[Generation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing more is loaded by scrolling: what is not on the page is meant all the same."""
    monkeypatch.setattr("generations.web.gallery.gallery.ROWS_A_PAGE", 4)
    month = timezone.now().replace(year=2024, month=2, day=10)
    for day in range(6):
        make_generation(
            Status.SUCCEEDED, owner=owner, prompt="Snow", created_at=month + timedelta(days=day)
        )
    page.route("**/gallery/?*seen=*", lambda route: None)  # never answered
    page.goto("/gallery/?q=snow")
    page.get_by_role("button", name="Select").click()
    page.get_by_label("all of February 2024").check()
    expect(page.get_by_text("4 selected")).to_be_visible()
    page.get_by_role("checkbox", name="all of February 2024").last.check()
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    expect(page.get_by_text("6 more favourites.")).to_be_visible()
    page.locator(".tile").first.click()
    expect(page.get_by_text("3 selected")).to_be_visible()
    expect(page.locator("#select-all")).not_to_be_checked()


def test_what_goes_to_the_trash_comes_back_by_undo(gallery: Page, wall: list[Generation]) -> None:
    mine, lans = first_of(wall[0]), first_of(wall[1])
    gallery.locator(f"#p{mine.pk} a").focus()
    gallery.keyboard.press("x")
    gallery.locator(f"#p{lans.pk}").click()
    expect(gallery.get_by_text("2 selected")).to_be_visible()
    gallery.locator("#bulk-bar").get_by_role("button", name="Trash").click()
    expect(gallery.get_by_text("1 picture moved to the trash.")).to_be_visible()
    expect(gallery.locator(f"#p{mine.pk}")).to_be_hidden()
    expect(gallery.locator(f"#p{lans.pk}")).to_be_visible()
    gallery.get_by_role("button", name="Undo").click()
    expect(gallery.get_by_text("1 picture is back.")).to_be_visible()
    expect(gallery.locator(f"#p{mine.pk}")).to_be_visible()
    assert Picture.objects.available().count() == 50


def test_by_the_keyboard_alone(gallery: Page, wall: list[Generation], owner: Member) -> None:
    gallery.keyboard.press("j")
    gallery.keyboard.press("j")
    gallery.keyboard.press("f")
    second = gallery.locator(".tile").nth(1)
    expect(second.locator(".heart")).to_be_visible()
    gallery.keyboard.press("Enter")
    expect(gallery.get_by_role("dialog", name="Picture")).to_be_visible()
    gallery.keyboard.press("Escape")
    expect(second.locator("a")).to_be_focused()
    gallery.keyboard.press("k")
    gallery.keyboard.press("Delete")
    expect(gallery.get_by_text("1 picture moved to the trash.")).to_be_visible()
    gallery.keyboard.press("u")
    expect(gallery.get_by_text("1 picture is back.")).to_be_visible()


def test_compare_two(gallery: Page, wall: list[Generation]) -> None:
    gallery.get_by_role("button", name="Select").click()
    gallery.locator(".tile").nth(0).click()
    gallery.locator(".tile").nth(1).click()
    gallery.locator("#bulk-bar").get_by_text("More", exact=True).click()
    gallery.get_by_role("button", name="Compare").click()
    expect(gallery.get_by_role("heading", name="Compare")).to_be_visible()
    expect(gallery.locator(".sides > li")).to_have_count(2)


@pytest.fixture
def bare(
    chromium: Browser, live_server: LiveServer, owner: Member, wall: list[Generation]
) -> Iterator[BrowserContext]:
    """The owner's window, without any script."""
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    yield context
    context.close()


def test_everything_goes_without_any_script(bare: BrowserContext, wall: list[Generation]) -> None:
    page = bare.pages[0]
    page.goto("/gallery/?select=1")
    mine = first_of(wall[0])
    page.locator(f"#p{mine.pk} .select-box").check()
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    expect(page.get_by_text("1 more favourite.")).to_be_visible()
    page.goto("/gallery/?favourite=1")
    page.locator(f"#p{mine.pk} a").click()
    expect(page.get_by_role("heading", name=wall[0].prompt)).to_be_visible()
    page.get_by_role("button", name="Move to the trash").click()
    expect(page.get_by_text("1 picture moved to the trash.")).to_be_visible()
    page.goto("/trash/")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Restore the chosen").click()
    expect(page.get_by_text("1 picture is back.")).to_be_visible()
    assert Picture.objects.available().filter(pk=mine.pk).exists()


def test_on_a_phone(
    chromium: Browser, live_server: LiveServer, owner: Member, wall: list[Generation]
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
    picture = first_of(wall[0])
    expect(page.get_by_role("button", name="Select")).to_be_visible()  # the scripts are there
    page.locator(f"#p{picture.pk} a").tap()
    box = page.get_by_role("dialog", name="Picture")
    expect(box).to_be_visible()
    box.get_by_role("button", name="Favourite").tap()
    expect(box.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")
    box.get_by_role("link", name="Gallery").tap()
    expect(box).to_be_hidden()
    page.get_by_role("button", name="Select").tap()
    page.locator(f"#p{picture.pk}").tap()
    expect(page.get_by_text("1 selected")).to_be_visible()
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    context.close()
