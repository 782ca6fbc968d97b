"""The money of a request: reserved, charged and released, exactly once, in exact amounts."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    Failure,
    Generation,
    LimitReached,
    Member,
    Picture,
    Quote,
    Status,
    Team,
    TransitionReason,
)
from generations.models.money import LedgerEntry, Limit, LimitRequest, Period, Window, ledger
from generations.models.money.limit import LimitQuerySet
from generations.models.money.period import COUNTERS, ORDER, boundaries, new_period
from generations.operations import ledger_check

pytestmark = pytest.mark.django_db

CENT = 100  # in ten-thousandths


def quote(n: int = 1, unit_e4: int | None = 12 * CENT) -> Quote:
    return Quote("kling", "kling-v1", "", unit_e4, n)


def press(owner: Member, key: str, price: Quote | None = None, **columns: Any) -> Generation:
    price = price or quote(columns.get("n", 1))
    columns = {"prompt": "A pear", "aspect_ratio": "1:1", "n": price.n} | columns
    row, created = Generation.objects.request(owner=owner, key=key, quote=price, **columns)
    assert created
    return row


def run(row: Generation, task_id: str = "") -> None:
    """Bring a queued row to running."""
    submission = row.mark_submitting(60)
    assert submission
    assert row.mark_running(submission, task_id or f"task-{row.pk}-{row.attempt}", 0)


def finish(row: Generation, images: int) -> None:
    """Report so many images of a running row, and store all of them."""
    assert row.mark_fetching([f"https://files.example/{index}.png" for index in range(images)])
    store(row)
    assert row.finish_if_complete()


def store(row: Generation) -> None:
    """Mark all images as stored, without files."""
    row.pictures.update(
        state=Picture.State.STORED, width=1, height=1, size_bytes=1, file="a.png", sha256="0"
    )


def figures(member: Member | None, window: Window = Window.MONTH) -> tuple[int, int, int, int]:
    """Reserved and charged money, reserved and charged images, of the only such period."""
    period = Period.objects.get(member=member, window=window)
    return (
        period.reserved_e4,
        period.charged_e4,
        period.reserved_images,
        period.charged_images,
    )


def check() -> None:
    assert ledger_check.differences() == []


def set_limit(member: Member | None, window: Window = Window.MONTH, **values: Any) -> None:
    scope = Limit.Scope.MEMBER if member else Limit.Scope.TEAM
    Limit.objects.put(scope, window, member=member, **values)


# --- the two phases ------------------------------------------------------------------------------


def test_request_reserves_in_all_periods(owner: Member) -> None:
    row = press(owner, "a", n=4)
    assert (row.unit_price_e4, row.reservations, row.charged_e4) == (12 * CENT, 1, None)
    for member in (owner, None):
        for window in Window:
            assert figures(member, window) == (48 * CENT, 0, 4, 0)
    check()


def test_images_are_charged_when_they_are_stored(owner: Member) -> None:
    row = press(owner, "a", n=4)
    run(row)
    finish(row, 4)
    row.refresh_from_db()
    assert row.charged_e4 == 48 * CENT
    assert figures(owner) == figures(None) == (0, 48 * CENT, 0, 4)
    check()


@pytest.mark.parametrize(
    ("rule", "images"), [(Team.ChargedImages.LISTED, 3), (Team.ChargedImages.REQUESTED, 4)]
)
def test_fewer_images_are_charged_by_the_rule(owner: Member, rule: str, images: int) -> None:
    Team(charged_images=rule).save()
    row = press(owner, "a", n=4)
    run(row)
    finish(row, 3)
    assert figures(owner) == (0, images * 12 * CENT, 0, images)
    check()


def test_more_images_than_requested_are_not_charged_beyond_the_reservation(owner: Member) -> None:
    row = press(owner, "a", n=1)
    run(row)
    finish(row, 3)
    assert figures(owner) == (0, 12 * CENT, 0, 1)


def test_canceled_request_is_released(owner: Member) -> None:
    """new-api 4211, 6659, PR 6795: only one of two counters moved, so a refund raised the total."""
    row = press(owner, "a", n=4)
    assert row.cancel(owner, row.version)
    row.refresh_from_db()
    assert row.charged_e4 == 0
    assert figures(owner) == figures(None) == (0, 0, 0, 0)
    check()


def test_refused_request_is_released(owner: Member) -> None:
    row = press(owner, "a")
    submission = row.mark_submitting(60)
    assert submission
    assert row.mark_refused(submission, Failure.POLICY, "no")
    assert figures(owner) == (0, 0, 0, 0)
    check()


def test_postponed_request_keeps_its_one_reservation(owner: Member) -> None:
    row = press(owner, "a")
    for _try in range(3):
        submission = row.mark_submitting(60)
        assert submission
        assert row.mark_postponed(submission, TransitionReason.BUSY)
    assert figures(owner) == (12 * CENT, 0, 1, 0)
    run(row)
    finish(row, 1)
    assert figures(owner) == (0, 12 * CENT, 0, 1)
    check()


@pytest.mark.parametrize(("is_charged", "amount"), [("yes", 12 * CENT), ("no", 0), ("unknown", 0)])
def test_failure_upstream_is_charged_by_the_setting(
    owner: Member, settings: Settings, is_charged: str, amount: int
) -> None:
    """open-design 6044: what had failed or timed out was charged."""
    settings.FAILED_IS_CHARGED = is_charged
    row = press(owner, "a")
    run(row)
    assert row.mark_failed(Failure.OURS, "broken")
    assert figures(owner)[:2] == (0, amount)
    check()


def test_failed_task_is_released_once(owner: Member) -> None:
    """new-api PR 2025, PR 6074: overlapping loops refunded a failed task twice."""
    row = press(owner, "a")
    run(row)
    same = Generation.objects.get(pk=row.pk)
    assert row.mark_failed(Failure.OURS, "broken")
    assert not same.mark_failed(Failure.OURS, "broken")
    assert ledger.end(row.pk, 1, 1) == 0, "a second end changes nothing"
    assert figures(owner) == (0, 0, 0, 0)
    assert LedgerEntry.objects.filter(key=f"g{row.pk}.r1.end").count() == 4
    check()


def unconfirmed(owner: Member, key: str, n: int = 1) -> Generation:
    row = press(owner, key, n=n)
    submission = row.mark_submitting(60)
    assert submission
    assert row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    return row


def test_unconfirmed_request_stays_reserved_until_it_is_dismissed(owner: Member) -> None:
    row = unconfirmed(owner, "a", n=2)
    assert figures(owner) == (24 * CENT, 0, 2, 0)
    assert row.abandon(owner, row.version)
    assert figures(owner) == (0, 24 * CENT, 0, 2)
    check()


def test_sending_again_reserves_a_second_time(owner: Member) -> None:
    row = unconfirmed(owner, "a")
    assert row.send_again(owner, row.version, quote(unit_e4=20 * CENT))
    assert figures(owner) == (32 * CENT, 0, 2, 0)
    run(row)
    finish(row, 1)
    row.refresh_from_db()
    assert row.charged_e4 == 32 * CENT, "the first attempt may have been charged"
    assert figures(owner) == (0, 32 * CENT, 0, 2)
    check()


def test_attempts_are_one_task_where_the_upstream_knows_our_id(
    owner: Member, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    row = unconfirmed(owner, "a")
    assert row.send_again(owner, row.version, quote())
    submission = row.mark_submitting(60)
    assert submission
    assert row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    assert row.mark_not_found(submission)
    row.refresh_from_db()
    assert row.charged_e4 == 0, "neither attempt was received"
    check()


def test_sending_again_needs_room_in_the_limit(owner: Member) -> None:
    row = unconfirmed(owner, "a")
    set_limit(owner, money_e4=20 * CENT)
    with pytest.raises(LimitReached):
        row.send_again(owner, row.version, quote())
    row.refresh_from_db()
    assert (row.status, row.reservations) == (Status.UNCONFIRMED, 1)
    assert figures(owner) == (12 * CENT, 0, 1, 0)
    check()


def test_images_after_a_dismissal_correct_the_charge_once(owner: Member) -> None:
    row = press(owner, "a", n=4)
    run(row)
    row.mark_late()
    assert row.abandon(owner, row.version)
    assert figures(owner) == (0, 48 * CENT, 0, 4)
    finish(row, 3)
    row.refresh_from_db()
    assert row.charged_e4 == 36 * CENT
    assert figures(owner) == (0, 36 * CENT, 0, 3)
    check()


@pytest.mark.parametrize(("is_charged", "amount"), [("yes", 24 * CENT), ("unknown", 0)])
def test_failure_after_a_dismissal_corrects_the_charge(
    owner: Member, settings: Settings, is_charged: str, amount: int
) -> None:
    settings.FAILED_IS_CHARGED = is_charged
    row = press(owner, "a", n=2)
    run(row)
    row.mark_late()
    assert row.abandon(owner, row.version)
    assert row.mark_failed(Failure.OURS, "broken")
    row.refresh_from_db()
    assert (row.status, row.charged_e4) == (Status.ABANDONED, amount)
    assert figures(owner)[:2] == (0, amount)
    check()


def test_downloading_again_charges_nothing(owner: Member) -> None:
    row = press(owner, "a", n=2)
    run(row)
    assert row.mark_fetching(["https://files.example/0.png", "https://files.example/1.png"])
    row.pictures.update(state=Picture.State.LOST)
    assert row.finish_if_complete()
    assert figures(owner) == (0, 24 * CENT, 0, 2), "the images were generated"
    row.refresh_from_db()
    assert row.fetch_again(owner, row.version)
    store(row)
    assert row.finish_if_complete()
    assert figures(owner) == (0, 24 * CENT, 0, 2)
    check()


def test_downloading_again_charges_nothing_after_a_change_of_the_rule(owner: Member) -> None:
    row = press(owner, "a", n=4)
    run(row)
    assert row.mark_fetching(["https://files.example/0.png"])
    row.pictures.update(state=Picture.State.LOST)
    assert row.finish_if_complete()
    Team(charged_images=Team.ChargedImages.REQUESTED).save()
    row.refresh_from_db()
    assert row.fetch_again(owner, row.version)
    store(row)
    assert row.finish_if_complete()
    row.refresh_from_db()
    assert row.charged_e4 == figures(owner)[1] == 12 * CENT
    check()


def test_correction_sets_an_amount_in_the_same_periods(owner: Member, admin: Member) -> None:
    row = press(owner, "a", n=2)
    run(row)
    finish(row, 2)
    ledger.correct(row.pk, 1, 12 * CENT, admin, "the gateway charged one")
    ledger.correct(row.pk, 1, 0, admin, "and gave it back")
    assert figures(owner)[:2] == figures(None)[:2] == (0, 0)
    check()


def test_correction_is_shown_by_the_row(owner: Member, admin: Member) -> None:
    row = unconfirmed(owner, "a")
    assert row.send_again(owner, row.version, quote(unit_e4=20 * CENT))
    assert row.cancel(owner, row.version)
    ledger.correct(row.pk, 1, 0, admin, "the first attempt was not charged")
    ledger.correct(row.pk, 2, 20 * CENT, admin, "the second was")
    row.refresh_from_db()
    assert row.charged_e4 == figures(owner)[1] == 20 * CENT
    check()


def test_correction_is_never_negative(owner: Member, admin: Member) -> None:
    row = press(owner, "a")
    assert row.cancel(owner, row.version)
    with pytest.raises(ValueError, match="negative"):
        ledger.correct(row.pk, 1, -1, admin, "a typing error")


def test_images_after_a_dismissal_keep_the_correction_of_a_person(
    owner: Member, admin: Member
) -> None:
    """Else the charge would be negative, and the row could never end."""
    row = press(owner, "a", n=4)
    run(row)
    row.mark_late()
    assert row.abandon(owner, row.version)
    ledger.correct(row.pk, 1, 0, admin, "the gateway charged nothing")
    finish(row, 3)
    row.refresh_from_db()
    assert (row.status, row.charged_e4) == (Status.SUCCEEDED, 0)
    assert figures(owner)[:2] == (0, 0)
    check()


def test_open_request_cannot_be_corrected(owner: Member, admin: Member) -> None:
    row = press(owner, "a")
    with pytest.raises(ValueError, match="has ended"):
        ledger.correct(row.pk, 1, 0, admin, "too early")


def test_unpriced_request_counts_its_images(owner: Member) -> None:
    set_limit(owner, images=2)
    press(owner, "a", quote(2, None))
    with pytest.raises(LimitReached):
        press(owner, "b", quote(1, None))
    assert figures(owner) == (0, 0, 2, 0)


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit_e4", "unit_e4", "fitting"),
    [(3000, 1000, 3), (7000, 700, 10), (80000, 267, 299), (1, 1, 1)],
)
def test_limit_is_exact(owner: Member, limit_e4: int, unit_e4: int, fitting: int) -> None:
    """0.30 at 0.10, 0.70 at 0.07, 8.00 at 0.0267: floats would lose or gain one."""
    set_limit(owner, money_e4=limit_e4)
    for number in range(fitting):
        press(owner, str(number), quote(unit_e4=unit_e4))
    with pytest.raises(LimitReached):
        press(owner, "one more", quote(unit_e4=unit_e4))
    assert owner.generations.count() == fitting
    assert figures(owner)[0] == fitting * unit_e4
    check()


def test_refusal_says_what_is_left_and_what_fits(owner: Member) -> None:
    set_limit(owner, Window.DAY, money_e4=30 * CENT)
    set_limit(None, images=3)
    press(owner, "a")
    with pytest.raises(LimitReached) as refusal:
        press(owner, "b", n=4)
    allowance = refusal.value.allowance
    assert (allowance.is_team, allowance.window) == (True, "month")
    assert allowance.left_images == 2
    assert refusal.value.fitting == 1, "18 cents are left for the day"
    assert allowance.renews_at == Period.objects.get(member=None, window=Window.MONTH).ends_at
    assert not owner.generations.filter(idempotency_key="b").exists(), "nothing is written"


def test_refusal_offers_what_fits_the_limit_that_is_short(owner: Member) -> None:
    """The other limits must not count the refused request itself."""
    set_limit(None, money_e4=100 * CENT, images=8)
    set_limit(owner, Window.DAY, money_e4=36 * CENT)
    with pytest.raises(LimitReached) as refusal:
        press(owner, "a", n=8)
    assert (refusal.value.allowance.is_team, refusal.value.allowance.window) == (False, "day")
    assert refusal.value.fitting == 3
    press(owner, "b", n=3)
    check()


def test_refusal_by_a_limit_that_is_removed_meanwhile(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On PostgreSQL a second look at the limits may find another state."""
    set_limit(owner, money_e4=CENT)
    looks = iter([Limit.objects.in_force(owner)])
    monkeypatch.setattr(LimitQuerySet, "in_force", lambda *args: next(looks, {}))
    with pytest.raises(LimitReached) as refusal:
        press(owner, "a")
    assert refusal.value.allowance.left_e4 == CENT


