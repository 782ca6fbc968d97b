"""Roles and access: who may change whom, what happens to those who leave, and to their work."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from pytest_django import Settings

from generations import people
from generations.models import (
    AccessError,
    Collection,
    Generation,
    LastOwner,
    Member,
    OwnAccess,
    OwnersOnly,
    Status,
    TransitionReason,
    UpstreamGate,
)
from generations.models.money import Period
from generations.operations import ledger_check
from generations.permissions import Role
from generations.requests import GenerationRequest, create
from generations.worker import dispatch, submit
from tests.builders import PASSWORD, make_generation, make_member, picture_ids
from tests.conftest import client_for

pytestmark = pytest.mark.django_db

LAST_OWNER = "This is the only active owner."
OWNERS_ONLY = "Only owners can make or change owners."


@pytest.fixture
def chief(db: None) -> Member:
    return make_member("chief", role=Role.OWNER)


@pytest.fixture
def chief_client(chief: Member) -> Client:
    return client_for(chief)


def stored(member: Member) -> tuple[str, bool]:
    member.refresh_from_db()
    return member.role, member.is_active


# --- the page ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pk", ["0", "9" * 30])
def test_unknown_person_is_not_found(admin_client: Client, pk: str) -> None:
    for address in (
        f"/admin/people/{pk}/",
        f"/admin/people/{pk}/disable/",
        f"/admin/people/{pk}/hand-over/",
    ):
        assert admin_client.get(address).status_code == 404
        assert admin_client.post(address).status_code == 404
    assert admin_client.post(f"/admin/people/{pk}/enable").status_code == 404


# --- roles ---------------------------------------------------------------------------------------


def test_admin_changes_a_role(admin_client: Client, owner: Member) -> None:
    response = admin_client.post(f"/admin/people/{owner.pk}/", {"role": "viewer"}, follow=True)
    assert "owner now has the role Viewer." in response.content.decode()
    assert stored(owner) == (Role.VIEWER, True)
    assert client_for(owner).get("/").headers["Location"] == "/gallery/"


@pytest.mark.parametrize("role", ["", "king", "owner", "a\0b"])
def test_role_that_cannot_be_given_is_refused(
    admin_client: Client, owner: Member, chief: Member, role: str
) -> None:
    assert admin_client.post(f"/admin/people/{owner.pk}/", {"role": role}).status_code == 422
    assert stored(owner) == (Role.MEMBER, True)


def test_admin_changes_no_owner(admin_client: Client, chief: Member) -> None:
    make_member(role=Role.OWNER)
    address = f"/admin/people/{chief.pk}/"
    page = admin_client.get(address).content.decode()
    assert OWNERS_ONLY in page
    assert 'name="role"' not in page
    assert OWNERS_ONLY in admin_client.get(f"{address}disable/").content.decode()
    for path, data in (("", {"role": "member"}), ("disable/", {}), ("enable", {})):
        admin_client.post(f"{address}{path}", data)
        assert stored(chief) == (Role.OWNER, True)


def test_admin_enables_no_owner(admin_client: Client, admin: Member, chief: Member) -> None:
    gone = make_member(role=Role.OWNER, is_active=False)
    assert admin_client.post(f"/admin/people/{gone.pk}/enable").status_code == 422
    assert stored(gone) == (Role.OWNER, False)
    with pytest.raises(OwnersOnly):
        people.hand_over(gone, admin, admin)


def test_owner_makes_and_demotes_owners(chief_client: Client, admin: Member) -> None:
    chief_client.post(f"/admin/people/{admin.pk}/", {"role": "owner"})
    assert stored(admin) == (Role.OWNER, True)
    chief_client.post(f"/admin/people/{admin.pk}/", {"role": "member"})
    assert stored(admin) == (Role.MEMBER, True)


def test_nobody_changes_their_own_access(chief_client: Client, chief: Member) -> None:
    other = make_member(role=Role.OWNER)
    for changes in ({"role": Role.MEMBER}, {"is_active": False}):
        with pytest.raises(OwnAccess):
            chief.change_access(chief, **changes)
    address = f"/admin/people/{chief.pk}/"
    assert "can’t disable yourself" in chief_client.get(address).content.decode()
    assert chief_client.post(address, {"role": "member"}).status_code == 422
    assert chief_client.post(f"{address}disable/").status_code == 422
    assert stored(chief) == (Role.OWNER, True)
    assert stored(other) == (Role.OWNER, True)


# --- the last owner ------------------------------------------------------------------------------


def test_last_owner_is_neither_disabled_nor_demoted_on_the_page(
    chief_client: Client, chief: Member
) -> None:
    make_member(role=Role.OWNER, is_active=False)
    for path, data in (("", {"role": "admin"}), ("disable/", {})):
        response = chief_client.post(f"/admin/people/{chief.pk}/{path}", data)
        assert response.status_code == 422
        assert LAST_OWNER in response.content.decode()
    assert stored(chief) == (Role.OWNER, True)


@pytest.mark.parametrize(
    "changes", [{"role": Role.ADMIN}, {"is_active": False}, {"role": "member", "is_active": False}]
)
def test_model_keeps_the_last_owner_whoever_asks(chief: Member, changes: dict[str, Any]) -> None:
    with pytest.raises(LastOwner):
        chief.change_access(None, **changes)
    for name, value in changes.items():
        setattr(chief, name, value)
    for options in ({}, {"update_fields": list(changes)}):
        with pytest.raises(LastOwner):
            chief.save(**options)
    with pytest.raises(LastOwner):
        chief.delete()
    assert stored(chief) == (Role.OWNER, True)


def test_second_owner_can_go(chief: Member) -> None:
    other = make_member(role=Role.OWNER)
    people.disable(other, chief)
    assert stored(other) == (Role.OWNER, False)
    people.enable(other, chief)
    people.change_role(chief, Role.ADMIN, other)
    assert stored(chief) == (Role.ADMIN, True)


def test_demoted_admin_changes_nobody_with_an_old_page(admin: Member, owner: Member) -> None:
    Member.objects.filter(pk=admin.pk).update(role=Role.MEMBER)
    with pytest.raises(AccessError, match="no longer manage people"):
        people.disable(owner, admin)
    assert stored(owner) == (Role.MEMBER, True)


def test_saving_other_columns_changes_no_access(chief: Member) -> None:
    stale = Member.objects.get(pk=chief.pk)
    stale.is_active = False
    stale.save(update_fields=["last_login"])
    assert stored(chief) == (Role.OWNER, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.ADMIN}])
def test_owners_who_remove_each_other_at_once_leave_one(change: dict[str, Any]) -> None:
    for _round in range(5):
        Member.objects.all().delete()
        one, other = (make_member(role=Role.OWNER) for _ in range(2))
        calls = [partial(one.change_access, other), partial(other.change_access, one)]
        results = at_once([partial(call, **change) for call in calls])
        assert sorted(results, key=str)[1:] == [AccessError]
        assert (Role.OWNER, True) in results
        assert Member.objects.filter(role=Role.OWNER, is_active=True).count() == 1


@pytest.mark.django_db(transaction=True)
def test_commands_that_disable_both_owners_at_once_leave_one() -> None:
    for _round in range(5):
        Member.objects.all().delete()
        owners = [make_member(role=Role.OWNER) for _ in range(2)]
        results = at_once([partial(disable_by_save, row) for row in owners])
        assert (results.count(None), results.count(AccessError)) == (1, 1)
        assert Member.objects.filter(role=Role.OWNER, is_active=True).count() == 1


def disable_by_save(member: Member) -> None:
    member.is_active = False
    member.save()


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run the calls in threads that start together; an AccessError is a result."""
    barrier = Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        try:
            barrier.wait(timeout=30)
            return call()
        except AccessError:
            return AccessError
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(one, calls))


