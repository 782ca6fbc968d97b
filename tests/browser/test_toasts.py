"""Toasts: answers do not push the page, and "Copy link" answers by one."""

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Batch, Collection, Member, Picture, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]

TOP = "document.querySelector('h1').getBoundingClientRect().top"


@pytest.fixture
def picture(owner: Member) -> Picture:
    return Picture.objects.get(generation=make_generation(Status.SUCCEEDED, owner=owner))


@pytest.mark.parametrize("width", [390, 1280])
def test_saved_settings_answer_without_pushing_the_page(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto("/settings/")
    top = page.evaluate(TOP)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Settings saved.")).to_be_visible()
    page.evaluate("scrollTo(0, 0)")
    assert page.evaluate(TOP) == top


def test_toast_leaves_by_itself(page: Page) -> None:
    page.clock.install()
    page.goto("/settings/")
    page.get_by_role("button", name="Save").click()
    message = page.get_by_text("Settings saved.")
    expect(message).to_be_visible()
    page.clock.run_for(9000)
    expect(message).to_have_count(0)


def test_undo_after_another_toast_has_its_full_time(page: Page, picture: Picture) -> None:
    page.clock.install()
    page.goto(f"/pictures/{picture.pk}/")
    page.evaluate("document.dispatchEvent(new CustomEvent('toast', { detail: 'Link copied' }))")
    page.clock.run_for(7000)
    page.keyboard.press("f")
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    page.clock.run_for(7000)
    expect(undo).to_be_visible()
    page.clock.run_for(2000)
    expect(undo).to_have_count(0)


def test_menu_of_a_tile_says_that_the_link_is_copied(
    context: BrowserContext, page: Page, picture: Picture
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto("/gallery/")
    page.locator(f"#p{picture.pk}").hover()
    page.get_by_role("button", name="More", exact=True).click()
    page.get_by_role("button", name="Copy link").click()
    expect(page.locator("#toast")).to_have_text("Link copied")


@pytest.mark.parametrize("kind", ["picture", "generation", "collection", "batch", "lightbox"])
def test_link_is_copied(
    context: BrowserContext, page: Page, owner: Member, picture: Picture, kind: str
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    deck = Collection.objects.create(name="Deck", created_by=owner)
    addresses = {
        "picture": f"/pictures/{picture.pk}/",
        "generation": f"/generations/{picture.generation_id}/",
        "collection": f"/collections/{deck.pk}/",
        "batch": f"/batches/{Batch.objects.create(owner=owner, title='Spring').pk}/",
        "lightbox": "/gallery/?q=pear",
    }
    page.goto(addresses[kind])
    if kind == "lightbox":
        page.locator(f"#p{picture.pk} a").click()
    page.get_by_role("link", name="Copy link").click()
    expect(page.get_by_text("Link copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    shown = addresses["picture"] if kind == "lightbox" else addresses[kind]
    assert copied.endswith(shown), "the address of the thing, without the filter"


def test_without_scripts_it_is_a_link(
    chromium: Browser, live_server: LiveServer, owner: Member, picture: Picture
) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    page = context.pages[0]
    page.goto(f"/pictures/{picture.pk}/?favourite=1")
    link = page.get_by_role("link", name="Copy link")
    expect(link).to_have_attribute("href", f"/pictures/{picture.pk}/")
    context.close()
