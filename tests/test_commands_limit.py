"""`manage.py limit`: set and list limits."""

from typing import Any

import pytest
from django.core.management import CommandError

from generations.models import Member
from generations.models.money import Limit, Window
from generations.permissions import Role
from tests.commands import refusal, run, run_json

pytestmark = pytest.mark.django_db

NO_LIMITS = dict.fromkeys(("day_money", "month_money", "day_images", "month_images"))
TARGETS = [["--member", "owner"], ["--role", "member"], ["--team"], ["--default"]]


def stored(**columns: Any) -> list[tuple[str, int | None, int | None]]:
    rows = Limit.objects.filter(**columns).order_by("window")
    return list(rows.values_list("window", "money_e4", "images"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[0])
def test_only_the_values_given_change(owner: Member, target: list[str]) -> None:
    run("limit", "set", *target, "--month-money", "20", "--month-images", "500")
    run("limit", "set", *target, "--day-images", "9")
    run("limit", "set", *target, "--month-money", "0,48", "--day-money", "1")
    assert stored() == [("day", 10_000, 9), ("month", 4800, 500)]
    run("limit", "set", *target, "--month-images", "None", "--day-money", "none")
    assert stored() == [("day", None, 9), ("month", 4800, None)]
    document = run_json("limit", "set", *target, "--day-images", "none")
    assert stored() == [("month", 4800, None)]
    assert {name: document[name] for name in NO_LIMITS} == NO_LIMITS | {"month_money": "0.48"}
    run("limit", "set", *target, "--month-money", "none")
    assert stored() == []


def test_limits_are_those_of_the_person(owner: Member, stranger: Member) -> None:
    run("limit", "set", "--team", "--month-money", "1000")
    run("limit", "set", "--default", "--month-money", "5")
    run("limit", "set", "--role", "member", "--month-money", "10")
    run("limit", "set", "--member", "owner", "--month-money", "20", "--day-images", "0")
    of_owner, of_stranger = Limit.objects.in_force(owner), Limit.objects.in_force(stranger)
    assert of_owner[False, Window.MONTH].money_e4 == 200_000
    assert of_owner[False, Window.DAY].images == 0
    assert of_stranger[False, Window.MONTH].money_e4 == 100_000
    assert of_owner[True, Window.MONTH].money_e4 == 10_000_000


def test_same_limit_twice_is_fine() -> None:
    for _twice in range(2):
        run("limit", "set", "--role", "viewer", "--day-images", "0")
    assert stored(role=Role.VIEWER) == [("day", None, 0)]


def test_removing_a_limit_that_is_not_set_is_fine() -> None:
    run("limit", "set", "--team", "--day-money", "none")
    assert stored() == []


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["--day-money", "-5"], "--day-money: The amount can’t be negative."),
        (["--day-money", "-0,5"], "--day-money: The amount can’t be negative."),
        (["--month-money", "1.00001"], "--month-money: Use at most 4 decimal places."),
        (["--month-money", "12345678901234567890"], "--month-money: The amount is too large."),
        (["--month-money", "1e5"], "--month-money: Enter an amount"),
        (["--month-money", "NaN"], "--month-money: Enter an amount"),
        (["--month-money", ""], "--month-money: Enter an amount"),
        (["--day-images", "-1"], "--day-images: Enter a number of images"),
        (["--day-images", "1.5"], "--day-images: Enter a number of images"),
        (["--day-images", "²"], "--day-images: Enter a number of images"),
        (["--month-images", "5000000000"], "--month-images: The number of images is too large."),
        (["--month-images", "9" * 30], "--month-images: Enter a number of images"),
        ([], "Nothing was changed. Give at least one of --day-money"),
    ],
)
def test_wrong_value_changes_nothing(values: list[str], reason: str) -> None:
    run("limit", "set", "--team", "--day-images", "7")
    valid = ["--day-images", "8"] if values and "--day-images" not in values else []
    assert refusal("limit", "set", "--team", *valid, *values).startswith(reason)
    assert stored() == [("day", None, 7)]


@pytest.mark.parametrize("name", ["nobody", "", "\udcff"])
def test_unknown_member_is_refused(name: str) -> None:
    assert refusal("limit", "set", "--member", name, "--day-images", "1")
    assert stored() == []


@pytest.mark.parametrize("target", [[], ["--team", "--default"], ["--role", "chief"]])
def test_exactly_one_target_is_required(target: list[str]) -> None:
    with pytest.raises(CommandError):
        run("limit", "set", *target, "--day-images", "1")
    assert stored() == []


def test_list_has_all_limits(owner: Member) -> None:
    assert run("limit", "list").stdout == "No limits are set.\n"
    for target in TARGETS:
        run("limit", "set", *target, "--month-money", "20", "--day-images", "9")
    document = run_json("limit", "list")
    assert document["currency"] == "USD"
    assert [(each["scope"], each["role"], each["member"]) for each in document["limits"]] == [
        ("team", None, None),
        ("default", None, None),
        ("role", "member", None),
        ("member", None, "owner"),
    ]
    values = NO_LIMITS | {"month_money": "20", "day_images": 9}
    assert all(each.items() >= values.items() for each in document["limits"])
    lines = run("limit", "list").stdout.splitlines()
    assert lines[4].split() == ["member", "owner", "none", "20", "9", "none"]
