"""Presses, answers, faults and clock jumps in random order: the ledger always agrees.

`LedgerMachine` drives the same functions as the pages and the worker, and after every step compares
counters, entries and rows with `LedgerModel`. Derandomized: the same steps in every run.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.db.models import Count, Sum
from django.utils import timezone
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from generations import requests
from generations.engines.registry import offer_for
from generations.models import (
    Failure,
    Generation,
    LimitReached,
    Member,
    Picture,
    Status,
    Submission,
    Team,
    TransitionReason,
)
from generations.models.money import (
    LedgerEntry,
    Limit,
    LimitRequest,
    Period,
    Price,
    Window,
    ledger,
)
from generations.models.money.period import COUNTERS
from generations.models.status import FINAL
from generations.operations import ledger_check
from generations.requests import GenerationRequest, NotPossible, Unpriced
from tests.builders import make_admin, make_member
from tests.ledger_model import TEAM, Grant, KnownPeriod, LedgerModel, next_midnight

pytestmark = pytest.mark.django_db

START = datetime(2026, 10, 24, 20, 15, tzinfo=UTC)  # the next night has 25 hours in Berlin
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu")
PRICES_E4 = (0, 1, 267, 700, 1200, 4800)
LIMITS_E4 = (None, 0, 7000, 40_000, 100_000, 200_000)
LIMITS_IMAGES = (None, None, None, 1, 30, 100)
JUMPS = (-24 * 40, -50, -24, -1, 1, 24, 50, 24 * 40, 24 * 400)  # hours
# Picks one of what is possible, modulo its count.
CHOICE = st.integers(0, 11)
STEPS = st.lists(st.tuples(CHOICE, CHOICE, CHOICE), min_size=3, max_size=6)
# What people, the worker and the clock do, with its arguments and how often.
ARGUMENTS: dict[str, tuple[int, dict[str, st.SearchStrategy[Any]]]] = {
    "press": (
        5,
        {
            "presses": st.lists(
                st.tuples(CHOICE, st.integers(1, 9), st.booleans()), min_size=1, max_size=3
            )
        },
    ),
    "work": (8, {"steps": STEPS}),
    "work_on_final_rows": (3, {"steps": STEPS}),
    "change_price": (
        2,
        {"option": st.sampled_from(("", "reference")), "amount_e4": st.sampled_from(PRICES_E4)},
    ),
    "change_limit": (
        2,
        {
            "scope": st.sampled_from(("team", "member", "role", "default")),
            "window": st.sampled_from(Window.values),
            "who": CHOICE,
            "money_e4": st.sampled_from(LIMITS_E4),
            "images": st.sampled_from(LIMITS_IMAGES),
        },
    ),
    "change_rules": (
        2,
        {
            "unpriced": st.sampled_from(Team.Unpriced.values),
            "is_listed": st.booleans(),
            "failures_are_charged": st.booleans(),
        },
    ),
    "grant": (
        1,
        {
            "who": CHOICE,
            "amount_e4": st.sampled_from((0, 1200, 5000)),
            "images": st.integers(0, 3),
            "days": st.integers(1, 40),
        },
    ),
    "look": (1, {"who": CHOICE}),
    "turn_day_or_month": (
        1,
        {"of_month": st.booleans(), "seconds": st.sampled_from((-1, 0, 1, 3600))},
    ),
    "jump": (1, {"hours": st.sampled_from(JUMPS), "zone": st.sampled_from((None, *ZONES))}),
}
WEIGHTED = [name for name, (weight, _arguments) in ARGUMENTS.items() for _each in range(weight)]
ACTIONS = st.sampled_from(WEIGHTED).flatmap(
    lambda name: st.tuples(st.just(name), st.fixed_dictionaries(ARGUMENTS[name][1]))
)
SETTINGS = settings(
    max_examples=20,
    stateful_step_count=50,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],  # shrinking a failure takes minutes
    suppress_health_check=list(HealthCheck),
)


class LedgerMachine(RuleBasedStateMachine):
    """Each example runs in a transaction of its own, which is rolled back."""

    taken: Counter[str] = Counter()  # steps of all examples, by name

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.presses = 0
        self.statuses: dict[int, str] = {}
        self.model = LedgerModel()
        self.transaction = transaction.atomic()
        self.transaction.__enter__()
        self.patches = ExitStack()
        self.patches.enter_context(mock.patch.object(timezone, "now", lambda: self.now))
        patched = mock.patch.object(django_settings, "FAILED_IS_CHARGED", "no")
        self.patches.enter_context(patched)

    def teardown(self) -> None:
        self.patches.close()
        transaction.set_rollback(True)
        self.transaction.__exit__(None, None, None)

    @initialize(
        people=st.sampled_from((2, 3)),
        has_prices=st.booleans(),
        budget_e4=st.sampled_from(LIMITS_E4),
    )
    def set_up(self, people: int, has_prices: bool, budget_e4: int | None) -> None:
        self.admin = make_admin()
        self.members = [make_member() for _number in range(people)]
        Team(unpriced=Team.Unpriced.COUNT, time_zone="UTC").save()
        if has_prices:
            self.set_price("", 1200)
            self.set_price("reference", 700)
        self.set_limit(("team", "month"), 0, budget_e4, None)

    @rule(action=ACTIONS)
    def act(self, action: tuple[str, dict[str, Any]]) -> None:
        """Do one thing. One rule for all: hypothesis leaves rules out of most examples."""
        name, arguments = action
        getattr(self, name)(**arguments)
        if name in ("press", "work", "work_on_final_rows"):  # these check after each of theirs
            self.taken[name] += 1
        else:
            self.check(name)

    # --- presses ---------------------------------------------------------------------------------

    def press(self, presses: list[tuple[int, int, bool]]) -> None:
        for who, n, has_reference in presses:
            self.press_once(self.member(who), n, has_reference)
            self.check("press_once")

    def press_once(self, member: Member, n: int, has_reference: bool) -> None:
        self.presses += 1
        url = "https://example.org/pear.png" if has_reference else ""
        request = GenerationRequest("A pear", "1:1", n, reference_url=url)
        rows = Generation.objects.count()
        unit_e4 = self.model.price("reference" if has_reference else "", self.now)

        def press() -> int:
            return requests.create(member, request, f"press {self.presses}").pk

        if not self.spend(press, member, n, unit_e4):
            assert Generation.objects.count() == rows

    def spend(self, action: Callable[[], int], member: Member, n: int, unit_e4: int | None) -> bool:
        """Do what reserves. False after a refusal, which must be just and write nothing."""
        fitting = self.model.fitting(member.pk, member.role, n, unit_e4 or 0, self.now)
        left = self.model.left(member.pk, member.role, self.now)
        entries = LedgerEntry.objects.count()
        try:
            row = action()
        except Unpriced:
            assert unit_e4 is None
            assert Team.objects.current().unpriced_rule == Team.Unpriced.REFUSE
            assert LedgerEntry.objects.count() == entries
            self.taken["refused, no price"] += 1
            return False
        except LimitReached as refusal:
            assert fitting < n, f"{n} fit, but were refused"
            assert refusal.fitting == fitting
            assert_left([refusal.allowance], left)
            assert LedgerEntry.objects.count() == entries
            self.taken["refused, some fit" if fitting else "refused, none fits"] += 1
            return False
        assert fitting == n, f"only {fitting} of {n} fit"
        self.find_new_periods()
        self.model.reserve(row, member.pk, n, unit_e4 or 0, self.now)
        self.assert_within_limits(member, is_free=not unit_e4)
        return True

    def assert_within_limits(self, member: Member, *, is_free: bool) -> None:
        """Right after a reservation: charged + reserved <= limit + granted, in every period."""
        for period in Period.objects.current(member, self.now):
            owner = period.member_id or TEAM
            money_e4, images = self.model.limit(owner, member.role, period.window)
            if money_e4 is not None and not is_free:
                assert period.charged_e4 + period.reserved_e4 <= money_e4 + period.granted_e4
            if images is not None:
                used = period.charged_images + period.reserved_images
                assert used <= images + period.granted_images

    # --- rows ------------------------------------------------------------------------------------

    def work(self, steps: list[tuple[int, int, int]]) -> None:
        """Steps of people and of the worker with rows that are not final."""
        self.take(steps, is_final=False)

    def work_on_final_rows(self, steps: list[tuple[int, int, int]]) -> None:
        self.take(steps, is_final=True)

    def take(self, steps: list[tuple[int, int, int]], *, is_final: bool) -> None:
        for choice, which, number in steps:
            rows = self.rows_by_status(is_final=is_final)
            if not rows:
                return
            keys = rows[sorted(rows)[choice % len(rows)]]
            row = Generation.objects.get(pk=keys[number % len(keys)])
            possible = STEPS_OF[Status(row.status)]
            step = possible[which % len(possible)]
            step(self, row, number)
            self.check(step.__name__)

    def cancel(self, row: Generation, _number: int) -> None:
        requests.cancel(row, row.owner, row.version)
        self.model.end(row.pk, 0)

    def send_again(self, row: Generation, _number: int) -> None:
        unit_e4 = self.model.price("reference" if row.has_reference else "", self.now)

        def send_again() -> int:
            requests.send_again(row, self.admin, row.version)
            return row.pk

        if self.spend(send_again, row.owner, row.n, unit_e4):
            self.taken["sent again"] += 1

    def dismiss(self, row: Generation, _number: int) -> None:
        if row.status == Status.RUNNING:
            assert row.mark_late()
        requests.dismiss(row, row.owner, row.version)
        self.model.end(row.pk, row.n)

    def fetch_again(self, row: Generation, _number: int) -> None:
        if row.failure == Failure.FILES:
            requests.fetch_again(row, row.owner, row.version)
            self.taken["fetched again"] += 1

    def submit(self, row: Generation, _number: int) -> None:
        assert row.mark_submitting(60)

    def postpone(self, row: Generation, _number: int) -> None:
        assert row.mark_postponed(latest(row), TransitionReason.BUSY)

    def get_no_answer(self, row: Generation, _number: int) -> None:
        assert row.mark_unconfirmed(latest(row), TransitionReason.NO_ANSWER)

    def accept(self, row: Generation, _number: int) -> None:
        """An answer in time, or the late one of an unconfirmed or dismissed request."""
        assert row.mark_running(latest(row), f"task-{row.pk}-{row.attempt}", 0)

    def refuse(self, row: Generation, _number: int) -> None:
        """Two processes report the same answer."""
        same = Generation.objects.get(pk=row.pk)
        assert row.mark_refused(latest(row), Failure.POLICY, "no")
        assert not same.mark_refused(latest(row), Failure.POLICY, "no")
        self.model.end(row.pk, 0)

    def complete(self, row: Generation, number: int) -> None:
        """The upstream lists as many images as requested, fewer, or too many."""
        count = row.n if number > 9 else max(1, number)
        urls = [f"https://files.example/{row.pk}/{index}.png" for index in range(count)]
        assert row.mark_fetching(urls)

    def complete_after_dismissal(self, row: Generation, number: int) -> None:
        if not row.accepted_at:
            self.accept(row, number)
        self.complete(row, number)

    def fail(self, row: Generation, _number: int) -> None:
        """Two loops report the same failure."""
        same = Generation.objects.get(pk=row.pk)
        assert row.mark_failed(Failure.OURS, "broken")
        assert not same.mark_failed(Failure.OURS, "broken")
        self.model.end(row.pk, row.n if self.model.charges_failures else 0)

    def fail_after_dismissal(self, row: Generation, _number: int) -> None:
        assert row.mark_failed(Failure.OURS, "broken")

    def download(self, row: Generation, number: int) -> None:
        """Store the first images, often none; the other files are lost."""
        pictures = row.pictures.filter(state=Picture.State.WANTED)
        stored = pictures.filter(index__lt=number - 4).update(
            state=Picture.State.STORED, width=1, height=1, size_bytes=1, file="a.png", sha256="0"
        )
        pictures.update(state=Picture.State.LOST)
        came_from = row.transitions.filter(to_status=Status.FETCHING).latest("pk").from_status
        assert row.finish_if_complete()
        assert not row.finish_if_complete()
        self.taken["downloaded" if stored else "no file"] += 1
        listed = row.pictures.count()
        if self.model.is_open(row.pk):
            self.model.end(row.pk, self.model.images_of_results(row.pk, listed))
        elif came_from == Status.ABANDONED:
            self.model.correct_late(row.pk, listed)
            self.taken["late images"] += 1

    def end_again(self, row: Generation, _number: int) -> None:
        for number in range(1, row.reservations + 1):
            ledger.end(row.pk, number, row.n)

    def correct(self, row: Generation, number: int) -> None:
        reservation = number % row.reservations + 1
        amount_e4 = (0, 1, 700, 1200, 9000)[number % 5]
        ledger.correct(row.pk, reservation, amount_e4, self.admin, "the gateway's log")
        self.model.correct(row.pk, reservation, amount_e4)

    def press_same_form(self, row: Generation, _number: int) -> None:
        """The same form twice: no second row, and no second reservation."""
        request = GenerationRequest(
            row.prompt, row.aspect_ratio, row.n, reference_url=row.reference_url
        )
        assert requests.create(row.owner, request, row.idempotency_key).pk == row.pk

    def press_on_stale_page(self, row: Generation, _number: int) -> None:
        """Buttons of a page that shows an older version change nothing."""
        for action in (requests.cancel, requests.send_again, requests.dismiss):
            with pytest.raises((NotPossible, Unpriced)):
                action(row, self.admin, row.version - 1)

    # --- admins ----------------------------------------------------------------------------------

    def change_price(self, option: str, amount_e4: int) -> None:
        self.set_price(option, amount_e4)

    def set_price(self, option: str, amount_e4: int) -> None:
        self.now += timedelta(microseconds=1)  # prices of one kind need different times
        Price.objects.create(
            engine="kling",
            model=offer_for().price_key({}, False).model,
            option=option,
            amount_e4=amount_e4,
            valid_from=self.now,
        )
        self.model.prices.append((self.now, option, amount_e4))

    def change_limit(
        self, scope: str, window: str, who: int, money_e4: int | None, images: int | None
    ) -> None:
        self.set_limit((scope, window), who, money_e4, images)

    def set_limit(
        self, kind: tuple[str, str], who: int, money_e4: int | None, images: int | None
    ) -> None:
        scope, window = kind
        member = self.member(who) if scope == "member" else None
        role = "member" if scope == "role" else ""
        Limit.objects.put(
            Limit.Scope(scope),
            Window(window),
            role=role,
            member=member,
            money_e4=money_e4,
            images=images,
        )
        key = (scope, role, member.pk if member else 0, window)
        self.model.limits.pop(key, None)
        if (money_e4, images) != (None, None):
            self.model.limits[key] = (money_e4, images)

    def change_rules(self, unpriced: str, is_listed: bool, failures_are_charged: bool) -> None:
        images = Team.ChargedImages
        charged_images = images.LISTED if is_listed else images.REQUESTED
        Team.objects.update(unpriced=unpriced, charged_images=charged_images)
        django_settings.FAILED_IS_CHARGED = "yes" if failures_are_charged else "no"
        self.model.charges_listed_images = is_listed
        self.model.charges_failures = failures_are_charged

    def grant(self, who: int, amount_e4: int, images: int, days: int) -> None:
        person, until = self.member(who), self.now + timedelta(days=days)
        request = LimitRequest.objects.create(
            person=person, amount_e4=amount_e4, images=images, reason="a campaign"
        )
        assert ledger.grant(request, self.admin, until)
        self.find_new_periods()
        self.model.grant(Grant(person.pk, amount_e4, images, until), self.now)
        assert not ledger.grant(request, self.admin, until)

    def look(self, who: int) -> None:
        """A page shows what is left."""
        member = self.member(who)
        left = self.model.left(member.pk, member.role, self.now)
        assert_left(ledger.allowances(member), left)

    # --- time ------------------------------------------------------------------------------------

    def turn_day_or_month(self, of_month: bool, seconds: int) -> None:
        midnight = next_midnight(self.now, self.model.zone, of_month=of_month)
        self.now = midnight + timedelta(seconds=seconds)

    def jump(self, hours: int, zone: str | None) -> None:
        self.now += timedelta(hours=hours)
        if zone:
            Team.objects.update(time_zone=zone)
            self.model.zone = ZoneInfo(zone)

    # --- after every step ------------------------------------------------------------------------

    def check(self, step: str) -> None:
        self.taken[step] += 1
        self.statuses = dict(Generation.objects.values_list("pk", "status"))
        self.find_new_periods()
        assert ledger_check.differences() == []
        self.assert_counters()
        self.assert_rows()
        self.assert_each_reservation_ends_once()

    def assert_counters(self) -> None:
        expected = self.model.counters()
        for period in Period.objects.all():
            found = {name: getattr(period, name) for name in COUNTERS}
            assert min(found.values()) >= 0
            assert found == vars(expected[period.pk]), f"{period.member_id} {period}"

    def assert_rows(self) -> None:
        """A row's charge is the sum of its entries, and final rows reserve nothing."""
        sums = reserved_and_charged()
        for row in Generation.objects.only("pk", "status", "charged_e4", "reservations"):
            reserved_e4, reserved_images, charged_e4 = sums[row.pk]
            assert (row.charged_e4 or 0) == charged_e4 == self.model.charged_e4(row.pk), row.pk
            assert (row.charged_e4 is None) == self.model.is_open(row.pk)
            assert row.reservations == len(self.model.reservations[row.pk])
            if row.status in FINAL:
                assert row.charged_e4 is not None
                assert (reserved_e4, reserved_images) == (0, 0), f"{row.status} reserves"

    def assert_each_reservation_ends_once(self) -> None:
        kind = LedgerEntry.Kind
        steps = LedgerEntry.objects.order_by().values("generation_id", "reservation", "period")
        for kinds in ((kind.RESERVE,), (kind.RELEASE, kind.CHARGE)):
            counts = steps.filter(kind__in=kinds).annotate(count=Count("pk"))
            assert {each["count"] for each in counts} <= {1}

    # --- helpers ---------------------------------------------------------------------------------

    def rows_by_status(self, *, is_final: bool) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for pk, status in sorted(self.statuses.items()):
            if (status in FINAL) == is_final:
                rows.setdefault(status, []).append(pk)
        return rows

    def member(self, choice: int) -> Member:
        return self.members[choice % len(self.members)]

    def find_new_periods(self) -> None:
        for period in Period.objects.exclude(pk__in=self.model.periods).order_by("pk"):
            owner = period.member_id or TEAM
            known = KnownPeriod(owner, period.window, period.starts_at, period.ends_at)
            self.model.add_period(period.pk, known)