def test_own_limit_wins_over_the_role_and_the_role_over_the_default(owner: Member) -> None:
    def limit() -> int | None:
        return Limit.objects.in_force(owner)[False, Window.MONTH].money_e4

    Limit.objects.put(Limit.Scope.DEFAULT, Window.MONTH, money_e4=1)
    assert limit() == 1
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role="member", money_e4=2)
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role="admin", money_e4=3)
    assert limit() == 2
    set_limit(owner, money_e4=4)
    assert limit() == 4
    set_limit(owner, money_e4=None)
    assert limit() == 2


def test_one_person_at_the_limit_does_not_stop_another(owner: Member, stranger: Member) -> None:
    set_limit(owner, money_e4=12 * CENT)
    press(owner, "a")
    with pytest.raises(LimitReached):
        press(owner, "b")
    press(stranger, "c")
    set_limit(None, money_e4=24 * CENT)
    with pytest.raises(LimitReached) as refusal:
        press(stranger, "d")
    assert refusal.value.allowance.is_team


def test_lowered_limit_refuses_new_requests_only(owner: Member) -> None:
    row = press(owner, "a", n=4)
    set_limit(owner, money_e4=CENT)
    with pytest.raises(LimitReached) as refusal:
        press(owner, "b")
    assert refusal.value.allowance.left_e4 == 0
    run(row)
    finish(row, 4)
    assert figures(owner) == (0, 48 * CENT, 0, 4)
    check()


