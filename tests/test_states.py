"""Transitions: every pair of states, conditions on attempt and version, database constraints."""

from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from generations.models import Failure, Generation, Picture, Status, TransitionReason
from generations.models.status import FINAL, TRANSITIONS
from tests.builders import UNPRICED, make_generation, make_member, make_submission

pytestmark = pytest.mark.django_db

COMPLETE: dict[str, Any] = {
    "upstream_task_id": "task-1",
    "accepted_at": timezone.now(),
    "failure": Failure.OURS,
}


@pytest.mark.parametrize(("from_status", "to_status"), list(product(Status, Status)))
def test_only_transitions_of_the_table_are_allowed(from_status: Status, to_status: Status) -> None:
    generation = make_generation(status=from_status)
    if (from_status, to_status) not in TRANSITIONS:
        with pytest.raises(ValueError, match="no transition from"):
            generation._transition(from_status, to_status, TransitionReason.TASK_ID_ENTERED)
        generation.refresh_from_db()
        assert (generation.status, generation.version) == (from_status, 1)
        return
    assert generation._transition(
        from_status, to_status, TransitionReason.TASK_ID_ENTERED, **COMPLETE
    )
    assert (generation.status, generation.version) == (to_status, 2)
    assert (generation.finished_at is not None) == (to_status in FINAL)
    transition = generation.transitions.get(reason=TransitionReason.TASK_ID_ENTERED)
    assert (transition.from_status, transition.to_status) == (from_status, to_status)


def test_stale_object_does_not_change_the_row() -> None:
    generation = make_generation(status=Status.QUEUED)
    stale = Generation.objects.get(pk=generation.pk)
    owner = generation.owner
    assert generation.cancel(by=owner, version=1)
    assert stale.mark_submitting(60) is None
    assert Generation.objects.get().status == Status.CANCELED


def test_action_with_an_old_version_changes_nothing() -> None:
    generation = make_generation(status=Status.UNCONFIRMED)
    version = generation.version
    assert generation.send_again(by=generation.owner, version=version, quote=UNPRICED)
    assert not generation.cancel(by=generation.owner, version=version)
    assert generation.status == Status.QUEUED
    assert generation.cancel(by=generation.owner, version=version + 1)


def test_response_to_an_old_attempt_changes_nothing() -> None:
    generation = make_generation(status=Status.QUEUED)
    first = generation.mark_submitting(60)
    assert first
    generation.mark_postponed(first, TransitionReason.BUSY)
    second = generation.mark_submitting(60)
    assert second
    assert not generation.mark_running(first, "old-task", 4)
    assert not generation.mark_refused(first, Failure.INPUT, "old")
    assert not generation.mark_unconfirmed(first, TransitionReason.NO_ANSWER)
    assert generation.mark_running(second, "new-task", 4)
    assert generation.upstream_task_id == "new-task"


def test_late_response_makes_an_unconfirmed_row_running() -> None:
    generation = make_generation(status=Status.QUEUED)
    submission = generation.mark_submitting(60)
    assert submission
    generation.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    assert generation.mark_running(submission, "task-9", 4)
    assert generation.status == Status.RUNNING


def test_late_response_does_not_undo_a_dismissal_but_is_polled() -> None:
    generation = make_generation(status=Status.QUEUED)
    submission = generation.mark_submitting(60)
    assert submission
    generation.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    generation.abandon(by=generation.owner, version=generation.version)
    assert generation.mark_running(submission, "task-9", 4)
    assert (generation.status, generation.upstream_task_id) == (Status.ABANDONED, "task-9")
    assert generation.next_poll_at
    generation.mark_fetching(["https://a.example/0"])
    assert (generation.status, generation.finished_at) == (Status.FETCHING, None)


def test_only_late_and_lost_running_rows_can_be_dismissed() -> None:
    generation = make_generation(status=Status.RUNNING)
    assert not generation.abandon(by=generation.owner, version=generation.version)
    generation.mark_lost(TransitionReason.NO_LONGER_FOUND)
    assert generation.next_poll_at is None
    assert generation.abandon(by=generation.owner, version=generation.version)
    assert generation.status == Status.ABANDONED
    late = make_generation(status=Status.RUNNING)
    late.mark_late()
    assert late.abandon(by=late.owner, version=late.version)


def test_row_succeeds_with_one_stored_picture_and_fails_without() -> None:
    for stored, expected in ((True, Status.SUCCEEDED), (False, Status.FAILED)):
        generation = make_generation(status=Status.RUNNING, n=2)
        generation.mark_fetching(["https://a.example/0", "https://a.example/1"])
        first, second = generation.pictures.order_by("index")
        first.mark_lost("gone")
        assert not generation.finish_if_complete()
        if stored:
            second.mark_stored(file="f.png", width=4, height=3, size_bytes=9, sha256="ab")
        else:
            second.mark_lost("gone too")
        assert generation.finish_if_complete()
        assert generation.status == expected


def test_fetch_again_applies_only_to_failed_downloads() -> None:
    generation = make_generation(status=Status.RUNNING)
    generation.mark_fetching(["https://a.example/0"])
    generation.pictures.get().mark_lost("gone")
    generation.finish_if_complete()
    assert generation.fetch_again(by=generation.owner, version=generation.version)
    assert generation.pictures.get().state == Picture.State.WANTED
    refused = make_generation(status=Status.FAILED)
    assert not refused.fetch_again(by=refused.owner, version=refused.version)


def test_fetch_again_keeps_a_succeeded_row_succeeded() -> None:
    generation = make_generation(status=Status.RUNNING, n=2)
    generation.mark_fetching(["https://a.example/0", "https://a.example/1"])
    first, second = generation.pictures.order_by("index")
    first.mark_stored(file="f.png", width=4, height=3, size_bytes=9, sha256="ab")
    second.mark_lost("gone")
    generation.finish_if_complete()
    version = generation.version
    assert generation.fetch_again(by=generation.owner, version=version)
    assert not generation.fetch_again(by=generation.owner, version=version)
    second.refresh_from_db()
    assert (generation.status, second.state) == (Status.SUCCEEDED, Picture.State.WANTED)


def test_repeated_idempotency_key_returns_the_same_row() -> None:
    owner, key = make_member(), str(uuid4())
    params = {"prompt": "a door", "aspect_ratio": "1:1", "n": 2}
    first, is_new = Generation.objects.request(owner=owner, key=key, quote=UNPRICED, **params)
    again, is_new_again = Generation.objects.request(owner=owner, key=key, quote=UNPRICED, **params)
    assert (is_new, is_new_again) == (True, False)
    assert first == again
    assert first.transitions.count() == 1


@pytest.mark.parametrize(
    "columns",
    [
        {"status": Status.SUCCEEDED, "finished_at": None, "accepted_at": timezone.now()},
        {"status": Status.FETCHING, "accepted_at": None},
        {"status": Status.QUEUED, "finished_at": timezone.now()},
        {"status": Status.RUNNING, "upstream_task_id": ""},
        {"status": Status.FAILED, "finished_at": timezone.now(), "failure": ""},
        {"n": 0},
    ],
)
def test_database_rejects_inconsistent_rows(columns: dict[str, object]) -> None:
    generation = make_generation(status=Status.QUEUED)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=generation.pk).update(**columns)


def test_database_rejects_duplicates() -> None:
    generation = make_generation(status=Status.RUNNING)
    submission = make_submission(generation)
    generation.mark_fetching(["https://a.example/0"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Picture.objects.create(generation=generation, index=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_submission(generation, attempt=submission.attempt)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_generation(owner=generation.owner, idempotency_key=generation.idempotency_key)
