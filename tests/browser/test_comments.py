"""Comments in a browser: in place, with completion of mentions, by keyboard, without scripts."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Comment, Member, Notification, Picture, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation, make_member

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]

PHONE = {"width": 390, "height": 844}


@pytest.fixture
def picture(owner: Member) -> Picture:
    return Picture.objects.get(generation=make_generation(Status.SUCCEEDED, owner=owner))


@pytest.fixture
def marc(transactional_db: None) -> Member:
    return make_member("marc", first_name="Marc", last_name="Oduya")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("place", ["page", "lightbox"])
def test_comment_with_a_mention_appears_in_place(
    page: Page, picture: Picture, marc: Member, place: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"/pictures/{picture.pk}/" if place == "page" else "/gallery/")
    if place == "lightbox":
        page.locator(f"#p{picture.pk} a").click()
    field = page.get_by_label("Add a comment")
    field.press_sequentially("Warmer, @od")
    option = page.get_by_role("option", name="Marc Oduya")
    expect(option).to_have_attribute("aria-selected", "true")
    expect(field).to_have_attribute("aria-activedescendant", re.compile("mentionable-0"))
    page.keyboard.press("Tab")
    expect(field).to_have_value("Warmer, @marc ")
    page.keyboard.type("please")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".comment")).to_contain_text("Warmer, @marc please")
    expect(page.get_by_label("Add a comment")).to_have_value("")
    expect(page.get_by_label("Add a comment")).to_be_focused()
    assert Notification.objects.get(member=marc).kind == "mentioned"


def test_escape_closes_only_the_list_of_people(page: Page, picture: Picture, marc: Member) -> None:
    page.goto("/gallery/")
    page.locator(f"#p{picture.pk} a").click()
    page.get_by_label("Add a comment").press_sequentially("@ma")
    option = page.get_by_role("option", name="Marc Oduya")
    expect(option).to_be_visible()
    page.keyboard.press("Escape")
    expect(option).to_have_count(0)
    expect(page.get_by_role("dialog", name="Image")).to_be_visible()


def test_option_can_be_clicked(page: Page, picture: Picture, marc: Member) -> None:
    page.goto(f"/pictures/{picture.pk}/")
    page.get_by_label("Add a comment").press_sequentially("@")
    page.get_by_role("option", name="Marc Oduya").click()
    expect(page.get_by_label("Add a comment")).to_have_value("@marc ")


def test_own_comment_is_changed_and_deleted_in_place(
    page: Page, picture: Picture, owner: Member
) -> None:
    comment = Comment.objects.write(picture, owner, "Too dark")
    page.goto(f"/pictures/{picture.pk}/")
    page.get_by_label("Actions for the comment").click()
    page.get_by_role("link", name="Edit").click()
    field = page.locator("#edited-comment")
    expect(field).to_be_focused()
    field.fill("Too bright")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(f"#comment-{comment.pk}")).to_contain_text("Too bright")
    expect(page.locator(f"#comment-{comment.pk}")).to_contain_text("edited")
    page.get_by_label("Actions for the comment").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".comment")).to_have_count(0)
    assert page.url.endswith(f"/pictures/{picture.pk}/")


def test_comments_of_others_appear_and_the_draft_stays(
    page: Page, picture: Picture, marc: Member
) -> None:
    page.goto(f"/pictures/{picture.pk}/")
    page.get_by_label("Add a comment").fill("My dra")
    Comment.objects.write(picture, marc, "I was faster")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator(".comment")).to_contain_text("I was faster")
    expect(page.get_by_label("Add a comment")).to_have_value("My dra")
    expect(page.get_by_label("Add a comment")).to_be_focused()


def test_everything_works_without_scripts(
    chromium: Browser, live_server: LiveServer, owner: Member, picture: Picture, marc: Member
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        java_script_enabled=False,
        viewport=PHONE,  # type: ignore[arg-type]
    )
    sign_in(context, owner)
    page = context.pages[0]
    page.goto(f"/pictures/{picture.pk}/")
    page.get_by_label("Add a comment").fill("Hello @marc")
    page.get_by_role("button", name="Comment", exact=True).click()
    expect(page.locator(".comment")).to_contain_text("Hello @marc")
    page.get_by_label("Actions for the comment").click()
    page.get_by_role("link", name="Edit").click()
    page.locator("#edited-comment").fill("Hello all")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".comment")).to_contain_text("Hello all")
    page.get_by_label("Actions for the comment").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.locator(".comment")).to_have_count(0)
    assert Notification.objects.filter(member=marc).count() == 0, "it was taken back"
    context.close()