# What can happen to a row of each status. Frequent steps are repeated.
_M = LedgerMachine
_WITH_FINAL = (_M.end_again, _M.correct, _M.press_same_form, _M.press_on_stale_page)
STEPS_OF: dict[Status, tuple[Callable[[LedgerMachine, Generation, int], None], ...]] = {
    Status.QUEUED: (_M.submit, _M.submit, _M.submit, _M.submit, _M.cancel),
    Status.SUBMITTING: (
        _M.accept,
        _M.accept,
        _M.get_no_answer,
        _M.get_no_answer,
        _M.postpone,
        _M.refuse,
    ),
    Status.UNCONFIRMED: (_M.send_again, _M.send_again, _M.dismiss, _M.accept, _M.refuse),
    Status.RUNNING: (_M.complete, _M.complete, _M.complete, _M.dismiss, _M.dismiss, _M.fail),
    Status.FETCHING: (_M.download,),
    Status.SUCCEEDED: _WITH_FINAL,
    Status.CANCELED: _WITH_FINAL,
    Status.FAILED: (_M.fetch_again, _M.fetch_again, _M.fetch_again, *_WITH_FINAL),
    Status.ABANDONED: (
        *(_M.complete_after_dismissal,) * 4,
        _M.fail_after_dismissal,
        _M.correct,
        *_WITH_FINAL,
    ),
}
EXPECTED_STEPS = {
    *(step.__name__ for steps in STEPS_OF.values() for step in steps),
    *ARGUMENTS,
    *("refused, no price", "refused, some fit", "refused, none fits"),
    *("sent again", "fetched again", "downloaded", "no file", "late images"),
}


def reserved_and_charged() -> dict[int, tuple[int, int, int]]:
    """Money and images reserved, and money charged, by generation: sums of the team's entries."""
    entries = LedgerEntry.objects.filter(period__member=None, period__window=Window.MONTH)
    totals = entries.order_by().values_list("generation_id")
    sums = totals.annotate(Sum("reserved_e4"), Sum("reserved_images"), Sum("charged_e4"))
    return {pk: (money, images, charged) for pk, money, images, charged in sums}


def assert_left(
    allowances: list[ledger.Allowance], left: dict[tuple[bool, str], tuple[int | None, int | None]]
) -> None:
    for allowance in allowances:
        expected = left[allowance.is_team, allowance.window]
        found = (allowance.left_e4, allowance.left_images)
        assert found == tuple(None if each is None else max(each, 0) for each in expected)


def latest(row: Generation) -> Submission:
    return row.submissions.latest("attempt")


def test_ledger_explains_every_figure_after_any_steps() -> None:
    LedgerMachine.taken.clear()
    run_state_machine_as_test(LedgerMachine, settings=SETTINGS)
    print(LedgerMachine.taken.total(), "steps:", dict(LedgerMachine.taken))
    assert EXPECTED_STEPS - LedgerMachine.taken.keys() == set()
