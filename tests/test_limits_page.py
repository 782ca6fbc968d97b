"""The page of limits: what it shows, and what a press on Save changes."""

import pytest
from django.test import Client

from generations.models import Member
from generations.models.money import Limit, Window
from generations.permissions import Role
from tests.builders import make_member

pytestmark = pytest.mark.django_db

URL = "/admin/limits/"
Scope = Limit.Scope


def stored() -> set[tuple[str, str, str, int | None, int | None]]:
    return {
        (row.scope, row.role or str(row.member or ""), row.window, row.money_e4, row.images)
        for row in Limit.objects.select_related("member")
    }


def fields(**values: str) -> dict[str, str]:
    return {"day_money": "", "month_money": "", "day_images": "", "month_images": ""} | values


def test_budget_of_the_team_is_set_changed_and_removed(admin_client: Client, admin: Member) -> None:
    response = admin_client.post(f"{URL}team/", fields(month_money="800", day_images="50"))
    assert (response.status_code, response["Location"]) == (303, f"{URL}#team")
    assert stored() == {
        ("team", "", "month", 8_000_000, None),
        ("team", "", "day", None, 50),
    }
    assert {row.by for row in Limit.objects.all()} == {admin}
    page = admin_client.get(URL).content.decode()
    assert "$800.00" in page
    seen = {"seen-month_money": "800", "seen-day_images": "50"}
    admin_client.post(f"{URL}team/", fields(month_money="900.5") | seen)
    assert stored() == {("team", "", "month", 9_005_000, None)}
    admin_client.post(f"{URL}team/", fields() | {"seen-month_money": "900.5"})
    assert stored() == set()


def test_limit_that_another_admin_lowered_stays(admin_client: Client) -> None:
    Limit.objects.put(Scope.TEAM, Window.DAY, money_e4=100_000)
    Limit.objects.put(Scope.TEAM, Window.MONTH, money_e4=200_000)  # was 100 on the page
    seen = {"seen-day_money": "10", "seen-month_money": "100"}
    sent = fields(day_money="12", month_money="100") | seen
    assert admin_client.post(f"{URL}team/", sent).status_code == 303
    after = {("team", "", "day", 120_000, None), ("team", "", "month", 200_000, None)}
    assert stored() == after
    sent = fields(day_money="11", month_money="90") | {
        "seen-day_money": "12",
        "seen-month_money": "100",
    }
    response = admin_client.post(f"{URL}team/", sent)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Another admin changed this to $20.00. Check it and save again." in page
    assert 'name="seen-month_money" value="20"' in page
    assert stored() == after


def test_page_with_an_error_shows_untouched_limits_as_they_are_now(admin_client: Client) -> None:
    Limit.objects.put(Scope.TEAM, Window.MONTH, money_e4=200_000)
    sent = fields(day_money="much", month_money="100") | {"seen-month_money": "100"}
    page = admin_client.post(f"{URL}team/", sent).content.decode()
    field = page.partition('id="team-month_money"')[2].partition(">")[0]
    assert 'value="20"' in field
    assert 'name="seen-month_money" value="20"' in page


def test_field_that_is_not_sent_deletes_no_limit(admin_client: Client) -> None:
    Limit.objects.put(Scope.TEAM, Window.MONTH, money_e4=200_000)
    sent = {"day_money": "5", "seen-month_money": "20"}
    assert admin_client.post(f"{URL}team/", sent).status_code == 303
    assert stored() == {("team", "", "day", 50_000, None), ("team", "", "month", 200_000, None)}


def test_role_without_a_limit_says_what_applies(admin_client: Client) -> None:
    Limit.objects.put(Scope.DEFAULT, Window.MONTH, money_e4=1_200_000)
    page = admin_client.get(URL).content.decode()
    assert "As each person: $120.00 a month" in page
    assert "Instead of the limit of each person." not in page


def test_each_row_changes_its_own_limit_only(admin_client: Client, owner: Member) -> None:
    Limit.objects.put(Scope.MEMBER, Window.DAY, member=owner, money_e4=10_000)
    for slug in ("default", "role-member", f"member-{owner.pk}"):
        seen = {"seen-day_money": "1" if slug.startswith("member-") else ""}
        response = admin_client.post(f"{URL}{slug}/", fields(day_money="2") | seen)
        assert response.status_code == 303
    assert stored() == {
        ("default", "", "day", 20_000, None),
        ("role", "member", "day", 20_000, None),
        ("member", str(owner), "day", 20_000, None),
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("month_money", "-1"),
        ("month_money", "0.00001"),
        ("month_money", "9" * 30),
        ("day_money", "much"),
        ("day_images", "-1"),
        ("day_images", "1.5"),
        ("month_images", "9" * 30),
    ],
)
def test_bad_value_is_told_beside_its_field_and_nothing_is_saved(
    admin_client: Client, name: str, text: str
) -> None:
    Limit.objects.put(Scope.TEAM, Window.MONTH, money_e4=70_000)
    response = admin_client.post(f"{URL}team/", fields(month_money="5") | {name: text})
    page = response.content.decode()
    assert response.status_code == 422
    assert f'id="team-{name}-error"' in page
    assert f'value="{text}"' in page  # what was typed
    assert "$7.00" in page  # what is in force
    assert stored() == {("team", "", "month", 70_000, None)}


def test_unknown_rows_are_not_found(admin_client: Client, owner: Member) -> None:
    slugs = (
        "nobody",
        "role-viewer",
        "role-x",
        f"member-{owner.pk}",
        "member-0",
        "member-" + "9" * 30,
    )
    for slug in slugs:
        assert admin_client.post(f"{URL}{slug}/", fields()).status_code == 404, slug


def test_people_with_their_own_limits_are_listed(admin_client: Client) -> None:
    person = make_member("yuki", role=Role.VIEWER)
    Limit.objects.put(Scope.MEMBER, Window.MONTH, member=person, images=12)
    page = admin_client.get(URL).content.decode()
    assert f'id="member-{person.pk}"' in page
    assert admin_client.get("/admin/generations/limit/add/")["Location"] == URL
