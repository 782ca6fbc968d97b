"""From the invitation to the new member's studio, and out again, on a desktop and on a phone."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Member, Status
from generations.models.money import Limit, LimitRequest, Window
from generations.permissions import Role
from tests.browser.conftest import DESKTOP, sign_in
from tests.builders import make_admin, make_generation, make_member

PHONE: ViewportSize = {"width": 390, "height": 844}
NEW_PASSWORD = "violets on a windowsill"


@pytest.fixture(params=[(DESKTOP, True), (PHONE, True), (PHONE, False)], ids=str)
def device(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
) -> Iterator["Device"]:
    settings.MEDIA_ROOT, settings.URL = tmp_path, live_server.url
    viewport, has_javascript = request.param
    device = Device(chromium, live_server.url, viewport, has_javascript)
    yield device
    for context in device.contexts:
        context.close()


class Device:
    """Opens a browser for each person."""

    def __init__(
        self, chromium: Browser, url: str, viewport: ViewportSize, has_javascript: bool
    ) -> None:
        self._chromium, self._url, self._viewport = chromium, url, viewport
        self.has_javascript = has_javascript
        self.contexts: list[BrowserContext] = []
        self.has_touch = viewport == PHONE

    def new_context(self) -> BrowserContext:
        context = self._chromium.new_context(
            base_url=self._url,
            viewport=self._viewport,
            has_touch=self.has_touch,
            java_script_enabled=self.has_javascript,
        )
        context.set_default_timeout(10_000)
        self.contexts.append(context)
        return context


def open_people(context: BrowserContext) -> Page:
    page = context.pages[0]
    page.get_by_role("link", name="Admin").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    if page.viewport_size and page.viewport_size["width"] < 1040:
        page.locator(".side-menu > summary").click()
    page.get_by_role("link", name="People", exact=True).click()
    expect(page.get_by_role("heading", name="People", exact=True)).to_be_visible()
    return page


def test_invite_to_the_new_members_studio_and_out_again(device: Device) -> None:
    admin = make_admin("mira")
    boss = device.new_context()
    sign_in(boss, admin)
    page = open_people(boss)
    page.get_by_role("link", name="Invite people").click()
    page.get_by_label("For (optional)").fill("Ada")
    page.get_by_role("button", name="Create link").click()
    expect(page.get_by_role("heading", name="1 link created")).to_be_visible()
    link = page.get_by_label("Ada", exact=True).input_value()
    if device.has_javascript:
        page.get_by_role("button", name="Copy the link Ada").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as CSV").click()
    assert download.value.suggested_filename == "invitations.csv"
    assert link in Path(download.value.path()).read_text("utf-8")

    guest = device.new_context().new_page()
    guest.goto(link)
    expect(guest.get_by_text("mira invites you")).to_be_visible()
    guest.get_by_label("User name").fill("ada")
    guest.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    guest.get_by_label("Password again").fill(NEW_PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    prompt = guest.get_by_label("Prompt", exact=True)
    prompt.fill("A pear")
    guest.get_by_role("button", name="Generate").click()
    expect(guest.get_by_role("article", name="A pear")).to_be_visible()

    page.goto("/admin/people/")
    page.get_by_role("link", name="ada", exact=True).click()
    page.get_by_role("link", name="Disable", exact=True).click()
    expect(page.get_by_text("1 queued request is canceled and will not be sent.")).to_be_visible()
    page.get_by_role("button", name="Disable ada").click()
    expect(page.get_by_role("status").get_by_text("1 queued request was canceled.")).to_be_visible()
    guest.goto("/gallery/")
    expect(guest.get_by_role("heading", name="Sign in to klingweb")).to_be_visible()

    page.get_by_role("link", name="Hand over work").click()
    page.get_by_label("New owner").select_option(label="mira")
    page.get_by_role("button", name="Hand over").click()
    expect(page.get_by_text("mira is the new owner. Generations: 1")).to_be_visible()
    row = Generation.objects.get()
    assert (row.owner, row.status) == (admin, Status.CANCELED)


def test_invited_viewer_lands_in_the_gallery(device: Device) -> None:
    admin = make_admin("mira")
    make_generation(Status.SUCCEEDED, owner=admin, prompt="A lighthouse")
    boss = device.new_context()
    sign_in(boss, admin)
    page = open_people(boss)
    page.get_by_role("link", name="Import names").click()
    page.get_by_label("Names or e-mail addresses").fill("Ada\nBo")
    page.locator("details[open]").get_by_label("Role").select_option(label="Viewer")
    page.get_by_role("button", name="Create links").click()
    link = page.get_by_label("Bo", exact=True).input_value()
    page.get_by_role("link", name="Done").click()
    expect(page.locator(".invitations-table tbody tr")).to_have_count(2)

    guest = device.new_context().new_page()
    guest.goto(link)
    guest.get_by_label("User name").fill("bo")
    guest.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    guest.get_by_label("Password again").fill(NEW_PASSWORD)
    guest.get_by_role("button", name="Create account").click()
    expect(guest).to_have_url("/gallery/")
    expect(guest.locator(".tile")).to_have_count(1)
    assert Member.objects.get(username="bo").role == Role.VIEWER

    page.reload()
    page.get_by_role("button", name="Revoke the invitation Ada").click()
    expect(page.get_by_role("status").get_by_text("Invitation revoked.")).to_be_visible()
    expect(page.locator(".invitations-table tbody tr")).to_have_count(0)


@pytest.fixture
def limited(owner: Member) -> Member:
    """A member with a limit and a request for more."""
    Limit.objects.put(Limit.Scope.MEMBER, Window.MONTH, member=owner, money_e4=600_000)
    LimitRequest.objects.create(person=owner, amount_e4=200_000, reason="Client review")
    return owner


def test_limit_is_raised_in_the_row_of_the_person(device: Device, limited: Member) -> None:
    context = device.new_context()
    sign_in(context, make_admin("mira"))
    page = open_people(context)
    row = page.locator(f"#person-{limited.pk}")
    expect(row).to_contain_text("$60.00 of $60.00")
    row.locator("summary").click()
    row.get_by_role("link", name="Set limit").click()
    form = page.get_by_role("form", name="Limits of owner")
    month = form.get_by_label("Money a month")
    expect(month).to_have_value("60")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert form.evaluate("each => each.getBoundingClientRect().right <= innerWidth")
    month.fill("nonsense")
    form.get_by_role("button", name="Save").click()
    expect(form.locator(".error")).to_be_visible()
    month.fill("80")
    form.get_by_role("button", name="Save").click()
    expect(row).to_contain_text("$80.00 of $80.00")
    said = page.get_by_role("status").filter(has_text="Limits of owner saved.")
    expect(said).to_have_count(1)
    expect(form).to_have_count(0)
    assert limited.limits.get().money_e4 == 800_000
    if device.has_javascript:
        expect(row.locator("summary")).to_be_focused()
        row.locator("summary").click()
        row.get_by_role("link", name="Set limit").click()
        expect(form).to_be_visible()
        form.get_by_role("link", name="Cancel").click()
        expect(form).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_request_is_decided_with_another_amount(device: Device, limited: Member) -> None:
    context = device.new_context()
    sign_in(context, make_admin("mira"))
    page = open_people(context)
    page.locator(f"#person-{limited.pk}").get_by_role("link", name="asks for $20.00").click()
    line = page.locator(".decision")
    expect(line).to_contain_text("owner wants $20.00 until")
    expect(line.get_by_role("button", name="Grant $20.00")).to_be_visible()
    line.get_by_text("Other amount").click()
    line.get_by_label("Amount").fill("12.50")
    line.get_by_label("Until").select_option(label="End of next month")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    line.get_by_role("button", name="Grant this amount").click()
    expect(page.get_by_text("Granted $12.50 to owner.")).to_be_visible()
    expect(page.get_by_text("Nothing needs a decision.")).to_be_visible()
    assert LimitRequest.objects.get().granted_e4 == 125_000


def test_one_save_keeps_what_was_typed_into_every_section(device: Device) -> None:
    lan = make_member("lan")
    context = device.new_context()
    sign_in(context, make_admin("mira"))
    page = context.pages[0]
    page.goto(f"/admin/people/{lan.pk}/")
    page.get_by_label("Money a month").fill("25")
    page.get_by_label("First name").fill("Lan")
    page.get_by_label("E-mail address").fill("lan")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Enter an e-mail address, or leave it empty.")).to_be_visible()
    expect(page.get_by_label("Money a month")).to_have_value("25")
    page.get_by_label("E-mail address").fill("lan@team.example")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    lan.refresh_from_db()
    assert (lan.first_name, lan.email) == ("Lan", "lan@team.example")
    assert lan.limits.get().money_e4 == 250_000
