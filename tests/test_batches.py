"""Batches: many requests that start together, exactly once, and take no one's turn."""

from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from generations import batches, people
from generations.batches import BatchTotal, TotalChanged
from generations.models import Batch, Generation, LimitReached, Member, Status
from generations.models.money import LedgerEntry, Limit, Period, Price, Window
from generations.operations import ledger_check
from generations.requests import GenerationRequest, InvalidRequest, NotAllowed, NotPossible
from generations.worker import dispatch, tasks
from tests.builders import make_generation, make_member
from tests.simulator import Simulator
from tests.worker_driver import run_worker

pytestmark = pytest.mark.django_db


def rows_of(count: int, **columns: Any) -> list[GenerationRequest]:
    return [GenerationRequest(f"Pear {number}", "1:1", **columns) for number in range(count)]


def start(member: Member, count: int = 3, **columns: Any) -> Batch:
    return batches.start(member, "Pears", rows_of(count, **columns), str(uuid4()))


def set_price(amount_e4: int = 1200) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=amount_e4)


def prompts_in_queue() -> list[str]:
    return list(Generation.objects.in_queue_order().values_list("prompt", flat=True))


# --- starting ------------------------------------------------------------------------------------


def test_rows_are_ordinary_generations_with_a_number(owner: Member) -> None:
    batch = start(owner, 3, n=2)
    rows = list(batch.rows.order_by("batch_row"))
    assert [(row.batch_row, row.prompt, row.n) for row in rows] == [
        (1, "Pear 0", 2), (2, "Pear 1", 2), (3, "Pear 2", 2),
    ]  # fmt: skip
    assert all(row.status == Status.QUEUED and row.transitions.count() == 1 for row in rows)


def test_the_same_key_starts_one_batch(owner: Member) -> None:
    key = str(uuid4())
    first = batches.start(owner, "", rows_of(2), key)
    assert batches.start(owner, "", rows_of(2), key) == first
    assert Generation.objects.count() == 2


def test_each_row_reserves_its_price(owner: Member) -> None:
    set_price()
    start(owner, 3, n=2)
    month = Period.objects.get(member=owner, window=Window.MONTH)
    assert (month.reserved_e4, month.reserved_images) == (7200, 6)


def test_a_batch_changes_each_period_once_and_its_rows_have_their_own_entries(
    owner: Member, django_assert_max_num_queries: Any
) -> None:
    set_price()
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1200 * 40, images=40)
    requests_of_batch = rows_of(40)
    with django_assert_max_num_queries(50) as queries:
        batches.start(owner, "", requests_of_batch, str(uuid4()))
    [updates] = [each["sql"] for each in queries if "UPDATE generations_period" in each["sql"]]
    assert updates.startswith("4 times: ")  # one for each period
    of_team = LedgerEntry.objects.filter(period__member=None, period__window=Window.MONTH)
    assert of_team.count() == 40
    assert set(of_team.values_list("reserved_e4", flat=True)) == {1200}
    assert not ledger_check.differences()
    with pytest.raises(LimitReached):
        start(owner, 1)


def test_a_limit_for_a_part_starts_nothing(owner: Member) -> None:
    set_price()
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, money_e4=2400)
    with pytest.raises(LimitReached):
        start(owner, 3)
    assert not Generation.objects.exists()
    assert not Batch.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_what_fits_is_known_before(owner: Member) -> None:
    set_price()
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, money_e4=2500)
    quotes = batches.quotes_of(rows_of(3))
    fit = batches.fit_of(owner, quotes)
    assert fit.rows == 2
    assert fit.limit is not None and fit.limit.window == Window.DAY
    batches.start(owner, "", rows_of(3)[: fit.rows], str(uuid4()))
    assert batches.fit_of(owner, quotes).rows == 0


def test_free_rows_fit_an_empty_limit(owner: Member) -> None:
    set_price(0)
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, money_e4=0)
    assert batches.fit_of(owner, batches.quotes_of(rows_of(2))).rows == 2
    assert start(owner, 2).rows.count() == 2


def test_a_total_that_was_not_seen_starts_nothing(owner: Member) -> None:
    set_price()
    seen = BatchTotal.of(batches.quotes_of(rows_of(2))).key
    set_price(1300)
    with pytest.raises(TotalChanged):
        batches.start(owner, "", rows_of(2), str(uuid4()), seen=seen)
    assert not Generation.objects.exists()


