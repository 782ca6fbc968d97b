"""Daily roll-ups: their sums are those of the ledger, whenever the job runs and however often."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db.models import Sum
from django.utils import timezone

from generations.models import Collection, Generation, Member, Quote, Status, Team
from generations.models.money import (
    LedgerEntry,
    Period,
    UsageDay,
    UsageSum,
    Window,
    ledger,
    usage_day,
)
from generations.models.money.month import Month
from generations.models.money.usage import Figures, forecast_e4, lines_of, usage_of
from generations.operations import ledger_check
from generations.worker import tasks
from tests.builders import make_member
from tests.test_ledger import at, check, finish, press, quote, run, store

pytestmark = pytest.mark.django_db

FIRST = datetime(2026, 11, 3, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> None:
    Team(time_zone="Europe/Berlin").save()
    at(monkeypatch, FIRST)


def make(owner: Member, key: str, n: int = 1, **columns: object) -> Generation:
    """A succeeded request of this moment."""
    row = press(owner, key, quote(n), **columns)
    run(row)
    finish(row, n)
    return row


def november() -> Month:
    return Month(2026, 11, Team.objects.current().zone)


def stored_sums() -> list[tuple[object, ...]]:
    return sorted(UsageSum.objects.values_list("person", "state", "charged_images", "charged_e4"))


# --- when a day is rolled up ---------------------------------------------------------------------


def test_day_is_rolled_up_when_it_is_over(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    make(owner, "a", 4)
    tasks.roll_up_usage()
    assert not UsageDay.objects.exists()
    at(monkeypatch, FIRST + timedelta(days=1))
    for _run in range(2):
        tasks.roll_up_usage()
        assert stored_sums() == [(owner.pk, Status.SUCCEEDED, 4, 4800)]
    check()


def test_day_with_an_open_request_is_read_from_the_ledger(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(owner, "a")
    row = press(owner, "b", quote(2))
    at(monkeypatch, FIRST + timedelta(days=1))
    assert usage_day.roll_up() == 0
    assert usage_of(november()).total == Figures(1, 1200, 2, 2400, 1)
    assert row.cancel(owner, row.version)
    assert usage_day.roll_up() == 1
    assert usage_of(november()).total == Figures(1, 1200)


def test_day_is_rolled_up_again_until_its_last_transactions_must_be_over(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, datetime(2026, 11, 3, 22, 55, tzinfo=UTC))  # five minutes before midnight
    make(owner, "a")
    at(monkeypatch, datetime(2026, 11, 3, 23, 5, tzinfo=UTC))
    assert [usage_day.roll_up(), usage_day.roll_up()] == [1, 1]
    at(monkeypatch, datetime(2026, 11, 3, 23, 56, tzinfo=UTC))
    assert [usage_day.roll_up(), usage_day.roll_up()] == [1, 0]


def test_correction_on_a_later_day_counts_on_the_day_of_its_request(
    owner: Member, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = make(owner, "a", 4)
    at(monkeypatch, datetime(2026, 12, 5, tzinfo=UTC))
    usage_day.roll_up()
    ledger.correct(row.pk, 1, 1000, admin, "refunded in part")
    assert usage_of(november()).days == {date(2026, 11, 3): Figures(4, 1000)}
    assert usage_day.roll_up() == 1
    assert usage_of(november()).days == {date(2026, 11, 3): Figures(4, 1000)}
    assert usage_of(november().next).total == Figures()


def test_corrections_that_cancel_each_other_out_are_seen(
    owner: Member, stranger: Member, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The counters of the day stay the same, its shares do not."""
    rows = [make(owner, "a"), make(stranger, "b")]
    at(monkeypatch, FIRST + timedelta(days=2))
    usage_day.roll_up()
    for row, amount_e4 in zip(rows, (1200 - 500, 1200 + 500), strict=True):
        ledger.correct(row.pk, 1, amount_e4, admin, "swapped")
    people = usage_of(november()).people
    assert {pk: each.charged_e4 for pk, each in people.items()} == {
        owner.pk: 700,
        stranger.pk: 1700,
    }


