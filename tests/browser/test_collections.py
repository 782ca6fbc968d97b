"""Collections and the trash in a browser: keyboard, without scripts, narrow screens."""

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Collection, Member, Picture, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]

LONG_WORD = "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenverwaltungsordnung🍐"


@pytest.fixture
def three(owner: Member) -> list[int]:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3, prompt=LONG_WORD * 3)
    return list(row.pictures.order_by("index").values_list("pk", flat=True))


@pytest.fixture
def spring(owner: Member, three: list[int]) -> Collection:
    row = Collection.objects.create(name=LONG_WORD[:80], created_by=owner)
    row.add(three, owner)
    return row


def order(row: Collection) -> list[int]:
    return list(row.items.values_list("picture", flat=True))


def test_focus_stays_on_the_button_when_arranging_by_keyboard(
    page: Page, spring: Collection, three: list[int]
) -> None:
    first, second, third = three
    page.goto(f"/collections/{spring.pk}/")
    page.get_by_role("link", name="Arrange").click()
    page.locator(f"#later-{first}").focus()
    for place, expected in enumerate(([second, first, third], [second, third, first])):
        page.keyboard.press("Enter")
        expect(page.locator("#items > li").nth(place + 1)).to_have_id(f"p{first}")
        expect(page.locator(f"#later-{first}")).to_be_focused()
        assert order(spring) == expected
    page.locator(f"#remove-{third}").focus()
    page.keyboard.press("Enter")
    expect(page.locator(f"#p{third}")).to_have_count(0)
    expect(page.locator(f"#remove-{first}")).to_be_focused()


def test_lightbox_follows_the_collection_and_selected_images_are_removed(
    page: Page, spring: Collection, three: list[int]
) -> None:
    first, second, third = three
    spring.reorder(third, -2, spring.created_by)
    page.goto(f"/collections/{spring.pk}/")
    page.locator(f"#p{third} a").click()
    box = page.get_by_role("dialog", name="Image")
    expect(box.get_by_text("3 of 3")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(box.get_by_text("1 of 3")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(f"#p{first} a")).to_be_focused()
    page.keyboard.press("x")
    page.locator(f"#p{second}").click()
    page.locator("#bulk-bar summary", has_text="More").click()
    page.get_by_role("button", name="Remove from collection").click()
    expect(page.locator(f"#p{first}")).to_be_hidden()
    expect(page.locator(f"#p{third}")).to_be_visible()
    assert order(spring) == [third]


def test_restore_works_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, three: list[int]
) -> None:
    Picture.objects.filter(pk__in=three).trash(owner)
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    page = context.pages[0]
    page.goto("/trash/")
    for box in page.get_by_role("checkbox").all()[:2]:
        box.check()
    page.get_by_role("button", name="Restore selected").click()
    expect(page.get_by_text("2 images restored")).to_be_visible()
    page.get_by_role("button", name="Restore:").click()
    expect(page.get_by_role("heading", name="The trash is empty")).to_be_visible()
    context.close()


def test_long_words_do_not_widen_a_narrow_page(
    page: Page, spring: Collection, owner: Member
) -> None:
    trashed = make_generation(Status.SUCCEEDED, owner=owner, prompt=LONG_WORD * 5)
    trashed.pictures.all().trash(owner)
    page.set_viewport_size({"width": 320, "height": 700})
    one = f"/collections/{spring.pk}/"
    for address in ("/collections/", one, f"{one}?arrange=1", "/trash/"):
        page.goto(address)
        assert page.evaluate("document.documentElement.scrollWidth") == 320, address
