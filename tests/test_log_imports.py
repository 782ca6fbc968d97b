"""Imports of gateway logs in the background: progress, cancel, kills, and two admins at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import AuditAction, AuditEntry, Lease, Member
from generations.models.money import ComparedDay, Comparison, GatewayLine, GatewayLog
from generations.reconciliation import comparing, importing, months
from generations.worker import reconcile
from tests.installation import Installation, wait_until
from tests.test_reconciliation import MAPPING, START, at, charged, draft, figures
from tests.test_reconciliation_pages import UPLOAD, load, text_of
from tests.worker_driver import run_loops

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

State = GatewayLog.State
LINES = 2000


def log_text(lines: int = LINES, header: str = "time,task,amount,model,request") -> str:
    """A line each ten minutes, so two thousand are two weeks."""
    rows = (f"{at(10 * n).isoformat()},task-{n},0.48,,r{n}" for n in range(lines))
    return "\n".join([header, *rows])


def started(text: str, by: Member) -> GatewayLog:
    log = draft(text, by)
    assert importing.start(log, MAPPING, by)
    return log


def finish(log: GatewayLog) -> None:
    importing.run(log, lambda: True)
    log.refresh_from_db()


def check_complete(log: GatewayLog, lines: int = LINES) -> None:
    """Every line was stored once, counted once and compared once."""
    assert (log.state, log.lines, log.new_lines) == (State.DONE, lines, lines)
    assert GatewayLine.objects.count() == Comparison.objects.count() == lines
    assert not ComparedDay.objects.unfinished().exists()
    days = months.days_between(at(0), at(10 * lines), START.tzinfo)  # type: ignore[arg-type]
    found = [months.figures_of(month) for month in sorted({day.replace(day=1) for day in days})]
    assert sum(each.lines for each in found if each) == lines
    assert sum(each.billed_e4 for each in found if each) == 4800 * lines
    assert AuditEntry.objects.filter(action=AuditAction.RECONCILED).count() == 1


# --- the page and the worker ---------------------------------------------------------------------


def test_large_log_is_imported_by_the_worker_and_no_page_waits(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    row = charged(owner, 10, "task-1", 2400)
    Lease.record_heartbeat("worker")
    response = load(admin_client, log_text())
    log = GatewayLog.objects.get()
    assert (log.state, log.total_lines, GatewayLine.objects.count()) == (State.READING, LINES, 0)
    address = f"/admin/reconciliation/logs/{log.pk}/"
    assert response.redirect_chain[-1][0] == address
    text = text_of(response)
    assert "Checking the lines" in text
    assert "0 of 2,000 lines" in text
    assert 'data-hx-trigger="every 2s"' in text
    assert "Import of a log" in text_of(admin_client.get("/admin/reconciliation/logs/1/"))
    assert reconcile.has_work()
    run_loops("reconcile", seconds=60)
    assert not reconcile.has_work()
    part = text_of(admin_client.get(address, headers={"HX-Request": "true"}))
    assert "2,000 lines were read, 2,000 of them are new." in part
    assert "data-hx-get" not in part
    assert "<html" not in part
    log.refresh_from_db()
    check_complete(log)
    assert not log.file
    different = Comparison.objects.get(group=Comparison.Group.DIFFERENT)
    assert different.generation_id == row.pk


def test_progress_says_when_the_worker_does_not_answer(admin_client: Client, admin: Member) -> None:
    log = started(log_text(10), admin)
    address = f"/admin/reconciliation/logs/{log.pk}/"
    assert "The worker does not answer." in text_of(admin_client.get(address))
    Lease.record_heartbeat("worker")
    assert "You can leave this page" in text_of(admin_client.get(address))


def test_line_that_cannot_be_read_is_named_beside_its_field_after_the_check(
    admin_client: Client,
) -> None:
    Lease.acquire("reconcile")  # by another process: the press itself imports nothing
    Lease.objects.filter(name="reconcile").update(holder="another")
    text = log_text(400, "Time,Task ID,Amount,Model,Request ID").replace("0.48,,r7", "soon,,r7")
    response = load(admin_client, text + "\n")
    assert "Checking the lines" in text_of(response)
    Lease.objects.all().delete()
    run_loops("reconcile", seconds=30)
    log = GatewayLog.objects.get()
    assert (log.state, GatewayLine.objects.count()) == (State.DRAFT, 0)
    text = text_of(admin_client.get(f"/admin/reconciliation/logs/{log.pk}/"))
    assert "Line 9: “soon” in Amount cannot be read." in text
    assert "1 lines cannot be read. Nothing was imported." in text


def test_month_is_matched_again_by_the_worker(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    log = started(log_text(10), admin)
    finish(log)
    charged(owner, 30, "task-3", 2400)
    admin_client.post("/admin/reconciliation/match", {"month": "2026-11"})
    page = text_of(admin_client.get("/admin/reconciliation/?month=2026-11"))
    assert "1 day is being compared with the ledger." in page
    run_loops("reconcile", seconds=30)
    assert Comparison.objects.get(task_id="task-3").recorded_e4 == 2400
    assert figures().recorded_e4 == 2400


# --- cancel --------------------------------------------------------------------------------------


def test_import_is_canceled_while_it_stores_and_its_lines_are_removed(
    admin_client: Client, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH", 100)
    log = started(log_text(), admin)
    importing.run(log, stop_after(25))  # 20 checks, then the first batches
    log.refresh_from_db()
    assert log.state == State.STORING
    assert 0 < GatewayLine.objects.count() == log.done_lines < LINES
    address = f"/admin/reconciliation/logs/{log.pk}/"
    assert "Cancel the import" in text_of(admin_client.get(address))
    response = admin_client.post(f"{address}cancel", follow=True)
    assert "Removing its lines" in text_of(response)
    run_loops("reconcile", seconds=30)
    assert "Nothing was imported." in text_of(admin_client.get(address))
    assert not GatewayLine.objects.exists()
    assert not Comparison.objects.exists()
    log.refresh_from_db()
    assert (log.state, log.new_lines, bool(log.file)) == (State.CANCELED, 0, False)
    again = started(log_text(), admin)
    finish(again)
    check_complete(again)


def test_import_is_not_canceled_once_its_lines_are_stored(
    admin_client: Client, admin: Member
) -> None:
    log = started(log_text(10), admin)
    finish(log)
    response = admin_client.post(f"/admin/reconciliation/logs/{log.pk}/cancel", follow=True)
    assert "All lines are stored already." in text_of(response)
    assert GatewayLine.objects.count() == 10


# --- kills ---------------------------------------------------------------------------------------


def stop_after(calls: int) -> Callable[[], bool]:
    answers = iter([True] * calls)
    return lambda: next(answers, False)


class Killed(BaseException):
    """The process ends here."""


def test_small_log_waits_for_an_older_import_that_may_be_canceled(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    """The lines that both have belong to the older one, and go with it."""
    older = started(log_text(), admin)
    importing.run(older, stop_after(3))
    load(admin_client, log_text(20))
    newer = GatewayLog.objects.get(pk__gt=older.pk)
    assert newer.state == State.READING
    assert importing.cancel(older)
    run_loops()
    newer.refresh_from_db()
    assert (newer.state, newer.new_lines, GatewayLine.objects.count()) == (State.DONE, 20, 20)


@pytest.mark.parametrize("kill_at", range(1, 13))
def test_import_that_is_killed_anywhere_is_continued_and_never_half_counted(
    admin: Member, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    """Each statement that inserts lines or comparisons is the last one of its process, once."""
    monkeypatch.setattr(importing, "BATCH", 200)
    monkeypatch.setattr(comparing, "CHUNK", 200)
    log, calls = started(log_text(1000), admin), [0]

    def dying(insert: Any) -> Any:
        def call(*arguments: Any) -> Any:
            inserted = insert(*arguments)
            calls[0] += 1
            if calls[0] == kill_at:
                raise Killed
            return inserted

        return call

    for module in (importing, comparing):
        monkeypatch.setattr(module, "insert", dying(module.insert))
    with pytest.raises(Killed):
        importing.run(log, lambda: True)
    fresh = GatewayLog.objects.get()
    assert fresh.new_lines == GatewayLine.objects.count()
    finish(fresh)
    check_complete(fresh, 1000)


@pytest.mark.parametrize("calls", [2, 3, 7])
def test_import_in_many_short_runs_is_complete(
    admin: Member, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    monkeypatch.setattr(importing, "BATCH", 500)
    log = started(log_text(1000), admin)
    runs = 0
    while log.is_open:
        # A check is not continued but begun again, so it needs a run that is long enough.
        importing.run(log, stop_after(calls + 3 * (log.state == State.READING)))
        log.refresh_from_db()
        runs += 1
        assert runs < 100
    check_complete(log, 1000)


def test_killed_worker_is_replaced_and_the_import_is_complete(tmp_path: Path) -> None:
    lines = 5000
    rows = [f"{at(n).replace(tzinfo=None)},t{n},0.48" for n in range(lines)]
    with Installation(tmp_path).prepare() as installation:
        person = installation.open()
        draft_page = person.post(UPLOAD, text="\n".join(["time,task,amount", *rows]))
        path = draft_page.url.removeprefix(installation.url)
        person.post(
            path, at="time", amount="amount", task_id="task", unit="currency", decimal_mark=".",
            time_zone="UTC",
        )  # fmt: skip

        def state() -> str:
            return str(installation.rows("SELECT state FROM generations_gatewaylog")[0]["state"])

        def is_in(states: set[str]) -> bool:
            return state() in states

        for begun in ({"storing", "matching", "done"}, {"matching", "done"}):
            wait_until(partial(is_in, begun), 120, "the import goes on")
            installation.kill("worker")
            installation.start("worker")
        wait_until(lambda: state() == "done", 120, "the import is complete")
        [counts] = installation.rows(
            "SELECT COUNT(*) AS lines, COUNT(DISTINCT key) AS keys FROM generations_gatewayline"
        )
        assert counts == {"lines": lines, "keys": lines}
        [log] = installation.rows("SELECT new_lines FROM generations_gatewaylog")
        [compared] = installation.rows("SELECT COUNT(*) AS rows FROM generations_comparison")
        assert (log["new_lines"], compared["rows"]) == (lines, lines)


# --- two at once ---------------------------------------------------------------------------------


def test_two_admins_press_import_of_one_draft(admin: Member, owner: Member) -> None:
    log = draft(log_text(100), admin)
    other = GatewayLog.objects.get()
    assert importing.start(log, MAPPING, admin)
    assert not importing.start(other, MAPPING, owner)
    finish(log)
    check_complete(log, 100)


def test_two_admins_import_the_same_file_at_once(admin: Member, owner: Member) -> None:
    first, second = started(log_text(100), admin), started(log_text(100), owner)
    for log in (second, first):
        finish(log)
    first.refresh_from_db()
    second.refresh_from_db()
    assert first.new_lines + second.new_lines == GatewayLine.objects.count() == 100
    assert figures().lines == 100


def test_two_workers_on_one_import_store_each_line_once(
    admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a lease that was lost: the second comes between two batches of the first."""
    monkeypatch.setattr(importing, "BATCH", 100)
    log = started(log_text(1000), admin)
    calls: Iterator[int] = iter(range(10_000))

    def another_one_comes() -> bool:
        if next(calls) == 15:
            finish(GatewayLog.objects.get())
        return True

    importing.run(log, another_one_comes)
    log.refresh_from_db()
    check_complete(log, 1000)


def test_old_drafts_are_removed_and_imports_in_progress_stay(
    admin_client: Client, admin: Member
) -> None:
    old, running = draft(log_text(10), admin), started(log_text(10), admin)
    GatewayLog.objects.update(created_at=timezone.now() - timedelta(days=2))
    admin_client.post(UPLOAD, {"text": log_text(10)})
    assert not GatewayLog.objects.filter(pk=old.pk).exists()
    assert GatewayLog.objects.filter(pk=running.pk).exists()
