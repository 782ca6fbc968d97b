"""The choice of a model in a browser: from the list to an image, at a desk and on a phone."""

from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.engines import registry
from generations.models import Generation, Member, Status
from generations.models.money import Price
from tests.browser.conftest import sign_in
from tests.browser.test_axe import violations
from tests.builders import png_bytes
from tests.simulator import Simulator
from tests.worker_driver import run_worker

pytestmark = pytest.mark.django_db(transaction=True)

PHONE = ViewportSize(width=390, height=844)
SIZES = [ViewportSize(width=1280, height=900), PHONE]


@pytest.fixture
def prices(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    for engine, amount in (("kling", 1200), ("openai", 400), ("flux", 600)):
        Price.objects.create(engine=engine, model="*", amount_e4=amount)


@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_from_the_list_to_an_image_of_another_model(
    chromium: Browser,
    live_server: LiveServer,
    owner: Member,
    prices: None,
    upstream: Simulator,
    size: ViewportSize,
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport=size,
        bypass_csp=True,  # for axe
        reduced_motion="reduce",  # contrast is measured after transitions
    )
    sign_in(context, owner)
    page = context.pages[0]
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("Layered mountain ridges")
    page.get_by_role("radio", name="21 to 9, very wide").check()
    page.get_by_role("radio", name="6", exact=True).check()
    page.locator("#models-summary").click()
    assert violations(page) == []
    page.get_by_role("radio", name="GPT Image 1.5").check()
    expect(page.get_by_text("21:9 is not available with GPT Image 1.5.")).to_be_visible()
    expect(page.get_by_role("radio", name="3 to 2, landscape")).to_be_checked()
    assert violations(page) == []
    expect(page.locator("#models")).not_to_have_attribute("open", "")
    page.locator("#models-summary").click()
    page.get_by_role("radio", name="Flux 1.1 Pro").check()
    expect(page.get_by_role("radio", name="21 to 9, very wide")).to_be_checked()
    expect(page.get_by_text("Flux 1.1 Pro generates up to 4 at once.")).to_be_visible()
    expect(page.locator("#generate-label")).to_have_text("Generate 4 images · $0.24")
    expect(prompt).to_have_value("Layered mountain ridges")
    page.locator("#generate").click()
    card = page.get_by_role("article", name="Layered mountain ridges")
    expect(card).to_be_visible()
    run_worker()
    expect(card).to_have_attribute("data-status", "succeeded")
    row = Generation.objects.get()
    assert (row.engine, row.model, row.aspect_ratio, row.n) == ("flux", "flux-1.1-pro", "21:9", 4)
    assert row.status == Status.SUCCEEDED
    context.close()


def test_keyboard_moves_through_the_models(page: Page, prices: None) -> None:
    page.reload()
    page.locator("#models-summary").press("Enter")
    page.get_by_role("radio", name="Kling 1").focus()
    page.keyboard.press("ArrowDown")
    chosen = page.get_by_role("radio", name="GPT Image 1.5")
    expect(page.locator("#models-summary")).to_contain_text("GPT Image 1.5")
    expect(chosen).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#models-summary")).to_contain_text("GPT Image 1")
    expect(page.locator('[name="shown_model"]')).to_have_value("openai/gpt-image-1")


def test_enter_and_escape_close_the_list_and_spend_nothing(page: Page, prices: None) -> None:
    page.reload()
    page.locator("#prompt").fill("A pear")
    summary, models = page.locator("#models-summary"), page.locator("#models")
    for key in ("Enter", "Escape"):
        summary.press("Enter")
        expect(models).to_have_attribute("open", "")
        page.get_by_role("radio", name="Kling 1").focus()
        page.keyboard.press(key)
        expect(models).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
    page.reload()
    assert not Generation.objects.exists(), "Enter on a model must not spend"


def test_list_opens_at_the_chosen_model_and_more_names_what_it_takes(
    chromium: Browser, live_server: LiveServer, owner: Member, prices: None
) -> None:
    context = chromium.new_context(base_url=live_server.url, viewport=PHONE)
    sign_in(context, owner)
    page = context.pages[0]
    more = page.locator("#more-options")
    expect(more).to_contain_text("negative prompt, reference, collection")
    page.locator("#models-summary").click()
    page.get_by_role("radio", name="Flux Schnell").check()
    expect(page.locator("#models")).not_to_have_attribute("open", "")
    expect(more).not_to_contain_text("reference")
    expect(more).to_contain_text("collection")
    page.set_viewport_size({"width": 390, "height": 420})
    page.locator("#models-summary").click()
    expect(page.get_by_role("radio", name="Flux Schnell")).to_be_in_viewport()
    context.close()


def test_reference_image_makes_models_unavailable(page: Page, prices: None) -> None:
    page.reload()
    page.locator("#image").set_input_files(
        {"name": "pear.png", "mimeType": "image/png", "buffer": png_bytes(edge=400)}
    )
    page.locator("#models-summary").click()
    flux = page.locator("label.model", has_text="Flux 1.1 Pro")
    expect(flux).to_contain_text("Not available with a reference image.")
    flux.click(force=True)
    expect(page.get_by_role("radio", name="Kling 1")).to_be_checked()
    flux.get_by_role("radio").focus()
    expect(flux.get_by_role("radio")).to_be_focused()


def test_search_shows_the_models_with_the_words(
    page: Page, prices: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    flux = registry.ENGINES["flux"]
    more = replace(flux, models=(*flux.models, replace(flux.models[0], model="next")))
    monkeypatch.setitem(registry.ENGINES, "flux", more)
    page.reload()
    page.locator("#models-summary").click()
    page.locator("#prompt").fill("A pear")
    page.get_by_label("Search models").fill("drafts")
    expect(page.locator("label.model:visible")).to_have_count(2)
    page.get_by_label("Search models").fill("zebra")
    expect(page.get_by_text("No model matches.")).to_be_visible()
    page.get_by_label("Search models").fill("drafts")
    expect(page.get_by_text("No model matches.")).to_be_hidden()
    page.get_by_label("Search models").press("Enter")
    page.reload()
    assert not Generation.objects.exists(), "Enter in a search must not spend"


def test_model_is_chosen_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, prices: None
) -> None:
    context = chromium.new_context(base_url=live_server.url, java_script_enabled=False)
    sign_in(context, owner)
    page = context.pages[0]
    page.get_by_label("Prompt", exact=True).fill("A pear")
    page.locator("#models-summary").click()
    page.get_by_role("radio", name="Flux Schnell").check()
    page.get_by_role("button", name="Use this model").click()
    expect(page.locator("#models-summary")).to_contain_text("Flux Schnell")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear")
    page.locator("#generate").click()
    expect(page.get_by_role("article", name="A pear")).to_be_visible()
    assert Generation.objects.get().model == "flux-schnell"
    context.close()