def test_a_fault_before_the_end_leaves_no_half_batch(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> object:
        assert Generation.objects.count() == 4
        assert LedgerEntry.objects.exists()
        raise RuntimeError("killed")

    monkeypatch.setattr(tasks, "enqueue_submit", fail)
    with pytest.raises(RuntimeError, match="killed"):
        start(owner, 4)
    assert not Generation.objects.exists()
    assert not Batch.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_viewers_start_nothing(db: None) -> None:
    with pytest.raises(NotAllowed):
        start(make_member(role="viewer"))


def test_an_invalid_row_or_too_many_start_nothing(owner: Member) -> None:
    with pytest.raises(InvalidRequest):
        batches.start(owner, "", [*rows_of(1), GenerationRequest("", "1:1")], str(uuid4()))
    with pytest.raises(InvalidRequest):
        start(owner, batches.max_rows() + 1)
    assert not Generation.objects.exists()


# --- turns ---------------------------------------------------------------------------------------


def test_a_batch_does_not_delay_others(owner: Member, stranger: Member) -> None:
    start(owner, 200)
    make_generation(owner=stranger, prompt="Plum")
    assert prompts_in_queue()[:2] == ["Pear 0", "Plum"]


def test_a_single_press_passes_the_own_batch(owner: Member, stranger: Member) -> None:
    start(owner, 200)
    make_generation(owner=owner, prompt="Fig")
    make_generation(owner=stranger, prompt="Plum")
    assert prompts_in_queue()[:3] == ["Fig", "Plum", "Pear 0"]


def test_a_paused_batch_is_not_sent_and_takes_no_turn(owner: Member) -> None:
    batch = start(owner, 2)
    batches.pause(batch, owner)
    make_generation(owner=owner, prompt="Fig")
    assert prompts_in_queue() == ["Fig"]
    Generation.objects.filter(prompt="Fig").delete()
    assert not dispatch.has_candidates()
    batches.resume(batch, owner)
    assert dispatch.has_candidates()


def test_a_batch_that_is_paused_while_its_request_is_built_is_not_sent(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch, prepare = start(owner, 2), dispatch._prepare

    def prepare_and_pause(row: Generation) -> Any:
        Batch.objects.get(pk=batch.pk).pause(owner)
        return prepare(row)

    monkeypatch.setattr(dispatch, "_prepare", prepare_and_pause)
    assert dispatch.claim_next(2) == []
    assert batch.rows.filter(status=Status.QUEUED).count() == 2


def test_pause_and_resume_say_what_is_not_possible(owner: Member) -> None:
    batch = start(owner)
    batches.pause(batch, owner)
    with pytest.raises(NotPossible):
        batches.pause(batch, owner)
    batches.resume(batch, owner)
    with pytest.raises(NotPossible):
        batches.resume(batch, owner)


def test_cancel_rest_releases_what_was_reserved(owner: Member) -> None:
    set_price()
    batch = start(owner, 3)
    first = batch.rows.get(batch_row=1)
    assert first.mark_submitting(60)
    assert batches.cancel_rest(batch, owner) == 2
    month = Period.objects.get(member=owner, window=Window.MONTH)
    assert month.reserved_e4 == 1200
    assert batches.cancel_rest(batch, owner) == 0


@pytest.mark.django_db(transaction=True)
def test_two_people_and_a_batch_at_the_wire(
    upstream: Simulator, owner: Member, stranger: Member, settings: Settings
) -> None:
    """With room for one image at a time, the others' press is sent second, not last."""
    settings.CONCURRENCY_LIMIT = 1
    start(owner, 5)
    make_generation(owner=stranger, prompt="Plum")
    make_generation(owner=owner, prompt="Fig")
    run_worker()
    sent = Generation.objects.order_by("submitted_at").values_list("prompt", flat=True)
    assert list(sent)[:3] == ["Plum", "Fig", "Pear 0"]
    assert not Generation.objects.exclude(status=Status.SUCCEEDED).exists()


@pytest.mark.django_db(transaction=True)
def test_a_batch_is_sent_once_each(upstream: Simulator, owner: Member) -> None:
    batch = start(owner, 4)
    run_worker()
    assert batch.rows.filter(status=Status.SUCCEEDED).count() == 4
    assert len(upstream.requests("submit")) == 4


def test_a_batch_is_visible_with_its_rows(owner: Member, stranger: Member) -> None:
    public, private = start(owner, 2), start(owner, 2, is_private=True)
    assert set(Batch.objects.visible_to(stranger)) == {public}
    assert set(Batch.objects.visible_to(owner)) == {public, private}
    Generation.objects.filter(batch=public).update(is_private=True)
    assert not Batch.objects.visible_to(stranger).exists()


def test_postgresql_and_sqlite_have_the_index() -> None:
    with connection.cursor() as cursor:
        names = connection.introspection.get_constraints(cursor, Generation._meta.db_table)
    assert "generation_batch_idx" in names


def test_work_that_is_handed_over_keeps_its_batch(
    owner: Member, stranger: Member, admin: Member
) -> None:
    batch = start(owner)
    owner.is_active = False
    owner.save()
    people.hand_over(owner, stranger, admin)
    batch.refresh_from_db()
    assert batch.owner == stranger
    assert batch.rows.filter(owner=stranger).count() == 3


def test_the_card_of_a_row_says_that_its_batch_is_paused(
    owner: Member, owner_client: Client
) -> None:
    batch = start(owner)
    batches.pause(batch, owner)
    page = owner_client.get(f"/generations/{batch.rows.all()[0].pk}/").content.decode()
    assert "Starts when its batch is resumed" in page
