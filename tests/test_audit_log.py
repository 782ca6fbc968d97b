"""The page of the audit log: its filters and pages, entries in words, and the CSV."""

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import translation
from pytest_django import Settings

from generations.models import (
    ApiKey,
    AuditAction,
    AuditEntry,
    Invitation,
    InvitationTerms,
    Member,
    RetentionRule,
    Team,
    audit_entry,
    team_settings,
)
from generations.models.money import GatewayLog
from generations.permissions import Role
from generations.web.admin import audit_filter
from generations.web.admin.audit_filter import GROUPS, AuditFilter
from generations.web.admin.audit_text import SENTENCES, texts_of
from generations.web.formats import format_day
from tests.builders import make_generation, make_member
from tests.pseudo_language import pseudo_language

__all__ = ["pseudo_language"]
pytestmark = pytest.mark.django_db

URL = "/admin/audit-log/"
A = AuditAction
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _utc(settings: Settings, admin: Member) -> None:
    settings.TIME_ZONE = "UTC"
    Member.objects.filter(pk=admin.pk).update(time_zone="UTC", time_zone_is_automatic=False)
    Team(currency="USD").save()


def record(action: AuditAction, by: Member | None = None, **values: Any) -> AuditEntry:
    at = values.pop("at", None)
    entry = AuditEntry.objects.record(action, by, **values)
    if at:
        AuditEntry.objects.filter(pk=entry.pk).update(at=at)
    return entry


def sentences(client: Client, query: str = "", status: int = 200) -> list[str]:
    response = client.get(f"{URL}{query}")
    assert response.status_code == status
    return re.findall(r'"audit-sentence">(.*?)</span>', response.content.decode())


def text_of(entry: AuditEntry) -> Any:
    return texts_of([AuditEntry.objects.select_related("by").get(pk=entry.pk)])[0]


# --- in words ------------------------------------------------------------------------------------


def test_every_action_has_a_sentence_and_one_group() -> None:
    assert SENTENCES.keys() | {A.SIGN_IN_FAILED} == set(A)
    grouped = [action for _label, actions in GROUPS.values() for action in actions]
    assert sorted(grouped) == sorted(A)


@pytest.mark.parametrize(
    ("before", "after", "sentence", "fact"),
    [
        (1_000_000, 1_200_000, "Lan raised the limit of Yuki", "$100.00 → $120.00 a month"),
        (1_200_000, 267, "Lan lowered the limit of Yuki", "$120.00 → $0.0267 a month"),
        (None, 1_000_000, "Lan set a limit for Yuki", "$100.00 a month"),
        (1_000_000, None, "Lan removed the limit of Yuki", "$100.00 → –"),
    ],
)
def test_limits(
    admin: Member, before: int | None, after: int | None, sentence: str, fact: str
) -> None:
    admin.first_name = "Lan"
    admin.save()
    person = make_member("yuki", first_name="Yuki")

    def values(amount: int | None) -> dict[str, Any]:
        return {"money_e4": amount, "images": None, "window": "month"}

    entry = record(A.LIMIT_CHANGED, admin, on=person, before=values(before), after=values(after))
    text = text_of(entry)
    assert (text.sentence, text.fact) == (sentence, fact)


