"""The studio in a browser: with htmx, without JavaScript, with the keyboard, with errors."""

import re
from pathlib import Path

import pillow_heif
import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.engines.offer import Field
from generations.models import Generation, Member, ReferenceImage, Status
from generations.models.money import ReusedImage
from tests.browser.conftest import sign_in
from tests.builders import make_generation, png_bytes

pytestmark = pytest.mark.django_db(transaction=True)


def test_card_appears_in_the_feed_without_a_reload(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("A pear on a dark ground")
    page.get_by_role("radio", name="16 to 9, wide").check()
    page.get_by_role("radio", name="4", exact=True).check()
    page.get_by_role("button", name="Generate 4 images").click()
    card = page.get_by_role("article", name="A pear on a dark ground")
    expect(card.get_by_text("Next in queue")).to_be_visible()
    expect(card.locator(".frame")).to_have_count(4)
    expect(page.locator("#today")).to_have_text("1 in progress, 0 done")
    expect(page).to_have_title("(1) Studio - klingweb")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear on a dark ground")
    assert Generation.objects.get().n == 4


def test_double_click_creates_one_generation(page: Page) -> None:
    page.get_by_label("Prompt", exact=True).fill("A pear")
    page.get_by_role("button", name="Generate").dblclick()
    expect(page.get_by_role("article", name="A pear")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("article", name="A pear")).to_have_count(1)
    assert Generation.objects.count() == 1


def test_invalid_form_keeps_text_and_file(page: Page, tmp_path: Path) -> None:
    (tmp_path / "dune.png").write_bytes(png_bytes())
    page.get_by_text("Reference image", exact=True).click()
    page.get_by_label("Image file").set_input_files(tmp_path / "dune.png")
    expect(page.locator("#reference-value")).to_have_text("dune.png")
    page.get_by_label("Prompt", exact=True).fill("x" * 501)
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Too long: 501 of 500")).to_be_visible()
    prompt = page.get_by_label("Prompt", exact=True)
    expect(prompt).to_have_value("x" * 501)
    expect(prompt).to_be_focused()
    expect(page.get_by_label("Use dune.png")).to_be_checked()
    prompt.fill("Dunes")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="Dunes")).to_be_visible()
    assert Generation.objects.get().reference == ReferenceImage.objects.get()


def test_negative_prompt_is_disabled_while_an_image_is_chosen(page: Page, tmp_path: Path) -> None:
    (tmp_path / "dune.png").write_bytes(png_bytes())
    page.locator("summary", has_text="Negative prompt").click()
    page.get_by_label("Negative prompt").fill("birds")
    page.locator("summary", has_text="Reference image").click()
    page.get_by_label("Image file").set_input_files(tmp_path / "dune.png")
    expect(page.locator("#negative-prompt-value")).to_have_text(
        "Not available with a reference image"
    )
    page.get_by_label("Image file").set_input_files([])
    expect(page.locator("#negative-prompt-value")).to_have_text("birds")


def test_studio_works_with_the_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Prompt", exact=True)).to_be_focused()
    page.keyboard.type("A pear")
    page.keyboard.press("Tab")
    for name in ("Prompt history", "Prompt library", "Many at once"):
        expect(page.get_by_role("link", name=name)).to_be_focused()
        page.keyboard.press("Tab")
    expect(page.locator("#models-summary")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="4 to 3, landscape")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.get_by_label("Prompt", exact=True).focus()
    page.keyboard.press("Control+Enter")
    card = page.get_by_role("article", name="A pear")
    expect(card).to_be_visible()
    card.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    expect(card.get_by_text("Canceled")).to_be_focused()
    row = Generation.objects.get()
    assert (row.n, row.aspect_ratio, row.status) == (2, "4:3", Status.CANCELED)


def test_studio_works_without_javascript(
    chromium: Browser, live_server: LiveServer, owner: Member, tmp_path: Path
) -> None:
    (tmp_path / "dune.png").write_bytes(png_bytes())
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    page = context.pages[0]
    page.locator("summary", has_text="Reference image").click()
    page.get_by_label("Image file").set_input_files(tmp_path / "dune.png")
    page.get_by_role("button", name="Generate 1 image").click()
    expect(page.get_by_text("Describe the image first.")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill("Dunes")
    page.get_by_role("button", name="Generate 1 image").click()
    row = Generation.objects.get()
    expect(page).to_have_url(f"{live_server.url}/#generation-{row.pk}")
    page.get_by_role("article", name="Dunes").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("heading", name="Canceled")).to_be_visible()
    assert row.reference is not None
    context.close()


