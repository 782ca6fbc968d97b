"""Sound, browser notification and other tabs when a generation finishes."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from generations.models import Failure, Generation, Member, Status
from tests.builders import make_generation

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("media_root")]

# Replaces the browser's sound and notifications with a record of the calls.
FAKE_OUTPUTS = """
    window.outputs = [];
    window.AudioContext = class { currentTime = 0; close() {} };
    window.GainNode = class { connect() {} };
    window.OscillatorNode = class {
        constructor(context, {frequency}) { outputs.push(frequency); }
        connect() {} start() {} stop() {}
    };
    window.Notification = class {
        static permission = "granted";
        constructor(title, {body}) { outputs.push(body); }
    };
    Object.defineProperty(document, "hidden", {get: () => Boolean(window.isHidden)});
"""


def finish_while_hidden(row: Generation, page: Page) -> None:
    """Wait until the card shows the end, then hide the page before the announcement."""
    page.evaluate("htmx.trigger('#poller', 'refresh')")
    expect(page.locator(f"#generation-{row.pk}")).not_to_have_attribute("data-open", "")
    page.evaluate("window.isHidden = true")


@pytest.mark.parametrize(
    ("is_success", "tones", "words"),
    [(True, [660, 880], "ready"), (False, [440, 330], "Rejected by the content check")],
)
def test_end_plays_a_sound_and_shows_a_notification(
    context: BrowserContext, owner: Member, is_success: bool, tones: list[int], words: str
) -> None:
    Member.objects.filter(pk=owner.pk).update(notification_sound=True, browser_notifications=True)
    status = Status.FETCHING if is_success else Status.RUNNING
    row = make_generation(status, owner=owner, stored=int(is_success))
    context.add_init_script(FAKE_OUTPUTS)
    page = context.pages[0]
    page.goto("/")
    if is_success:
        assert row.finish_if_complete()
    else:
        row.mark_failed(Failure.POLICY, "no")
    finish_while_hidden(row, page)
    expect(page.locator("#announcer")).not_to_be_empty()
    outputs = page.evaluate("window.outputs")
    assert outputs[:2] == tones
    assert words in outputs[2]


def test_no_sound_or_notification_when_turned_off(context: BrowserContext, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    context.add_init_script(FAKE_OUTPUTS)
    page = context.pages[0]
    page.goto("/")
    row.mark_failed(Failure.POLICY, "no")
    finish_while_hidden(row, page)
    expect(page.locator("#announcer")).not_to_be_empty()
    assert page.evaluate("window.outputs") == []


def test_other_tabs_show_a_new_generation(context: BrowserContext) -> None:
    first = context.pages[0]
    second = context.new_page()
    second.goto("/")
    first.get_by_label("Prompt", exact=True).fill("A pear")
    first.get_by_role("button", name="Generate").click()
    expect(second.get_by_role("article", name="A pear")).to_be_visible()