def test_objects_values_and_notes_in_words(admin: Member, owner: Member) -> None:
    row = make_generation(owner=owner, is_private=True, prompt="A secret pear")
    price = {"price_e4": 1200, "valid_from": NOON.isoformat()}

    def change(action: AuditAction, before: Any, after: Any, **values: Any) -> AuditEntry:
        return record(action, admin, before=before, after=after, **values)

    texts = [
        text_of(entry)
        for entry in (
            change(A.ROLE_CHANGED, {"role": "viewer"}, {"role": "admin"}, on=owner),
            record(A.PASSWORD_CHANGED, owner, on=owner),
            record(A.SIGN_IN_FAILED),
            record(A.PAUSED, None, note="Maintenance"),
            change(A.DISMISSED, {"status": "unconfirmed"}, {"status": "abandoned"}, on=row),
            record(A.PRICE_SET, admin, label="kling *", after=price),
            change(A.SETTING_CHANGED, {"is_open": True}, {"is_open": False}, label="limits"),
            record(A.INVITED, admin, label="3 people", after={"roles": ["member", "x" * 500]}),
        )
    ]
    assert [(text.sentence, text.fact) for text in texts[:-1]] == [
        ("admin-of-tests changed the role of owner", "Viewer → Admin"),
        ("owner changed their password", ""),
        ("Sign-in failed: unknown name", ""),
        ("System paused generation", "Maintenance"),
        (f"admin-of-tests dismissed generation {row.pk}", "Unconfirmed → Dismissed"),
        ("admin-of-tests set the price of any model of Kling", "$0.12"),
        ("admin-of-tests changed settings: limits", "Is open: Yes → No"),
    ]
    assert len(texts[-1].fact) <= 80
    assert texts[0].url == f"/admin/people/{owner.pk}/"
    assert texts[4].url == f"/admin/generations/generation/{row.pk}/change/"  # masked
    assert texts[3].url == ""


GRANT_UNTIL = "2026-12-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("action", "values", "sentence", "fact"),
    [
        (
            A.GRANTED,
            {
                "label": "yuki",
                "before": {"money_e4": 200_000, "images": None},
                "after": {"money_e4": 150_000, "images": None, "until": GRANT_UNTIL},
            },
            "granted more to yuki",
            "$15.00 of $20.00, until 30 November",
        ),
        (
            A.GRANTED,
            {
                "label": "yuki",
                "before": {"money_e4": None, "images": 20},
                "after": {"money_e4": None, "images": 20, "until": GRANT_UNTIL},
            },
            "granted more to yuki",
            "20 images, until 30 November",
        ),
        (
            A.DECLINED,
            {"label": "yuki", "before": {"money_e4": 200_000, "images": None}},
            "declined the request of yuki",
            "$20.00",
        ),
        (
            A.SETTING_CHANGED,
            {"label": "Days in the trash", "before": {"value": 30}, "after": {"value": 31}},
            "changed settings: Days in the trash",
            "30 → 31",
        ),
        (
            A.RETENTION_RUN,
            {"after": {"version": 2, "images": 87, "size_bytes": 5}},
            "ran the retention rules",
            "87 images",
        ),
        (
            A.PRICE_SET,
            {"label": "kling * reference", "after": {"price_e4": 1200}},
            "set the price of any model of Kling, reference",
            "$0.12",
        ),
        (
            A.PRICE_SET,
            {"label": "kling kling-v1", "after": {"price_e4": 1200}},
            "set the price of Kling 1",
            "$0.12",
        ),
        (A.INVITATION_REVOKED, {"label": "Ada"}, "revoked the invitation of Ada", ""),
    ],
)
def test_decisions_in_words(
    admin: Member, action: AuditAction, values: dict[str, Any], sentence: str, fact: str
) -> None:
    Team.objects.update(time_zone="UTC")
    text = text_of(record(action, admin, **values))
    assert (text.sentence, text.fact) == (f"admin-of-tests {sentence}", fact)


def test_invitations_and_gateway_logs_in_words(admin: Member) -> None:
    terms = InvitationTerms(Role.MEMBER, NOON)
    Invitation.objects.invite(admin, terms)
    Invitation.objects.invite(admin, terms, ["", ""])
    Invitation.objects.invite(admin, terms, ["Ada"])
    for name in ("g2.csv", ""):
        record(A.RECONCILED, admin, on=GatewayLog.objects.create(name=name))
    texts = texts_of(list(AuditEntry.objects.select_related("by").order_by("pk")))
    assert [text.sentence.removeprefix("admin-of-tests ") for text in texts] == [
        "created an invitation",
        "created 2 invitations",
        "invited Ada",
        "imported the gateway log g2.csv",
        "imported a pasted gateway log",
    ]
    assert texts[0].url == "/admin/invitations/"