# --- details -------------------------------------------------------------------------------------


def test_details_are_changed(admin_client: Client, owner: Member) -> None:
    data = {
        "first_name": "Ada",
        "last_name": "Lovelace",
        "username": "ada",
        "email": "ada@team.example",
    }
    page = admin_client.post(f"/admin/people/{owner.pk}/", data, follow=True)
    assert "Saved." in page.content.decode()
    owner.refresh_from_db()
    assert {name: getattr(owner, name) for name in data} == data
    assert stored(owner) == (Role.MEMBER, True)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"username": "STRANGER"}, "This user name is taken."),
        ({"username": "a b"}, "valid username"),
        ({"username": ""}, "required"),
        ({"email": "ada"}, "Enter an e-mail address, or leave it empty."),
    ],
)
def test_details_that_cannot_be_stored_stay_in_the_form(
    admin_client: Client, owner: Member, stranger: Member, fields: dict[str, str], error: str
) -> None:
    data = {"username": "owner", "first_name": "Ada", "last_name": "", "email": ""} | fields
    response = admin_client.post(f"/admin/people/{owner.pk}/", data)
    page = response.content.decode()
    assert response.status_code == 422
    assert error in page
    assert 'value="Ada"' in page
    owner.refresh_from_db()
    assert (owner.username, owner.first_name) == ("owner", "")


