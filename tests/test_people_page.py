"""The page People: usage, limits, filters, what is going on; limits that are edited in place."""

import re
from datetime import timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from generations import people
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Invitation,
    InvitationTerms,
    Member,
    Status,
)
from generations.models.money import Limit, LimitRequest, Window
from generations.permissions import Role
from generations.web.money.formats import current_currency
from tests.builders import make_generation, make_member
from tests.conftest import client_for
from tests.test_ledger import press, quote, set_limit

pytestmark = pytest.mark.django_db

PAGE = "/admin/people/"
HTMX = {"HX-Request": "true"}
EMPTY = {"day_money": "", "month_money": "", "day_images": "", "month_images": ""}


def text_of(html: str) -> str:
    """The words of a page, without tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def row_of(client: Client, member: Member, query: str = "") -> str:
    """The words of the row of this person; "" if the page does not have it."""
    page = client.get(f"{PAGE}{query}").content.decode()
    found = re.search(rf'<tbody id="person-{member.pk}">(.*?)</tbody>', page, re.DOTALL)
    return text_of(found[1]) if found else ""


def shown_in(client: Client, query: str) -> list[str]:
    """The user names in the order of the page."""
    page = client.get(f"{PAGE}{query}")
    return [row.person.username for row in [*page.context["active"], *page.context["disabled"]]]


def invite(by: Member, name: str, role: str = "member", **terms: Any) -> Invitation:
    expires_at = timezone.now() + timedelta(days=3)
    [(row, _secret)] = Invitation.objects.invite(
        by, InvitationTerms(role, expires_at, **terms), [name]
    )
    return row


# --- the list ------------------------------------------------------------------------------------


def test_row_has_usage_limit_and_what_is_left(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    set_limit(owner, Window.MONTH, money_e4=120_000)
    press(owner, "a", quote(4))
    row = row_of(admin_client, owner)
    assert "owner Member Images 4" not in row  # labels are attributes
    assert "Member – – $11.52 of $12.00 1 in progress" in row  # reserved is neither
    in_doubt = Generation.objects.get()
    Generation.objects.filter(pk=in_doubt.pk).update(status=Status.UNCONFIRMED)
    in_doubt.refresh_from_db()
    assert in_doubt.abandon(admin, in_doubt.version)
    assert "Member 4 $0.48 $11.52 of $12.00" in row_of(admin_client, owner)


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 5000])
def test_page_that_is_no_number_is_the_first(
    admin_client: Client, owner: Member, page: str
) -> None:
    assert owner.username in shown_in(admin_client, f"?page={page}")


def test_limits_in_images_and_of_a_day_are_shown_where_there_is_no_other(
    admin_client: Client, owner: Member, stranger: Member
) -> None:
    set_limit(owner, Window.MONTH, images=10)
    set_limit(stranger, Window.DAY, money_e4=20_000)
    press(owner, "a", quote(4))
    assert "6 of 10 images" in row_of(admin_client, owner)
    assert "$2.00 of $2.00 today" in row_of(admin_client, stranger)


def test_who_spends_most_comes_first_and_the_disabled_last(
    admin_client: Client, admin: Member, owner: Member, stranger: Member
) -> None:
    press(owner, "a", quote(4))
    press(stranger, "b", quote(2))
    people.disable(owner, None)
    assert shown_in(admin_client, "") == ["stranger", "admin-of-tests", "owner"]


def test_facts_count_people_and_open_invitations(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    people.disable(owner, None)
    invite(admin, "Ada <ada@team.example>")
    invite(admin, "")  # a link without a name is nobody
    Invitation.objects.filter(pk=invite(admin, "Bo").pk).revoke(None)
    page = text_of(admin_client.get(PAGE).content.decode())
    assert "1 active, 1 invited, 1 disabled" in page
    assert "Ada ada@team.example Member" in page
    assert "invited, link unused" in page


def test_invited_person_is_shown_until_the_link_is_used_up(
    admin_client: Client, admin: Member
) -> None:
    row = invite(admin, "Pears", max_uses=3, month_money_e4=600_000)
    Invitation.objects.filter(pk=row.pk).update(uses=2)
    page = text_of(admin_client.get(PAGE).content.decode())
    assert "$60.00 of $60.00 invited, 2 of 3 joined" in page
    Invitation.objects.filter(pk=row.pk).update(uses=3)
    assert "Pears" not in admin_client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("?show=admins", ["admin-of-tests", "chief"]),
        ("?show=members", ["owner"]),
        ("?show=viewers", ["guest"]),
        ("?show=disabled", ["gone"]),
        ("?show=over", ["owner"]),
        ("?q=LOVE+ada", ["owner"]),
        ("?q=team.example", ["owner"]),
        ("?q=ada&show=viewers", []),
        ("?show=nonsense&q=chief", ["chief"]),
    ],
)
def test_filters_and_search(
    admin_client: Client, owner: Member, query: str, names: list[str]
) -> None:
    make_member("chief", role=Role.OWNER)
    make_member("guest", role=Role.VIEWER)
    make_member("gone", is_active=False)
    Member.objects.filter(pk=owner.pk).update(
        first_name="Ada", last_name="Lovelace", email="ada@team.example"
    )
    set_limit(owner, Window.DAY, images=5)
    press(owner, "a", quote(4))
    assert shown_in(admin_client, query) == names


def test_search_without_a_result_says_so(admin_client: Client) -> None:
    assert "No results." in admin_client.get(f"{PAGE}?q=zzz").content.decode()


def test_long_team_is_paged(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.web.people.people.ON_A_PAGE", 2)
    make_member("ada")
    make_member("bo")
    first, second = shown_in(admin_client, ""), shown_in(admin_client, "?page=2")
    assert (first, second) == (["ada", "admin-of-tests"], ["bo"])
    assert 'href="?page=2"' in admin_client.get(PAGE).content.decode()
    assert shown_in(admin_client, "?page=-1") == first
    assert shown_in(admin_client, "?page=99999999999999999999") == first
    assert shown_in(admin_client, "?page=900") == []


def test_statements_do_not_grow_with_the_team(admin_client: Client, admin: Member) -> None:
    def statements(number: int) -> int:
        for _person in range(number):
            person = make_member()
            set_limit(person, money_e4=12_000)
            press(person, f"key-{person.pk}", quote(1))
            invite(admin, person.username)
            LimitRequest.objects.create(person=person, images=1, reason="more")
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(PAGE).status_code == 200
        return len(captured)

    current_currency()  # cached from here on
    assert statements(1) == statements(6)


# --- what is going on ----------------------------------------------------------------------------


def test_request_for_more_comes_before_work_in_progress(
    admin_client: Client, owner: Member
) -> None:
    make_generation(Status.RUNNING, owner=owner)
    make_generation(Status.SUCCEEDED, owner=owner)
    make_generation(Status.QUEUED, owner=owner)
    assert "2 in progress" in row_of(admin_client, owner)
    LimitRequest.objects.create(person=owner, amount_e4=200_000, reason="more")
    assert "asks for $20.00" in row_of(admin_client, owner)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(minutes=4), "active 4 min ago"),
        (timedelta(hours=3), "active today"),
        (timedelta(hours=20), "active yesterday"),
        (timedelta(days=3), "active 25 March"),
    ],
)
def test_last_use_of_a_session_is_shown(
    admin_client: Client,
    owner: Member,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    ago: timedelta,
    words: str,
) -> None:
    now = timezone.now().replace(month=3, day=28, hour=15, minute=30)
    monkeypatch.setattr("django.utils.timezone.now", lambda: now)
    session = UserSession.objects.create(user=owner, ip="127.0.0.1", session_key="key")
    UserSession.objects.filter(pk=session.pk).update(last_seen_at=now - ago)
    client = client_for(Member.objects.get(username="admin-of-tests"))
    assert words in row_of(client, owner)


def test_who_never_signed_in_and_since_when_someone_is_disabled(
    admin_client: Client, owner: Member
) -> None:
    assert "never signed in" in row_of(admin_client, owner)
    people.disable(owner, None)
    today = timezone.localdate()
    assert f"disabled {today.day} {today:%B}" in row_of(admin_client, owner)
    people.enable(owner, None)
    owner.refresh_from_db()
    assert owner.disabled_at is None


def test_menu_offers_what_is_possible(admin_client: Client, admin: Member, owner: Member) -> None:
    chief = make_member("chief", role=Role.OWNER)
    assert "Change role" not in row_of(admin_client, admin)
    assert "Disable" not in row_of(admin_client, chief)
    assert "Set limit" in row_of(admin_client, chief)
    row = row_of(admin_client, owner)
    assert all(words in row for words in ("Change role", "End sessions", "Password reset link"))
    assert "Hand over work" not in row
    people.disable(owner, None)
    row = row_of(admin_client, owner)
    assert "Hand over work" in row
    assert "Enable" in row
    assert "End sessions" not in row


# --- limits --------------------------------------------------------------------------------------


def limits_url(member: Member) -> str:
    return f"{PAGE}{member.pk}/limits/"


def test_limits_are_set_changed_and_removed(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    data = EMPTY | {"day_money": "2.50", "month_money": "60", "month_images": "500"}
    response = admin_client.post(limits_url(owner), data)
    assert (response.status_code, response["Location"]) == (303, PAGE)
    day, month = owner.limits.get(window="day"), owner.limits.get(window="month")
    assert (day.money_e4, day.images, month.money_e4, month.images) == (25_000, None, 600_000, 500)
    assert (day.by, month.by) == (admin, admin)
    seen = {"seen-day_money": "2.5", "seen-month_money": "60", "seen-month_images": "500"}
    admin_client.post(limits_url(owner), EMPTY | {"month_money": "80"} | seen)
    month = owner.limits.get()
    assert (month.window, month.money_e4, month.images) == ("month", 800_000, None)


def test_limit_that_another_admin_changed_is_not_overwritten(
    admin_client: Client, owner: Member
) -> None:
    set_limit(owner, Window.MONTH, money_e4=200_000)
    sent = EMPTY | {"month_money": "90", "seen-month_money": "100"}
    response = admin_client.post(limits_url(owner), sent)
    assert response.status_code == 422
    assert "Another admin changed this to $20.00." in response.content.decode()
    assert owner.limits.get().money_e4 == 200_000


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("day_money", "x", "Enter an amount"),
        ("month_money", "-1", "can’t be negative"),
        ("day_images", "1.5", "Enter a whole number."),
        ("month_images", "-3", "Enter a whole number."),
        ("month_images", "9" * 12, "This number is too large."),
    ],
)
def test_limit_that_is_none_is_refused_beside_its_field(
    admin_client: Client, owner: Member, field: str, value: str, error: str
) -> None:
    data = EMPTY | {"month_money": "60"} | {field: value}
    response = admin_client.post(limits_url(owner), data)
    page = response.content.decode()
    assert response.status_code == 422
    beside = page.partition(f'id="limit-{owner.pk}-{field}_error"')[2].partition("</p>")[0]
    assert error in beside
    assert f'value="{value}"' in page
    assert not owner.limits.exists()


def test_htmx_gets_the_row_of_the_list(admin_client: Client, owner: Member) -> None:
    opened = admin_client.get(limits_url(owner), headers=HTMX).content.decode()
    assert opened.strip().startswith(f'<tbody id="person-{owner.pk}">')
    assert 'name="month_money"' in opened
    refused = admin_client.post(limits_url(owner), EMPTY | {"day_money": "x"}, headers=HTMX)
    assert refused.status_code == 422
    assert 'name="month_money"' in refused.content.decode()
    saved = admin_client.post(limits_url(owner), EMPTY | {"month_money": "60"}, headers=HTMX)
    assert "$60.00 of $60.00" in saved.content.decode()
    assert "Limits of owner saved." in saved.content.decode()
    assert 'name="month_money"' not in saved.content.decode()
    closed = admin_client.get(f"{limits_url(owner)}?close=1", headers=HTMX).content.decode()
    assert 'name="month_money"' not in closed


def test_form_says_what_applies_while_a_field_is_empty(admin_client: Client, owner: Member) -> None:
    Limit.objects.put(Limit.Scope.DEFAULT, Window.MONTH, money_e4=500_000)
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role="member", money_e4=900_000)
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role="viewer", money_e4=100)
    page = admin_client.get(limits_url(owner)).content.decode()
    hint = page.partition(f'id="limit-{owner.pk}-month_money_helptext"')[2].partition("<")[0]
    assert "Empty: $90.00" in hint
    assert "Empty: no limit" in page


def test_limits_from_the_page_of_the_person_return_there(
    admin_client: Client, owner: Member
) -> None:
    page = f"{PAGE}{owner.pk}/"
    response = admin_client.post(page, EMPTY | {"month_money": "1"})
    assert response["Location"] == page
    assert "$1.00 of $1.00" in admin_client.get(page).content.decode()


# --- the audit log -------------------------------------------------------------------------------


def entries(*actions: AuditAction) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(action__in=actions).order_by("pk"))


def test_each_changed_limit_is_recorded_with_before_and_after(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    admin_client.post(limits_url(owner), EMPTY | {"month_money": "60"})
    admin_client.post(limits_url(owner), EMPTY | {"month_money": "60"})  # changes nothing
    admin_client.post(limits_url(owner), EMPTY | {"seen-month_money": "60"})
    set_, removed = entries(AuditAction.LIMIT_CHANGED)
    assert (set_.by, set_.target_type, set_.target_id) == (admin, "member", str(owner.pk))
    assert set_.before == {"window": "month", "money_e4": None, "images": None}
    assert set_.after == {"window": "month", "money_e4": 600_000, "images": None}
    assert (removed.before["money_e4"], removed.after["money_e4"]) == (600_000, None)


def test_limit_of_the_team_is_recorded_from_the_command_and_from_its_page(
    admin_client: Client, admin: Member
) -> None:
    call_command("limit", "set", "--team", "--month-money", "1")
    for seen, amount in (("1", "5"), ("5", "5"), ("5", "")):
        sent = {"month_money": amount, "seen-month_money": seen}
        admin_client.post("/admin/limits/team/", EMPTY | sent)
    found = entries(AuditAction.LIMIT_CHANGED)
    assert [each.by for each in found] == [None, admin, admin]
    assert [each.after["money_e4"] for each in found] == [10_000, 50_000, None]
    assert [each.target_type for each in found] == ["limit"] * 3


def test_roles_access_and_sessions_are_recorded_once(
    admin_client: Client, admin: Member, owner: Member, stranger: Member
) -> None:
    address = f"{PAGE}{owner.pk}/"
    for _time in range(2):
        admin_client.post(address, {"role": "viewer"})
    admin_client.post(f"{address}end-sessions")
    for _time in range(2):
        admin_client.post(f"{address}disable/")
    admin_client.post(f"{address}hand-over/", {"to": stranger.pk})
    for _time in range(2):
        admin_client.post(f"{address}enable")
    found = list(AuditEntry.objects.order_by("pk"))
    assert [each.action for each in found] == [
        AuditAction.ROLE_CHANGED,
        AuditAction.SESSIONS_ENDED,
        AuditAction.DISABLED,
        AuditAction.HANDED_OVER,
        AuditAction.ENABLED,
    ]
    assert (found[0].before, found[0].after) == ({"role": "member"}, {"role": "viewer"})
    assert found[3].after == {"to": "stranger", "generations": 0, "collections": 0}
    assert {each.by for each in found} == {admin}
    assert {each.target_id for each in found} == {str(owner.pk)}


def test_refused_changes_are_not_recorded(admin_client: Client, admin: Member) -> None:
    chief = make_member("chief", role=Role.OWNER)
    for path, data in (("", {"role": "member"}), ("disable/", {}), ("end-sessions", {})):
        admin_client.post(f"{PAGE}{chief.pk}/{path}", data)
        admin_client.post(f"{PAGE}{admin.pk}/{path}", data)
    assert not AuditEntry.objects.exists()


def test_changed_details_are_recorded(admin_client: Client, owner: Member) -> None:
    data = {"username": "owner", "first_name": "Ada", "last_name": "", "email": ""}
    for _time in range(2):
        admin_client.post(f"{PAGE}{owner.pk}/", data)
    [entry] = entries(AuditAction.PERSON_CHANGED)
    assert (entry.before, entry.after) == ({"first_name": ""}, {"first_name": "Ada"})


def test_invitations_are_recorded_without_their_secret(admin_client: Client, admin: Member) -> None:
    terms = InvitationTerms("member", timezone.now() + timedelta(days=3), month_money_e4=100)
    (first, secret), (second, other) = Invitation.objects.invite(admin, terms, ["Ada", "Bo"])
    for _time in range(2):
        admin_client.post(f"/admin/invitations/{second.pk}/revoke")
    data = {"username": "ada", "password1": "a quiet harbour 7", "password2": "a quiet harbour 7"}
    assert Client().post(f"/invitations/{secret}/", data).status_code == 303
    found = AuditEntry.objects.exclude(action=AuditAction.SIGNED_IN).order_by("pk")
    invited, revoked, joined, limit = found
    assert (invited.action, invited.target_label) == (AuditAction.INVITED, "Ada, Bo")
    assert (invited.after["invitations"], invited.after["role"]) == (2, "member")
    assert (revoked.action, revoked.by) == (AuditAction.INVITATION_REVOKED, admin)
    assert revoked.target_label == "Bo"
    assert (joined.action, joined.by_name) == (AuditAction.JOINED, "ada")
    assert (limit.action, limit.by) == (AuditAction.LIMIT_CHANGED, admin)
    logged = repr(list(AuditEntry.objects.values()))
    assert not any(each in logged for each in (secret, other, first.secret_sha256))


def test_disabling_an_admin_records_the_revoked_invitations(admin: Member) -> None:
    chief = make_member("chief", role=Role.OWNER)
    invite(admin, "Ada")
    people.disable(admin, chief)
    found = entries(AuditAction.DISABLED, AuditAction.INVITATION_REVOKED)
    assert [each.by for each in found] == [chief, chief]
