"""The page of usage in a browser: months, whose usage, plots in both schemes, and the CSV."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect
from pytest_django.live_server_helper import LiveServer

from generations.models import Member, Team
from generations.models.money import LedgerEntry, Limit, Period, Window, ledger, usage_day
from generations.models.money.month import Month
from tests.browser.conftest import DESKTOP, sign_in
from tests.builders import make_admin
from tests.test_ledger import press, quote

PHONE: ViewportSize = {"width": 390, "height": 844}
VIEWPORTS = pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
# Of each plot: whether it is seen, the size of its smallest text, and whether a text is cut off.
PLOTS = """() => [...document.querySelectorAll("svg.plot")].map((plot) => ({
    name: plot.classList[1],
    isShown: plot.checkVisibility(),
    sizes: [...plot.querySelectorAll("text")].map((each) =>
        parseFloat(getComputedStyle(each).fontSize)),
    outside: [...plot.querySelectorAll("text")].map((each) => each.getBoundingClientRect())
        .filter((box) => box.width && (box.left < 0 || box.right > innerWidth)).length,
    colour: getComputedStyle(plot.querySelector(".curve")).stroke,
    ground: getComputedStyle(document.body).backgroundColor,
}))"""


@pytest.fixture
def month(owner: Member) -> Month:
    """The running month, with usage in it and a charge in the one before."""
    month = Month.current(Team.objects.current().zone)
    for number in range(2):
        row = press(owner, str(number), quote(4))
        ledger.end(row.pk, 1, 4)
    press(owner, "open")
    _charge_in(owner, month.previous)
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=20_000)
    return month


def _charge_in(owner: Member, month: Month) -> None:
    """A charge of 0.36 on the fifth day of an earlier month, which is rolled up."""
    start, end = month.boundaries
    day = start + timedelta(days=4)
    windows = ((Window.MONTH, start, end), (Window.DAY, day, day + timedelta(days=1)))
    for window, starts_at, ends_at in windows:
        period = Period.objects.create(
            window=window, starts_at=starts_at, ends_at=ends_at, charged_e4=3600, charged_images=3
        )
        LedgerEntry.objects.create(
            at=day + timedelta(hours=12), kind="charge", key="before", period=period,
            upstream=period.upstream, engine="kling", model="kling-v1", person=owner,
            charged_e4=3600, charged_images=3,
        )  # fmt: skip
    assert usage_day.roll_up() == 1


@pytest.fixture
def admin_context(
    chromium: Browser, live_server: LiveServer, viewport: ViewportSize, month: Month
) -> BrowserContext:
    context = chromium.new_context(base_url=live_server.url, viewport=viewport)
    context.set_default_timeout(10_000)
    sign_in(context, make_admin("mira"))
    return context


@VIEWPORTS
def test_months_people_and_csv(
    admin_context: BrowserContext, owner: Member, month: Month, tmp_path: Path
) -> None:
    page = admin_context.pages[0]
    page.goto("/usage/")
    figure = page.locator(".main-figure dd")
    expect(figure).to_have_text("$0.96")
    expect(page.get_by_text("reserved: 1 open request")).to_be_visible()
    _press_enter(page, "Previous month")
    expect(figure).to_have_text("$0.36")
    page.get_by_text("Show as a table").click()
    expect(page.get_by_role("rowheader", name="Month")).to_be_visible()
    _press_enter(page, "Next month")
    expect(figure).to_have_text("$0.96")

    page.get_by_role("link", name="owner", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("owner")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    path = tmp_path / "usage.csv"
    download.value.save_as(path)
    assert download.value.suggested_filename == f"usage-{month}.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        _header, *lines = csv.reader(file)
    today = timezone.now().astimezone(month.zone).date().isoformat()
    assert {(line[0], line[1]) for line in lines} == {(today, "owner")}
    assert sum(float(line[7]) for line in lines) == pytest.approx(0.96)

    page.get_by_role("link", name="Only mine").click()
    expect(page.get_by_text("Nothing was generated in this month.")).to_be_visible()
    admin_context.close()


def _press_enter(page: Page, name: str) -> None:
    """Follow a link by the keyboard alone."""
    page.get_by_role("link", name=name).focus()
    page.keyboard.press("Enter")
    page.wait_for_load_state()


@VIEWPORTS
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_plot_fits_and_can_be_read(
    admin_context: BrowserContext, scheme: str, viewport: ViewportSize
) -> None:
    page = admin_context.pages[0]
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.goto("/usage/")
    plots = page.evaluate(PLOTS)
    shown = "wide" if viewport == DESKTOP else "narrow"
    assert {plot["name"]: plot["isShown"] for plot in plots} == {
        name: name == shown for name in ("wide", "narrow")
    }
    for plot in plots:
        assert min(plot["sizes"]) >= 12
        assert plot["outside"] == 0
        assert plot["colour"] != plot["ground"]
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    expect(page.get_by_role("img", name="Charged in")).to_have_count(1)
    admin_context.close()


def test_member_has_the_frame_of_the_studio(page: Page, month: Month) -> None:
    page.goto("/usage/")
    expect(page.locator(".main-figure dd")).to_have_text("$0.96")
    expect(page.locator(".side-list, .side-menu")).to_have_count(0)
    expect(page.get_by_role("heading", name="What is left")).to_be_visible()