def test_limits_role_and_details_are_saved_together_or_not_at_all(
    admin_client: Client, owner: Member
) -> None:
    address = f"/admin/people/{owner.pk}/"
    sent = {"role": "viewer", "username": "ada", "first_name": "Ada", "month_money": "x"}
    response = admin_client.post(address, sent)
    page = response.content.decode()
    assert response.status_code == 422
    assert 'value="Ada"' in page
    assert '<option value="viewer" selected>' in page
    owner.refresh_from_db()
    assert (owner.role, owner.username, owner.limits.exists()) == ("member", "owner", False)
    admin_client.post(address, sent | {"month_money": "5"})
    owner.refresh_from_db()
    assert (owner.role, owner.username) == ("viewer", "ada")
    assert owner.limits.get().money_e4 == 50_000


def test_saving_limits_leaves_what_another_admin_changed(
    admin_client: Client, owner: Member
) -> None:
    shown = {"role": "member", "username": "owner", "first_name": "", "last_name": "", "email": ""}
    sent = shown | {f"initial-{name}": value for name, value in shown.items()}
    Member.objects.filter(pk=owner.pk).update(role="viewer", first_name="Ada")
    admin_client.post(f"/admin/people/{owner.pk}/", sent | {"month_money": "5"})
    owner.refresh_from_db()
    assert (owner.role, owner.first_name) == ("viewer", "Ada")
    assert owner.limits.get().money_e4 == 50_000


def test_own_role_and_access_have_no_form(admin_client: Client, admin: Member) -> None:
    page = admin_client.get(f"/admin/people/{admin.pk}/").content.decode()
    assert 'name="role"' not in page
    assert f"/admin/people/{admin.pk}/disable/" not in page
    assert 'name="username"' in page


# --- sessions ------------------------------------------------------------------------------------


def test_sessions_are_ended_and_the_person_can_sign_in_again(
    admin_client: Client, owner: Member, owner_client: Client, stranger_client: Client
) -> None:
    assert owner_client.get("/gallery/").status_code == 200
    response = admin_client.post(f"/admin/people/{owner.pk}/end-sessions", follow=True)
    assert "owner is signed out everywhere" in response.content.decode()
    assert owner_client.get("/gallery/").status_code == 302
    assert stranger_client.get("/gallery/").status_code == 200
    data = {"username": "owner", "password": PASSWORD}
    assert Client().post("/accounts/login/", data)["Location"] == "/"


# --- disabling -----------------------------------------------------------------------------------


def test_page_asks_first_and_says_what_happens(admin_client: Client, owner: Member) -> None:
    make_generation(owner=owner)
    make_generation(owner=owner)
    page = admin_client.get(f"/admin/people/{owner.pk}/disable/").content.decode()
    assert "Disable owner?" in page
    assert "2 queued requests are canceled and will not be sent." in page
    assert stored(owner) == (Role.MEMBER, True)
    assert Generation.objects.filter(status=Status.QUEUED).count() == 2