def test_released_money_can_be_spent_again(owner: Member) -> None:
    set_limit(owner, money_e4=12 * CENT)
    row = press(owner, "a")
    assert row.cancel(owner, row.version)
    press(owner, "b")
    check()


@pytest.mark.parametrize("values", [{"money_e4": -1}, {"images": -1}])
def test_negative_limit_is_refused(owner: Member, values: dict[str, Any]) -> None:
    """LibreChat 2359: a negative price raised the balance."""
    with pytest.raises(IntegrityError), transaction.atomic():
        set_limit(owner, **values)


# --- periods -------------------------------------------------------------------------------------

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


@pytest.mark.parametrize(
    ("at", "hours"),
    [("2026-03-29T12:00", 23), ("2026-10-25T12:00", 25), ("2026-11-28T00:00", 24)],
)
def test_day_has_the_hours_of_its_zone(at: str, hours: int) -> None:
    start, end = boundaries(Window.DAY, datetime.fromisoformat(at).replace(tzinfo=BERLIN), BERLIN)
    assert (end.astimezone(UTC) - start.astimezone(UTC)) == timedelta(hours=hours)
    assert (start.hour, end.hour) == (0, 0)


def test_month_turns_at_the_midnight_of_the_team() -> None:
    """In other trackers the period turned at midnight UTC."""
    last = datetime(2026, 11, 30, 22, 59, tzinfo=UTC)  # 23:59 in Berlin
    _start, end = boundaries(Window.MONTH, last, BERLIN)
    assert end.astimezone(UTC) == datetime(2026, 11, 30, 23, 0, tzinfo=UTC)
    start, _end = boundaries(Window.MONTH, last + timedelta(minutes=1), BERLIN)
    assert start == end


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    monkeypatch.setattr(timezone, "now", lambda: moment)