def test_reuse_settings_fills_the_form(page: Page, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="Dunes", n=3)
    page.reload()
    page.get_by_role("link", name="Reuse settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("Dunes")
    expect(page.get_by_role("button", name="Generate 3 images")).to_be_visible()


def test_draft_survives_a_reload_until_it_is_submitted(page: Page) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("Layered ridges")
    page.reload()
    expect(prompt).to_have_value("Layered ridges")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="Layered ridges")).to_be_visible()
    page.reload()
    expect(prompt).to_have_value("")


def test_file_that_the_browser_cannot_show_is_taken_without_a_broken_preview(
    page: Page, tmp_path: Path
) -> None:
    pillow_heif.register_heif_opener()
    (tmp_path / "IMG_1.HEIC").write_bytes(png_bytes(form="HEIF"))
    (tmp_path / "broken.jpg").write_bytes(png_bytes()[:200])
    page.get_by_text("Reference image", exact=True).click()
    field, preview = page.get_by_label("Image file"), page.locator("#image-preview")
    no_preview = page.get_by_text("This browser can’t show this kind of file.")
    field.set_input_files(tmp_path / "broken.jpg")
    expect(page.get_by_text("“broken.jpg” could not be read.")).to_be_visible()
    expect(preview).to_be_hidden()
    expect(no_preview).to_be_hidden()
    field.set_input_files(tmp_path / "IMG_1.HEIC")
    expect(no_preview).to_be_visible()
    expect(preview).to_be_hidden()
    expect(page.get_by_text("could not be read.")).to_have_count(0)
    page.get_by_label("Prompt", exact=True).fill("Dunes")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("Converted from HEIC.")).to_be_visible()
    assert ReferenceImage.objects.get().content_type == "image/jpeg"
    field.set_input_files([])
    expect(page.get_by_text("Converted from HEIC.")).to_have_count(0)


def test_dropped_and_pasted_images_are_checked_in_the_browser(page: Page, tmp_path: Path) -> None:
    send_image = """({small, type}) => {
        const canvas = document.createElement("canvas");
        canvas.width = canvas.height = small ? 100 : 400;
        canvas.toBlob((blob) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([blob], "dune.png", {type: "image/png"}));
            const options = {bubbles: true, cancelable: true};
            document.body.dispatchEvent(type === "drop"
                ? new DragEvent("drop", {...options, dataTransfer: transfer})
                : new ClipboardEvent("paste", {...options, clipboardData: transfer}));
        });
    }"""
    page.evaluate(send_image, {"small": True, "type": "drop"})
    expect(page.get_by_text("“dune.png” is too small")).to_be_visible()
    page.evaluate(send_image, {"small": False, "type": "paste"})
    expect(page.get_by_text("“dune.png” is too small")).to_have_count(0)
    expect(page.locator("#reference-value")).to_have_text("dune.png")
    page.get_by_label("Prompt", exact=True).fill("Dunes")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="Dunes")).to_be_visible()
    assert ReferenceImage.objects.get().name == "dune.png"


def test_similar_images_are_shown_while_typing(page: Page, stranger: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=stranger, prompt="A red bicycle at a white wall")
    page.get_by_label("Prompt", exact=True).press_sequentially("A red bicycle at a white wall")
    expect(page.get_by_text("1 similar image exists")).to_be_visible()
    page.locator("#similar button").click()
    expect(page).to_have_url(re.compile(r"/pictures/\d+/"))
    assert ReusedImage.objects.count() == 1


def test_variation_starts_with_one_click(page: Page, owner: Member) -> None:
    before = make_generation(
        Status.SUCCEEDED, owner=owner, prompt="A pear\non linen", n=2, aspect_ratio="3:2"
    )
    page.reload()
    card = page.locator(f"#generation-{before.pk}")
    for times in (1, 2):
        card.get_by_text("Variations", exact=True).click()
        card.get_by_role("button", name="1 to 1, square").click()
        expect(page.locator("#today")).to_have_text(f"{times} in progress, 1 done")
        expect(card.locator("details.variations")).not_to_have_attribute("open", "")
    made = Generation.objects.exclude(pk=before.pk)
    assert {(row.prompt, row.n, row.aspect_ratio, row.remix_of_id) for row in made} == {
        ("A pear\non linen", 2, "1:1", before.pk)
    }
    page.goto(f"/generations/{before.pk}/")
    page.keyboard.press("v")
    page.get_by_role("button", name="Generate 3 images").click()
    expect(page.get_by_role("article")).to_have_count(4)
    assert Generation.objects.filter(n=3, aspect_ratio="3:2").count() == 1