def test_all_sessions_end_with_the_next_request_and_stay_ended(
    admin_client: Client, owner: Member, stranger_client: Client
) -> None:
    desk, phone = client_for(owner), client_for(owner)
    assert desk.get("/").status_code == phone.get("/gallery/").status_code == 200
    admin_client.post(f"/admin/people/{owner.pk}/disable/")
    for client, address in ((desk, "/"), (phone, "/gallery/")):
        assert client.get(address)["Location"].startswith("/accounts/login/")
        assert client.post("/", {"prompt": "A pear"}).status_code == 302
    assert desk.get("/cards/changes", headers={"HX-Request": "true"}).status_code == 401
    data = {"username": "owner", "password": PASSWORD}
    assert Client().post("/accounts/login/", data).status_code == 200
    assert stranger_client.get("/").status_code == 200
    page = admin_client.post(f"/admin/people/{owner.pk}/enable", follow=True).content.decode()
    assert "owner can sign in again" in page
    assert desk.get("/").status_code == 302
    assert Client().post("/accounts/login/", data)["Location"] == "/"


def test_queued_generations_are_canceled_and_sent_ones_go_on(
    admin_client: Client, admin: Member, owner: Member, stranger: Member
) -> None:
    queued = [make_generation(owner=owner) for _ in range(3)]
    running = make_generation(Status.RUNNING, owner=owner)
    of_another = make_generation(owner=stranger)
    page = admin_client.post(f"/admin/people/{owner.pk}/disable/", follow=True).content.decode()
    assert "3 queued requests were canceled." in page
    for row in queued:
        row.refresh_from_db()
        last = row.transitions.last()
        assert last is not None
        assert (row.status, last.reason, last.by) == (
            Status.CANCELED,
            TransitionReason.CANCELED,
            admin,
        )
    for row, status in ((running, Status.RUNNING), (of_another, Status.QUEUED)):
        row.refresh_from_db()
        assert row.status == status


def test_request_that_came_in_at_the_same_time_is_never_sent(
    owner: Member, stranger: Member, settings: Settings
) -> None:
    UpstreamGate.for_engine()
    read_before = Member.objects.get(pk=owner.pk)
    people.disable(owner, None)
    late = create(read_before, GenerationRequest("A pear", "3:2"), "late")
    assert not dispatch.has_candidates()
    assert dispatch.claim_next(5) == []
    other = create(stranger, GenerationRequest("A plum", "3:2"), "other")
    assert [each.generation.pk for each in dispatch.claim_next(5)] == [other.pk]
    submit.sweep()
    late.refresh_from_db()
    assert late.status == Status.CANCELED


def test_money_of_canceled_requests_is_released_and_of_handed_over_ones_stays(
    owner: Member, stranger: Member
) -> None:
    for key in "ab":
        create(owner, GenerationRequest("A pear", "3:2"), key)
    UpstreamGate.for_engine()
    assert len(dispatch.claim_next(1)) == 1
    people.disable(owner, None)
    people.hand_over(owner, stranger, None)
    assert ledger_check.differences() == []
    statuses = Generation.objects.order_by("pk").values_list("status", flat=True)
    assert sorted(statuses) == [Status.CANCELED, Status.SUBMITTING]
    assert Period.objects.get(member=owner, window="month").reserved_images == 1
    assert not Period.objects.filter(member=stranger).exists()


def test_work_stays_under_the_name(
    admin_client: Client, owner: Member, stranger_client: Client, media_root: Any
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner)
    [picture] = picture_ids(row)
    admin_client.post(f"/admin/people/{owner.pk}/disable/")
    page = stranger_client.get(f"/pictures/{picture}/")
    assert page.status_code == 200
    assert owner.name in page.content.decode()


# --- handing over --------------------------------------------------------------------------------


