"""The table of moves: every pair of states, both fences, and what the database keeps by itself."""

from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from generations.models import Failure, Generation, Picture, Status, TransitionReason
from generations.models.status import FINAL, TRANSITIONS
from tests.builders import make_generation, make_member, make_submission

pytestmark = pytest.mark.django_db

COMPLETE: dict[str, Any] = {"upstream_task_id": "task-1", "failure": Failure.OURS}


@pytest.mark.parametrize(("before", "after"), list(product(Status, Status)))
def test_only_the_moves_of_the_table_are_made(before: Status, after: Status) -> None:
    generation = make_generation(status=before)
    if (before, after) not in TRANSITIONS:
        with pytest.raises(ValueError, match="no generation moves"):
            generation._transition(before, after, TransitionReason.NAMED)
        generation.refresh_from_db()
        assert (generation.status, generation.version) == (before, 1)
        return
    assert generation._transition(before, after, TransitionReason.NAMED, **COMPLETE)
    assert (generation.status, generation.version) == (after, 2)
    assert (generation.finished_at is not None) == (after in FINAL)
    transition = generation.transitions.get(reason=TransitionReason.NAMED)
    assert (transition.from_status, transition.to_status) == (before, after)


def test_a_row_that_has_moved_on_is_not_moved_again() -> None:
    generation = make_generation(status=Status.QUEUED)
    stale = Generation.objects.get(pk=generation.pk)
    owner = generation.owner
    assert generation.cancel(by=owner, version=1)
    assert stale.mark_submitting(60) is None
    assert Generation.objects.get().status == Status.CANCELED


def test_the_version_fences_what_people_do() -> None:
    generation = make_generation(status=Status.UNCONFIRMED)
    seen = generation.version
    assert generation.send_again(by=generation.owner, version=seen)
    assert not generation.cancel(by=generation.owner, version=seen)
    assert generation.status == Status.QUEUED
    assert generation.cancel(by=generation.owner, version=seen + 1)


def test_the_attempt_fences_what_the_engine_answers() -> None:
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


def test_a_late_answer_repairs_an_unconfirmed_row() -> None:
    generation = make_generation(status=Status.QUEUED)
    submission = generation.mark_submitting(60)
    assert submission
    generation.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    assert generation.mark_running(submission, "task-9", 4)
    assert generation.status == Status.RUNNING


def test_a_lost_one_can_be_given_up_and_a_watched_one_cannot() -> None:
    generation = make_generation(status=Status.RUNNING)
    assert not generation.abandon(by=generation.owner, version=generation.version)
    generation.mark_lost(TransitionReason.DENIED)
    assert generation.next_poll_at is None
    assert generation.abandon(by=generation.owner, version=generation.version)
    assert generation.status == Status.ABANDONED


def test_a_row_with_a_stored_picture_succeeds_and_one_without_fails() -> None:
    for stored, after in ((True, Status.SUCCEEDED), (False, Status.FAILED)):
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
        assert generation.status == after


def test_files_can_be_fetched_again_and_other_failures_cannot() -> None:
    generation = make_generation(status=Status.RUNNING)
    generation.mark_fetching(["https://a.example/0"])
    generation.pictures.get().mark_lost("gone")
    generation.finish_if_complete()
    assert generation.fetch_again(by=generation.owner, version=generation.version)
    assert generation.pictures.get().state == Picture.State.WANTED
    refused = make_generation(status=Status.FAILED)
    assert not refused.fetch_again(by=refused.owner, version=refused.version)


def test_the_lost_file_of_a_made_row_is_asked_for_again_and_the_row_stays_made() -> None:
    generation = make_generation(status=Status.RUNNING, n=2)
    generation.mark_fetching(["https://a.example/0", "https://a.example/1"])
    first, second = generation.pictures.order_by("index")
    first.mark_stored(file="f.png", width=4, height=3, size_bytes=9, sha256="ab")
    second.mark_lost("gone")
    generation.finish_if_complete()
    seen = generation.version
    assert generation.fetch_again(by=generation.owner, version=seen)
    assert not generation.fetch_again(by=generation.owner, version=seen)
    second.refresh_from_db()
    assert (generation.status, second.state) == (Status.SUCCEEDED, Picture.State.WANTED)


def test_the_same_press_gives_the_same_row() -> None:
    owner, nonce = make_member(), str(uuid4())
    wish = {"prompt": "a door", "aspect_ratio": "1:1", "n": 2}
    first, is_new = Generation.objects.request(owner=owner, key=nonce, **wish)
    again, is_new_again = Generation.objects.request(owner=owner, key=nonce, **wish)
    assert (is_new, is_new_again) == (True, False)
    assert first == again
    assert first.transitions.count() == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"status": Status.SUCCEEDED, "finished_at": None, "upstream_task_id": "x"},
        {"status": Status.QUEUED, "finished_at": timezone.now()},
        {"status": Status.RUNNING, "upstream_task_id": ""},
        {"status": Status.FAILED, "finished_at": timezone.now(), "failure": ""},
        {"n": 0},
    ],
)
def test_the_database_refuses_rows_that_cannot_be(broken: dict[str, object]) -> None:
    generation = make_generation(status=Status.QUEUED)
    with pytest.raises(IntegrityError), transaction.atomic():
        Generation.objects.filter(pk=generation.pk).update(**broken)


def test_the_database_refuses_doubles() -> None:
    generation = make_generation(status=Status.RUNNING)
    submission = make_submission(generation)
    generation.mark_fetching(["https://a.example/0"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Picture.objects.create(generation=generation, index=0)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_submission(generation, attempt=submission.attempt)
    with pytest.raises(IntegrityError), transaction.atomic():
        make_generation(owner=generation.owner, idempotency_key=generation.idempotency_key)
