"""What people do to what is unconfirmed, lost or failed: what it is told to cost, what is recorded,
and what a press that comes too late does."""

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
from tests.builders import make_generation, make_submission, store_picture
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
    told = {"upstream_task_id": task_id, "version": row.version}
    return client.post(f"/generations/{row.pk}/enter-task-id/", told, headers=headers)


def words_of(client: Client, row: Generation) -> str:
    return " ".join(client.get(f"/generations/{row.pk}/").content.decode().split())


# --- it is this task ------------------------------------------------------------------------------


def test_an_admin_names_the_task_and_it_is_watched(
    admin_client: Client, admin: Member, row: Generation
) -> None:
    from django_q.models import OrmQ  # noqa: TID251

    assert "It is this task" in words_of(admin_client, row)
    assert set_task_id(admin_client, row, " task-from-the-log ").status_code == 302
    row.refresh_from_db()
    assert (row.status, row.upstream_task_id) == (Status.RUNNING, "task-from-the-log")
    assert row.next_poll_at
    transition = row.transitions.latest("pk")
    assert (transition.reason, transition.by) == (TransitionReason.NAMED, admin)
    assert [kick.func() for kick in OrmQ.objects.all()] == ["generations.worker.tasks.poll"]


def test_with_htmx_the_card_comes_back_as_it_stands_now(
    admin_client: Client, row: Generation
) -> None:
    page = set_task_id(admin_client, row, "task-from-the-log", **HTMX).content.decode()
    assert 'data-status="running" data-version="2"' in page
    assert "It is this task" not in page


def test_nobody_else_names_a_task(
    owner_client: Client, stranger_client: Client, row: Generation
) -> None:
    for client in (owner_client, stranger_client):
        assert "It is this task" not in words_of(client, row)
        assert set_task_id(client, row, "task-from-the-log").status_code == 403
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 1)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "card"])
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("  ", "Enter the task ID"),
        ("task-of-another", "Another generation already has this task"),
        ("x" * 201, "at most 200 characters"),
        ("a\x00b", "Null characters"),
    ],
    ids=["empty", "taken", "too long", "null"],
)
def test_a_wrong_id_is_told_beside_its_field(
    typed: str, words: str, headers: dict[str, str], admin_client: Client, row: Generation
) -> None:
    make_generation(Status.RUNNING, upstream_task_id="task-of-another")
    answer = set_task_id(admin_client, row, typed, **headers)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert words in page
    assert f'value="{typed}"' in page
    assert (
        f'autofocus aria-invalid="true" aria-describedby="generation-{row.pk}-task-error"' in page
    )
    row.refresh_from_db()
    assert (row.status, row.version) == (Status.UNCONFIRMED, 1)


def test_a_press_on_an_old_card_names_nothing_and_says_so(
    admin_client: Client, row: Generation
) -> None:
    row.abandon(row.owner, row.version)
    row.version -= 1
    page = set_task_id(admin_client, row, "task-from-the-log", **HTMX).content.decode()
    assert "This changed meanwhile." in page
    answer = admin_client.post(
        f"/generations/{row.pk}/enter-task-id/",
        {"upstream_task_id": "task-from-the-log", "version": row.version},
        follow=True,
    )
    assert b"This changed meanwhile." in answer.content
    row.refresh_from_db()
    assert row.status == Status.ABANDONED


# --- looking --------------------------------------------------------------------------------------


def test_looking_is_offered_only_where_looking_is_possible(
    owner_client: Client, admin_client: Client, owner: Member, row: Generation, settings: Settings
) -> None:
    assert "Look again" not in words_of(owner_client, row)
    assert "An admin can look for it in the gateway’s own log." in words_of(owner_client, row)
    assert "Look for it in the gateway’s own log first" in words_of(admin_client, row)
    settings.UPSTREAM_LOOKUP = "reference"
    assert "Look again" not in words_of(owner_client, row)  # it went out without our name
    Generation.objects.update(next_poll_at=timezone.now())
    assert "We look for it by ourselves, that costs nothing." in words_of(owner_client, row)
    assert "Look again" in words_of(owner_client, row)
    owner_client.post(f"/generations/{row.pk}/search/", {"version": row.version})
    transition = row.transitions.latest("pk")
    assert (transition.reason, transition.by) == (TransitionReason.LOOKED_AGAIN, owner)


def test_a_stranger_has_nobody_looked_for(
    stranger_client: Client, row: Generation, settings: Settings
) -> None:
    settings.UPSTREAM_LOOKUP = "reference"
    Generation.objects.update(next_poll_at=timezone.now())
    assert (
        stranger_client.post(f"/generations/{row.pk}/search/", {"version": "1"}).status_code == 404
    )
    assert row.transitions.count() == 1


def test_what_never_answered_says_the_money_before_what_to_do(
    owner_client: Client, row: Generation
) -> None:
    told = words_of(owner_client, row)
    parts = ("Sent, but no answer came", "It has probably been charged.", "Sending again may pay")
    assert [told.count(part) > 0 for part in parts] == [True, True, True]
    assert sorted(parts, key=told.index) == list(parts)


# --- too late -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [Status.SUBMITTING, Status.RUNNING, Status.FETCHING])
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "card"])
def test_a_cancel_that_comes_too_late_hears_that_it_will_be_kept(
    owner_client: Client, owner: Member, status: Status, headers: dict[str, str]
) -> None:
    row = make_generation(status, owner=owner)
    answer = owner_client.post(
        f"/generations/{row.pk}/cancel/", {"version": "1"}, headers=headers, follow=True
    )
    assert "This request was sent and can’t be canceled.".encode() in answer.content
    row.refresh_from_db()
    assert (row.status, row.version) == (status, 1)


