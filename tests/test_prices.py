"""Prices on pages: on the button, in the facts, and when a request is refused."""

import html
import json
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import Generation, Member, Status, Team
from generations.models.money import Limit, Price, Window
from generations.models.money.amounts import AmountError, from_e4, parse_e4, plain, to_e4
from generations.web.money.formats import format_money
from tests.builders import make_generation
from tests.forms import HTMX, form_data

pytestmark = pytest.mark.django_db


def set_price(amount: str, model: str = "kling-v1", option: str = "", days: int = 1) -> Price:
    return Price.objects.create(
        engine="kling",
        model=model,
        option=option,
        amount_e4=parse_e4(amount),
        valid_from=timezone.now() - timedelta(days=days),
    )


ASK = '<a href="/usage/?mine=1#ask">Ask for more</a>'


def button(page: str) -> str:
    found = re.search(r'id="generate-label">([^<]*)<', page)
    assert found
    return found[1]


def prices_of(page: str) -> dict[str, Any]:
    """What the script of the page knows."""
    found = re.search(r'data-prices="([^"]*)"', page)
    assert found
    prices: dict[str, Any] = json.loads(html.unescape(found[1]))
    return prices


# --- amounts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "amount_e4"),
    [("0.48", 4800), ("0,48", 4800), (" 12 ", 120_000), ("0.0267", 267), ("1.50000", 15_000)],
)
def test_amount_is_read_exactly(text: str, amount_e4: int) -> None:
    assert parse_e4(text) == amount_e4
    assert to_e4(from_e4(amount_e4)) == amount_e4
    assert parse_e4(plain(amount_e4)) == amount_e4


@pytest.mark.parametrize(
    "text",
    ["", "-1", "0.00001", "1e5", "NaN", "Infinity", "12345678901234567890", "1,000.50", "a", "١٢"],
)
def test_invalid_amount_is_an_error(text: str) -> None:
    """LibreChat 2359: a negative price raised the balance."""
    with pytest.raises(AmountError):
        parse_e4(text)


def test_decimal_with_five_places_is_an_error() -> None:
    with pytest.raises(AmountError):
        to_e4(Decimal("0.00001"))


@pytest.mark.parametrize(
    ("currency", "formatted"),
    [("USD", "$0.0267"), ("EUR", "€0.0267"), ("JPY", "¥0.0267"), ("credits", "0.0267\xa0credits")],
)
def test_amount_is_written_in_the_currency_of_the_team(currency: str, formatted: str) -> None:
    assert format_money(267, currency) == formatted


def test_whole_cents_have_two_places() -> None:
    assert [format_money(each, "USD") for each in (4800, 50_000, 0)] == ["$0.48", "$5.00", "$0.00"]


# --- the table -----------------------------------------------------------------------------------


def test_nearest_price_applies() -> None:
    set_price("0.01", model="*")
    table = Price.objects.table("kling")
    assert table.find("kling-v1", "2k") == 100
    set_price("0.02")
    set_price("0.03", option="2k")
    set_price("0.04", option="2k", days=0)
    table = Price.objects.table("kling")
    assert table.find("kling-v1") == 200
    assert table.find("kling-v1", "reference") == 200
    assert table.find("kling-v1", "2k") == 400, "the newest"
    assert table.find("another", "2k") == 100
    assert Price.objects.table("another").find("kling-v1") is None


def test_price_of_the_future_does_not_apply_yet() -> None:
    set_price("0.02")
    set_price("0.05", days=-1)
    assert Price.objects.table("kling").find("kling-v1") == 200


# --- the press -----------------------------------------------------------------------------------


def test_button_says_number_and_price(owner_client: Client) -> None:
    set_price("0.12")
    page = owner_client.get("/?example=2").content.decode()
    assert button(page) == "Generate 1 image · $0.12"
    prices = prices_of(page)
    assert prices["labels"]["reference"][3] == "Generate 4 images · $0.48"
    assert prices["units"] == {"": "1200", "reference": "1200"}


def test_price_of_an_option_is_known_to_the_page(owner_client: Client, settings: Settings) -> None:
    settings.UPSTREAM_PROFILE = "extended"
    set_price("0.12")
    set_price("0.20", option="2k+reference")
    page = owner_client.get("/").content.decode()
    assert prices_of(page)["units"] == {
        "1k|": "1200",
        "1k|reference": "1200",
        "2k|": "1200",
        "2k|reference": "2000",
    }