def test_state_that_changes_without_an_entry_is_rolled_up_again(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = press(owner, "a")
    run(row)
    assert row.mark_fetching(["https://files.example/0.png"])
    row.pictures.update(state="lost")
    assert row.finish_if_complete()
    at(monkeypatch, FIRST + timedelta(days=1))
    usage_day.roll_up()
    assert usage_of(november()).states == {Status.FAILED: Figures(1, 1200)}
    row.refresh_from_db()
    assert row.fetch_again(owner, row.version)
    store(row)
    assert row.finish_if_complete()
    usage_day.roll_up()
    assert usage_of(november()).states == {Status.SUCCEEDED: Figures(1, 1200)}
    check()


def test_first_run_is_bounded(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_day, "MAX_DAYS_OF_A_RUN", 2)
    for number in range(5):
        at(monkeypatch, FIRST + timedelta(days=number))
        make(owner, str(number))
    at(monkeypatch, FIRST + timedelta(days=10))
    assert [usage_day.roll_up() for _run in range(4)] == [2, 2, 1, 0]
    assert usage_of(november()).total == Figures(5, 6000)


# --- what must not break the sums ----------------------------------------------------------------


def test_deleted_rows_change_no_sum(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    collection = Collection.objects.create(name="Spring", created_by=owner)
    rows = [make(owner, str(number), collection=collection) for number in range(2)]
    at(monkeypatch, FIRST + timedelta(days=2))
    usage_day.roll_up()
    assert usage_of(november()).collections == {collection.pk: Figures(2, 2400)}
    rows[0].delete()
    collection.delete()
    for _time in range(2):
        assert usage_of(november()).total == Figures(2, 2400)
        check()
        usage_day.mark_all_outdated()
        usage_day.roll_up()
    assert usage_of(november()).states == {
        "deleted": Figures(1, 1200),
        Status.SUCCEEDED: Figures(1, 1200),
    }
    assert usage_of(november()).collections == {None: Figures(2, 2400)}


def test_check_finds_a_sum_that_is_not_that_of_the_counters(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(owner, "a")
    at(monkeypatch, FIRST + timedelta(days=2))
    usage_day.roll_up()
    UsageSum.objects.update(charged_e4=1)
    [difference] = ledger_check.differences()
    assert (difference.found, difference.expected, difference.is_money) == (1, 1200, True)
    assert "daily sums" in difference.what
    usage_day.mark_all_outdated()
    check()
    assert usage_of(november()).total == Figures(1, 1200)


# --- days and months -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "hours"), [("2026-03-28T23:00+00:00", 23), ("2026-10-24T22:00+00:00", 25)]
)
def test_days_of_23_and_25_hours(
    owner: Member, monkeypatch: pytest.MonkeyPatch, first: str, hours: int
) -> None:
    start = datetime.fromisoformat(first)
    for number in range(-1, hours + 1):  # an hour before midnight, to an hour of the next day
        at(monkeypatch, start + timedelta(hours=number))
        make(owner, str(number))
    at(monkeypatch, start + timedelta(days=5))
    month = Month.around(start + timedelta(hours=3), Team.objects.current().zone)
    for _time in range(2):
        days = usage_of(month).days
        assert [each.charged_images for each in days.values()] == [1, hours, 1]
        usage_day.roll_up()
    assert UsageDay.objects.count() == 3


def test_month_turns_at_the_midnight_of_the_team(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    at(monkeypatch, datetime(2026, 11, 30, 22, 59, tzinfo=UTC))
    last = press(owner, "a", quote(3))
    at(monkeypatch, datetime(2026, 11, 30, 23, 1, tzinfo=UTC))
    make(owner, "b")
    assert usage_of(november()).total == Figures(0, 0, 3, 3600, 1)
    run(last)
    finish(last, 3)
    at(monkeypatch, datetime(2026, 12, 3, tzinfo=UTC))
    for _time in range(2):
        assert usage_of(november()).days == {date(2026, 11, 30): Figures(3, 3600)}
        assert usage_of(november().next).days == {date(2026, 12, 1): Figures(1, 1200)}
        usage_day.roll_up()


def test_day_between_two_months_after_a_change_of_the_time_zone(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New days begin at midnight in Tokyo, while the month still ends at midnight in Berlin."""
    at(monkeypatch, datetime(2026, 11, 29, 12, tzinfo=UTC))
    make(owner, "a")
    Team(time_zone="Asia/Tokyo").save()
    at(monkeypatch, datetime(2026, 11, 30, 20, tzinfo=UTC))  # 1 December there, November's period
    make(owner, "b", 2)
    at(monkeypatch, datetime(2026, 11, 30, 23, 30, tzinfo=UTC))
    make(owner, "c", 4)
    at(monkeypatch, datetime(2026, 12, 5, tzinfo=UTC))
    midnight_in_berlin = datetime(2026, 11, 30, 23, tzinfo=UTC)
    days = Period.objects.filter(member=None, window=Window.DAY)
    between = days.get(starts_at__lt=midnight_in_berlin, ends_at__gt=midnight_in_berlin)
    assert between.charged_images == 6
    months = Period.objects.filter(member=None, window=Window.MONTH).order_by("starts_at")
    expected = [(each.charged_images, each.charged_e4) for each in months]
    assert expected == [(3, 3600), (4, 4800)]
    for _time in range(2):
        totals = [usage_of(month).total for month in (november(), november().next)]
        assert [(each.charged_images, each.charged_e4) for each in totals] == expected
        usage_day.roll_up()
        check()


# --- the roll-up is the ledger -------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_figures_are_those_of_the_ledger_at_any_time(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    people = [make_member(), make_member()]
    collections = [None, Collection.objects.create(name="Spring", created_by=people[0])]
    moment = datetime(2026, 10, 29, tzinfo=UTC)
    rows: list[Generation] = []
    for number in range(40):
        moment += timedelta(hours=rng.choice((0, 1, 1, 7, 26)))
        at(monkeypatch, moment)
        if number == 20:
            Team(time_zone=rng.choice(("Asia/Tokyo", "America/New_York"))).save()
        n, model = rng.randint(1, 4), rng.choice(("kling-v1", "kling-v2"))
        price = Quote("kling", model, "", rng.choice((None, 267, 1200)), n)
        row = press(rng.choice(people), f"key {number}", price, collection=rng.choice(collections))
        rows.append(row)
        act(rng, rng.choice(rows), people[0])
        if rng.random() < 0.3:
            usage_day.roll_up()
        if number % 5 == 0:
            compare()
    at(monkeypatch, moment + timedelta(days=40))
    for row in Generation.objects.filter(status=Status.QUEUED):
        row.cancel(row.owner, row.version)
    usage_day.roll_up()
    assert UsageDay.objects.filter(is_outdated=False).count() > 5
    compare()


def act(rng: random.Random, row: Generation, admin: Member) -> None:
    """End, correct or delete a row, as far as its state allows."""
    current = Generation.objects.filter(pk=row.pk).first()
    if current is None:
        return
    row = current
    what = rng.choice(("cancel", "finish", "finish", "correct", "delete", "nothing"))
    if what == "cancel":
        row.cancel(row.owner, row.version)
    elif what == "finish" and row.status == Status.QUEUED:
        run(row)
        finish(row, rng.randint(1, row.n))
    elif what == "correct" and row.charged_e4 is not None:
        ledger.correct(row.pk, 1, rng.randrange(5000), admin, "a random correction")
    elif what == "delete" and row.is_final:
        Generation.objects.filter(pk=row.pk).delete()


def compare() -> None:
    """Compare all months with the counters of the team, and with the entries of its months."""
    zone = Team.objects.current().zone
    expected: dict[str, tuple[int, ...]] = {}
    for period in Period.objects.filter(member=None, window=Window.MONTH):
        middle = period.starts_at + (period.ends_at - period.starts_at) / 2
        key = str(Month.around(middle, zone))
        counters = (
            period.charged_images, period.charged_e4, period.reserved_images, period.reserved_e4,
        )  # fmt: skip
        assert key not in expected
        expected[key] = counters
    for key, sums in expected.items():
        year, number = map(int, key.split("-"))
        month = Month(year, number, zone)
        usage = usage_of(month)
        assert list(vars(usage.total).values())[:4] == list(sums)
        for groups in (usage.people, usage.models, usage.collections, usage.states, usage.days):
            assert summed(groups.values()) == usage.total
        assert summed(line.figures for line in lines_of(month)) == usage.total
        for pk, figures in usage.people.items():
            person = Member.objects.get(pk=pk or 0)
            assert usage_of(month, person).total == figures
            assert figures.charged_e4 == charged_by_entries(person, month)
    check()


def summed(figures: object) -> Figures:
    total = Figures()
    for each in figures:  # type: ignore[attr-defined]
        total.add(*vars(each).values())
    return total


def charged_by_entries(person: Member, month: Month) -> int:
    periods = [
        period.pk
        for period in Period.objects.filter(member=None, window=Window.MONTH)
        if month.contains(period.starts_at, period.ends_at)
    ]
    entries = LedgerEntry.objects.filter(period__in=periods, person=person)
    return entries.aggregate(Sum("charged_e4"))["charged_e4__sum"] or 0


# --- the forecast --------------------------------------------------------------------------------


def test_forecast_follows_the_pace_of_the_running_month(monkeypatch: pytest.MonkeyPatch) -> None:
    month = november()
    start, end = month.boundaries
    at(monkeypatch, start + timedelta(days=10))
    assert forecast_e4(Figures(charged_e4=1_000, reserved_e4=500), month) == 4_500
    at(monkeypatch, start + timedelta(hours=23))
    assert forecast_e4(Figures(charged_e4=1_000), month) is None
    at(monkeypatch, end)
    assert forecast_e4(Figures(charged_e4=1_000), month) is None
    assert timezone.now() == end
