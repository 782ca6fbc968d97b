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
    page.wait_for_load_state()  # a press before the scripts loads the page again
    page.locator(f"#later-{first}").focus()
    for place, expected in enumerate(([second, first, third], [second, third, first])):
        page.keyboard.press("Enter")
        expect(page.locator("#items > li").nth(place + 1)).to_have_id(f"p{first}")
        expect(page.locator(f"#later-{first}")).to_be_focused()
        expect_saved(page, spring, expected)
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


def open_arranging(page: Page, row: Collection) -> None:
    page.goto(f"/collections/{row.pk}/?arrange=1")


def centre(page: Page, selector: str) -> tuple[float, float]:
    box = page.locator(selector).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def expect_order(page: Page, row: Collection, pictures: list[int]) -> None:
    """In the page, and after a reload, which shows what was saved."""
    for _time in range(2):
        items = page.locator("#items > li")
        for index, pk in enumerate(pictures):
            expect(items.nth(index)).to_have_id(f"p{pk}")
        expect_saved(page, row, pictures)
        page.reload()


def expect_saved(page: Page, row: Collection, pictures: list[int]) -> None:
    address = f"/collections/{row.pk}/?arrange=1"
    page.wait_for_function(
        """async ([address, ids]) => {
            const text = await (await fetch(address)).text();
            const page = new DOMParser().parseFromString(text, "text/html");
            return [...page.querySelectorAll("#items > li")].map((item) => item.id).join() === ids;
        }""",
        arg=[address, ",".join(f"p{pk}" for pk in pictures)],
    )


def test_image_is_dragged_by_mouse_with_one_request(
    page: Page, spring: Collection, three: list[int]
) -> None:
    first, second, third = three
    open_arranging(page, spring)
    sent: list[str] = []
    page.on("request", lambda each: sent.append(each.url) if each.method == "POST" else None)
    page.mouse.move(*centre(page, f"#p{first} .cover"))
    page.mouse.down()
    page.mouse.move(*centre(page, f"#p{second} .cover"), steps=5)
    page.mouse.move(*centre(page, f"#p{third} .cover"), steps=5)
    page.mouse.up()
    expect(page.locator("#announcer")).to_have_text("Dropped. Place 3 of 3")
    expect_order(page, spring, [second, third, first])
    assert len(sent) == 1
    assert "arrange" in page.url  # the click at the end has not opened the image


def test_escape_ends_a_drag_without_a_change(
    page: Page, spring: Collection, three: list[int]
) -> None:
    first, second, third = three
    open_arranging(page, spring)
    page.mouse.move(*centre(page, f"#p{third} .cover"))
    page.mouse.down()
    page.mouse.move(*centre(page, f"#p{first} .cover"), steps=5)
    expect(page.locator("#items > li").first).to_have_id(f"p{third}")
    page.keyboard.press("Escape")
    page.mouse.up()
    expect_order(page, spring, [first, second, third])


def test_image_is_moved_by_keyboard(page: Page, spring: Collection, three: list[int]) -> None:
    first, second, third = three
    open_arranging(page, spring)
    handle = page.locator(f"#move-{first}")
    handle.focus()
    for key in ("Space", "ArrowRight", "End", "ArrowLeft", "Enter"):
        page.keyboard.press(key)
    expect(handle).to_be_focused()
    expect(page.locator("#announcer")).to_have_text("Dropped. Place 2 of 3")
    expect_order(page, spring, [second, first, third])
    page.locator(f"#move-{third}").focus()
    for key in ("Space", "Home", "Escape"):
        page.keyboard.press(key)
    expect_order(page, spring, [second, first, third])


def test_image_is_dragged_by_finger(
    chromium: Browser, live_server: LiveServer, owner: Member, spring: Collection, three: list[int]
) -> None:
    first, second, third = three
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    sign_in(context, owner)
    page = context.pages[0]
    open_arranging(page, spring)
    page.locator(f"#move-{third}").scroll_into_view_if_needed()
    touch = context.new_cdp_session(page)
    start, end = centre(page, f"#move-{third}"), centre(page, f"#p{first} .cover")
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    for kind, points in (
        ("touchStart", [start]),
        ("touchMove", [middle]),
        ("touchMove", [end]),
        ("touchEnd", []),
    ):
        fingers = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    expect_order(page, spring, [third, first, second])
    context.close()


def test_removal_is_undone_in_place(page: Page, spring: Collection, three: list[int]) -> None:
    open_arranging(page, spring)
    page.locator(f"#remove-{three[1]}").click()
    expect(page.locator(f"#p{three[1]}")).to_have_count(0)
    expect(page.locator("#toast")).to_contain_text("1 image removed from")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(f"#remove-{three[1]}")).to_be_focused()
    expect_order(page, spring, three)


def test_collection_loses_and_regains_selected_images(
    page: Page, spring: Collection, three: list[int]
) -> None:
    page.goto(f"/collections/{spring.pk}/")
    page.locator(f"#p{three[1]} a").focus()
    page.keyboard.press("x")
    page.locator("#bulk-bar summary", has_text="More").click()
    page.get_by_role("button", name="Remove from collection").click()
    expect(page.locator(f"#p{three[1]}")).to_be_hidden()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(f"#p{three[1]}")).to_be_visible()
    assert order(spring) == three


def test_toast_opens_the_collection(page: Page, spring: Collection, owner: Member) -> None:
    [pk] = make_generation(Status.SUCCEEDED, owner=owner).pictures.values_list("pk", flat=True)
    page.goto(f"/pictures/{pk}/")
    page.locator("#viewer-collect").click()
    page.get_by_role("button", name=spring.name).click()
    expect(page.locator("#toast")).to_contain_text("1 image added to")
    page.locator("#toast").get_by_role("link", name="Open").click()
    page.wait_for_url(f"**/collections/{spring.pk}/")
    expect(page.locator(f"#p{pk}")).to_be_visible()


def test_image_that_somebody_removed_meanwhile_reloads_the_page(
    page: Page, spring: Collection, three: list[int]
) -> None:
    open_arranging(page, spring)
    spring.remove([three[2]])
    page.locator(f"#later-{three[0]}").click()
    page.locator(f"#later-{three[0]}").click()
    expect(page.locator("#items > li")).to_have_count(2)
    assert sorted(order(spring)) == three[:2]


def test_arranging_works_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, spring: Collection, three: list[int]
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
    )
    sign_in(context, owner)
    page = context.pages[0]
    open_arranging(page, spring)
    expect(page.get_by_role("button", name="Move right", exact=False).first).to_be_visible()
    expect(page.locator(".handle").first).to_be_hidden()
    page.locator(f"#later-{three[0]}").click()
    expect(page.locator("#items > li").first).to_have_id(f"p{three[1]}")
    page.locator(f"#remove-{three[0]}").click()
    expect(page.get_by_text("1 image removed from")).to_be_visible()
    assert order(spring) == [three[1], three[2]]
    context.close()