def test_the_same_press_twice_moves_once(owner_client: Client, row: Generation) -> None:
    for _press in range(2):
        owner_client.post(f"/generations/{row.pk}/send-again/", {"version": "1"})
    assert [transition.reason for transition in row.transitions.all()] == [
        TransitionReason.REQUESTED,
        TransitionReason.SENT_AGAIN,
    ]


# --- what it cost ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("charged", "words"),
    [
        ("unknown", "Whether it was charged, only the gateway’s log can tell."),
        ("yes", "It was charged all the same."),
        ("no", "It was not charged."),
    ],
)
@pytest.mark.parametrize("failure", [kind for kind in Failure if kind != Failure.FILES])
def test_what_a_failure_there_cost_is_said_as_the_install_knows_it(
    failure: Failure,
    charged: str,
    words: str,
    owner_client: Client,
    owner: Member,
    settings: Settings,
) -> None:
    settings.FAILED_IS_CHARGED = charged
    row = make_generation(Status.FAILED, owner=owner, failure=failure, upstream_task_id="task-1")
    assert words in words_of(owner_client, row)
    assert "Nothing was charged" not in words_of(owner_client, row)


@pytest.mark.parametrize("failure", [kind for kind in Failure if kind != Failure.FILES])
def test_what_was_refused_cost_nothing_and_can_be_tried_again(
    failure: Failure, owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.FAILED, owner=owner, failure=failure, attempt=1)
    make_submission(row, outcome=Outcome.REFUSED)
    page = words_of(owner_client, row)
    assert "Nothing was charged." in page
    assert f'href="/?remix={row.pk}"' in page


@pytest.mark.parametrize(
    ("status", "columns", "words"),
    [
        (Status.RUNNING, {"lost_at": timezone.now()}, "It may have been charged."),
        (Status.ABANDONED, {}, "It may have been charged."),
        (Status.FAILED, {"failure": Failure.FILES}, "They are paid for."),
        (Status.SUCCEEDED, {"n": 3, "stored": 2}, "The rest is made and paid for."),
    ],
)
def test_every_end_without_all_its_pictures_says_its_cost(
    status: Status, columns: dict[str, Any], words: str, owner_client: Client, owner: Member
) -> None:
    assert words in words_of(owner_client, make_generation(status, owner=owner, **columns))


def test_of_what_kling_never_listed_only_the_log_knows(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3, stored=2)
    row.pictures.filter(index=2).delete()
    page = words_of(owner_client, row)
    assert "Whether the rest was charged, only the gateway’s log can tell." in page
    assert "Make the missing one" in page


def test_what_the_upstream_does_not_have_cost_nothing(
    owner_client: Client, row: Generation
) -> None:
    assert row.mark_not_there(row.submissions.get())
    page = words_of(owner_client, row)
    assert "Not made: Kling never took it" in page
    assert "Kling was asked for it: it does not have it. Nothing was charged." in page
    assert "An earlier sending" not in page


def send_again_and(row: Generation, end: Status) -> None:
    """Its first sending was never answered; the second one ends like that."""
    row.send_again(row.owner, row.version)
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
        (Status.CANCELED, "An earlier sending of it has probably been charged."),
        (Status.FAILED, "An earlier sending of it has probably been charged."),
        (Status.SUCCEEDED, "has probably been charged more than once"),
    ],
)
def test_a_first_sending_without_an_answer_is_not_forgotten(
    end: Status, words: str, owner_client: Client, row: Generation
) -> None:
    send_again_and(row, end)
    assert row.status == end
    page = words_of(owner_client, row)
    assert words in page
    assert "Nothing was charged" not in page
    assert "Nothing was sent" not in page


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.POSTPONED])
def test_a_sending_that_was_refused_for_now_cost_nothing(
    outcome: Outcome, owner_client: Client, owner: Member
) -> None:
    row = make_generation(Status.CANCELED, owner=owner, attempt=1)
    make_submission(row, outcome=outcome)
    assert "Nothing was charged." in words_of(owner_client, row)
    assert "Nothing was sent" not in words_of(owner_client, row)


def test_what_it_cost_is_asked_once_for_all_cards(
    owner_client: Client, owner: Member, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    def end_badly() -> None:
        send_again_and(unconfirmed(owner), Status.FAILED)
        lost = unconfirmed(owner)
        lost.mark_not_there(lost.submissions.get())

    end_badly()
    UpstreamGate.now()
    owner_client.get("/")
    with django_assert_num_queries(9):
        owner_client.get("/")
    for _row in range(5):
        end_badly()
    with django_assert_num_queries(9):
        owner_client.get("/")


# --- why ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "there", "is_told"),
    [
        (Failure.POLICY, True, True),
        (Failure.INPUT, False, True),
        (Failure.TIME, True, True),
        (Failure.OURS, True, True),  # no words that we know: it may be what to change
        (Failure.OURS, False, False),
        (Failure.BALANCE, True, False),
        (Failure.BUSY, True, False),
    ],
)
def test_its_own_words_are_told_where_they_help(
    failure: Failure, there: bool, is_told: bool, owner_client: Client, owner: Member
) -> None:
    columns: dict[str, Any] = {"upstream_task_id": "task-1"} if there else {}
    row = make_generation(
        Status.FAILED, owner=owner, failure=failure, failure_message="its <own> words", **columns
    )
    assert ("“its &lt;own&gt; words”" in words_of(owner_client, row)) == is_told
