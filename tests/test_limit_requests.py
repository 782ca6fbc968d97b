"""Requests for more: the page where admins decide, and what a decision does."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from generations.models import AuditAction, AuditEntry, Member
from generations.models.money import (
    Allowance,
    LedgerEntry,
    Limit,
    LimitRequest,
    Period,
    Window,
    ledger,
)
from generations.models.money.standing import standings
from generations.operations import ledger_check
from generations.web.admin.limit_requests import request_decisions
from generations.web.money.formats import current_currency
from tests.builders import make_member
from tests.conftest import client_for
from tests.test_ledger import press, quote, set_limit

pytestmark = pytest.mark.django_db

PAGE = "/admin/requests/"


@pytest.fixture
def request_of_owner(owner: Member) -> LimitRequest:
    set_limit(owner, money_e4=1200)
    press(owner, "a", quote())
    return LimitRequest.objects.create(person=owner, amount_e4=1200, reason="Client review")


def grant_url(row: LimitRequest) -> str:
    return f"{PAGE}{row.pk}/grant"


def test_one_press_grants_and_the_person_is_told_once(
    request_of_owner: LimitRequest, admin_client: Client, owner_client: Client, owner: Member
) -> None:
    for _press in range(2):
        admin_client.post(grant_url(request_of_owner))
    press(owner, "b", quote())
    assert LedgerEntry.objects.filter(kind="grant", period__window="month").count() == 1
    assert "Your limit was raised by $0.12 until" in owner_client.get("/").content.decode()
    owner_client.post("/usage/read", {"next": "/"})
    assert "Your limit was raised" not in owner_client.get("/").content.decode()
    assert ledger_check.differences() == []


def test_own_request_shows_what_was_granted_and_an_old_warning_is_gone(
    request_of_owner: LimitRequest, admin_client: Client, owner_client: Client
) -> None:
    warning = "100 % of your limit for this month is used."
    assert warning in owner_client.get("/usage/").content.decode()
    admin_client.post(grant_url(request_of_owner), {"amount": "0.50", "until": "month"})
    page = owner_client.get("/usage/").content.decode()
    assert warning not in page
    assert "Granted $0.50 until" in page
    assert "by admin-of-tests" in page


def test_declined_request_changes_no_limit(
    request_of_owner: LimitRequest, admin_client: Client, owner_client: Client
) -> None:
    admin_client.post(f"{PAGE}{request_of_owner.pk}/decline")
    page = admin_client.post(grant_url(request_of_owner), follow=True).content.decode()
    assert "This request was decided before. Nothing was changed." in page
    request_of_owner.refresh_from_db()
    assert request_of_owner.decision == LimitRequest.Decision.DECLINED
    assert not LedgerEntry.objects.filter(kind="grant").exists()
    assert "Your request for more was declined." in owner_client.get("/").content.decode()


@pytest.mark.parametrize("decision", ["grant", "decline"])
def test_members_decide_nothing(
    request_of_owner: LimitRequest, owner_client: Client, decision: str
) -> None:
    assert owner_client.post(f"{PAGE}{request_of_owner.pk}/{decision}").status_code == 403
    request_of_owner.refresh_from_db()
    assert request_of_owner.decision == ""


def test_old_address_decides_too(request_of_owner: LimitRequest, admin_client: Client) -> None:
    url = f"/usage/requests/{request_of_owner.pk}/grant"
    admin_client.post(url, {"until": "month"}, follow=True)
    request_of_owner.refresh_from_db()
    assert request_of_owner.decision == LimitRequest.Decision.GRANTED


def test_other_amount_is_granted_and_what_was_asked_for_stays(
    request_of_owner: LimitRequest, admin_client: Client, owner_client: Client, owner: Member
) -> None:
    data = {"amount": "0.50", "images": "", "until": "next-month"}
    page = admin_client.post(grant_url(request_of_owner), data, follow=True).content.decode()
    assert "Granted $0.50 to owner." in page
    row = LimitRequest.objects.get()
    assert (row.amount_e4, row.granted_e4, row.granted_images) == (1200, 5000, 0)
    assert row.until is not None
    assert row.until > timezone.now() + timedelta(days=28)
    assert Period.objects.get(member=owner, window=Window.MONTH).granted_e4 == 5000
    assert "Your limit was raised by $0.50 until" in owner_client.get("/").content.decode()
    assert ledger_check.differences() == []


@pytest.mark.parametrize(
    ("data", "error"),
    [
        ({"amount": "0"}, "Enter an amount or a number of images."),
        ({"amount": "x"}, "Enter an amount"),
        ({"amount": "-1"}, "The amount can’t be negative."),
        ({"images": "1.5"}, "Enter a whole number."),
    ],
)
def test_amount_that_cannot_be_granted_is_refused_beside_the_field(
    request_of_owner: LimitRequest, admin_client: Client, data: dict[str, str], error: str
) -> None:
    response = admin_client.post(grant_url(request_of_owner), data)
    assert response.status_code == 422
    page = response.content.decode()
    assert error in page
    assert '<details class="menu" name="menu" open>' in page
    request_of_owner.refresh_from_db()
    assert request_of_owner.decision == ""


def test_decision_on_the_overview_returns_there(
    request_of_owner: LimitRequest, admin_client: Client
) -> None:
    response = admin_client.post(grant_url(request_of_owner), {"next": "/admin/"})
    assert (response.status_code, response["Location"]) == (303, "/admin/")
    response = admin_client.post(grant_url(request_of_owner), {"next": "https://evil.example/"})
    assert response["Location"] == PAGE


# --- the page ------------------------------------------------------------------------------------


def test_page_says_what_is_wanted_what_is_left_and_who_decided(
    request_of_owner: LimitRequest, admin_client: Client
) -> None:
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1_000_000)
    page = " ".join(admin_client.get(PAGE).content.decode().split())
    assert "owner wants $0.12 until" in page
    assert "“Client review”" in page
    assert "Has $0.00 left of $0.12." in page
    assert "The team has $99.88 left of $100.00." in page
    assert "Grant $0.12" in page
    admin_client.post(grant_url(request_of_owner))
    page = " ".join(admin_client.get(PAGE).content.decode().split())
    assert "Nothing needs a decision." in page
    assert "Granted $0.12 until" in page
    assert "admin-of-tests," in page


def test_page_says_that_a_grant_does_not_raise_the_budget(
    request_of_owner: LimitRequest, admin_client: Client, owner: Member
) -> None:
    """Else the person is told of more, and refused at the next press."""
    text = "a grant does not raise it."
    for left_e4, is_said in ((1199, True), (1200, False)):
        Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1200 + left_e4)
        assert (text in admin_client.get(PAGE).content.decode()) == is_said
    Limit.objects.put(Limit.Scope.TEAM, Window.DAY, images=1)
    assert text not in admin_client.get("/admin/").content.decode()
    LimitRequest.objects.update(images=1)
    assert text in admin_client.get("/admin/").content.decode()


def test_page_says_that_there_is_no_limit_to_raise(
    request_of_owner: LimitRequest, admin_client: Client, owner: Member
) -> None:
    text = "owner has no limit, so a grant changes nothing."
    assert text not in admin_client.get(PAGE).content.decode()
    set_limit(owner, money_e4=None)
    assert text in admin_client.get(PAGE).content.decode()


def test_side_list_counts_open_requests_beside_their_page(
    request_of_owner: LimitRequest, admin_client: Client
) -> None:
    page = admin_client.get("/admin/").content.decode()
    entry = page.partition(f'<a href="{PAGE}"')[2].partition("</a>")[0]
    assert '<span class="side-count">1<' in entry
    usage = page.partition('<a href="/usage/"')[2].partition("</a>")[0]
    assert "side-count" not in usage


def test_decided_requests_are_paged_by_key(
    admin_client: Client, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("generations.web.admin.limit_requests.DECIDED_ON_A_PAGE", 2)
    now = timezone.now()
    for number in range(3):
        LimitRequest.objects.create(
            person=make_member(),
            images=number,
            reason=f"reason-{number}",
            decision="declined",
            decided_by=admin,
            decided_at=now - timedelta(hours=number),
        )
    first = admin_client.get(PAGE)
    assert "reason-1" in first.content.decode()
    assert "reason-2" not in first.content.decode()
    second = admin_client.get(PAGE, {"before": first.context["next_key"]}).content.decode()
    assert "reason-2" in second
    assert "reason-1" not in second
    assert admin_client.get(PAGE, {"before": "x"}).status_code == 404


def test_statements_do_not_grow_with_the_requests(admin_client: Client) -> None:
    def statements(number: int) -> int:
        for _person in range(number):
            person = make_member()
            set_limit(person, money_e4=1200)
            LimitRequest.objects.create(person=person, amount_e4=100, reason="more")
        with CaptureQueriesContext(connection) as captured:
            assert len(request_decisions()) >= number
        return len(captured)

    current_currency()  # cached from here on
    assert statements(1) == statements(8)


# --- what is left, for many people ----------------------------------------------------------------


def test_standings_are_those_of_each_person() -> None:
    people = [make_member() for _person in range(3)]
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1_000_000, images=50)
    Limit.objects.put(Limit.Scope.DEFAULT, Window.DAY, images=9)
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role="member", money_e4=90_000)
    set_limit(people[0], money_e4=50_000)
    press(people[0], "a", quote(2))
    press(people[1], "b", quote(1))
    row = LimitRequest.objects.create(person=people[2], amount_e4=700, images=3, reason="more")
    ledger.grant(row, make_member(), timezone.now() + timedelta(days=40))
    Period.objects.filter(member=people[2]).update(upstream="another")  # as if nothing had begun
    found = standings(people)
    for person in people:
        one_by_one = by_kind(ledger.allowances(person))
        together = found.team.allowances + found.by_member[person.pk].allowances
        assert by_kind(together) == one_by_one
        assert (False, Window.DAY) in one_by_one
    assert found.by_member[people[0].pk].month.used_images == 2
    assert found.by_member[people[2].pk].month.used_images == 0


def by_kind(allowances: list[Allowance]) -> dict[tuple[bool, str], Allowance]:
    return {(each.is_team, each.window): each for each in allowances}


# --- the audit log -------------------------------------------------------------------------------


def test_decisions_are_in_the_audit_log_once(
    request_of_owner: LimitRequest, admin_client: Client, admin: Member, owner: Member
) -> None:
    for _press in range(2):
        admin_client.post(grant_url(request_of_owner), {"amount": "0.5"})
    entry = AuditEntry.objects.get(action=AuditAction.GRANTED)
    assert (entry.by, entry.target_type, entry.target_id) == (admin, "member", str(owner.pk))
    assert entry.before == {"money_e4": 1200, "images": 0}
    assert entry.after["money_e4"] == 5000
    other = LimitRequest.objects.create(person=owner, images=1, reason="more")
    for _press in range(2):
        client_for(admin).post(f"{PAGE}{other.pk}/decline")
    assert AuditEntry.objects.filter(action=AuditAction.DECLINED).count() == 1


def test_a_decision_that_was_read_in_the_list_is_not_told_again(
    request_of_owner: LimitRequest, admin_client: Client, owner_client: Client
) -> None:
    admin_client.post(grant_url(request_of_owner))
    owner_client.post("/notifications/read")
    assert "Your limit was raised" not in owner_client.get("/").content.decode()
