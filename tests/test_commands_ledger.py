"""`manage.py ledger` and `manage.py usage`: what the ledger says, and whether it agrees."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from generations.models import Generation, Member, Quote, Team
from generations.models.money import LedgerEntry, Period, Window, ledger
from tests.commands import refusal, refusal_json, run, run_json

pytestmark = pytest.mark.django_db

CENTS_12 = 1200  # in ten-thousandths
NOVEMBER = datetime(2026, 11, 15, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _november(monkeypatch: pytest.MonkeyPatch) -> None:
    at(monkeypatch, NOVEMBER)


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: moment)


def press(owner: Member, n: int = 4, model: str = "kling-v1") -> Generation:
    row, _created = Generation.objects.request(
        owner=owner,
        key=f"key-{Generation.objects.count()}",
        quote=Quote("kling", model, "", CENTS_12, n),
        prompt="A pear",
        aspect_ratio="1:1",
        n=n,
    )
    return row


def in_own_connection(function: Callable[..., object], *arguments: object) -> None:
    try:
        function(*arguments)
    finally:
        connection.close()


def break_counter(owner: Member) -> None:
    Period.objects.filter(member=owner, window=Window.DAY).update(charged_e4=4800, charged_images=1)


# --- check and rebuild ---------------------------------------------------------------------------


def test_check_of_a_ledger_that_agrees(owner: Member) -> None:
    press(owner)
    assert run_json("ledger", "check") == {"differences": []}
    assert "explains every figure" in run("ledger", "check").stdout


def test_check_lists_what_differs(owner: Member) -> None:
    press(owner)
    break_counter(owner)
    assert refusal_json("ledger", "check") == {
        "error": "The ledger does not explain 2 figures.",
        "differences": [
            {"figure": "charged of owner, day from 2026-11-15", "found": "0.48", "expected": "0"},
            {"figure": "charged_images of owner, day from 2026-11-15", "found": 1, "expected": 0},
        ],
    }
    assert refusal("ledger", "check") == "The ledger does not explain 2 figures."


def test_check_prints_the_list_as_text(owner: Member, capsys: pytest.CaptureFixture[str]) -> None:
    press(owner)
    break_counter(owner)
    with pytest.raises(CommandError):
        call_command("ledger", "check")
    assert "charged of owner, day from 2026-11-15" in capsys.readouterr().out


def test_rebuild_mends_counters(owner: Member) -> None:
    press(owner)
    break_counter(owner)
    assert run_json("ledger", "rebuild", "--yes") == {"periods_rebuilt": 1, "differences": []}
    run("ledger", "check")
    assert run_json("ledger", "rebuild") == {"periods_rebuilt": 0, "differences": []}


@pytest.mark.parametrize(
    ("answer", "is_mended"), [("y", True), ("YES", True), ("n", False), ("", False), (None, False)]
)
def test_rebuild_asks_first(
    owner: Member, monkeypatch: pytest.MonkeyPatch, answer: str | None, is_mended: bool
) -> None:
    press(owner)
    break_counter(owner)

    def answer_once() -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", answer_once)
    if is_mended:
        assert "Periods rebuilt: 1." in run("ledger", "rebuild").stdout
        run("ledger", "check")
    else:
        assert refusal("ledger", "rebuild").startswith("Nothing was changed.")
        refusal("ledger", "check")


def test_rebuild_says_what_it_cannot_mend(owner: Member) -> None:
    row = press(owner)
    Generation.objects.filter(pk=row.pk).update(charged_e4=0)
    document = refusal_json("ledger", "rebuild", "--yes")
    assert document["error"] == "The ledger does not explain 1 figure."
    assert document["differences"][0]["found"] == 1
    assert document["periods_rebuilt"] == 0


@pytest.mark.django_db(transaction=True)
def test_check_compares_figures_of_one_moment(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that arrives between two queries of the check is no difference."""
    press(owner)
    sums = ledger.sums
    other = Thread(target=in_own_connection, args=(press, owner))

    def sums_before_a_request() -> dict[int, dict[str, int]]:
        result = sums()
        other.start()
        if connection.vendor == "postgresql":  # SQLite lets the request wait for the check
            other.join()
        return result

    monkeypatch.setattr(ledger, "sums", sums_before_a_request)
    assert run_json("ledger", "check") == {"differences": []}
    other.join()
    assert Generation.objects.count() == 2


# --- export --------------------------------------------------------------------------------------


def exported(*arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run("ledger", "export", *arguments).stdout)))


def test_export_has_every_entry(owner: Member) -> None:
    row = press(owner)
    ledger.end(row.pk, 1, 3)
    rows = exported()
    assert len(rows) == LedgerEntry.objects.count() == 8
    assert rows[4] == {
        "id": rows[4]["id"],
        "at": rows[4]["at"],
        "kind": "charge",
        "key": f"g{row.pk}.r1.end",
        "period_of": "",
        "window": "month",
        "period_starts_at": "2026-11-01T00:00:00+00:00",
        "upstream": "simulator",
        "generation": str(row.pk),
        "reservation": "1",
        "engine": "kling",
        "model": "kling-v1",
        "option": "",
        "person": "owner",
        "by": "",
        "unit_price": "0.12",
        "reserved": "-0.48",
        "charged": "0.36",
        "granted": "0",
        "reserved_images": "-4",
        "charged_images": "3",
        "granted_images": "0",
        "reason": "",
    }
    entries = run_json("ledger", "export")["entries"]
    assert [each["id"] for each in entries] == [int(each["id"]) for each in rows]
    assert (entries[4]["charged"], entries[4]["period_of"]) == ("0.36", None)