def test_price_is_frozen_in_the_row(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    owner_client.post("/", form_data(n="4", seen_prices="1200"))
    set_price("0.50", days=0)
    row = owner.generations.get()
    assert row.unit_price_e4 == 1200
    facts = owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert "$0.48 reserved" in facts


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_changed_price_is_told_before_anything_is_spent(
    owner_client: Client, owner: Member, headers: dict[str, str]
) -> None:
    set_price("0.12")
    data = form_data(n="4", seen_prices="1200")
    set_price("0.50", days=0)
    response = owner_client.post("/", data, headers=headers)
    page = response.content.decode()
    assert response.status_code == 422
    assert "The price has changed: $2.00 now." in page
    assert button(page) == "Generate 4 images · $2.00"
    assert not owner.generations.exists()
    owner_client.post("/", data | {"seen_prices": "5000"}, headers=headers)
    assert owner.generations.get().unit_price_e4 == 5000


def test_price_that_the_page_did_not_have_is_told(owner_client: Client, owner: Member) -> None:
    set_price("99")
    response = owner_client.post("/", form_data(seen_prices=""))
    assert response.status_code == 422
    assert "The price has changed: $99.00 now." in response.content.decode()
    assert not owner.generations.exists()


def test_price_from_the_browser_is_never_used(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    owner_client.post("/", form_data(seen_prices="1 -1200 0.12 1200 x"))
    assert owner.generations.get().unit_price_e4 == 1200


def test_same_form_twice_is_charged_once(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=1200)
    data = form_data(seen_prices="1200")
    first, second = (owner_client.post("/", data) for _press in range(2))
    assert first.headers["Location"] == second.headers["Location"], "the second needs no room"
    assert owner.periods.get(window="day").reserved_e4 == 1200


def test_unpriced_kind_is_refused_by_the_setting(
    owner_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    response = owner_client.post("/", form_data())
    page = response.content.decode()
    assert response.status_code == 422
    assert "No price is set for this kind of request (Kling 1)" in page
    assert "A pear</textarea>" in page, "nothing typed is lost"
    assert not owner.generations.exists()


def test_rule_of_the_team_wins_over_the_setting(
    owner_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UNPRICED = "refuse"
    Team(unpriced=Team.Unpriced.FREE).save()
    assert button(owner_client.get("/").content.decode()) == "Generate 1 image · free"
    owner_client.post("/", form_data())
    assert owner.generations.get().unit_price_e4 == 0


# --- limits --------------------------------------------------------------------------------------


def test_refusal_says_what_is_left_and_offers_what_fits(
    owner_client: Client, owner: Member
) -> None:
    set_price("0.12")
    Limit.objects.put(Limit.Scope.MEMBER, Window.DAY, member=owner, money_e4=3000)
    response = owner_client.post("/", form_data(n="4", prompt="A harbour"), headers=HTMX)
    page = response.content.decode()
    assert response.status_code == 422
    assert "Your limit for today does not allow this request." in page
    assert "$0.30 of $0.30 is left; the request costs $0.48." in page
    assert "Nothing was sent or charged." in page
    assert 'name="n_instead" value="2">Generate 2 images · $0.24' in page
    assert 'href="/usage/?mine=1#ask"' in page
    assert "A harbour</textarea>" in page
    owner_client.post("/", form_data(n="4", n_instead="2", prompt="A harbour"), headers=HTMX)
    assert owner.generations.get().n == 2


def test_nothing_is_offered_if_nothing_fits(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, images=0)
    page = owner_client.post("/", form_data()).content.decode()
    assert "The team’s budget for this month does not allow this request." in page
    assert "0 images of 0 are left." in page
    assert "n_instead" not in page


@pytest.mark.parametrize("n", ["-1", "0", "99", "a", "1e1", ""])
def test_invalid_number_instead_is_no_error(owner_client: Client, owner: Member, n: str) -> None:
    response = owner_client.post("/", form_data(n_instead=n))
    assert response.status_code in (303, 422)


def test_what_is_left_is_below_the_button(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    assert 'id="left"' not in owner_client.get("/").content.decode(), "no limit, no line"
    Limit.objects.put(Limit.Scope.MEMBER, Window.DAY, member=owner, money_e4=12_000)
    Limit.objects.put(Limit.Scope.TEAM, Window.MONTH, money_e4=40_000, images=100)
    Limit.objects.put(Limit.Scope.MEMBER, Window.MONTH, member=owner, money_e4=50_000)
    owner_client.post("/", form_data(n="2"))
    page = owner_client.get("/").content.decode()
    assert ">$0.96 left today, $3.76 and 98 images left this month<" in page


def test_sending_again_says_why_it_is_refused(owner_client: Client, owner: Member) -> None:
    set_price("0.12")
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    Limit.objects.put(Limit.Scope.MEMBER, Window.DAY, member=owner, money_e4=100)
    url = f"/generations/{row.pk}/send-again/"
    page = owner_client.post(url, {"version": row.version}, headers=HTMX).content.decode()
    assert "Your limit for today does not allow this request." in page
    assert ASK in page
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


def test_sending_again_shows_and_checks_its_price(owner_client: Client, owner: Member) -> None:
    set_price("0.01")
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1, n=2)
    assert "Send again (may cost twice) · $0.02" in owner_client.get("/").content.decode()
    set_price("99", days=0)
    url = f"/generations/{row.pk}/send-again/"
    data = {"version": row.version, "seen_prices": "100"}
    page = owner_client.post(url, data, headers=HTMX).content.decode()
    assert "The price has changed: $198.00 now." in page
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED
    owner_client.post(url, data | {"seen_prices": "990000"}, headers=HTMX)
    row.refresh_from_db()
    assert (row.status, row.unit_price_e4) == (Status.QUEUED, 990_000)


def test_request_of_another_upstream_is_not_sent_again(owner_client: Client, owner: Member) -> None:
    """A row of the paid gateway, seen while the key is missing, must not spend later."""
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1, upstream="live")
    url = f"/generations/{row.pk}/send-again/"
    page = owner_client.post(url, {"version": row.version}, headers=HTMX).content.decode()
    assert "belongs to another gateway" in page
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}])
def test_request_of_someone_who_may_not_spend_is_not_sent_again(
    admin_client: Client, owner: Member, change: dict[str, Any]
) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner, attempt=1)
    Member.objects.filter(pk=owner.pk).update(**change)
    url = f"/generations/{row.pk}/send-again/"
    page = admin_client.post(url, {"version": row.version}, headers=HTMX).content.decode()
    assert "Hand the work over first." in page
    row.refresh_from_db()
    assert row.status == Status.UNCONFIRMED