def test_exports_say_what_was_exported(admin_client: Client) -> None:
    admin_client.post("/admin/generations/price/export/")
    admin_client.post("/admin/reconciliation/report", {"month": "2026-11"})
    assert sentences(admin_client) == [
        "admin-of-tests exported reconciliation of 2026-11",
        "admin-of-tests exported price table",
    ]


@pytest.mark.parametrize(
    ("action", "values"),
    [
        (A.SIGN_IN_FAILED, {"note": audit_entry.TOO_MANY_TRIES}),
        (A.SIGN_IN_FAILED, {"note": audit_entry.WRONG_SECOND_FACTOR}),
        (A.SIGN_IN_FAILED, {"note": audit_entry.NO_ROLE % {"provider": "Acme"}}),
        (A.ROLE_CHANGED, {"note": audit_entry.BY_PROVIDER % {"provider": "Acme"}}),
        (A.SECOND_FACTOR_ADDED, {"after": {"kind": audit_entry.APP}}),
        (A.SECOND_FACTOR_REMOVED, {"after": {"kind": audit_entry.RECOVERY_CODES}}),
    ],
)
def test_what_klingweb_noted_is_in_the_language_of_the_reader(
    admin: Member, settings: Settings, action: AuditAction, values: dict[str, Any]
) -> None:
    settings.OIDC_NAME = "Acme"
    entry = record(action, admin, **values)
    english = text_of(entry)
    with translation.override("vi"):
        translated = text_of(entry)
    assert english.note == entry.note
    assert english.fact != translated.fact
    assert bool(entry.note) == (english.note != translated.note)


def test_what_commands_did_is_in_the_language_of_the_reader(
    admin: Member, pseudo_language: str
) -> None:
    """Notes and labels of klingweb itself; what a person typed stays."""
    record(A.EXPORTED, None, label="price table", note=audit_entry.BY_COMMAND)
    record(A.KEY_CHANGED, None, note=audit_entry.ENCRYPTED_AGAIN)
    with translation.override(pseudo_language):  # the log is in English, whoever did it
        record(A.KEY_CHANGED, admin, on=ApiKey(slot="first", last_four="1234"))
    record(A.PAUSED, admin, note="Lunch")
    record(A.DEMO_CHANGED, admin, on=make_generation(owner=admin), label="Lost connection")
    entries = list(AuditEntry.objects.select_related("by").order_by("pk"))
    assert [text.sentence for text in texts_of(entries)] == [
        "System exported price table",
        "System changed the encryption key",
        "admin-of-tests changed a key: First key …1234",
        "admin-of-tests paused generation",
        "admin-of-tests started the fault drill Lost connection",
    ]
    with translation.override(pseudo_language):
        texts = texts_of(entries)
    translated = [(text.what != row.target_label, text.note != row.note)
                  for text, row in zip(texts, entries, strict=True)]  # fmt: skip
    assert translated == [
        (True, True), (False, True), (True, False), (False, False), (True, False),
    ]  # fmt: skip


def test_fault_drill_in_words(admin: Member) -> None:
    row = make_generation(owner=admin)
    started = text_of(record(A.DEMO_CHANGED, admin, on=row, label="Lost connection"))
    killed = text_of(record(A.DEMO_CHANGED, admin, on=row, label="Worker killed", note="pid 7"))
    assert started.sentence == "admin-of-tests started the fault drill Lost connection"
    assert killed.sentence == "admin-of-tests killed a worker in a fault drill"
    assert started.url == f"/generations/{row.pk}/"


def test_settings_and_retention_have_their_pages(admin: Member, admin_client: Client) -> None:
    team_settings.change([team_settings.Change("trash_days", 30, 31)], admin)
    rule = RetentionRule.objects.current()
    RetentionRule.change(admin, rule.version, rule.as_values() | {"days": 90})
    urls = {text.url for text in texts_of(list(AuditEntry.objects.select_related("by")))}
    assert urls == {"/admin/settings/", "/admin/retention/"}
    assert {admin_client.get(url).status_code for url in urls} == {200}


