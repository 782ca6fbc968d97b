"""What tells that something has ended: a sound, a notice of the browser, another tab."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect
from pytest_django import Settings

from generations.models import Failure, Generation, Member, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db(transaction=True)

# The border of the browser: what would be heard and shown outside of the page.
OUTSIDE = """
    window.outside = [];
    window.AudioContext = class { currentTime = 0; close() {} };
    window.GainNode = class { connect() {} };
    window.OscillatorNode = class {
        constructor(context, {frequency}) { outside.push(frequency); }
        connect() {} start() {} stop() {}
    };
    window.Notification = class {
        static permission = "granted";
        constructor(title, {body}) { outside.push(body); }
    };
    Object.defineProperty(document, "hidden", {get: () => Boolean(window.away)});
"""


def ended(row: Generation, page: Page) -> None:
    """It ends before one's eyes, and one looks away before it is said."""
    page.evaluate("htmx.trigger('#poller', 'refresh')")
    expect(page.locator(f"#generation-{row.pk}")).not_to_have_attribute("data-open", "")
    page.evaluate("window.away = true")


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.mark.parametrize(
    ("does_well", "tones", "words"),
    [(True, [660, 880], "ready"), (False, [440, 330], "Rejected by the content check")],
)
def test_an_end_is_heard_and_shown(
    window: BrowserContext, owner: Member, does_well: bool, tones: list[int], words: str
) -> None:
    Member.objects.filter(pk=owner.pk).update(notification_sound=True, browser_notifications=True)
    now = Status.FETCHING if does_well else Status.RUNNING
    row = make_generation(now, owner=owner, stored=int(does_well))
    window.add_init_script(OUTSIDE)
    page = window.pages[0]
    page.goto("/")
    if does_well:
        assert row.finish_if_complete()
    else:
        row.mark_failed(Failure.POLICY, "no")
    ended(row, page)
    expect(page.locator("#announcer")).not_to_be_empty()
    told = page.evaluate("window.outside")
    assert told[:2] == tones
    assert words in told[2]


def test_nothing_is_heard_by_whom_wants_nothing(window: BrowserContext, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    window.add_init_script(OUTSIDE)
    page = window.pages[0]
    page.goto("/")
    row.mark_failed(Failure.POLICY, "no")
    ended(row, page)
    expect(page.locator("#announcer")).not_to_be_empty()
    assert page.evaluate("window.outside") == []


def test_another_tab_shows_what_one_made(window: BrowserContext) -> None:
    first = window.pages[0]
    second = window.new_page()
    second.goto("/")
    first.get_by_label("Prompt", exact=True).fill("A pear")
    first.get_by_role("button", name="Make").click()
    expect(second.get_by_role("article", name="A pear")).to_be_visible()
