"""Notifications: who gets which, when they count as read, and what nobody else learns."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations import people
from generations.models import (
    Batch,
    Collection,
    Failure,
    Generation,
    Member,
    Notification,
    Picture,
    Status,
    Submission,
    TransitionReason,
    bulk,
)
from generations.models.money import LimitRequest, ledger
from generations.models.notification import DAYS, MAX_PER_MEMBER
from generations.permissions import Role
from generations.web.notifications.pages import ROWS_A_PAGE
from generations.worker import tasks
from tests.builders import make_generation, make_member, make_submission, picture_ids
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

DOT = 'class="unread-dot"'


def finish(row: Generation) -> Generation:
    """Let the worker end a generation whose files are stored or lost."""
    assert row.finish_if_complete()
    return row


def ready(owner: Member, n: int = 1, **columns: object) -> Generation:
    row = make_generation(Status.FETCHING, owner=owner, n=n, stored=n, **columns)  # type: ignore[arg-type]
    return finish(row)


def rows_of(member: Member) -> list[Notification]:
    return list(Notification.objects.filter(member=member))


def unread(member: Member) -> int:
    return Notification.objects.unread_of(member).count()


def text(client: Client) -> str:
    page = client.get("/notifications/").content.decode()
    return " ".join(page.split())


# --- generations ---------------------------------------------------------------------------------


def test_each_generation_is_one_notification_whatever_its_images(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    ready(owner, n=4)
    assert len(rows_of(owner)) == 1
    page = text(owner_client)
    assert "4 images are ready" in page
    assert "“A pear on a dark ground”" in page


def test_only_the_owner_is_notified(
    owner: Member, stranger: Member, stranger_client: Client, media_root: object
) -> None:
    ready(owner)
    assert not rows_of(stranger)
    assert "A pear" not in text(stranger_client)
    assert DOT not in stranger_client.get("/gallery/").content.decode()


def test_failure_says_why_and_what_it_cost(owner: Member, owner_client: Client) -> None:
    row = make_generation(Status.SUBMITTING, owner=owner, attempt=1)
    submission = make_submission(row, outcome=Submission.Outcome.REFUSED)
    row.mark_refused(submission, Failure.POLICY, "no")
    page = text(owner_client)
    assert "Rejected by the content check" in page
    assert "You were not charged." in page


def test_unconfirmed_needs_a_decision_and_the_outcome_replaces_it(
    owner: Member, owner_client: Client
) -> None:
    row = make_generation(Status.SUBMITTING, owner=owner, attempt=1)
    submission = make_submission(row)
    row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    assert "Needs a decision: Unconfirmed" in text(owner_client)
    Notification.objects.all().mark_read()
    row.mark_refused(submission, Failure.OURS, "", TransitionReason.NOT_FOUND)
    [told] = rows_of(owner)
    assert told.read_at is None
    assert "Needs a decision" not in text(owner_client)


def test_lost_generation_needs_a_decision(owner: Member, owner_client: Client) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    row.mark_late()
    assert not rows_of(owner)
    row.mark_lost(TransitionReason.NO_LONGER_FOUND, first_not_found_at=timezone.now())
    assert "Needs a decision: Not found at Kling" in text(owner_client)


def test_what_members_do_themselves_is_no_news(owner: Member) -> None:
    row = make_generation(owner=owner)
    row.cancel(owner, row.version)
    unconfirmed = make_generation(Status.UNCONFIRMED, owner=owner)
    unconfirmed.abandon(owner, unconfirmed.version)
    assert not rows_of(owner)


def test_decision_of_an_admin_is_told_to_the_owner(
    owner: Member, owner_client: Client, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, is_private=True, prompt="A secret pear")
    row.abandon(admin, row.version)
    assert f"<b>{admin.name}</b> dismissed your request" in text(owner_client)
    assert not rows_of(admin)


def test_the_end_of_a_generation_costs_one_statement(owner: Member, media_root: object) -> None:
    row = make_generation(Status.FETCHING, owner=owner, n=4, stored=4)
    with CaptureQueriesContext(connection) as queries:
        finish(row)
    about = [each["sql"] for each in queries if "generations_notification" in each["sql"]]
    assert len(about) == 1
    assert about[0].startswith("INSERT")


def test_steps_on_the_way_cost_nothing(owner: Member) -> None:
    row = make_generation(owner=owner)
    with CaptureQueriesContext(connection) as queries:
        submission = row.mark_submitting(60)
        assert submission
        row.mark_running(submission, "task", 1)
        row.mark_late()
        row.mark_fetching(["https://files.example/1.png"])
    assert not [each for each in queries if "generations_notification" in each["sql"]]


def test_many_requests_that_are_ready_are_one_entry(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    for _number in range(5):
        ready(owner, n=2)
    page = text(owner_client)
    assert "10 images are ready" in page
    assert "5 requests" in page
    assert page.count('class="notification ') == 1


# --- read ----------------------------------------------------------------------------------------


def test_opening_the_list_marks_nothing(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    ready(owner)
    assert DOT in text(owner_client)
    assert unread(owner) == 1


@pytest.mark.parametrize("page", ["studio", "generation", "picture", "changes"])
def test_looking_at_the_images_marks_them_as_read(
    page: str, owner: Member, owner_client: Client, media_root: object
) -> None:
    row = ready(owner)
    address = {
        "studio": "/",
        "generation": f"/generations/{row.pk}/",
        "picture": f"/pictures/{picture_ids(row)[0]}/",
        "changes": f"/cards/changes?k={row.pk}.0",
    }[page]
    response = owner_client.get(address).content.decode()
    assert unread(owner) == 0
    assert DOT not in response, "the page itself shows no dot any more"


def test_a_hidden_tab_has_not_seen_the_end(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    row = ready(owner)
    owner_client.get(f"/cards/changes?k={row.pk}.0&hidden=1")
    assert unread(owner) == 1


def test_other_pages_mark_nothing(owner: Member, owner_client: Client, media_root: object) -> None:
    ready(owner)
    other = make_generation(Status.SUCCEEDED, owner=owner)
    for address in ("/gallery/", "/collections/", f"/pictures/{picture_ids(other)[0]}/"):
        assert DOT in owner_client.get(address).content.decode(), address


def test_mark_all_as_read_spares_what_came_later(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    ready(owner)
    page = owner_client.get("/notifications/")
    newest = page.context["newest"]
    ready(owner)
    assert owner_client.post("/notifications/read", {"newest": newest}).status_code == 302
    assert unread(owner) == 1
    owner_client.post("/notifications/read")
    assert unread(owner) == 0


def test_mark_all_as_read_is_only_about_oneself(
    owner: Member, stranger_client: Client, media_root: object
) -> None:
    ready(owner)
    stranger_client.post("/notifications/read")
    assert unread(owner) == 1


def test_invalid_keys_are_refused(owner_client: Client) -> None:
    assert owner_client.get("/notifications/?before=x").status_code == 404
    assert owner_client.post("/notifications/read", {"newest": "1-x"}).status_code == 404


def test_the_dot_costs_no_statement_of_its_own(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    owner_client.get("/collections/")
    with CaptureQueriesContext(connection) as without:
        owner_client.get("/collections/")
    ready(owner)
    with CaptureQueriesContext(connection) as with_unread:
        owner_client.get("/collections/")
    assert len(without) == len(with_unread)
    looks = [each for each in without if "generations_notification" in each["sql"]]
    assert len(looks) == 1
    assert "generations_generation" in looks[0]["sql"], "it rides on the count of open requests"


# --- collections, limits, people -----------------------------------------------------------------


def test_images_of_one_person_in_my_collection_are_one_notification(
    owner: Member, owner_client: Client, stranger: Member, media_root: object
) -> None:
    deck = Collection.objects.create(name="Autumn deck", created_by=owner)
    for _number in range(2):
        deck.add(picture_ids(make_generation(Status.SUCCEEDED, owner=stranger, n=2)), stranger)
    assert "added 4 images to “Autumn deck”" in text(owner_client)
    owner_client.get(f"/collections/{deck.pk}/")
    assert unread(owner) == 0
    deck.add(picture_ids(make_generation(Status.SUCCEEDED, owner=stranger)), stranger)
    assert "added 1 image to “Autumn deck”" in text(owner_client)


def test_private_images_in_my_collection_are_not_counted(
    owner: Member, owner_client: Client, stranger: Member, media_root: object
) -> None:
    deck = Collection.objects.create(name="Autumn deck", created_by=owner)
    private = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True, n=3)
    deck.add(picture_ids(private), stranger)
    assert not rows_of(owner)
    open_row = make_generation(Status.SUCCEEDED, owner=stranger)
    deck.add(picture_ids(open_row), stranger)
    assert "added 1 image" in text(owner_client)


def test_own_additions_are_no_news(owner: Member, media_root: object) -> None:
    deck = Collection.objects.create(name="Autumn deck", created_by=owner)
    deck.add(picture_ids(make_generation(Status.SUCCEEDED, owner=owner)), owner)
    assert not rows_of(owner)


def test_making_private_takes_the_notifications_of_others_back(
    owner: Member, owner_client: Client, stranger: Member, media_root: object
) -> None:
    deck = Collection.objects.create(name="Autumn deck", created_by=owner)
    row = make_generation(Status.SUCCEEDED, owner=stranger, prompt="A pear to hide")
    deck.add(picture_ids(row), stranger)
    bulk.set_private(picture_ids(row), stranger, is_private=True)
    assert not rows_of(owner)
    assert DOT not in owner_client.get("/gallery/").content.decode()


def test_image_in_the_trash_is_not_shown(
    owner: Member, owner_client: Client, media_root: object
) -> None:
    row = ready(owner)
    Picture.objects.filter(generation=row).trash(owner)
    page = owner_client.get("/notifications/").content.decode()
    assert "<img" not in page


def test_request_for_more_is_told_to_admins_until_one_decides(
    owner: Member, owner_client: Client, admin: Member, admin_client: Client
) -> None:
    other = make_member(role=Role.OWNER)
    asked = LimitRequest.objects.ask(owner, "a poster", amount_e4=0, images=20)
    assert f"<b>{owner.name}</b> asks for 20 images" in text(admin_client)
    admin_client.get("/admin/requests/")
    assert (unread(admin), unread(other)) == (0, 1)
    ledger.grant(asked, admin, timezone.now() + timedelta(days=3))
    assert not rows_of(admin)
    assert not rows_of(other)
    assert f"<b>{admin.name}</b> granted you 20 images" in text(owner_client)
    owner_client.get("/usage/")
    assert unread(owner) == 0


def test_declined_request_is_told(owner: Member, owner_client: Client, admin: Member) -> None:
    asked = LimitRequest.objects.ask(owner, "a poster", amount_e4=0, images=20)
    ledger.decline(asked, admin)
    assert "declined your request for more" in text(owner_client)


def test_new_role_is_told_and_read_in_the_settings(
    owner: Member, owner_client: Client, admin: Member
) -> None:
    people.change_role(owner, Role.ADMIN, admin)
    assert "changed your role to Admin" in text(owner_client)
    owner_client.get("/settings/")
    assert unread(owner) == 0


def test_handed_over_work_is_told(
    owner: Member, owner_client: Client, stranger: Member, admin: Member, media_root: object
) -> None:
    make_generation(Status.SUCCEEDED, owner=stranger)
    people.disable(stranger, admin)
    people.hand_over(stranger, owner, admin)
    assert f"handed over the work of {stranger.name} to you" in text(owner_client)


def test_names_are_escaped(owner: Member, owner_client: Client) -> None:
    hostile = make_member("hostile", role=Role.ADMIN, first_name="<script>x</script>{who}")
    people.change_role(owner, Role.ADMIN, hostile)
    page = text(owner_client)
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page


# --- retention -----------------------------------------------------------------------------------


def test_notifications_are_deleted_after_30_days(owner: Member) -> None:
    for days in (DAYS - 1, DAYS + 1):
        Notification.objects.create(
            member=owner, kind="role", at=timezone.now() - timedelta(days=days)
        )
    tasks.prune_expired_rows()
    [kept] = rows_of(owner)
    assert kept.at > timezone.now() - timedelta(days=DAYS)


def test_the_number_of_each_person_is_bounded(owner: Member, stranger: Member) -> None:
    now = timezone.now()
    Notification.objects.bulk_create(
        Notification(member=owner, kind="role", at=now - timedelta(minutes=number))
        for number in range(MAX_PER_MEMBER + 3)
    )
    Notification.objects.create(member=stranger, kind="role")
    Notification.objects.prune()
    assert len(rows_of(owner)) == MAX_PER_MEMBER
    assert len(rows_of(stranger)) == 1


def test_list_has_pages(owner: Member, owner_client: Client) -> None:
    now = timezone.now()
    Notification.objects.bulk_create(
        Notification(
            member=owner,
            kind="role",
            at=now - timedelta(minutes=number),
            details={"role": Role.ADMIN if number else Role.VIEWER},
        )
        for number in range(ROWS_A_PAGE + 1)
    )
    first = owner_client.get("/notifications/")
    assert len(first.context["entries"]) == ROWS_A_PAGE
    second = owner_client.get(f"/notifications/?before={first.context['older']}")
    assert len(second.context["entries"]) == 1


def test_disabled_person_sees_no_list(owner: Member) -> None:
    client = client_for(owner)
    Member.objects.filter(pk=owner.pk).update(is_active=False)
    assert client.get("/notifications/").status_code == 302


# --- batches -------------------------------------------------------------------------------------


def end_batch(owner: Member, rows: int = 3) -> Batch:
    """A batch whose rows the worker has just ended, the last one without an image."""
    batch = Batch.objects.create(owner=owner, idempotency_key="a batch", title="Autumn mugs")
    for number in range(1, rows):
        ready(owner, batch=batch, batch_row=number)
    last = make_generation(
        Status.SUBMITTING, owner=owner, attempt=1, batch=batch, batch_row=rows
    )  # fmt: skip
    submission = make_submission(last, outcome=Submission.Outcome.REFUSED)
    last.mark_refused(submission, Failure.POLICY, "no")
    return batch


def test_a_batch_is_one_notification(
    owner: Member, owner_client: Client, stranger_client: Client, media_root: object
) -> None:
    batch = end_batch(owner)
    assert len(rows_of(owner)) == 1
    page = text(owner_client)
    assert "Autumn mugs: 2 done, 1 failed" in page
    assert f'href="/batches/{batch.pk}/"' in page
    assert "Autumn mugs" not in text(stranger_client)


@pytest.mark.parametrize("page", ["studio", "batch", "batch-changes", "changes"])
def test_looking_at_a_batch_marks_its_notification_as_read(
    page: str, owner: Member, owner_client: Client, media_root: object
) -> None:
    batch = end_batch(owner)
    address = {
        "studio": "/",
        "batch": f"/batches/{batch.pk}/",
        "batch-changes": f"/batches/{batch.pk}/changes?rows=&k=",
        "changes": f"/cards/changes?k=batch-{batch.pk}.0",
    }[page]
    hidden = f"{address}{'&' if '?' in address else '?'}hidden=1"
    if page.endswith("changes"):
        assert DOT in owner_client.get(hidden).content.decode()
        assert unread(owner) == 1
    body = owner_client.get(address).content.decode()
    assert 'id="unread-dot"' in body
    assert DOT not in body
    assert unread(owner) == 0


def test_rows_of_a_batch_that_end_together_are_one_row(owner: Member) -> None:
    batch = Batch.objects.create(owner=owner, idempotency_key="a batch")
    for number in (1, 2):
        make_generation(owner=owner, batch=batch, batch_row=number)
    Generation.objects.filter(batch=batch).transition(
        Status.QUEUED, Status.CANCELED, TransitionReason.CANCELED
    )
    assert "2 canceled" in text(client_for(owner))
    assert len(rows_of(owner)) == 1


# --- checks that members ask for -----------------------------------------------------------------


def test_admins_are_notified_of_a_check_until_it_is_decided(
    owner: Member, admin: Member, stranger: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1, prompt="A shared pear")
    submission = make_submission(row)
    assert row.ask_admin(owner, row.version)
    page = text(client_for(admin))
    assert f"<b>{owner.name}</b> asks you to check an unconfirmed request" in page
    assert "“A shared pear”" in page
    assert f'href="/admin/#decision-{row.pk}"' in page
    assert not rows_of(owner)
    assert not rows_of(stranger)
    client_for(admin).get("/admin/requests/")
    assert unread(admin) == 1, "that page does not show it"
    row.mark_running(submission, "task", 1)
    assert not rows_of(admin)


def test_a_check_of_a_private_generation_shows_nothing_of_it(owner: Member, admin: Member) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, is_private=True, prompt="A secret pear")
    row.ask_admin(owner, row.version)
    page = text(client_for(admin))
    assert "asks you to check an unconfirmed request" in page
    assert "secret" not in page


def test_a_check_that_an_admin_decides_leaves_the_decision_of_the_owner(
    owner: Member, admin: Member
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner)
    row.ask_admin(owner, row.version)
    assert row.abandon(admin, row.version)
    assert not rows_of(admin)
    assert [each.kind for each in rows_of(owner)] == [Notification.Kind.DECIDED]