def test_all_work_is_handed_over_with_a_note(
    admin_client: Client,
    admin: Member,
    owner: Member,
    stranger: Member,
    media_root: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(people, "BATCH", 2)
    rows = [make_generation(status, owner=owner) for status in Status]
    private = make_generation(Status.SUCCEEDED, owner=owner, is_private=True)
    collection = Collection.objects.create(name="Pears", created_by=owner)
    of_another = make_generation(owner=admin)
    people.disable(owner, admin)
    response = admin_client.post(
        f"/admin/people/{owner.pk}/hand-over/", {"to": stranger.pk}, follow=True
    )
    page = response.content.decode()
    assert f"stranger is the new owner. Generations: {len(rows) + 1}, collections: 1." in page
    for row in (*rows, private):
        version = row.version
        row.refresh_from_db()
        last = row.transitions.last()
        assert last is not None
        assert (row.owner, last.reason, last.by) == (stranger, TransitionReason.HANDED_OVER, admin)
        assert (last.from_status, last.to_status) == (row.status, row.status)
        assert row.version > version
    collection.refresh_from_db()
    of_another.refresh_from_db()
    assert (collection.created_by, of_another.owner) == (stranger, admin)
    assert "from owner to stranger by admin-of-tests" in caplog.text
    assert not owner.generations.exists()
    [picture] = picture_ids(private)
    assert client_for(stranger).get(f"/pictures/{picture}/").status_code == 200
    assert admin_client.get(f"/pictures/{picture}/").status_code == 404
    history = client_for(stranger).get(f"/generations/{private.pk}/").content.decode()
    assert "Handed over to another person" in history


@pytest.mark.parametrize("status", [Status.UNCONFIRMED, Status.SUBMITTING])
def test_open_request_keeps_its_upstream_id(
    owner: Member, stranger: Member, status: Status
) -> None:
    """Else a lookup would not find a request that may have been charged."""
    row = make_generation(status, owner=owner)
    before = row.external_id
    people.disable(owner, None)
    people.hand_over(owner, stranger, None)
    row.refresh_from_db()
    assert (row.owner, row.external_id) == (stranger, before)
    people.disable(stranger, None)
    Member.objects.get(pk=owner.pk).change_access(None, is_active=True)
    people.hand_over(stranger, Member.objects.get(pk=owner.pk), None)
    row.refresh_from_db()
    assert row.external_id == before


def test_equal_keys_and_names_of_collections_are_no_obstacle(
    owner: Member, stranger: Member
) -> None:
    for member in (owner, stranger):
        make_generation(Status.CANCELED, owner=member, idempotency_key="1")
        Collection.objects.create(name="Pears", created_by=member)
    people.disable(owner, None)
    people.hand_over(owner, stranger, None)
    assert stranger.generations.count() == 2
    request = GenerationRequest("A pear", "3:2", new_collection="Pears")
    assert create(stranger, request, "2").collection in stranger.collections.all()


def test_work_of_active_people_is_not_handed_over(
    admin_client: Client, owner: Member, stranger: Member
) -> None:
    make_generation(owner=owner)
    response = admin_client.post(f"/admin/people/{owner.pk}/hand-over/", {"to": stranger.pk})
    assert response.status_code == 422
    assert "Disable this person first." in response.content.decode()
    assert owner.generations.count() == 1


@pytest.mark.parametrize("to", ["", "x", "0", "9" * 30, "own", "viewer", "gone"])
def test_work_goes_to_active_people_who_can_use_it(
    admin_client: Client, owner: Member, to: str
) -> None:
    make_generation(owner=owner)
    keys = {
        "own": owner.pk,
        "viewer": make_member(role=Role.VIEWER).pk,
        "gone": make_member(is_active=False).pk,
    }
    people.disable(owner, None)
    address = f"/admin/people/{owner.pk}/hand-over/"
    assert admin_client.post(address, {"to": keys.get(to, to)}).status_code == 422
    assert owner.generations.count() == 1


def test_demotion_to_viewer_cancels_what_is_queued(admin_client: Client, owner: Member) -> None:
    row = make_generation(owner=owner)
    admin_client.post(f"/admin/people/{owner.pk}/", {"role": "viewer"})
    row.refresh_from_db()
    owner.refresh_from_db()
    assert (owner.role, row.status) == ("viewer", Status.CANCELED)


def test_what_a_viewer_has_queued_is_not_sent_and_is_canceled(owner: Member) -> None:
    """As after a sign-in with a group that has this role."""
    row = make_generation(owner=owner)
    Member.objects.filter(pk=owner.pk).update(role="viewer")
    assert dispatch.claim_next(8) == []
    submit.sweep()
    row.refresh_from_db()
    assert row.status == Status.CANCELED