def test_variations_that_were_sent_are_not_offered_again(page: Page, owner: Member) -> None:
    """Their nonce is used: a second press would do nothing."""
    make_generation(Status.SUCCEEDED, owner=owner)
    page.reload()
    menu = page.locator("details.variations")
    menu.locator("summary").click()
    menu.get_by_role("button", name="1 to 1, square").click()
    expect(menu).not_to_have_attribute("open", "")
    page.route("**/variations/", lambda route: None)  # never answered
    with page.expect_request("**/variations/"):
        menu.locator("summary").click()
    expect(menu.get_by_role("button")).to_have_count(0)


def test_favourite_is_set_on_the_card(page: Page, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    page.reload()
    heart = page.get_by_role("button", name="Favourite: image 2")
    for is_on in (True, False, True):
        heart.focus()
        page.keyboard.press("f")
        expect(heart).to_have_attribute("aria-pressed", str(is_on).lower())
        assert owner.favourites.count() == is_on
    page.reload()
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.locator(f"#picture-{row.pictures.get(index=1).pk}").click()
    expect(page.get_by_role("button", name="Favourite")).to_have_attribute("aria-pressed", "true")


def test_error_goes_away_with_its_cause(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    prompt, error = page.get_by_label("Prompt", exact=True), page.get_by_text("Describe the image")
    expect(error).to_be_visible()
    expect(prompt).to_have_attribute("aria-invalid", "true")
    prompt.fill("A pear")
    expect(error).to_have_count(0)
    expect(prompt).not_to_have_attribute("aria-invalid", "true")
    expect(prompt).to_have_attribute("aria-describedby", "prompt-count")


def test_error_about_a_reference_goes_away_with_the_reference(page: Page) -> None:
    page.locator("summary", has_text="Negative prompt").click()
    page.get_by_label("Negative prompt").fill("birds")
    page.get_by_label("Prompt", exact=True).fill("A pear")
    address = page.get_by_label("Image address")
    page.locator("summary", has_text="Reference image").click()
    address.fill("http://a.example/b.png")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_text("begins with https")).to_be_visible()
    address.fill("")
    expect(page.get_by_text("begins with https")).to_have_count(0)
    expect(page.get_by_label("Negative prompt")).to_have_value("birds")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="A pear")).to_be_visible()
    expect(page.locator("#composer .error")).to_have_count(0)


def test_draft_keeps_a_field_of_the_offer(page: Page, paper: Field) -> None:
    page.reload()
    expect(page.get_by_role("radio", name="Matte paper")).to_be_checked()
    page.get_by_role("radio", name="Glossy paper").check()
    page.reload()
    expect(page.get_by_role("radio", name="Glossy paper")).to_be_checked()
    page.get_by_label("Prompt", exact=True).fill("A pear")
    page.get_by_role("button", name="Generate").click()
    expect(page.get_by_role("article", name="A pear")).to_be_visible()
    assert Generation.objects.get().params == {"paper": "glossy"}


@pytest.mark.parametrize("width", [320, 390, 700])
def test_empty_studio_fits_a_phone(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    expect(page.get_by_role("link", name="Use this prompt").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_search_and_bell_do_not_cover_each_other(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    search, bell = (page.locator(each).bounding_box() for each in ("#open-search", "#bell"))
    assert search
    assert bell
    assert search["x"] + search["width"] <= bell["x"]


@pytest.mark.parametrize("width", [390, 1100, 1280])
def test_menu_of_the_first_card_is_not_covered_by_the_header(
    page: Page, owner: Member, width: int
) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, n=2, aspect_ratio="21:9")
    page.set_viewport_size({"width": width, "height": 800})
    page.reload()
    for name, content in (("Variations", "form.variations"), ("Download", ".menu-list a")):
        page.locator("summary", has_text=name).or_(page.locator(f"summary[title={name}]")).click()
        page.locator(f"details[open] {content}").first.wait_for()
        expect(page.locator("details[open] .menu-list")).to_be_in_viewport(ratio=0.99)
        top = page.locator("details[open] .menu-list").evaluate(
            "list => list.getBoundingClientRect().top"
        )
        assert top >= page.locator(".header").evaluate("header => header.offsetHeight")
        page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [820, 1024, 1280])
def test_actions_of_a_card_are_in_one_row(page: Page, owner: Member, width: int) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, n=4, aspect_ratio="9:16")
    make_generation(Status.SUCCEEDED, owner=owner, n=2, aspect_ratio="16:9")
    page.set_viewport_size({"width": width, "height": 800})
    page.reload()
    rows = page.locator("article .actions").evaluate_all(
        "all => all.map(each => each.offsetHeight)"
    )
    assert len(rows) == 2
    assert max(rows) < 60
