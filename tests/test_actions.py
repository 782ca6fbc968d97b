"""Actions on unconfirmed, lost and failed generations: the charge that is shown, what is recorded
and what a late action does."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from generations.models import (
    Failure,
    Generation,
    Member,
    Status,
    Submission,
    TransitionReason,
    UpstreamGate,
)
from tests.builders import UNPRICED, make_generation, make_submission, store_picture
from tests.forms import HTMX

pytestmark = pytest.mark.django_db

Outcome = Submission.Outcome


@pytest.fixture
def row(owner: Member) -> Generation:
    return unconfirmed(owner)


def unconfirmed(owner: Member) -> Generation:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    make_submission(row, outcome=Outcome.UNANSWERED)
    return row


def set_task_id(client: Client, row: Generation, task_id: str, **headers: str) -> Any:
    data = {"upstream_task_id": task_id, "version": row.version}
    return client.post(f"/generations/{row.pk}/enter-task-id/", data, headers=headers)


def text_of(client: Client, row: Generation) -> str:
    return " ".join(client.get(f"/generations/{row.pk}/").content.decode().split())


# --- entering a task ID --------------------------------------------------------------------------


def test_admin_enters_a_task_id_and_it_is_tracked(
    admin_client: Client, admin: Member, row: Generation
) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    assert "Enter task ID" in text_of(admin_client, row)
    assert set_task_id(admin_client, row, " task-from-the-log ").status_code == 302
    row.refresh_from_db()
    assert (row.status, row.upstream_task_id) == (Status.RUNNING, "task-from-the-log")
    assert row.next_poll_at
    transition = row.transitions.latest("pk")
    assert (transition.reason, transition.by) == (TransitionReason.TASK_ID_ENTERED, admin)
    assert [task.func() for task in OrmQ.objects.all()] == ["generations.worker.tasks.poll"]


def test_htmx_gets_the_current_card(admin_client: Client, row: Generation) -> None:
    page = set_task_id(admin_client, row, "task-from-the-log", **HTMX).content.decode()
    assert 'data-status="running" data-version="2"' in page
    assert "Enter task ID" not in page


def test_members_cannot_enter_a_task_id(
    owner_client: Client, stranger_client: Client, row: Generation
) -> None:
    for client in (owner_client, stranger_client):
        assert "Enter task ID" not in text_of(client, row)
        assert set_task_id(client, row, "task-from-the-log").status_code == 403
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 1)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "card"])
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("  ", "Enter the task ID"),
        ("task-of-another", "Another generation already has this task"),
        ("x" * 501, "at most 500 characters"),
        ("a\x00b", "Null characters"),
    ],
    ids=["empty", "taken", "too long", "null"],
)
def test_invalid_task_id_shows_an_error_at_its_field(
    typed: str, words: str, headers: dict[str, str], admin_client: Client, row: Generation
) -> None:
    make_generation(Status.RUNNING, upstream_task_id="task-of-another")
    response = set_task_id(admin_client, row, typed, **headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert words in page
    assert f'value="{typed}"' in page
    assert (
        f'autofocus aria-invalid="true" aria-describedby="generation-{row.pk}-task-error"' in page
    )
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 1)


def test_task_id_with_a_stale_version_changes_nothing(
    admin_client: Client, row: Generation
) -> None:
    row.abandon(row.owner, row.version)
    row.version -= 1
    page = set_task_id(admin_client, row, "task-from-the-log", **HTMX).content.decode()
    assert "This generation has changed." in page
    response = admin_client.post(
        f"/generations/{row.pk}/enter-task-id/",
        {"upstream_task_id": "task-from-the-log", "version": row.version},
        follow=True,
    )
    assert b"This generation has changed." in response.content
    row.refresh_from_db()
    assert row.status == Status.ABANDONED


# --- searching -----------------------------------------------------------------------------------


def test_search_is_offered_only_if_kling_can_be_searched(
    owner_client: Client, admin_client: Client, owner: Member, row: Generation, settings: Settings
) -> None:
    assert "Check again" not in text_of(owner_client, row)
    assert "An admin can check the gateway’s log." in text_of(owner_client, row)
    assert "Check the gateway’s log first" in text_of(admin_client, row)
    settings.UPSTREAM_LOOKUP = "reference"
    assert "Check again" not in text_of(owner_client, row)  # sent without our external ID
    Generation.objects.update(next_poll_at=timezone.now())
    assert "We keep searching for the request, which is free." in text_of(owner_client, row)
    assert "Check again" in text_of(owner_client, row)
    owner_client.post(f"/generations/{row.pk}/search/", {"version": row.version})
    transition = row.transitions.latest("pk")
    assert (transition.reason, transition.by) == (TransitionReason.RECHECKED, owner)


def test_stranger_cannot_search(
    stranger_client: Client, row: Generation, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    Generation.objects.update(next_poll_at=timezone.now())
    assert (
        stranger_client.post(f"/generations/{row.pk}/search/", {"version": "1"}).status_code == 404
    )
    assert row.transitions.count() == 1


def test_unconfirmed_card_shows_the_charge_before_the_advice(
    owner_client: Client, row: Generation
) -> None:
    text = text_of(owner_client, row)
    parts = ("no answer arrived", "You were probably charged.", "Sending it again may charge")
    assert [text.count(part) > 0 for part in parts] == [True, True, True]
    assert sorted(parts, key=text.index) == list(parts)


# --- too late ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.RUNNING, Status.FETCHING])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "card"])
def test_late_cancel_says_that_images_are_kept(
    owner_client: Client, owner: Member, status: Status, headers: dict[str, str]
) -> None:
    row = make_generation(status, owner=owner)
    response = owner_client.post(
        f"/generations/{row.pk}/cancel/", {"version": "1"}, headers=headers, follow=True
    )
    assert "This request was sent and can’t be canceled.".encode() in response.content
    row.refresh_from_db()
    assert (row.status, row.version) == (status, 1)


def test_repeated_action_is_applied_once(owner_client: Client, row: Generation) -> None:
    for _press in range(2):
        owner_client.post(f"/generations/{row.pk}/send-again/", {"version": "1"})
    assert [transition.reason for transition in row.transitions.all()] == [
        TransitionReason.REQUESTED,
        TransitionReason.SENT_AGAIN,
    ]


# --- the charge ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charged", "words"),
    [
        ("unknown", "An admin can check in the gateway’s log whether this was charged."),
        ("yes", "You were charged, although the generation failed."),
        ("no", "Failed generations are not charged."),
    ],
)
@pytest.mark.parametrize("failure", [kind for kind in Failure if kind != Failure.FILES])
def test_charge_of_an_upstream_failure_follows_the_setting(
    failure: Failure,
    charged: str,
    words: str,
    owner_client: Client,
    owner: Member,
    settings: Settings,
) -> None:
    settings.FAILED_IS_CHARGED = charged
    row = make_generation(Status.FAILED, owner=owner, failure=failure, upstream_task_id="task-1")
    assert words in text_of(owner_client, row)
    assert "You were not charged" not in text_of(owner_client, row)


@pytest.mark.parametrize("failure", [kind for kind in Failure if kind != Failure.FILES])
def test_refused_request_is_not_charged_and_can_be_retried(
    failure: Failure, owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.FAILED, owner=owner, failure=failure, attempt=1)
    make_submission(row, outcome=Outcome.REFUSED)
    page = text_of(owner_client, row)
    assert "You were not charged." in page
    assert f'href="/?remix={row.pk}"' in page


@pytest.mark.parametrize(
    ("status", "columns", "words"),
    [
        (Status.RUNNING, {"lost_at": timezone.now()}, "You may have been charged."),
        (Status.ABANDONED, {}, "You may have been charged."),
        (Status.FAILED, {"failure": Failure.FILES}, "The images are paid for."),
        (
            Status.SUCCEEDED,
            {"n": 3, "stored": 2},
            "1 image could not be downloaded. The images are paid for.",
        ),
    ],
)
def test_incomplete_generation_shows_its_charge(
    status: Status, columns: dict[str, Any], words: str, owner_client: Client, owner: Member
) -> None:
    assert words in text_of(owner_client, make_generation(status, owner=owner, **columns))


def test_charge_of_images_never_listed_is_unknown(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3, stored=2)
    row.pictures.filter(index=2).delete()
    page = text_of(owner_client, row)
    assert (
        "An admin can check in the gateway’s log whether the missing images were charged." in page
    )
    assert "Generate the missing image" in page


def test_request_not_received_by_kling_is_not_charged(
    owner_client: Client, row: Generation
) -> None:
    assert row.mark_not_found(row.submissions.get())
    page = text_of(owner_client, row)
    assert "Not received by Kling" in page
    assert "Kling does not have the request. You were not charged." in page
    assert "An earlier attempt" not in page


def send_again_and(row: Generation, end: Status) -> None:
    """Send an unanswered request again; the second attempt ends with `end`."""
    row.send_again(row.owner, row.version, UNPRICED)
    if end == Status.CANCELED:
        row.cancel(row.owner, row.version)
        return
    submission = row.mark_submitting(60)
    assert submission
    outcome = Outcome.REFUSED if end == Status.FAILED else Outcome.ACCEPTED
    Submission.objects.filter(pk=submission.pk).update(outcome=outcome)
    if end == Status.FAILED:
        row.mark_refused(submission, Failure.POLICY, "")
        return
    row.mark_running(submission, "task-2", 0)
    row.mark_fetching(["https://files.example/1.png"])
    store_picture(row.pictures.get())
    row.finish_if_complete()


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Status.CANCELED, "An earlier attempt was probably charged."),
        (Status.FAILED, "An earlier attempt was probably charged."),
        (Status.SUCCEEDED, "probably charged more than once"),
    ],
)
def test_unanswered_earlier_attempt_is_mentioned(
    end: Status, words: str, owner_client: Client, row: Generation
) -> None:
    send_again_and(row, end)
    assert row.status == end
    page = text_of(owner_client, row)
    assert words in page
    assert "You were not charged" not in page
    assert "Nothing was sent" not in page


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.POSTPONED])
def test_postponed_attempt_is_not_charged(
    outcome: Outcome, owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.CANCELED, owner=owner, attempt=1)
    make_submission(row, outcome=outcome)
    assert "You were not charged." in text_of(owner_client, row)
    assert "Nothing was sent" not in text_of(owner_client, row)


def test_charges_are_read_in_a_constant_number_of_queries(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def end_badly() -> None:
        send_again_and(unconfirmed(owner), Status.FAILED)
        lost = unconfirmed(owner)
        lost.mark_not_found(lost.submissions.get())

    end_badly()
    UpstreamGate.for_engine()
    owner_client.get("/")
    with django_assert_num_queries(13):
        owner_client.get("/")
    for _row in range(5):
        end_badly()
    owner.notifications.mark_read()
    with django_assert_num_queries(13):
        owner_client.get("/")


# --- the reason ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "was_accepted", "is_quoted"),
    [
        (Failure.POLICY, True, True),
        (Failure.INPUT, False, True),
        (Failure.TIME, True, True),
        (Failure.OURS, True, True),  # an unknown message may say what to change
        (Failure.OURS, False, True),
        (Failure.REFUSED, False, True),
        (Failure.BALANCE, True, False),
        (Failure.BUSY, True, False),
    ],
)
def test_failure_message_is_quoted_where_it_helps(
    failure: Failure, was_accepted: bool, is_quoted: bool, owner_client: Client, owner: Member
) -> None:
    columns: dict[str, Any] = {"upstream_task_id": "task-1"} if was_accepted else {}
    row = make_generation(
        Status.FAILED, owner=owner, failure=failure, failure_message="its <own> words", **columns
    )
    assert ("“its &lt;own&gt; words”" in text_of(owner_client, row)) == is_quoted
