"""The composer: input methods, pasted text and images, invisible text, errors that go away."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, Request, Route, expect

from generations.models import Generation, Member, Status
from generations.permissions import Role
from tests.builders import make_generation
from tests.test_invisible_text import BLANK, VISIBLE

pytestmark = pytest.mark.django_db(transaction=True)

MODIFIER_CTRL = 2  # of the DevTools protocol
PASTE = """([selector, text, hasImage]) => {
    const png = Uint8Array.from(
        atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="),
        (character) => character.charCodeAt(0),
    );
    const clip = new DataTransfer();
    if (text) clip.setData("text/plain", text);
    if (hasImage) clip.items.add(new File([png], "image.png", { type: "image/png" }));
    const field = document.querySelector(selector);
    const options = { clipboardData: clip, bubbles: true, cancelable: true };
    return {
        isTextInserted: field.dispatchEvent(new ClipboardEvent("paste", options)),
        attached: document.getElementById("image")?.files.length ?? 0,
    };
}"""


@pytest.fixture
def posts(page: Page) -> list[Request]:
    """The POST requests of the page."""
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    return sent


Press = Callable[..., None]


@pytest.fixture
def compose(page: Page) -> Callable[[str], None]:
    """Have an input method show a word that is not finished."""
    session = page.context.new_cdp_session(page)

    def compose(text: str) -> None:
        end = {"selectionStart": len(text), "selectionEnd": len(text)}
        session.send("Input.imeSetComposition", {"text": text, **end})

    return compose


@pytest.fixture
def press(page: Page) -> Press:
    """Press a key as the browser sees it: also one whose layout has no Latin letters."""
    session = page.context.new_cdp_session(page)

    def press(key: str, code: str, *, key_code: int = 0, modifiers: int = 0) -> None:
        event: dict[str, Any] = {
            "key": key, "code": code, "modifiers": modifiers, "windowsVirtualKeyCode": key_code,
        }  # fmt: skip
        for kind in ("rawKeyDown", "keyUp"):
            session.send("Input.dispatchKeyEvent", event | {"type": kind})

    return press


def posts_after(page: Page, posts: list[Request]) -> int:
    """The number of POSTs. A marker request follows the keys: what they caused is sent before."""
    page.evaluate("fetch('/favicon.ico')")
    return len(posts)


# --- input methods -------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["Enter", "NumpadEnter"])
def test_ctrl_enter_sends_nothing_while_a_word_is_composed(
    page: Page, posts: list[Request], compose: Callable[[str], None], press: Press, code: str
) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.focus()
    page.keyboard.type("a dog ")
    compose("nihao")
    press("Enter", code, key_code=13, modifiers=MODIFIER_CTRL)
    assert posts_after(page, posts) == 0
    page.keyboard.insert_text("你好")
    press("Enter", code, key_code=13, modifiers=MODIFIER_CTRL)
    expect(page.get_by_role("article", name="a dog 你好")).to_be_visible()
    assert len(posts) == 1


def test_key_code_of_input_methods_is_ignored(page: Page, posts: list[Request]) -> None:
    """Safari ends a word with a key that is marked only by its code."""
    page.get_by_label("Prompt", exact=True).fill("A pear")
    page.evaluate(
        """document.getElementById("prompt").dispatchEvent(new KeyboardEvent("keydown", {
            key: "Enter", code: "Enter", keyCode: 229, ctrlKey: true, bubbles: true,
        }))"""
    )
    assert posts_after(page, posts) == 0


@pytest.mark.parametrize("path", ["/", "/gallery/", "/collections/", "/settings/", "/admin/queue/"])
def test_no_shortcut_acts_while_a_word_is_composed(
    page: Page, owner: Member, posts: list[Request], path: str
) -> None:
    make_generation(Status.SUCCEEDED, owner=owner)
    Member.objects.filter(pk=owner.pk).update(role=Role.ADMIN)
    page.goto(path)
    before = page.evaluate("document.body.outerHTML")
    page.evaluate(
        """() => {
            const target = document.querySelector(".tile a, article a") ?? document.body;
            for (const key of ["?", "n", "x", "f", "a", "d", "r", "v", "/", "Delete", "Escape"]) {
                for (const mark of [{ isComposing: true }, { keyCode: 229 }]) {
                    const options = { key, bubbles: true, cancelable: true, ...mark };
                    target.dispatchEvent(new KeyboardEvent("keydown", options));
                }
            }
        }"""
    )
    assert posts_after(page, posts) == 0
    assert page.evaluate("document.body.outerHTML") == before
    assert page.evaluate("document.activeElement === document.body")


def test_ctrl_enter_on_the_number_pad_generates(page: Page, press: Press) -> None:
    page.get_by_label("Prompt", exact=True).fill("A pear")
    press("Enter", "NumpadEnter", key_code=13, modifiers=MODIFIER_CTRL)
    expect(page.get_by_role("article", name="A pear")).to_be_visible()


def test_held_ctrl_enter_sends_no_second_request(page: Page, posts: list[Request]) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("A pear")
    page.keyboard.down("Control")
    page.keyboard.down("Enter")
    expect(page.get_by_role("article", name="A pear")).to_be_visible()
    prompt.evaluate("field => { field.value = 'Dunes'; }")  # an equal request is stopped anyway
    page.keyboard.down("Enter")  # a second time without "up": the key repeats
    assert posts_after(page, posts) == 1


# --- pasting -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "selector"),
    [
        ("/", "#prompt"),
        ("/", "#negative_prompt"),
        ("/", "#image_url"),
        ("/", "#new_collection"),
        ("/", "body"),
        ("/gallery/", "#q"),
        ("/collections/", "#id_name"),
    ],
)
def test_text_is_pasted_as_text_even_beside_an_image(page: Page, path: str, selector: str) -> None:
    page.goto(path)
    result = page.evaluate(PASTE, [selector, "red vase, linen cloth, noon light", True])
    assert result == {"isTextInserted": True, "attached": 0}


@pytest.mark.parametrize("selector", ["#prompt", "#negative_prompt", "body"])
def test_pasted_image_without_text_is_attached(page: Page, selector: str) -> None:
    result = page.evaluate(PASTE, [selector, "", True])
    assert result == {"isTextInserted": False, "attached": 1}


def test_cells_of_a_spreadsheet_are_pasted_into_the_prompt(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate(
        """async () => {
            const canvas = document.createElement("canvas");
            const image = await new Promise((resolve) => canvas.toBlob(resolve));
            const text = new Blob(["red vase"], { type: "text/plain" });
            await navigator.clipboard.write([
                new ClipboardItem({ "text/plain": text, "image/png": image }),
            ]);
        }"""
    )
    page.get_by_label("Prompt", exact=True).focus()
    page.keyboard.press("Control+v")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("red vase")
    assert page.evaluate("document.getElementById('image').files.length") == 0


# --- invisible text ------------------------------------------------------------------------------


def test_browser_and_server_agree_on_what_is_invisible(page: Page) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    counted: dict[str, str] = {}
    for name, text in (BLANK | VISIBLE).items():
        prompt.fill(text)
        counted[name] = str(page.locator("#prompt-count").text_content())
    assert {name for name, count in counted.items() if count.startswith("0 ")} == set(BLANK)


def test_error_stays_while_the_prompt_is_invisible(page: Page) -> None:
    prompt, error = page.get_by_label("Prompt", exact=True), page.locator("#prompt-error")
    prompt.fill("\u200b\u2060")
    page.get_by_role("button", name="Generate").click()
    expect(error).to_have_text(re.compile("Describe the image first."))
    prompt.press_sequentially("\ufeff ")
    expect(error).to_be_visible()
    prompt.press_sequentially("A pear")
    expect(error).to_have_count(0)
    assert not Generation.objects.exists()


# --- errors go away with their cause -------------------------------------------------------------


def expect_no_error(page: Page) -> None:
    expect(page.locator("#composer .error")).to_have_count(0)
    expect(page.locator("#composer [aria-invalid]")).to_have_count(0)


def test_error_goes_away_when_the_card_has_come(page: Page) -> None:
    page.get_by_role("button", name="Generate").click()
    expect(page.locator("#prompt-error")).to_be_visible()
    page.keyboard.type("A pear")
    expect_no_error(page)
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("article", name="A pear")).to_be_visible()
    expect_no_error(page)


def test_error_in_a_page_from_the_server_goes_away(page: Page, owner: Member) -> None:
    """The form was sent before its scripts had loaded, or without them."""
    send_without_scripts(page, prompt="")
    expect(page.locator("#prompt-error")).to_be_visible()
    expect(page.locator("#prompt")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Prompt", exact=True).fill("A pear")
    expect_no_error(page)


def test_error_goes_away_when_a_draft_fills_the_prompt(page: Page, owner: Member) -> None:
    page.get_by_label("Prompt", exact=True).fill("A pear on linen")
    send_without_scripts(page, prompt="")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("A pear on linen")
    expect_no_error(page)


def send_without_scripts(page: Page, **fields: str) -> None:
    page.evaluate(
        """(fields) => {
            const form = document.getElementById("composer").cloneNode(true);
            form.hidden = true;
            document.body.append(form);
            for (const [name, value] of Object.entries(fields)) form.elements[name].value = value;
            HTMLFormElement.prototype.submit.call(form);
        }""",
        fields,
    )
    page.wait_for_load_state()


def test_text_typed_while_the_error_is_on_its_way_is_kept(page: Page) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    waiting: list[Route] = []
    page.route("**/", lambda route: waiting.append(route))
    with page.expect_request("**/"):
        page.get_by_role("button", name="Generate").click()
    prompt.fill("A pear")
    with page.expect_response(lambda response: response.status == 422):
        waiting[0].continue_()
    expect(page.locator("#composer")).to_be_visible()
    expect(prompt).to_have_value("A pear")
    expect_no_error(page)


def test_error_beside_a_field_of_another_page_goes_away(page: Page, owner: Member) -> None:
    Member.objects.filter(pk=owner.pk).update(role=Role.ADMIN)
    for path, button, name in (
        ("/collections/", "Create", "#id_name"),
        ("/admin/queue/", "Pause generation", "#id_reason"),
    ):
        page.goto(path)
        page.get_by_role("button", name=button).click()
        field = page.locator(name)
        expect(page.locator(".error")).to_be_visible()
        expect(field).to_have_attribute("aria-invalid", "true")
        field.press_sequentially(" ")
        expect(page.locator(".error")).to_be_visible()
        field.press_sequentially("Spring")
        expect(page.locator(".error")).to_have_count(0)
        expect(field).not_to_have_attribute("aria-invalid", "true")