def test_reservation_stays_in_its_period(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    set_limit(owner, money_e4=12 * CENT)
    november = datetime(2026, 11, 30, 23, 59, tzinfo=UTC)
    at(monkeypatch, november)
    row = press(owner, "a")
    at(monkeypatch, november + timedelta(minutes=2))
    press(owner, "b")
    run(row)
    finish(row, 1)
    months = Period.objects.filter(member=owner, window=Window.MONTH).order_by("starts_at")
    assert [(each.reserved_e4, each.charged_e4) for each in months] == [
        (0, 12 * CENT),
        (12 * CENT, 0),
    ]
    check()


@pytest.mark.parametrize(("before", "after"), [(BERLIN, NEW_YORK), (NEW_YORK, BERLIN)])
def test_change_of_the_time_zone_makes_no_gap_and_no_overlap(
    owner: Member, monkeypatch: pytest.MonkeyPatch, before: ZoneInfo, after: ZoneInfo
) -> None:
    Team(time_zone=str(before)).save()
    moment = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
    for hour in range(60):
        at(monkeypatch, moment + timedelta(hours=hour))
        press(owner, str(hour))
        if hour == 5:
            Team(time_zone=str(after)).save()
    for member in (owner, None):
        for window in Window:
            rows = Period.objects.filter(member=member, window=window)
            assert rows.count() > 1
            for period, following in pairwise(rows.order_by("starts_at")):
                assert period.ends_at == following.starts_at
    check()


def test_change_of_the_time_zone_gives_no_budget_to_a_few_hours(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    Team(time_zone=str(BERLIN)).save()
    at(monkeypatch, datetime(2026, 11, 30, 12, 0, tzinfo=UTC))
    press(owner, "a")
    Team(time_zone=str(NEW_YORK)).save()
    at(monkeypatch, datetime(2026, 11, 30, 23, 30, tzinfo=UTC))  # still November in New York
    press(owner, "b")
    month = Period.objects.filter(member=owner, window=Window.MONTH).latest("starts_at")
    assert month.ends_at == datetime(2027, 1, 1, 5, 0, tzinfo=UTC)
    day = Period.objects.filter(member=owner, window=Window.DAY).latest("starts_at")
    assert day.ends_at == datetime(2026, 12, 2, 5, 0, tzinfo=UTC)


def test_clock_that_jumps_back_makes_no_second_period(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = datetime(2026, 11, 15, 12, 0, tzinfo=UTC)
    for number, hours in enumerate((0, 30, -30, 31, -100, 0)):
        at(monkeypatch, moment + timedelta(hours=hours))
        press(owner, str(number))
    for member in (owner, None):
        days = list(Period.objects.filter(member=member, window=Window.DAY).order_by("starts_at"))
        for day, following in pairwise(days):
            assert day.ends_at <= following.starts_at
        assert Period.objects.filter(member=member, window=Window.MONTH).count() == 1
    check()


def test_period_that_another_request_has_just_begun_is_not_begun_again(owner: Member) -> None:
    """Of two requests at once, the second may see the first one's period only when it inserts."""
    press(owner, "a")
    for kind in ORDER:
        now = timezone.now()
        neighbours = Period.objects.all()._neighbours(owner, now)
        period = new_period(kind, owner, now, neighbours[kind])
        assert period.starts_at < period.ends_at
        with pytest.raises(IntegrityError, match=r"(?i)unique"), transaction.atomic():
            period.save()


# --- more ----------------------------------------------------------------------------------------


def ask(owner: Member, amount_e4: int = 0, images: int = 0) -> LimitRequest:
    return LimitRequest.objects.create(
        person=owner, amount_e4=amount_e4, images=images, reason="a campaign"
    )


def test_grant_raises_the_limits_once(owner: Member, admin: Member) -> None:
    """LibreChat PR 15879: a refill was applied twice."""
    set_limit(owner, money_e4=12 * CENT)
    press(owner, "a")
    request = ask(owner, 12 * CENT)
    until = timezone.now() + timedelta(days=40)
    assert ledger.grant(request, admin, until)
    assert not ledger.grant(request, admin, until), "decided before"
    press(owner, "b")
    with pytest.raises(LimitReached):
        press(owner, "c")
    check()


def test_grant_reaches_later_periods_until_its_date(
    owner: Member, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_limit(owner, Window.DAY, money_e4=12 * CENT)
    moment = datetime(2026, 11, 10, 12, 0, tzinfo=UTC)
    at(monkeypatch, moment)
    press(owner, "a")
    ledger.grant(ask(owner, 12 * CENT), admin, datetime(2026, 11, 12, tzinfo=UTC))
    fitting = []
    for day in range(3):
        at(monkeypatch, moment + timedelta(days=day))
        for number in range(9):
            try:
                press(owner, f"{day}.{number}")
            except LimitReached:
                fitting.append(number)
                break
    assert fitting == [1, 2, 1]
    check()


# --- the ledger ----------------------------------------------------------------------------------


def test_check_finds_a_counter_that_the_ledger_does_not_explain(owner: Member) -> None:
    press(owner, "a")
    Period.objects.filter(member=owner, window=Window.DAY).update(charged_e4=1)
    [difference] = ledger_check.differences()
    assert (difference.found, difference.expected) == (1, 0)
    assert ledger.rebuild() == 1
    check()


def test_check_finds_a_final_row_that_still_reserves(owner: Member) -> None:
    row = press(owner, "a")
    Generation.objects.filter(pk=row.pk).update(
        status=Status.CANCELED, finished_at=timezone.now(), charged_e4=0
    )
    [difference] = ledger_check.differences()
    assert (difference.found, difference.expected) == (1, 0)
    assert str(row.pk) in difference.what


def test_entries_explain_every_counter(owner: Member) -> None:
    row = press(owner, "a", n=2)
    run(row)
    finish(row, 1)
    entries = LedgerEntry.objects.filter(period__member=owner, period__window=Window.DAY)
    assert [entry.kind for entry in entries] == ["reserve", "charge"]
    period = Period.objects.get(member=owner, window=Window.DAY)
    for name in COUNTERS:
        assert sum(getattr(entry, name) for entry in entries) == getattr(period, name)


def test_deleted_generation_leaves_its_entries(owner: Member) -> None:
    row = press(owner, "a")
    row.cancel(owner, row.version)
    Generation.objects.filter(pk=row.pk).delete()
    assert LedgerEntry.objects.count() == 8
    check()