def test_entry_of_a_person_and_an_action_that_are_gone(admin_client: Client) -> None:
    gone = make_member("gone")
    record(A.SIGNED_IN, gone)
    AuditEntry.objects.create(action="of-a-later-release", by_name="gone", before={"a": {"b": [1]}})
    Member.objects.filter(pk=gone.pk).delete()
    assert sentences(admin_client) == ["gone: of-a-later-release", "gone signed in"]


def test_page_escapes_what_people_typed(admin_client: Client, admin: Member) -> None:
    record(A.SETTING_CHANGED, admin, label="<b>x</b>", after={"<i>": "<u>"}, note="<s>")
    page = admin_client.get(URL).content.decode()
    assert not re.search(r"<(b|i|u|s)>", page)
    assert "&lt;u&gt;" in page


# --- filters -------------------------------------------------------------------------------------


@pytest.fixture
def entries(admin: Member, owner: Member) -> None:
    record(A.SIGNED_IN, owner, at=NOON - timedelta(days=2))
    record(A.PRICE_SET, admin, label="kling *", at=NOON - timedelta(days=1))
    record(A.ROLE_CHANGED, admin, on=owner, at=NOON)
    record(A.HELD, None, at=NOON + timedelta(days=1))


@pytest.mark.usefixtures("entries")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["hold", "role", "price", "signed in"]),
        ("?group=money", ["price"]),
        ("?group=people", ["role"]),
        ("?group=files", []),
        ("?person=system", ["hold"]),
        ("?person={owner}", ["role", "signed in"]),
        ("?person={owner}&group=sign-ins", ["signed in"]),
        ("?person={admin}&group=money", ["price"]),
        ("?text=KLING", ["price"]),
        ("?text=OWNER&group=people", ["role"]),
        ("?since=2026-11-20", ["hold", "role"]),
        ("?until=2026-11-19", ["price", "signed in"]),
        ("?since=2026-11-19&until=2026-11-20", ["role", "price"]),
        ("?since=2027-01-01", []),
        ("?until=2020-01-01", []),
        ("?since=2026-11-19&until=2026-11-20&group=money&person={admin}&text=kling", ["price"]),
        ("?before=999999999", ["hold", "role", "price", "signed in"]),
        ("?before=1", []),
    ],
)
def test_filters(
    admin_client: Client, admin: Member, owner: Member, query: str, found: list[str]
) -> None:
    shown = sentences(admin_client, query.format(owner=owner.pk, admin=admin.pk))
    assert [next(word for word in found if word in each) for each in shown] == found


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?since=yesterday", 422), ("?person=999999", 422), ("?person=x", 422), ("?group=x", 422),
        (f"?text={'x' * 101}", 422), ("?before=x", 404), ("?before=-1", 404),
        ("?before=" + "9" * 30, 404), ("?before=%00", 404),
    ],
)  # fmt: skip
def test_filters_that_cannot_be_used(admin_client: Client, query: str, status: int) -> None:
    assert sentences(admin_client, query, status) == []


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles"])
@pytest.mark.parametrize("values", [{"since": "0001-01-01"}, {"until": "9999-12-31"}])
def test_day_that_is_no_moment_in_every_zone_is_refused(
    admin_client: Client, admin: Member, values: dict[str, str], zone: str
) -> None:
    Member.objects.filter(pk=admin.pk).update(time_zone=zone)
    page = admin_client.get(URL, values)
    assert page.status_code == 422
    assert "Enter a date from 2000 to 2199, such as 2026-11-28." in page.content.decode()
    assert admin_client.post(f"{URL}csv", values).status_code == 422


def test_days_are_those_of_the_reader(admin_client: Client, admin: Member) -> None:
    Member.objects.filter(pk=admin.pk).update(time_zone="Asia/Tokyo")
    record(A.HELD, at=datetime(2026, 11, 19, 16, tzinfo=UTC))  # 20 November, 01:00 in Tokyo
    assert len(sentences(admin_client, "?since=2026-11-20&until=2026-11-20")) == 1
    assert sentences(admin_client, "?until=2026-11-19") == []
    page = admin_client.get(URL).content.decode()
    assert f"<h2>{format_day(date(2026, 11, 20))}</h2>" in page
    assert ">01:00</time>" in page


