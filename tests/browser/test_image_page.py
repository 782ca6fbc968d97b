"""The page of one image in a browser: the way back, toasts, keys, large text, no scripts."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Favourite, Generation, Member, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation, picture_ids

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, n=3, prompt="A pear on a plate")


@pytest.fixture
def images(row: Generation) -> list[int]:
    return picture_ids(row)


@pytest.fixture
def plain_page(
    chromium: Browser, live_server: LiveServer, owner: Member, row: Generation
) -> Iterator[Page]:
    """A page without scripts, at the width of a phone."""
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport={"width": 390, "height": 844},
    )
    sign_in(context, owner)
    yield context.pages[0]
    context.close()


def test_image_of_a_card_leads_back_to_the_card(page: Page, images: list[int]) -> None:
    page.goto("/")
    page.locator(f"#picture-{images[1]}-link").click()
    back = page.locator("#viewer .back")
    expect(back).to_have_text("Studio")
    page.wait_for_load_state()  # the keys belong to the page's script
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("3 of 3")).to_be_visible()
    expect(back).to_have_text("Studio")
    page.get_by_role("link", name="Close").click()
    page.wait_for_url("**/#generation-*")


def test_focus_returns_to_the_image_of_the_card(page: Page, images: list[int]) -> None:
    page.goto("/")
    link = page.locator(f"#picture-{images[1]}-link")
    link.press("Enter")
    page.wait_for_url("**/pictures/**")
    page.wait_for_load_state()
    page.keyboard.press("Escape")
    expect(link).to_be_focused()


def test_escape_closes_one_layer_at_a_time(page: Page, images: list[int]) -> None:
    page.goto("/history/")
    page.goto(f"/pictures/{images[0]}/?from=/history/")
    page.keyboard.press("z")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.locator("#viewer-collect").click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Create and add")).to_be_hidden()
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.locator("#viewer-prompt").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    page.wait_for_url("**/history/*")


def test_escape_leaves_the_actual_size_before_the_lightbox(page: Page, images: list[int]) -> None:
    page.goto("/gallery/")
    page.locator(f"#p{images[0]} a").first.click()
    expect(page.get_by_role("dialog", name="Image")).to_be_visible()
    page.keyboard.press("z")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("/")  # the search opens above, and is the first layer to close
    expect(page.locator("#search input[name=q]")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("#search")).to_be_hidden()
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("Escape")
    expect(page.locator("#zoom")).to_have_attribute("aria-pressed", "false")
    expect(page.get_by_role("dialog", name="Image")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="Image")).to_be_hidden()


def test_reloaded_lightbox_leads_back_to_the_place_in_the_grid(
    page: Page, images: list[int]
) -> None:
    page.goto("/")
    page.get_by_role("link", name="Gallery").click()
    page.wait_for_url("**/gallery/")  # with its scripts, which come after the first image
    page.locator(f"#p{images[0]} a").first.click()
    expect(page.get_by_role("dialog", name="Image")).to_be_visible()
    page.reload()
    expect(page.locator("#viewer .back")).to_have_text("Gallery")
    page.get_by_role("link", name="Close").click()
    page.wait_for_url("**/gallery/*")


def test_favourite_is_a_toast_and_moves_nothing(
    page: Page, images: list[int], owner: Member
) -> None:
    page.goto(f"/pictures/{images[0]}/")
    image = page.locator(".canvas img")
    place = image.bounding_box()
    page.keyboard.press("f")
    expect(page.locator("#toast")).to_contain_text("1 image added to favourites")
    expect(page.locator("#viewer-favourite")).to_have_attribute("aria-pressed", "true")
    assert image.bounding_box() == place
    assert Favourite.objects.filter(member=owner).count() == 1
    page.keyboard.press("u")
    expect(page.locator("#viewer-favourite")).to_have_attribute("aria-pressed", "false")
    assert Favourite.objects.count() == 0


def test_privacy_says_how_many_images_it_means(
    page: Page, images: list[int], row: Generation
) -> None:
    page.goto(f"/pictures/{images[0]}/")
    page.get_by_role("button", name="Make all 3 private").click()
    expect(page.locator("#toast")).to_contain_text("3 images are now private")
    expect(page.get_by_role("button", name="Share all 3 with the team")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Make all 3 private")).to_be_visible()
    row.refresh_from_db()
    assert not row.is_private


def test_next_image_follows_one_in_the_trash_with_an_undo(page: Page, images: list[int]) -> None:
    page.goto(f"/pictures/{images[0]}/")
    page.get_by_role("button", name="Move to trash").click()
    page.wait_for_url(f"**/pictures/{images[1]}/")
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_contain_text("1 image restored")


def test_download_is_named_by_prompt_request_and_number(
    page: Page, images: list[int], row: Generation
) -> None:
    page.goto(f"/pictures/{images[1]}/")
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename == f"a-pear-on-a-plate-{row.pk}-2.png"
    with page.expect_download() as download:
        page.get_by_role("link", name="Download WebP").click()
    assert download.value.suggested_filename == f"a-pear-on-a-plate-{row.pk}-2.webp"


def test_background_is_chosen_by_its_key_and_remembered(page: Page, images: list[int]) -> None:
    page.goto(f"/pictures/{images[0]}/")
    viewer = page.locator("#viewer")
    expect(viewer).to_have_attribute("data-backdrop", "page")
    header = page.locator(".header").evaluate("e => getComputedStyle(e).backgroundColor")
    assert page.locator(".backdrop").evaluate("e => getComputedStyle(e).backgroundColor") == header
    for name in ("dark", "grey"):
        page.keyboard.press("b")
        expect(viewer).to_have_attribute("data-backdrop", name)
    page.reload()
    expect(viewer).to_have_attribute("data-backdrop", "grey")


def test_favourite_without_scripts_moves_nothing(plain_page: Page, images: list[int]) -> None:
    plain_page.goto(f"/pictures/{images[0]}/?from=/history/")
    image = plain_page.locator(".canvas img")
    place = image.bounding_box()
    plain_page.get_by_role("button", name="Favourite").click()
    expect(plain_page.get_by_text("1 image added to favourites")).to_be_visible()
    assert image.bounding_box() == place
    plain_page.get_by_role("link", name="Prompt history").click()
    plain_page.wait_for_url("**/history/*")


OVERLAPS = """() => {
    const controls = [...document.querySelectorAll("#viewer a, #viewer button, #viewer summary, .nav a span")]
        .filter((each) => each.checkVisibility() && !each.closest(".siblings, .menu-list, .canvas"));
    const found = [];
    for (const [index, one] of controls.entries()) for (const other of controls.slice(index + 1)) {
        const [a, b] = [one.getBoundingClientRect(), other.getBoundingClientRect()];
        const width = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const height = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        const isFixed = one.closest(".nav") !== other.closest(".nav");
        if (width > 1 && height > 1 && !isFixed) found.push(`${one.textContent} / ${other.textContent}`);
    }
    for (const each of controls) if (each.scrollWidth > each.clientWidth + 1 && each.clientWidth
        && getComputedStyle(each).overflowX === "visible") found.push(`cut: ${each.textContent}`);
    return found;
}"""  # noqa: E501


@pytest.mark.parametrize("width", [320, 390, 820, 1280])
def test_large_text_overlaps_nothing(page: Page, images: list[int], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"/pictures/{images[1]}/")
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert page.evaluate(OVERLAPS) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
