"""Many at once in a browser: mouse, keyboard, phone, and without JavaScript."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Batch, Failure, Generation, Member, SavedPrompt, Status
from generations.models.money import Price
from tests.browser.conftest import sign_in
from tests.builders import make_generation

pytestmark = pytest.mark.django_db(transaction=True)

PHONE: ViewportSize = {"width": 390, "height": 844}


@pytest.fixture(params=[1280, 390])
def sized(request: pytest.FixtureRequest, page: Page) -> Page:
    page.set_viewport_size({"width": request.param, "height": 844})
    return page


def test_write_preview_start_and_watch(sized: Page, owner: Member) -> None:
    page = sized
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    page.get_by_role("link", name="Many at once").click()
    page.get_by_label("Prompts", exact=True).fill("A {red|green} mug\n{product} on oak")
    expect(page.get_by_role("heading", name="2 prompts, 2 images, $0.24")).to_be_visible()
    expect(page.get_by_text("Enter values for {product} below.")).to_be_visible()
    page.get_by_label("product", exact=True).fill("A bowl\nA pear")
    start = page.get_by_role("button", name="Generate 4 images · $0.48")
    expect(start).to_be_visible()
    expect(page.get_by_label("product", exact=True)).to_be_focused()
    start.click()
    expect(page.get_by_role("heading", name="A red mug")).to_be_visible()
    expect(page.get_by_text("4 queued", exact=True)).to_be_visible()
    batch = Batch.objects.get()
    row = batch.rows.get(batch_row=2)
    assert row.mark_submitting(60)
    expect(page.get_by_text("1 in progress", exact=True)).to_be_visible()
    expect(page.locator(f"#row-{row.pk}")).to_contain_text("Sending")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Cancel the remaining 3").click()
    expect(page.get_by_text("3 canceled", exact=True)).to_be_visible()
    assert batch.rows.filter(status=Status.CANCELED).count() == 3


def test_the_keyboard_is_enough(page: Page) -> None:
    page.goto("/batches/new/")
    page.keyboard.press("n")
    expect(page.get_by_label("Prompts", exact=True)).to_be_focused()
    page.keyboard.type("A pear\nA broken {pear")
    with page.expect_response("**/batches/new/"):  # replaces the links to lines
        page.get_by_label("Leave out the line above").press("Space")
    start = page.get_by_role("button", name="Generate 1 image")
    expect(start).to_be_visible()
    expect(page.get_by_label("Leave out the line above")).to_be_checked()
    page.get_by_role("link", name="Line 2").press("Enter")
    selected = "text.value.slice(text.selectionStart, text.selectionEnd)"
    assert page.evaluate(selected) == "A broken {pear"
    start.press("Enter")
    expect(page.get_by_role("heading", name="A pear")).to_be_visible()


def test_a_file_is_shown_at_once(page: Page, tmp_path: Path) -> None:
    (tmp_path / "pears.csv").write_text("prompt,images\nA pear,3\nA plum,x\n")
    page.goto("/batches/new/")
    page.get_by_label("Text or CSV file").set_input_files(tmp_path / "pears.csv")
    expect(page.get_by_role("heading", name="1 prompt, 3 images")).to_be_visible()
    expect(page.get_by_label("Prompts", exact=True)).to_have_value(re.compile("A plum,x"))
    expect(page.get_by_text("“x” is not a number of images.")).to_be_visible()


def test_a_double_click_starts_one_batch(page: Page) -> None:
    page.goto("/batches/new/")
    page.get_by_label("Prompts", exact=True).fill("A pear\nA plum")
    page.get_by_role("button", name="Generate 2 images").dblclick()
    expect(page.get_by_text("2 prompts, 2 images")).to_be_visible()
    assert (Batch.objects.count(), Generation.objects.count()) == (1, 2)


def test_without_javascript(chromium: Browser, live_server: LiveServer, owner: Member) -> None:
    context = chromium.new_context(
        base_url=live_server.url, java_script_enabled=False, viewport=PHONE
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.goto("/batches/new/")
    page.get_by_label("Prompts", exact=True).fill("{product} on oak")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("product", exact=True).fill("A mug\nA bowl")
    page.get_by_role("button", name="Preview").click()
    page.get_by_role("button", name="Generate 2 images").click()
    expect(page.get_by_text("2 queued", exact=True)).to_be_visible()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("article", name="A mug on oak")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill("A pear in snow")
    page.get_by_role("button", name="Save prompt").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear in snow")
    assert SavedPrompt.objects.get().text == "A pear in snow"
    context.close()


def test_a_batch_is_one_card_in_the_studio_and_follows(page: Page, owner: Member) -> None:
    batch = Batch.objects.create(owner=owner, idempotency_key="x", title="Spring")
    rows = [make_generation(owner=owner, batch=batch, batch_row=n) for n in (1, 2, 3)]
    page.goto("/")
    card = page.get_by_role("article", name="Spring")
    expect(card).to_contain_text("3 queued")
    expect(page.get_by_role("article")).to_have_count(1)
    assert rows[1].mark_submitting(60)
    expect(card).to_contain_text("1 in progress")
    card.get_by_role("link", name="Spring").click()
    expect(page).to_have_url(re.compile(f"/batches/{batch.pk}/"))


def test_edit_and_try_again(page: Page, owner: Member) -> None:
    batch = Batch.objects.create(owner=owner, idempotency_key="x", title="Spring")
    make_generation(
        Status.FAILED,
        owner=owner,
        batch=batch,
        batch_row=1,
        failure=Failure.POLICY,
        prompt="A pear",
    )
    page.goto(f"/batches/{batch.pk}/")
    page.get_by_role("link", name="Edit and try again").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear")


def test_the_prompt_library(sized: Page, owner: Member) -> None:
    page = sized
    page.get_by_label("Prompt", exact=True).fill("A pear in snow")
    page.get_by_role("button", name="Save prompt").click()
    expect(page.get_by_text("Saved to your prompt library.")).to_be_visible()
    page.get_by_role("link", name="Prompt library").click()
    page.get_by_role("button", name="Share with the team").click()
    expect(page.get_by_role("button", name="Keep for me")).to_be_visible()
    page.get_by_role("button", name="Use", exact=True).click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear in snow")
    page.goto("/prompts/")
    expect(page.get_by_text("used once")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("A pear in snow")).to_be_visible()