# --- variations ----------------------------------------------------------------------------------


def test_variations_show_their_prices(
    owner_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UPSTREAM_PROFILE = "extended"
    set_price("0.12")
    set_price("0.20", option="2k")
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, stored=0)
    page = owner_client.get(f"/generations/{row.pk}/variations/").content.decode()
    assert "Generate again (2 images) · $0.24" in page
    assert 'aria-label="Generate 4 images · $0.48"' in page
    assert ">2K · $0.40<" in page
    assert 'name="seen_prices" value="2k:2000 :1200"' in page


@pytest.mark.parametrize("seen", [":1200 2k:2000", "2k:2000", "x:1200 :", ":-1 :x"])
def test_price_that_becomes_that_of_another_option_has_changed(
    owner_client: Client, owner: Member, settings: Settings, seen: str
) -> None:
    """A page of variations shows several prices: the one of the pressed button counts."""
    settings.UPSTREAM_PROFILE = "extended"
    set_price("0.20")
    set_price("0.20", option="2k")
    response = owner_client.post("/", form_data(n="2", seen_prices=seen))
    assert response.status_code == 422
    assert "The price has changed: $0.40 now." in response.content.decode()
    assert not owner.generations.exists()


def test_variation_costs_what_its_button_says(
    owner_client: Client, owner: Member, settings: Settings
) -> None:
    settings.UPSTREAM_PROFILE = "extended"
    set_price("0.12")
    set_price("0.20", option="2k")
    seen = "2k:2000 :1200"
    for number, (field, price_e4) in enumerate((({}, 1200), ({"resolution": "2k"}, 2000)), 1):
        data = form_data(prompt=f"A pear {number}", seen_prices=seen) | field
        assert owner_client.post("/", data).status_code == 303
        assert owner.generations.latest("pk").unit_price_e4 == price_e4


# --- facts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        ({"unit_price_e4": 1200, "charged_e4": 2400}, "$0.24"),
        ({"unit_price_e4": 1200, "charged_e4": 0}, "$0.00"),
    ],
)
def test_card_and_facts_show_the_cost(
    owner_client: Client, owner: Member, columns: dict[str, Any], text: str
) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, n=2, stored=0, **columns)
    for url in ("/", f"/generations/{row.pk}/"):
        assert text in owner_client.get(url).content.decode()


def test_row_without_a_price_has_no_cost(owner_client: Client, owner: Member) -> None:
    row = make_generation(Status.SUCCEEDED, owner=owner, stored=0)
    assert "Cost" not in owner_client.get(f"/generations/{row.pk}/").content.decode()
    assert Generation.objects.get(pk=row.pk).unit_price_e4 is None
