"""Importing logs, comparing them with the ledger, and decisions, on the database."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import connection

from generations.models import AuditAction, AuditEntry, Generation, Member, Quote, Status
from generations.models.money import (
    Comparison,
    GatewayLine,
    GatewayLog,
    LedgerEntry,
    WatchedTask,
    ledger,
)
from generations.operations import ledger_check
from generations.reconciliation import comparing, deciding, importing, months
from generations.reconciliation.columns import ColumnMapping
from generations.reconciliation.comparing import compare
from generations.reconciliation.deciding import Seen
from generations.requests import NotPossible
from tests.builders import make_generation, make_submission
from tests.faulty_database import failing_audit_entry

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

Decision, Group = Comparison.Decision, Comparison.Group
START = datetime(2026, 11, 10, 12, tzinfo=UTC)
MAPPING = ColumnMapping(
    at="time", amount="amount", task_id="task", model="model", request_id="request",
    time_zone="UTC",
)  # fmt: skip
Row = tuple[float, str, str]  # minutes, task, amount


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def charged(owner: Member, minutes: float, task: str = "", e4: int = 4800) -> Generation:
    """A generation that was reserved, sent and charged, as the worker leaves it."""
    row, _created = Generation.objects.request(
        owner=owner,
        key=f"{minutes}-{task}",
        quote=Quote("kling", "kling-v1", "", e4, 1),
        prompt="A pear",
        aspect_ratio="1:1",
    )
    ledger.end(row.pk, 1, 1, "succeeded")
    Generation.objects.filter(pk=row.pk).update(
        status=Status.SUCCEEDED,
        finished_at=at(minutes + 1),
        accepted_at=at(minutes),
        submitted_at=at(minutes),
        created_at=at(minutes),
        upstream_task_id=task,
        attempt=1,
        charged_e4=e4,
    )
    row.refresh_from_db()
    return row


def load(by: Member, rows: Sequence[Row], *, with_requests: bool = False) -> GatewayLog:
    lines = [
        f"{at(minutes).isoformat()},{task},{amount},,{f'r{n}' if with_requests else ''}"
        for n, (minutes, task, amount) in enumerate(rows)
    ]
    return import_text("\n".join(["time,task,amount,model,request", *lines]), by)


def draft(text: str, by: Member) -> GatewayLog:
    log = GatewayLog(by=by)
    log.file.save("log.csv", ContentFile(text.encode()))
    return log


def import_text(text: str, by: Member) -> GatewayLog:
    log = draft(text, by)
    assert importing.start(log, MAPPING, by)
    importing.run(log, lambda: True)
    return log


def groups() -> dict[str, list[str]]:
    """The keys of the undecided comparisons, by group."""
    found: dict[str, list[str]] = {}
    for row in Comparison.objects.filter(decision="").order_by("key"):
        found.setdefault(row.group, []).append(row.key)
    return found


def seen(row: Comparison) -> Seen:
    return Seen(row.billed_e4, row.recorded_e4)


def decide(key: str, decision: Comparison.Decision, by: Member) -> Comparison:
    row = Comparison.objects.get(key=key)
    deciding.decide(row.pk, decision, by, "as the invoice says", seen(row))
    row.refresh_from_db()
    return row


def figures() -> months.Figures:
    found = months.figures_of(START.date().replace(day=1))
    assert found
    return found


@pytest.fixture
def month(owner: Member, admin: Member) -> dict[str, Generation]:
    """A log with five differences, and three charges that agree."""
    rows = {
        "agrees": charged(owner, 1, "t1"),
        "missing": charged(owner, 20, "t2"),
        "more": charged(owner, 40, "t3", 2400),
        "less": charged(owner, 60, "t4"),
        "refund": charged(owner, 80, "t5"),
        "by time": charged(owner, 100, e4=1300),
        "after": charged(owner, 500, "t6"),  # after the last line: the log says nothing of it
    }
    load(
        admin,
        [
            (0, "t0", "0.12"), (0.5, "t0", "-0.12"),  # charged and refunded there, unknown here
            (1, "t1", "0.48"), (40, "t3", "0.48"), (60, "t4", "0.36"),
            (80, "t5", "0.48"), (95, "t5", "-0.48"), (101, "", "0.13"), (120, "t9", "0.48"),
            (200, "t0", "0.10"), (201, "t0", "-0.10"),
        ],
    )  # fmt: skip
    return rows


def test_five_differences_are_found_and_no_sixth(month: dict[str, Generation]) -> None:
    pks = {name: f"g{row.pk}" for name, row in month.items()}
    assert groups() == {
        Group.UNKNOWN: ["tt9"],
        Group.MISSING: [pks["missing"]],
        Group.DIFFERENT: sorted([pks["more"], pks["less"], pks["refund"]]),
        Group.MATCHED: sorted([pks["agrees"], pks["by time"], "tt0"]),
    }
    found = figures()
    assert (found.billed_e4, found.recorded_e4) == (19300, 4800 * 4 + 2400 + 1300)
    assert found.difference_e4 == 4800 - 4800 + 2400 - 1200 - 4800
    assert (found.lines, found.charges) == (11, 6)
    assert (found.by_task, found.by_time, found.refunded) == (1, 1, 1)


def test_all_decided_ends_at_zero(month: dict[str, Generation], admin: Member) -> None:
    pks = {name: f"g{row.pk}" for name, row in month.items()}
    decide("tt9", Decision.IGNORED, admin)
    for name in ("missing", "more", "less"):
        decide(pks[name], Decision.CORRECTED, admin)
    decide(pks["refund"], Decision.KEPT, admin)
    found = figures()
    assert (found.difference_e4, found.open, found.counts["decided"]) == (0, 0, 5)
    assert found.accepted_e4 == 4800 - 4800  # ignored and kept
    charges = Generation.objects.in_bulk([row.pk for row in month.values()])
    names = ("missing", "more", "less", "refund")
    assert [charges[month[name].pk].charged_e4 for name in names] == [0, 4800, 3600, 4800]
    assert ledger_check.differences() == []
    corrections = AuditEntry.objects.filter(action=AuditAction.CORRECTED)
    assert [each.note for each in corrections] == ["as the invoice says"] * 3
    # Matching again takes nothing back, and forgets no decision.
    compare(at(0), at(201))
    assert figures() == found
    assert Comparison.objects.exclude(decision="").count() == 5


def test_import_again_changes_nothing(month: dict[str, Generation], admin: Member) -> None:
    before = list(Comparison.objects.order_by("pk").values())
    log = load(
        admin, [(1, "t1", "0.48"), (40, "t3", "0.48"), (101, "", "0.13"), (120, "t9", "0.48")]
    )
    assert (log.lines, log.new_lines) == (4, 0)
    assert GatewayLine.objects.count() == 11
    assert list(Comparison.objects.order_by("pk").values()) == before
    assert AuditEntry.objects.filter(action=AuditAction.RECONCILED).count() == 2


def test_request_id_is_stored_once(owner: Member, admin: Member) -> None:
    load(admin, [(0, "a", "0.48"), (1, "b", "0.48")], with_requests=True)
    load(admin, [(0, "a", "0.50"), (1, "b", "0.48"), (2, "c", "0.48")], with_requests=True)
    assert GatewayLine.objects.count() == 3
    assert GatewayLine.objects.get(task_id="a").amount_e4 == 4800


def test_second_press_of_an_import_changes_nothing(owner: Member, admin: Member) -> None:
    log = load(admin, [(0, "a", "0.48"), (1, "b", "0.48")])
    stale = GatewayLog(pk=log.pk)
    assert not importing.start(stale, MAPPING, admin)
    importing.run(log, lambda: True)
    assert GatewayLog.objects.get().lines == 2
    assert GatewayLine.objects.count() == 2
    assert AuditEntry.objects.filter(action=AuditAction.RECONCILED).count() == 1


def test_second_decision_is_refused(month: dict[str, Generation], admin: Member) -> None:
    row = Comparison.objects.get(key=f"g{month['more'].pk}")
    shown = seen(row)
    deciding.decide(row.pk, Decision.CORRECTED, admin, "once", shown)
    entries = LedgerEntry.objects.count()
    for decision in (Decision.CORRECTED, Decision.KEPT):
        with pytest.raises(NotPossible):
            deciding.decide(row.pk, decision, admin, "twice", shown)
    assert LedgerEntry.objects.count() == entries
    assert Comparison.objects.get(pk=row.pk).note == "once"


def test_charge_that_changed_since_is_not_corrected(
    month: dict[str, Generation], admin: Member
) -> None:
    row = Comparison.objects.get(key=f"g{month['more'].pk}")
    deciding.correct(month["more"].pk, 3000, admin, "elsewhere", 2400)
    with pytest.raises(NotPossible):
        deciding.decide(row.pk, Decision.CORRECTED, admin, "stale", seen(row))
    assert Generation.objects.get(pk=month["more"].pk).charged_e4 == 3000
    compare(at(40), at(40))
    assert decide(row.key, Decision.CORRECTED, admin).recorded_e4 == 4800
    assert ledger_check.differences() == []


def test_decision_is_taken_back_when_a_later_log_says_more(
    month: dict[str, Generation], admin: Member
) -> None:
    key = f"g{month['refund'].pk}"
    decide(key, Decision.KEPT, admin)
    load(admin, [(300, "t5", "0.30")])
    row = Comparison.objects.get(key=key)
    assert (row.decision, row.billed_e4, row.lines) == ("", 3000, 3)
    load(admin, [(301, "t5", "0.18")])
    assert Comparison.objects.get(key=key).group == Group.MATCHED


def test_kept_difference_that_disappears_stays_decided(
    month: dict[str, Generation], admin: Member
) -> None:
    key = f"g{month['missing'].pk}"
    decide(key, Decision.KEPT, admin)
    load(admin, [(300, "t2", "0.48")])
    row = Comparison.objects.get(key=key)
    assert (row.group, row.decision) == (Group.MATCHED, Decision.KEPT)


def test_kept_charge_that_is_given_back_later_is_no_difference(
    month: dict[str, Generation], admin: Member
) -> None:
    row = decide(f"g{month['missing'].pk}", Decision.KEPT, admin)
    assert figures().accepted_e4 == -4800
    deciding.correct(month["missing"].pk, 0, admin, "after all", 4800)
    compare(at(20), at(20))
    row.refresh_from_db()
    assert (row.decision, row.recorded_e4) == (Decision.KEPT, 0)
    assert figures().accepted_e4 == 0


def test_watched_task_counts_until_it_is_refunded(
    month: dict[str, Generation], admin: Member
) -> None:
    before = figures().difference_e4
    row = decide("tt9", Decision.WATCHED, admin)
    assert figures().difference_e4 == before
    assert (figures().counts["watched"], figures().open) == (1, 4)
    assert deciding.choices(row) == (Decision.IGNORED,)
    load(admin, [(300, "t9", "-0.48")])
    row.refresh_from_db()
    assert (row.group, row.decision) == (Group.MATCHED, "")
    assert figures().difference_e4 == before - 4800
    assert "watched" not in figures().counts


def test_a_log_without_fractions_of_seconds_may_seem_earlier_than_the_request(
    month: dict[str, Generation], owner: Member
) -> None:
    row = Comparison.objects.get(key="tt9")
    pks = {}
    for name, sent_at in (
        ("minutes before", row.at - timedelta(minutes=4)),
        ("same second", row.at + timedelta(seconds=0.9)),
        ("a second later", row.at + timedelta(seconds=1)),
    ):
        unconfirmed = make_generation(
            Status.UNCONFIRMED, owner=owner, attempt=1, n=4, unit_price_e4=1200
        )
        make_submission(unconfirmed, sent_at=sent_at)
        pks[name] = unconfirmed.pk
    assert deciding.suggestions([row])[row.pk].generation.pk == pks["same second"]


def test_unknown_task_is_assigned_to_an_unconfirmed_generation(
    month: dict[str, Generation], owner: Member, admin: Member
) -> None:
    row = Comparison.objects.get(key="tt9")
    assert deciding.suggestions([row]) == {}
    unconfirmed = make_generation(
        Status.UNCONFIRMED, owner=owner, created_at=at(118), attempt=1, reservations=1,
        n=4, unit_price_e4=1200,
    )  # fmt: skip
    make_submission(unconfirmed, sent_at=at(119))
    for price_e4, sent_at in ((1100, at(119)), (1200, at(125))):  # another price; sent later
        other = make_generation(
            Status.UNCONFIRMED, owner=owner, created_at=at(118), attempt=1, n=4,
            unit_price_e4=price_e4,
        )  # fmt: skip
        make_submission(other, sent_at=sent_at)
    second = Comparison.objects.create(
        upstream=row.upstream, key="tt10", task_id="t10", at=row.at, group=row.group,
        billed_e4=row.billed_e4,
    )  # fmt: skip
    both = deciding.suggestions([row, second])  # each generation once; else one at another price
    assert (both[row.pk].has_other_price, both[second.pk].has_other_price) == (False, True)
    assert [each.price_e4 for each in both[second.pk].alternatives] == [4400]
    second.delete()
    [suggested] = deciding.suggestions([row]).values()
    assert (suggested.generation, suggested.sent_at) == (unconfirmed, at(119))
    shown, version = seen(row), unconfirmed.version
    deciding.assign(row.pk, admin, shown, unconfirmed.pk, version)
    unconfirmed.refresh_from_db()
    assert (unconfirmed.status, unconfirmed.upstream_task_id) == (Status.RUNNING, "t9")
    row.refresh_from_db()
    assert (row.key, row.group, row.decision) == (
        f"g{unconfirmed.pk}", Group.PROGRESS, Decision.ASSIGNED,
    )  # fmt: skip
    assert "unknown" not in figures().counts
    assert figures().progress_e4 == 4800
    with pytest.raises(NotPossible):
        deciding.assign(row.pk, admin, shown, unconfirmed.pk, version)


def test_refused_assignment_changes_nothing(month: dict[str, Generation], admin: Member) -> None:
    row = Comparison.objects.get(key="tt9")
    with pytest.raises(NotPossible):
        deciding.assign(row.pk, admin, seen(row), month["more"].pk, month["more"].version)
    row.refresh_from_db()
    assert (row.key, row.decision) == ("tt9", "")


def test_early_line_of_an_unknown_task_is_looked_at_with_its_neighbours(
    owner: Member, admin: Member
) -> None:
    """A refund that comes much later: its charge was matched by time, and must stay so."""
    row = charged(owner, 1)
    load(admin, [(0, "x1", "0.10"), (2, "u1", "0.48"), (9, "x2", "0.10")])
    assert Comparison.objects.get(key=f"g{row.pk}").matched == "time"
    load(admin, [(9000, "u1", "-0.18"), (9001, "x3", "0.10")])
    assert not Comparison.objects.filter(key="tu1", generation_id=None, lines=1).exists()
    found = Comparison.objects.filter(task_id="u1") | Comparison.objects.filter(key=f"g{row.pk}")
    assert sum(each.billed_e4 or 0 for each in found) == 3000
    assert sum(each.recorded_e4 or 0 for each in found) == 4800


def test_lost_charge_is_only_missing_inside_the_covered_time(owner: Member, admin: Member) -> None:
    first, inside, gap = (charged(owner, minutes, f"m{minutes}") for minutes in (0, 30, 100))
    load(admin, [(0, "a", "0.48"), (60, "b", "0.48")])
    load(admin, [(200, "c", "0.48"), (260, "d", "0.48")])
    assert groups()[Group.MISSING] == [f"g{inside.pk}"]
    load(admin, [(50, "e", "0.48"), (210, "f", "0.48")])
    assert groups()[Group.MISSING] == sorted([f"g{inside.pk}", f"g{gap.pk}"])
    assert first.charged_e4


def test_charge_of_another_gateway_is_left_alone(owner: Member, admin: Member) -> None:
    other = charged(owner, 30, "m1")
    Generation.objects.filter(pk=other.pk).update(upstream="sample")
    load(admin, [(0, "m1", "0.48"), (60, "b", "0.48")])
    assert groups() == {Group.UNKNOWN: ["tb", "tm1"]}


def test_generation_sent_twice_is_corrected_over_both_reservations(
    owner: Member, admin: Member
) -> None:
    row = charged(owner, 10, "s2")
    ledger.reserve(row.pk, 2, owner, Quote("kling", "kling-v1", "", 4800, 1))
    ledger.end(row.pk, 2, 1, "succeeded")
    Generation.objects.filter(pk=row.pk).update(charged_e4=9600, reservations=2, attempt=2)
    load(admin, [(0, "a", "0.48"), (10, "s2", "0.24"), (60, "b", "0.48")])
    decide(f"g{row.pk}", Decision.CORRECTED, admin)
    row.refresh_from_db()
    assert row.charged_e4 == 2400
    assert ledger_check.differences() == []
    sums: dict[int, int] = {}
    for entry in LedgerEntry.objects.filter(generation_id=row.pk, period__window="day"):
        if entry.period.member_id:
            sums[entry.reservation or 0] = sums.get(entry.reservation or 0, 0) + entry.charged_e4
    assert sums == {1: 2400, 2: 0}


def test_lines_are_stored_and_compared_in_batches(owner: Member, admin: Member) -> None:
    rows = [(n / 10, f"task-{n}", "0.48") for n in range(1000)]
    counter = _Counter()
    with connection.execute_wrapper(counter):
        load(admin, rows)
    assert GatewayLine.objects.count() == 1000
    assert counter.statements < 120


class _Counter:
    def __init__(self) -> None:
        self.statements = 0

    def __call__(self, execute: object, *arguments: object) -> object:
        self.statements += 1
        return execute(*arguments)  # type: ignore[operator]


@pytest.mark.parametrize("decision", [Comparison.Decision.KEPT, Comparison.Decision.CORRECTED])
def test_decision_made_while_a_log_is_matched_leaves_true_figures(
    owner: Member, admin: Member, monkeypatch: pytest.MonkeyPatch, decision: Comparison.Decision
) -> None:
    row = charged(owner, 1, "t1")
    load(admin, [(0, "t0", "0.10"), (1, "t1", "0.36"), (50, "t9", "0.1")])
    save = comparing._save

    def decide_first(*arguments: Any) -> set[date]:
        if not Comparison.objects.get(key=f"g{row.pk}").decision:
            decide(f"g{row.pk}", decision, admin)
        return save(*arguments)

    monkeypatch.setattr(comparing, "_save", decide_first)
    load(admin, [(2, "t1", "0.02")])
    row.refresh_from_db()
    comparison = Comparison.objects.get(key=f"g{row.pk}")
    assert (comparison.billed_e4, comparison.recorded_e4) == (3800, row.charged_e4)
    decide(comparison.key, Comparison.Decision.CORRECTED, admin)  # not refused as outdated
    row.refresh_from_db()
    assert row.charged_e4 == 3800


# --- outdated rows, watched tasks and several at once --------------------------------------------


def test_keep_of_a_charge_that_has_changed_is_refused_and_the_row_shows_it(
    month: dict[str, Generation], admin: Member
) -> None:
    row = Comparison.objects.get(key=f"g{month['missing'].pk}")
    deciding.correct(month["missing"].pk, 1200, admin, "elsewhere", 4800)
    with pytest.raises(NotPossible):
        deciding.decide(row.pk, Decision.KEPT, admin, "stale", seen(row))
    row.refresh_from_db()
    assert (row.decision, row.recorded_e4) == ("", 1200)
    assert figures().recorded_e4 == 4800 * 3 + 2400 + 1300 + 1200
    deciding.decide(row.pk, Decision.KEPT, admin, "as it is now", seen(row))


def test_correction_that_is_no_difference_any_more_disappears_when_it_is_refused(
    month: dict[str, Generation], admin: Member
) -> None:
    row = Comparison.objects.get(key=f"g{month['more'].pk}")
    deciding.correct(month["more"].pk, 4800, admin, "elsewhere", 2400)
    with pytest.raises(NotPossible):
        deciding.decide(row.pk, Decision.CORRECTED, admin, "stale", seen(row))
    row.refresh_from_db()
    assert (row.group, row.decision) == (Group.MATCHED, "")
    assert AuditEntry.objects.filter(action=AuditAction.CORRECTED).count() == 1


def test_unknown_task_that_was_tracked_elsewhere_is_not_ignored(
    month: dict[str, Generation], owner: Member, admin: Member
) -> None:
    row = Comparison.objects.get(key="tt9")
    running = make_generation(
        Status.RUNNING, owner=owner, created_at=at(119), submitted_at=at(119),
        upstream_task_id="t9",
    )  # fmt: skip
    with pytest.raises(NotPossible):
        deciding.decide(row.pk, Decision.IGNORED, admin, "stale", seen(row))
    assert not Comparison.objects.filter(key="tt9").exists()
    assert Comparison.objects.get(key=f"g{running.pk}").group == Group.PROGRESS


def test_watching_has_the_worker_ask_for_the_task(
    month: dict[str, Generation], admin: Member
) -> None:
    decide("tt9", Decision.WATCHED, admin)
    watched = WatchedTask.objects.get()
    assert (watched.task_id, watched.outcome) == ("t9", "open")
    assert watched.next_check_at


def test_several_are_decided_up_to_the_first_that_has_changed(
    month: dict[str, Generation], admin: Member
) -> None:
    names = ("more", "less", "refund")
    rows = [Comparison.objects.get(key=f"g{month[name].pk}") for name in names]
    deciding.correct(month["less"].pk, 1200, admin, "elsewhere", 4800)
    chosen = [(row.pk, seen(row)) for row in rows]
    done = deciding.decide_several(chosen, Decision.CORRECTED, admin, "the November invoice")
    assert (done.count, done.stopped_at, bool(done.reason)) == (1, rows[1], True)
    charges = Generation.objects.in_bulk([month[name].pk for name in names])
    assert [charges[month[name].pk].charged_e4 for name in names] == [4800, 1200, 4800]
    rest = [Comparison.objects.get(pk=row.pk) for row in rows[1:]]
    assert rest[0].recorded_e4 == 1200  # shown as it is now
    chosen = [(row.pk, seen(row)) for row in rest]
    done = deciding.decide_several(chosen, Decision.CORRECTED, admin, "the November invoice")
    assert (done.count, done.reason) == (2, "")
    entries = AuditEntry.objects.filter(action=AuditAction.CORRECTED, note="the November invoice")
    assert entries.count() == 3
    assert ledger_check.differences() == []


def test_a_database_that_is_busy_meanwhile_does_not_hide_what_was_decided(
    month: dict[str, Generation], admin: Member
) -> None:
    rows = [Comparison.objects.get(key=f"g{month[name].pk}") for name in ("more", "less")]
    chosen = [(row.pk, seen(row)) for row in rows]
    with failing_audit_entry(2):
        done = deciding.decide_several(chosen, Decision.CORRECTED, admin, "the November invoice")
    assert (done.count, done.stopped_at, done.reason) == (1, rows[1], "Could not save.")
    charges = Generation.objects.in_bulk([month["more"].pk, month["less"].pk])
    assert {name: charges[month[name].pk].charged_e4 for name in ("more", "less")} == {
        "more": 4800,
        "less": 4800,
    }
    assert ledger_check.differences() == []
