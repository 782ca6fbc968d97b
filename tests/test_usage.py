"""The usage page: what is used and left, requests for more, decisions and warnings."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import Member, Quote
from generations.models.money import (
    BudgetWarning,
    Limit,
    LimitRequest,
    Period,
    Window,
    ledger,
)
from generations.permissions import Role
from tests.builders import make_member
from tests.conftest import client_for
from tests.test_ledger import press, quote, set_limit

pytestmark = pytest.mark.django_db

ASKED = {"amount": "5", "images": "", "reason": "The spring campaign"}


def days_of(client: Client) -> list[tuple[str, str, str]]:
    rows = client.get("/usage/").context["days"]
    return [(row.images, row.charged, row.reserved) for row in rows]


def test_page_shows_limits_and_days(owner_client: Client, owner: Member) -> None:
    set_limit(owner, Window.DAY, money_e4=10_000, images=20)
    press(owner, "a", quote(4))
    page = owner_client.get("/usage/").content.decode()
    assert "$0.48 of $1.00 used." in page
    assert "4 of 20 images used." in page
    [day] = days_of(owner_client)
    assert day == ("0", "$0.00", "$0.48")


def test_page_shows_own_usage_only(
    owner_client: Client, owner: Member, stranger_client: Client
) -> None:
    press(owner, "a", quote(4))
    assert "Nothing was generated in this month." in stranger_client.get("/usage/").content.decode()


def test_page_without_limits_writes_nothing(owner_client: Client) -> None:
    page = owner_client.get("/usage/").content.decode()
    assert "No limit is set for you or the team." in page
    assert not Period.objects.exists()


@pytest.mark.parametrize("month", ["2026-13", "x", "0001-01", "99999-01", "2026-1-1"])
def test_month_that_is_none_is_not_found(owner_client: Client, month: str) -> None:
    assert owner_client.get("/usage/", {"month": month}).status_code == 404


def test_earlier_month_is_shown(owner_client: Client, owner: Member) -> None:
    last_month = (timezone.now().replace(day=1) - timedelta(days=1)).strftime("%Y-%m")
    response = owner_client.get("/usage/", {"month": last_month})
    assert f"month={timezone.now():%Y-%m}" in response.context["next_url"]


# --- asking --------------------------------------------------------------------------------------


def test_request_reaches_the_admins(
    owner_client: Client, owner: Member, admin_client: Client
) -> None:
    owner_client.post("/usage/ask", ASKED)
    request = LimitRequest.objects.get()
    assert (request.person, request.amount_e4) == (owner, 50_000)
    assert "1 person asks for more." in admin_client.get("/").content.decode()
    assert "The spring campaign" in admin_client.get("/admin/requests/").content.decode()
    assert "The spring campaign" not in admin_client.get("/usage/").content.decode()
    assert "not decided yet" in owner_client.get("/usage/").content.decode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reason": "​"}, "Say what it is for"),
        ({"amount": ""}, "Enter an amount or a number of images."),
        ({"amount": "-5"}, "The amount can’t be negative."),
        ({"amount": "0.00001"}, "Use at most 4 decimal places."),
        ({"images": "1.5"}, "Enter a whole number."),
    ],
)
def test_invalid_request_keeps_what_was_typed(
    owner_client: Client, changes: dict[str, str], error: str
) -> None:
    response = owner_client.post("/usage/ask", ASKED | changes)
    page = response.content.decode()
    assert response.status_code == 422
    assert error in page
    assert all(value in page for value in (ASKED | changes).values())
    assert not LimitRequest.objects.exists()


def test_second_request_waits_for_the_first(owner_client: Client) -> None:
    owner_client.post("/usage/ask", ASKED)
    response = owner_client.post("/usage/ask", ASKED)
    assert response.status_code == 422
    assert "You already asked for more." in response.content.decode()
    assert LimitRequest.objects.count() == 1


def test_viewer_cannot_ask() -> None:
    client = client_for(make_member(role=Role.VIEWER))
    assert client.post("/usage/ask", ASKED).status_code == 403
    assert 'action="/usage/ask"' not in client.get("/usage/").content.decode()


# --- warnings ------------------------------------------------------------------------------------


def test_each_threshold_warns_once(owner_client: Client, owner: Member) -> None:
    set_limit(owner, Window.DAY, money_e4=10_000)
    percents = []
    for number in range(100):
        press(owner, str(number), Quote("kling", "kling-v1", "", 100, 1))
        new = BudgetWarning.objects.filter(read_at=None)
        percents += list(new.values_list("percent", flat=True))
        new.update(read_at=timezone.now())
    assert percents == [50, 80, 95, 100]
    assert set(BudgetWarning.objects.values_list("person", flat=True)) == {owner.pk}


def test_release_and_new_use_do_not_warn_again(owner: Member) -> None:
    set_limit(owner, Window.DAY, images=2)
    for number in range(3):
        row = press(owner, str(number), quote())
        row.cancel(owner, row.version)
    assert [each.percent for each in BudgetWarning.objects.all()] == [50]


def test_budget_of_the_team_warns_its_admins(
    owner: Member, admin: Member, admin_client: Client, owner_client: Client
) -> None:
    set_limit(None, money_e4=2400)
    press(owner, "a", quote())
    assert [each.person for each in BudgetWarning.objects.all()] == [admin]
    text = "50 % of the team’s budget for this month is used."
    assert text in admin_client.get("/").content.decode()
    assert text not in owner_client.get("/").content.decode()


def test_lowered_limit_warns_of_what_is_used_already(
    owner_client: Client, owner: Member, stranger: Member
) -> None:
    """Nothing can be reserved above it, so that no press could cross a threshold."""
    press(owner, "a", quote(4))
    press(stranger, "b", quote(1))
    set_limit(owner, money_e4=10_000)
    assert not BudgetWarning.objects.exists()
    set_limit(owner, money_e4=5_000)
    assert percents_of(owner) == [50, 80, 95]
    assert "95 % of your limit for this month is used." in owner_client.get("/").content.decode()
    set_limit(owner, money_e4=4_000)
    set_limit(owner, money_e4=3_000)
    assert percents_of(owner) == [50, 80, 95, 100]
    assert percents_of(stranger) == []


def test_limit_of_many_warns_those_for_whom_it_holds(owner: Member, stranger: Member) -> None:
    viewer = make_member(role=Role.VIEWER)
    for number, person in enumerate((owner, stranger, viewer)):
        press(person, str(number), quote(4))
    set_limit(stranger, images=100)
    Limit.objects.put(Limit.Scope.DEFAULT, Window.MONTH, images=8)
    assert [percents_of(each) for each in (owner, stranger, viewer)] == [[50], [], [50]]
    Limit.objects.put(Limit.Scope.ROLE, Window.MONTH, role=Role.VIEWER, images=4)
    assert [percents_of(each) for each in (owner, viewer)] == [[50], [50, 80, 95, 100]]


def test_limit_of_a_day_does_not_warn_of_the_month(owner: Member) -> None:
    press(owner, "a", quote(4))
    set_limit(owner, Window.DAY, money_e4=4800)
    assert {each.period.window for each in BudgetWarning.objects.all()} == {Window.DAY}


def test_budget_that_is_lowered_warns_the_admins(owner: Member, admin: Member) -> None:
    press(owner, "a", quote(4))
    set_limit(None, money_e4=6000)
    assert (percents_of(owner), percents_of(admin)) == ([], [50, 80])


def test_correction_warns_of_what_it_adds(owner: Member, admin: Member) -> None:
    row = press(owner, "a", quote(1))
    set_limit(owner, money_e4=10_000)
    row.cancel(owner, row.version)
    assert percents_of(owner) == []
    ledger.correct_charge(row.pk, 9_000, admin, "it was billed")
    assert percents_of(owner) == [50, 80]
    ledger.correct_charge(row.pk, 1_000, admin, "a mistake")
    assert percents_of(owner) == [50, 80]


def percents_of(person: Member) -> list[int]:
    warnings = BudgetWarning.objects.filter(person=person)
    return list(warnings.order_by("percent").values_list("percent", flat=True))


def test_highest_threshold_is_shown(owner_client: Client, owner: Member) -> None:
    Limit.objects.put(Limit.Scope.DEFAULT, Window.MONTH, images=4)
    press(owner, "a", quote(4))
    page = owner_client.get("/").content.decode()
    assert "100 % of your limit for this month is used." in page
    assert "50 %" not in page
