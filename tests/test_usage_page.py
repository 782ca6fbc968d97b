"""The page of usage by month: whose figures it shows, its sentences, plots, tables and CSV."""

import csv
import re
from datetime import UTC, datetime, timedelta
from io import StringIO
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    AuditAction,
    AuditEntry,
    Collection,
    Member,
    Status,
    Team,
    TransitionReason,
)
from generations.models.money import (
    LedgerEntry,
    Limit,
    Period,
    Price,
    ReusedImage,
    Window,
    ledger,
    usage_day,
)
from generations.models.money.month import Month
from generations.web.money.formats import format_sum
from tests.builders import make_generation, make_member
from tests.forms import text_of
from tests.test_ledger import at, press, quote, run, set_limit
from tests.test_usage_day import make

pytestmark = pytest.mark.django_db

NOVEMBER_10 = datetime(2026, 11, 10, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _november(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    settings.SESSION_COOKIE_AGE = 10**9  # the sessions of tests begin in the real time
    Team(time_zone="UTC").save()
    at(monkeypatch, NOVEMBER_10)


def page(client: Client, **query: str) -> str:
    response = client.get("/usage/", query)
    assert response.status_code == 200
    return response.content.decode()


def rows_of(client: Client, name: str, **query: str) -> list[tuple[str, str, str]]:
    tables = client.get("/usage/", query).context["tables"]
    return [
        (row.label, row.images, row.charged)
        for table in tables
        if table.name == name
        for row in table.rows
    ]


def downloaded(client: Client, **fields: str) -> list[list[str]]:
    response = client.post("/usage/usage.csv", fields)
    assert response.status_code == 200
    return list(csv.reader(StringIO(text_of(response).removeprefix("\ufeff"))))


# --- whose figures -------------------------------------------------------------------------------


def test_admin_sees_all_and_chooses(
    admin_client: Client, admin: Member, owner: Member, stranger: Member
) -> None:
    make(owner, "a", 4)
    make(stranger, "b")
    make(admin, "c", 2)
    people = rows_of(admin_client, "people")
    assert people == [
        ("owner", "4", "$0.48"),
        ("admin-of-tests", "2", "$0.24"),
        ("stranger", "1", "$0.12"),
    ]
    assert admin_client.get("/usage/").context["total"] == "$0.84"
    assert admin_client.get("/usage/", {"mine": "1"}).context["total"] == "$0.24"
    response = admin_client.get("/usage/", {"person": str(owner.pk)})
    assert response.context["total"] == "$0.48"
    assert "November 2026, owner" in response.content.decode()
    assert rows_of(admin_client, "people", person=str(owner.pk)) == []


@pytest.mark.parametrize("query", [{}, {"person": "1"}, {"mine": ""}, {"person": "x"}])
def test_member_sees_nothing_of_others(
    owner: Member, owner_client: Client, stranger: Member, query: dict[str, str]
) -> None:
    make(stranger, "a", 4, collection=Collection.objects.create(name="Secret", created_by=stranger))
    make(owner, "b")
    if query.get("person") == "1":
        query = {"person": str(stranger.pk)}
    response = owner_client.get("/usage/", query)
    text = response.content.decode()
    assert response.context["total"] == "$0.12"
    assert not any(word in text for word in ("stranger", "Secret", "$0.48", "/admin/"))
    lines = downloaded(owner_client, **query)
    assert [line[1] for line in lines[1:]] == ["owner"]


@pytest.mark.parametrize("person", ["0", "x", "99999999999999999999"])
def test_unknown_person_is_not_found(admin_client: Client, person: str) -> None:
    assert admin_client.get("/usage/", {"person": person}).status_code == 404


def test_links_keep_month_and_scope(admin_client: Client, owner: Member) -> None:
    assert 'rel="prev"' not in page(admin_client, month="2026-10")  # nothing was spent before
    Period.objects.create(
        window=Window.MONTH,
        starts_at=datetime(2026, 9, 1, tzinfo=UTC),
        ends_at=datetime(2026, 10, 1, tzinfo=UTC),
    )
    text = page(admin_client, month="2026-10", person=str(owner.pk))
    assert f'href="/usage/?month=2026-09&amp;person={owner.pk}" rel="prev"' in text
    assert f'href="/usage/?month=2026-11&amp;person={owner.pk}" rel="next"' in text
    assert 'rel="next"' not in page(admin_client)


# --- figures -------------------------------------------------------------------------------------


def test_sentences_of_the_running_month(owner: Member, owner_client: Client) -> None:
    set_limit(owner, money_e4=20_000)
    make(owner, "a", 4)
    text = page(owner_client)
    assert "charged of $2.00, 4 images" in text
    assert "At this pace November ends at $1.52." in text  # 0.48 in 9.5 of 30 days
    assert "That is within the budget of $2.00." in text
    set_limit(owner, money_e4=10_000)
    assert "The budget of $1.00 lasts until 20 Nov." in page(owner_client)


def test_what_is_at_risk(owner: Member, owner_client: Client) -> None:
    row = press(owner, "a", quote(3))
    submission = row.mark_submitting(60)
    assert submission
    assert row.mark_unconfirmed(submission, TransitionReason.NO_ANSWER)
    running = press(owner, "b", quote(2))
    run(running)
    running.mark_late()
    press(owner, "c")
    context = owner_client.get("/usage/").context
    assert (context["at_risk"], context["reserved"]) == ("$0.60", "$0.72")
    assert context["at_risk_text"] == "at risk: 2 requests without an answer"
    assert context["reserved_text"] == "reserved: 3 open requests"


def test_earlier_month_says_that_it_may_change(
    owner: Member, owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    press(owner, "a")
    at(monkeypatch, datetime(2026, 12, 1, 12, tzinfo=UTC))
    sentence = "The figures of November 2026 may still change: 1 request is still open."
    assert sentence in page(owner_client, month="2026-11")
    assert "may still change" not in page(owner_client)


def test_month_without_usage_has_no_plot(owner_client: Client) -> None:
    text = page(owner_client, month="2020-02")
    assert "Nothing was generated in this month." in text
    assert 'class="plot' not in text
    assert not Period.objects.exists()


@pytest.mark.parametrize(
    ("currency", "amount"), [("EUR", "€0.08"), ("JPY", "¥0.08"), ("credits", "0.08\xa0credits")]
)
def test_other_currencies(owner: Member, owner_client: Client, currency: str, amount: str) -> None:
    Team(time_zone="UTC", currency=currency).save()
    make_unit = quote(3, 267)
    row = press(owner, "a", make_unit)
    ledger.end(row.pk, 1, 3)
    context = owner_client.get("/usage/").context
    assert context["total"] == amount
    assert downloaded(owner_client)[1][7:] == ["0.0801", "0", "0", currency]


def test_sums_have_two_places_unless_nothing_would_be_left() -> None:
    amounts = [4_851_880, 149, 150, 49, -12_345, 0]
    assert [format_sum(each) for each in amounts] == [
        "$485.19", "$0.01", "$0.02", "$0.0049", "-$1.23", "$0.00",
    ]  # fmt: skip


def test_use_of_an_existing_image_has_saved_its_price(
    owner: Member, owner_client: Client, stranger: Member, stranger_client: Client
) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200, valid_from=NOVEMBER_10)
    picture = make_generation(Status.SUCCEEDED, owner=stranger).pictures.get()
    for client in (owner_client, owner_client, stranger_client):  # once a day and person
        response = client.post("/similar/use", {"picture": str(picture.pk)})
        assert response["Location"] == f"/pictures/{picture.pk}/"
    context = owner_client.get("/usage/").context
    assert (context["saved"], context["saved_text"]) == ("$0.12", "saved: 1 image already made")
    assert ReusedImage.objects.total(Month(2026, 11, ZoneInfo("UTC"))) == (2, 2400)
    assert ReusedImage.objects.total(Month(2026, 10, ZoneInfo("UTC"))) == (0, 0)


def test_use_of_an_image_that_is_not_visible_is_not_recorded(
    owner_client: Client, stranger: Member
) -> None:
    private = make_generation(Status.SUCCEEDED, owner=stranger, is_private=True).pictures.get()
    for picture in (str(private.pk), "0", "x", ""):
        assert owner_client.post("/similar/use", {"picture": picture}).status_code == 404
    assert not ReusedImage.objects.exists()


# --- tables and plots ----------------------------------------------------------------------------


def test_tables_by_model_collection_and_status(
    owner: Member, owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    collection = Collection.objects.create(name="Spring", created_by=owner)
    make(owner, "a", 2, collection=collection)
    make(owner, "b")
    deleted = make(owner, "c", 4)
    deleted.delete()
    for _time in range(2):
        assert rows_of(owner_client, "models") == [("Kling 1", "7", "$0.84")]
        assert rows_of(owner_client, "collections") == [
            ("No collection", "5", "$0.60"),
            ("Spring", "2", "$0.24"),
        ]
        assert rows_of(owner_client, "states") == [
            ("Deleted", "4", "$0.48"),
            (Status.SUCCEEDED.label, "3", "$0.36"),
        ]
        at(monkeypatch, NOVEMBER_10 + timedelta(days=1))
        usage_day.roll_up()


def test_people_have_what_is_left_of_their_limit(
    admin_client: Client, owner: Member, stranger: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    Limit.objects.put(Limit.Scope.DEFAULT, Window.MONTH, money_e4=12_000)
    set_limit(stranger, money_e4=2_400)
    make(owner, "a", 4)
    make(stranger, "b", 2)
    [people, *_others] = admin_client.get("/usage/").context["tables"]
    assert [(row.label, row.percent, row.left, row.is_almost_used) for row in people.rows] == [
        ("owner", 40, "$0.72 left of $1.20", False),
        ("stranger", 100, "$0.00 left of $0.24", True),
    ]
    at(monkeypatch, NOVEMBER_10 + timedelta(days=40))
    [people, *_others] = admin_client.get("/usage/", {"month": "2026-11"}).context["tables"]
    assert {row.left for row in people.rows} == {""}  # the limits of that time are not recorded


def test_plots_are_valid_and_say_their_facts(admin_client: Client, owner: Member) -> None:
    set_limit(None, money_e4=20_000)
    make(owner, "a", 4)
    text = page(admin_client)
    plots = re.findall(r'<svg class="plot .*?</svg>.*?</svg>', text, re.DOTALL)
    assert len(plots) == 2
    for plot in plots:
        root = ElementTree.fromstring(plot)  # noqa: S314
        title, facts = (each.text or "" for each in list(root)[:2])
        assert "Charged in November 2026" in title
        assert "Charged: $0.48. The highest day is 10 Nov 2026 with $0.48." in facts
        assert "At this pace November ends at $1.52." in facts
        assert "style" not in plot
        words = {(each.text or "").strip() for each in root.iter("text")}
        assert {"today", "budget $2.00", "forecast $1.52", "$0.48"} <= words


# --- the CSV -------------------------------------------------------------------------------------


def test_csv_adds_up_and_escapes_formulas(admin_client: Client, admin: Member) -> None:
    evil = make_member("=cmd")
    collection = Collection.objects.create(name="+SUM(A1)", created_by=evil)
    make(evil, "a", 2, collection=collection)
    row = make(admin, "b")
    ledger.correct(row.pk, 1, 0, admin, "refunded")
    header, *lines = downloaded(admin_client, month="2026-11")
    assert header[0] == "Day"
    assert ["2026-11-10", "'=cmd", "kling", "kling-v1", "'+SUM(A1)", "Done", "2", "0.24"] in [
        line[:8] for line in lines
    ]
    assert sum(float(line[7]) for line in lines) == 0.24
    response = admin_client.post("/usage/usage.csv", {"month": "2026-11"})
    assert 'filename="usage-2026-11.csv"' in response["Content-Disposition"]


def test_download_is_recorded(admin_client: Client, admin: Member, owner: Member) -> None:
    downloaded(admin_client, month="2026-10", person=str(owner.pk))
    entry = AuditEntry.objects.get(action=AuditAction.EXPORTED)
    assert (entry.by, entry.target_label) == (admin, "Usage, October 2026, owner")


def test_get_of_the_page_writes_nothing(owner_client: Client, owner: Member) -> None:
    make(owner, "a")
    before = (LedgerEntry.objects.count(), Period.objects.count(), timezone.now())
    page(owner_client)
    assert (LedgerEntry.objects.count(), Period.objects.count(), timezone.now()) == before
    assert owner_client.get("/usage/usage.csv").status_code == 405