def test_sums_of_the_export_are_the_counters(owner: Member, stranger: Member) -> None:
    for member in (owner, stranger, owner):
        ledger.end(press(member).pk, 1, 3)
    press(owner)
    rows = [each for each in exported() if not each["period_of"] and each["window"] == "month"]
    period = Period.objects.get(member=None, window=Window.MONTH)
    for name in ("reserved_images", "charged_images"):
        assert sum(int(each[name]) for each in rows) == getattr(period, name)
    assert sum(round(float(each["charged"]) * 10_000) for each in rows) == period.charged_e4


def test_month_has_the_entries_of_its_periods(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = press(owner)
    at(monkeypatch, DECEMBER)
    second = press(owner)
    ledger.end(first.pk, 1, 4)
    november, december = exported("--month", "2026-11"), exported("--month", "2026-12")
    assert {each["generation"] for each in november} == {str(first.pk)}
    assert {each["kind"] for each in november} == {"reserve", "charge"}, "also what ended later"
    assert {each["generation"] for each in december} == {str(second.pk)}
    assert exported("--month", "2026-10") == []
    assert run_json("ledger", "export", "--month", "2026-10") == {"entries": []}


def test_export_contains_no_formulas(owner: Member) -> None:
    row = press(owner)
    ledger.end(row.pk, 1, 4, reason='=HYPERLINK("http://x")')
    assert exported()[-1]["reason"].startswith("'=HYPERLINK")


def test_export_reads_few_rows_at_a_time(
    owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """One query for the team, the audit log and the rows, however many entries there are."""
    for _number in range(20):
        press(owner)
    with django_assert_num_queries(3):
        assert len(exported()) == 80


@pytest.mark.parametrize(
    "month", ["2026-13", "2026-1", "26-11", "November", "2026-11-01", "0000-01", "9999-12", ""]
)
def test_wrong_month_is_refused(month: str) -> None:
    assert refusal("ledger", "export", "--month", month).startswith("Use a ")
    assert refusal("usage", "--month", month).startswith("Use a ")


# --- usage ---------------------------------------------------------------------------------------


def figures(images: int, charged: str, reserved_images: int, reserved: str) -> dict[str, Any]:
    return {
        "images": images,
        "charged": charged,
        "reserved_images": reserved_images,
        "reserved": reserved,
    }


def test_usage_by_person_and_by_model(owner: Member, stranger: Member) -> None:
    ledger.end(press(owner).pk, 1, 3)
    ledger.end(press(owner, model="kling-v2").pk, 1, 4)
    press(stranger, n=2)
    assert run_json("usage") == {
        "month": "2026-11",
        "time_zone": "UTC",
        "currency": "USD",
        "upstream": "simulator",
        "total": figures(7, "0.84", 2, "0.24") | {"open_requests": 1},
        "people": [
            {"person": "owner", **figures(7, "0.84", 0, "0")},
            {"person": "stranger", **figures(0, "0", 2, "0.24")},
        ],
        "models": [
            {"engine": "kling", "model": "kling-v1", **figures(3, "0.36", 2, "0.24")},
            {"engine": "kling", "model": "kling-v2", **figures(4, "0.48", 0, "0")},
        ],
    }
    text = run("usage").stdout
    assert text.startswith("2026-11 (UTC), amounts in USD")
    assert "Open requests, whose charge may still change: 1." in text
    lines = [line.split() for line in text.splitlines()]
    index = lines.index(["Person", "Images", "Charged", "Reserved"])
    assert lines[index + 1] == ["owner", "7", "0.84", "0"]
    assert lines[index + 2] == ["stranger", "0", "0", "0.24"]


def test_usage_of_a_month_without_entries(owner: Member) -> None:
    press(owner)
    document = run_json("usage", "--month", "2026-10")
    assert document["total"] == figures(0, "0", 0, "0") | {"open_requests": 0}
    assert document["people"] == document["models"] == []
    assert "2026-10" in run("usage", "--month", "2026-10").stdout


def test_correction_counts_in_the_month_of_its_request(
    owner: Member, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = press(owner)
    at(monkeypatch, DECEMBER)
    ledger.end(row.pk, 1, 4)
    ledger.correct(row.pk, 1, 1000, admin, "refunded in part")
    assert run_json("usage")["total"]["charged"] == "0"
    [november] = run_json("usage", "--month", "2026-11")["people"]
    assert november == {"person": "owner", **figures(4, "0.1", 0, "0")}


def test_month_turns_at_the_midnight_of_the_team(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    Team(time_zone="Asia/Tokyo").save()
    at(monkeypatch, datetime(2026, 11, 30, 14, 59, tzinfo=UTC))
    press(owner, n=1)
    at(monkeypatch, datetime(2026, 11, 30, 15, 1, tzinfo=UTC))
    press(owner, n=2)
    assert run_json("usage")["month"] == "2026-12"
    assert run_json("usage")["total"]["reserved_images"] == 2
    assert run_json("usage", "--month", "2026-11")["total"]["reserved_images"] == 1
    assert len(exported("--month", "2026-11")) == len(exported("--month", "2026-12")) == 4


def test_new_time_zone_loses_no_entry(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    Team(time_zone="Europe/Berlin").save()
    press(owner, n=1)
    Team(time_zone="America/New_York").save()
    # December in Berlin; in New York the last hours of November, which belong to December now.
    at(monkeypatch, datetime(2026, 12, 1, 1, tzinfo=UTC))
    press(owner, n=2)
    at(monkeypatch, datetime(2026, 12, 2, tzinfo=UTC))
    press(owner, n=4)
    months = ("2026-10", "2026-11", "2026-12")
    reserved = [run_json("usage", "--month", each)["total"]["reserved_images"] for each in months]
    assert reserved == [0, 1, 6]
    assert [len(exported("--month", each)) for each in months] == [0, 6, 6]  # its day is November's