@pytest.mark.parametrize("query", ["", "group=sign-ins", "person={owner}", "text=own"])
def test_pages_show_each_entry_once(admin_client: Client, owner: Member, query: str) -> None:
    made = [record(A.SIGNED_IN, owner, on=owner).pk for _number in range(120)]
    chosen, seen = query.format(owner=owner.pk), []
    url = f"{URL}?{chosen}"
    for _page in range(3):
        response = admin_client.get(url)
        seen += [text.entry.pk for text in response.context["texts"]]
        url = f"{URL}{response.context['older']}"
    assert seen == made[::-1]
    assert response.context["older"] == ""


def test_filter_without_an_index_looks_at_some_entries_and_says_so(
    admin_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_filter, "MAX_LOOKED_AT", 20)
    oldest = record(A.SIGNED_IN, owner, label="ammonite")
    for _number in range(30):
        record(A.SIGNED_IN, owner)
    first = admin_client.get(f"{URL}?text=ammonite")
    assert first.context["texts"] == []
    assert "No matches in these 20 entries." in first.content.decode()
    assert "Search older entries" in first.content.decode()
    second = admin_client.get(f"{URL}{first.context['older']}")
    assert [text.entry for text in second.context["texts"]] == [oldest]
    assert [each.pk for each in AuditFilter(text="ammonite").all()] == [oldest.pk]


def test_no_query_for_each_entry(
    admin_client: Client, owner: Member, django_assert_max_num_queries: Any
) -> None:
    for number in range(50):
        record(A.ROLE_CHANGED, make_member(f"by-{number}"), on=make_member(f"on-{number}"))
    admin_client.get(URL)
    with django_assert_max_num_queries(10):
        assert len(sentences(admin_client)) == 50


# --- CSV -----------------------------------------------------------------------------------------


def lines(response: Any) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_the_filtered_log_and_is_recorded(admin_client: Client, admin: Member) -> None:
    record(A.HELD, None, note="=cmd()")
    record(
        A.LIMIT_CHANGED, admin, label="-yuki",
        before={"money_e4": 1_000_000}, after={"money_e4": 1_200_000}, at=NOON,
    )  # fmt: skip
    response = admin_client.post(f"{URL}csv", {"group": "money", "text": "yuki"})
    [line] = lines(response)
    assert line == {
        "Time": "2026-11-20 12:00:00+00:00",
        "Person": "admin-of-tests",
        "User name": "admin-of-tests",
        "Address": "",
        "Action": "Changed a limit",
        "Object": "'-yuki",
        "Type": "",
        "ID": "",
        "Before": "Money: $100.00",
        "After": "Money: $120.00",
        "Note": "",
    }
    exported = AuditEntry.objects.get(action=A.EXPORTED)
    assert (exported.by, exported.after) == (admin, {"group": "money", "text": "yuki"})
    assert "no-store" in response["Cache-Control"]
    everything = lines(admin_client.post(f"{URL}csv"))
    assert [line["Action"] for line in everything] == [
        "Exported data", "Exported data", "Changed a limit", "Generation on hold",
    ]  # fmt: skip
    assert everything[-1]["Note"] == "'=cmd()"
    assert everything[-1]["Person"] == "System"


def test_csv_of_a_long_log_has_each_entry_once(admin_client: Client, owner: Member) -> None:
    AuditEntry.objects.bulk_create(
        AuditEntry(action=A.SIGNED_IN, by=owner, target_id=str(number)) for number in range(1234)
    )
    found = lines(admin_client.post(f"{URL}csv", {"group": "sign-ins"}))
    assert [line["ID"] for line in found] == [str(number) for number in reversed(range(1234))]


def test_csv_is_only_a_press(admin_client: Client) -> None:
    assert admin_client.get(f"{URL}csv").status_code == 405
    assert admin_client.post(f"{URL}csv", {"since": "x"}).status_code == 422
    assert not AuditEntry.objects.exists()
