"""A month reconciled against a log with five planted differences: all are found, and no sixth."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Generation, Member, Status
from generations.models.money import Comparison, LedgerEntry
from generations.operations import ledger_check
from tests.browser.conftest import DESKTOP, sign_in
from tests.builders import make_generation, make_member, make_submission
from tests.test_reconciliation import at, charged
from tests.worker_driver import run_loops

PHONE = {"width": 390, "height": 844}
LOG = """Created;Cost;Task;Model;Type
{0};0,48;agrees-0000000001;kling-v1;consume
{20};0,48;agrees-0000000002;kling-v1;consume
{31};0,13;;kling-v1;consume
{60};0,48;more-00000000004;kling-v1;consume
{80};0,36;less-00000000005;kling-v1;consume
{100};0,48;refund-000000006;kling-v1;consume
{110};0,48;refund-000000006;kling-v1;refund
{120};0,48;unknown-00000007;kling-v1;consume
{125};50,00;;;top up
{140};0,48;agrees-0000000008;kling-v1;consume
"""


@pytest.fixture
def log(tmp_path: Path, settings: Settings, transactional_db: None) -> Path:
    """The log of the gateway, and what klingweb recorded in that time."""
    settings.MEDIA_ROOT = tmp_path / "media"
    lan = make_member("lan", first_name="Lan", last_name="Nguyen")
    for minutes, task, e4 in (
        (0, "agrees-0000000001", 4800),
        (20, "agrees-0000000002", 4800),
        (30, "", 1300),  # by time and amount
        (40, "missing-00000003", 4800),
        (60, "more-00000000004", 2400),
        (80, "less-00000000005", 4800),
        (100, "refund-000000006", 4800),
        (140, "agrees-0000000008", 4800),
        (900, "later-0000000009", 4800),  # after the end of the log
    ):
        charged(lan, minutes, task, e4)
    unconfirmed = make_generation(
        Status.UNCONFIRMED, owner=lan, created_at=at(118), attempt=1, n=4, unit_price_e4=1200
    )
    make_submission(unconfirmed, sent_at=at(119))
    text = LOG
    for minutes in (0, 20, 31, 60, 80, 100, 110, 120, 125, 140):
        text = text.replace(f"{{{minutes}}}", f"{at(minutes):%Y-%m-%d %H:%M:%S}")
    path = tmp_path / "gateway.csv"
    path.write_text(text, "utf-16")
    return path


def decide(page: Page, task: str, choice: str, reason: str) -> None:
    row = page.get_by_role("row").filter(has_text=task)
    row.get_by_role("link", name=choice).click()
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=choice).click()
    decided = page.locator("#decided").get_by_role("row").filter(has_text=reason)
    expect(decided).to_contain_text("boss")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_month_with_five_differences_ends_at_zero(
    chromium: Browser, live_server: LiveServer, log: Path, viewport: dict[str, int]
) -> None:
    context = chromium.new_context(
        base_url=live_server.url,
        viewport=viewport,  # type: ignore[arg-type]
    )
    context.set_default_timeout(15_000)
    boss: Member = make_member("boss", role="admin")
    sign_in(context, boss)
    page = context.pages[0]
    page.goto("/admin/reconciliation/")
    page.get_by_role("link", name="Upload a log").click()
    page.get_by_label("CSV file").set_input_files(log)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Amount", exact=True)).to_have_value("Cost")
    expect(page.get_by_label("Decimal mark")).to_have_value(",")
    page.get_by_label("Time zone of times without one").select_option("UTC")
    page.get_by_role("button", name="Import").click()

    expect(page.get_by_text("9 lines were read, 9 of them are new.")).to_be_visible()
    for group, rows in (("unknown", 1), ("missing", 1), ("different", 3)):
        expect(page.locator(f"#{group} tbody tr")).to_have_count(rows)
    assert Comparison.objects.exclude(group="matched").count() == 5
    figure = page.locator(".figures .figure").first
    expect(figure).to_have_text("\N{MINUS SIGN}$0.36")
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= viewport["width"]

    unknown = page.locator("#unknown tbody tr")
    expect(unknown).to_contain_text("Lan Nguyen: unconfirmed, 4 images, $0.48")
    unknown.get_by_role("button", name="Assign to it").click()
    expect(page.get_by_text("The task is tracked now.")).to_be_visible()
    tracked = Generation.objects.get(upstream_task_id="unknown-00000007")
    assert tracked.status == Status.RUNNING
    decide(page, "miss…0003", "Refund $0.48", "the task never ran")
    decide(page, "more…0004", "Correct to $0.48", "2K costs more")
    decide(page, "less…0005", "Correct to $0.36", "one image failed there")
    decide(page, "refu…0006", "Correct to $0.00", "refunded there")

    expect(figure).to_have_text("$0.00")
    expect(page.get_by_text("Nothing needs a decision.")).to_be_visible()
    expect(page.locator("#decided tbody tr")).to_have_count(5)
    amounts = {
        row.upstream_task_id[:4]: row.charged_e4
        for row in Generation.objects.exclude(upstream_task_id="")
    }
    assert [amounts[task] for task in ("miss", "more", "less", "refu", "agre", "late")] == [
        0, 4800, 3600, 0, 4800, 4800,
    ]  # fmt: skip
    corrections = LedgerEntry.objects.filter(kind="correct", period__window="day")
    assert corrections.filter(period__member=None, by=boss).count() == 4
    context.close()
    assert ledger_check.differences() == []


def test_progress_of_a_large_log_refreshes_in_place_and_several_are_ignored(
    chromium: Browser, live_server: LiveServer, log: Path, tmp_path: Path
) -> None:
    rows = [f"{at(n):%Y-%m-%d %H:%M:%S},task-{n:06},0.48" for n in range(400)]
    log = tmp_path / "large.csv"
    log.write_text("\n".join(["Time,Task,Amount", *rows]))
    context = chromium.new_context(base_url=live_server.url, viewport=DESKTOP)
    context.set_default_timeout(15_000)
    boss: Member = make_member("boss", role="admin")
    sign_in(context, boss)
    page = context.pages[0]
    page.goto("/admin/reconciliation/upload/")
    page.get_by_label("CSV file").set_input_files(log)
    page.get_by_role("button", name="Continue").click()
    page.get_by_label("Time zone of times without one").select_option("UTC")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("Checking the lines")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.evaluate("window.isSamePage = true")
    run_loops("reconcile", seconds=30)
    expect(page.get_by_text("400 lines were read, 400 of them are new.")).to_be_visible()
    assert page.evaluate("window.isSamePage")
    page.get_by_role("link", name="Show the month").click()
    page.locator("#unknown").get_by_role("link", name="Decide several").click()
    page.get_by_role("link", name="Tick all of this page").click()
    page.get_by_label("Reason, for each of them").fill("tests of another team")
    page.get_by_role("button", name="Ignore all ticked").click()
    expect(page.get_by_text("50 differences were decided.")).to_be_visible()
    context.close()
    ignored = Comparison.objects.filter(decision="ignored", note="tests of another team")
    assert ignored.count() == 50
