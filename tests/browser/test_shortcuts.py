"""Keyboard shortcuts: the list, moving between cards, and when they are off."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from generations.models import Generation, Member, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cards(owner: Member) -> list[Generation]:
    """Three generations, newest first, as on the page."""
    prompts = ("Dunes", "Ridges", "A pear")
    return [make_generation(Status.SUCCEEDED, owner=owner, prompt=prompt) for prompt in prompts][
        ::-1
    ]


def path_of(page: Page) -> str:
    return urlsplit(page.url).path


def test_shortcut_list_traps_the_focus_and_restores_it(page: Page) -> None:
    page.get_by_role("link", name="Studio").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Close")).to_be_focused()
    outside = (
        "!document.activeElement.closest('dialog') && document.activeElement !== document.body"
    )
    for _ in range(4):
        page.keyboard.press("Tab")
        assert not page.evaluate(outside)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Studio")).to_be_focused()


def test_shortcut_list_opens_from_the_account_menu(page: Page) -> None:
    page.locator("summary", has_text="Account").click()
    page.get_by_role("button", name="Keyboard shortcuts").click()
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.mouse.click(5, 5)
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_hidden()


def test_n_focuses_the_prompt_from_every_page(page: Page) -> None:
    prompt = page.get_by_label("Prompt", exact=True)
    page.keyboard.press("n")
    expect(prompt).to_be_focused()
    expect(prompt).to_have_value("")
    page.goto("/settings/")
    page.keyboard.press("n")
    page.wait_for_url("**/#prompt")
    expect(prompt).to_be_focused()


def test_two_key_shortcut_opens_a_page(page: Page) -> None:
    page.goto("/settings/")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url(lambda url: urlsplit(url).path == "/")


def test_j_and_k_move_between_cards(page: Page, cards: list[Generation]) -> None:
    page.reload()
    links = [page.locator(f"#generation-{row.pk} a.picture") for row in cards]
    for key, expected in (("j", 0), ("j", 1), ("j", 2), ("j", 2), ("k", 1)):
        page.keyboard.press(key)
        expect(links[expected]).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/pictures/{cards[1].pictures.get().pk}/")


def test_shortcut_uses_the_control_nearest_to_the_focus(page: Page, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2)
    page.reload()
    second = row.pictures.order_by("index")[1]
    page.locator(f"#picture-{second.pk}-link").focus()
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert urlsplit(download.value.url).path == f"/files/{second.pk}/original"
    page.locator(f"#generation-{row.pk}-prompt").focus()
    page.keyboard.press("d")
    expect(page.get_by_role("link", name="Image 2", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.wait_for_url(f"**/?remix={row.pk}")


def test_card_shortcuts_do_nothing_without_a_focused_card(
    page: Page, cards: list[Generation]
) -> None:
    page.reload()
    page.evaluate("addEventListener('click', () => { window.clicked = true }, true)")
    for key in ("r", "d", "Delete"):
        page.keyboard.press(key)
    assert page.evaluate("window.clicked") is None


def test_typing_in_a_field_triggers_no_shortcut(page: Page, cards: list[Generation]) -> None:
    page.reload()
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.focus()
    page.keyboard.type("g s? jk, grand n")
    expect(prompt).to_have_value("g s? jk, grand n")
    expect(prompt).to_be_focused()
    assert path_of(page) == "/"


def test_shortcuts_do_nothing_when_turned_off(
    page: Page, owner: Member, cards: list[Generation]
) -> None:
    Member.objects.filter(pk=owner.pk).update(single_key_shortcuts=False)
    page.goto("/settings/")
    page.evaluate("addEventListener('click', () => { window.clicked = true }, true)")
    for key in ("?", "g", "s", "n", "j"):
        page.keyboard.press(key)
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert page.evaluate("window.clicked") is None
    assert page.evaluate("document.activeElement === document.body")
    assert path_of(page) == "/settings/"


PRESS = """({ key, code, shiftKey }) => {
    const options = { key, code, shiftKey, bubbles: true, cancelable: true };
    document.activeElement.dispatchEvent(new KeyboardEvent("keydown", options));
}"""


@pytest.mark.parametrize(
    ("layout", "key", "code"),
    [
        ("Russian", "т", "KeyN"),
        ("Greek", "ν", "KeyN"),
        ("Arabic", "ى", "KeyN"),
        ("Korean", "ㅜ", "KeyN"),
        ("Dvorak", "n", "KeyL"),
        ("AZERTY", "n", "KeyN"),
        ("Russian, capital", "Т", "KeyN"),
    ],
)
def test_shortcut_works_on_every_layout(page: Page, layout: str, key: str, code: str) -> None:
    page.goto("/settings/")
    page.evaluate(PRESS, {"key": key, "code": code, "shiftKey": False})
    page.wait_for_url("**/#prompt")


def test_other_characters_of_a_layout_are_not_shortcuts(
    page: Page, cards: list[Generation]
) -> None:
    """The place of a key counts only where the layout has no Latin letters."""
    page.reload()
    page.evaluate("addEventListener('click', () => { window.clicked = true }, true)")
    for key, code in (
        ("à", "KeyN"),
        ("b", "KeyN"),
        ("Dead", "KeyN"),
        ("Process", "KeyN"),
        ("7", "KeyN"),
    ):
        page.evaluate(PRESS, {"key": key, "code": code, "shiftKey": False})
    assert page.evaluate("document.activeElement === document.body")
    assert page.evaluate("window.clicked") is None


def test_sequence_and_question_mark_work_on_a_layout_without_latin_letters(page: Page) -> None:
    page.evaluate(PRESS, {"key": "؟", "code": "Slash", "shiftKey": True})
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.evaluate(PRESS, {"key": "п", "code": "KeyG", "shiftKey": False})
    page.evaluate(PRESS, {"key": "п", "code": "KeyG", "shiftKey": False})
    page.wait_for_url("**/gallery/")


def test_images_are_selected_on_a_layout_without_latin_letters(
    page: Page, cards: list[Generation]
) -> None:
    page.goto("/gallery/")
    page.locator(".tile a").first.focus()
    page.evaluate(PRESS, {"key": "ч", "code": "KeyX", "shiftKey": False})
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.locator(".tile a").last.focus()
    page.evaluate(PRESS, {"key": "Ч", "code": "KeyX", "shiftKey": True})
    expect(page.get_by_text("3 selected")).to_be_visible()


def test_escape_closes_one_layer_at_a_time(page: Page, cards: list[Generation]) -> None:
    page.goto("/gallery/")
    page.locator(".tile a").first.focus()
    page.keyboard.press("x")
    bar, selected = page.locator("#bulk-bar"), page.get_by_text("1 selected")
    bar.get_by_text("More", exact=True).click()
    page.keyboard.press("Escape")
    expect(bar.locator("details[open]")).to_have_count(0)
    expect(selected).to_be_visible()
    bar.get_by_text("Tags", exact=True).click()
    bar.get_by_label("Tag").focus()
    page.keyboard.press("Escape")
    expect(bar.locator("details[open]")).to_have_count(0)
    expect(selected).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(selected).to_be_visible()
    page.keyboard.press("Escape")
    expect(bar).to_be_hidden()


def test_escape_in_a_menu_of_the_large_view_closes_the_menu(
    page: Page, cards: list[Generation]
) -> None:
    page.goto("/gallery/")
    page.locator(".tile a").first.click()
    box = page.get_by_role("dialog", name="Image")
    expect(box).to_be_visible()
    page.keyboard.press("c")
    expect(box.locator("details.menu[open]")).to_have_count(1)
    page.keyboard.press("Escape")
    expect(box.locator("details.menu[open]")).to_have_count(0)
    expect(box).to_be_visible()
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
