"""The pages of reconciliation: upload, mapping, decisions, the report and the correction."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from generations.models import AuditAction, AuditEntry, Generation, Member, Status, Team
from generations.models.money import (
    Comparison,
    GatewayLine,
    GatewayLog,
    LedgerEntry,
    WatchedTask,
)
from generations.operations import ledger_check
from generations.reconciliation.parsing import MAX_BYTES
from tests.builders import make_generation, make_member, make_submission
from tests.test_reconciliation import at, charged

pytestmark = pytest.mark.django_db
PAGE, UPLOAD = "/admin/reconciliation/", "/admin/reconciliation/upload/"
HEADER = "Time,Task ID,Amount\n"


@pytest.fixture(autouse=True)
def _files(media_root: Any) -> None:
    """Drafts are stored in a folder of the test."""


def lines(*rows: tuple[float, str, str]) -> str:
    return HEADER + "".join(f"{at(each[0]).isoformat()},{each[1]},{each[2]}\n" for each in rows)


def upload(client: Client, content: bytes | str, name: str = "log.csv") -> Any:
    data = content.encode() if isinstance(content, str) else content
    return client.post(UPLOAD, {"file": SimpleUploadedFile(name, data)})


def load(client: Client, content: bytes | str, **changes: str) -> Any:
    """Upload a log and import it as the page suggests, apart from `changes`."""
    response = upload(client, content)
    assert response.status_code == 302, response.content.decode()
    page = client.get(response["Location"])
    initial = page.context["form"].initial
    values = {name: value for name, value in initial.items() if value is not False}
    return client.post(response["Location"], values | changes, follow=True)


def text_of(response: Any) -> str:
    return str(response.content.decode())


def test_month_from_upload_to_report(admin_client: Client, admin: Member, owner: Member) -> None:
    right, more = charged(owner, 1, "task-right"), charged(owner, 40, "task-more", 2400)
    log = lines(
        (0, "task-unknown", "0.12"), (1, "task-right", "0.48"), (40, "task-more", "0.48")
    )  # fmt: skip
    response = load(admin_client, log)
    assert response.redirect_chain[-1][0] == f"{PAGE}?month=2026-11"
    text = text_of(response)
    assert "3 lines were read, 3 of them are new." in text
    assert "+$0.36" in text
    assert "Correct to $0.48" in text
    assert "no generation of that time" in text
    row = Comparison.objects.get(key=f"g{more.pk}")
    opened = admin_client.get(f"{PAGE}?month=2026-11&decide={row.pk}&as=corrected")
    assert "The audit log keeps it." not in text_of(opened)
    address = reverse("decide-difference", args=(row.pk,))
    shown = {"decision": "corrected", "billed": "4800", "recorded": "2400", "month": "2026-11"}
    refused = admin_client.post(address, {**shown, "note": " "})
    assert refused.status_code == 422
    assert "Enter a reason. The audit log keeps it." in text_of(refused)
    assert not LedgerEntry.objects.filter(kind="correct").exists()
    for _press in range(2):
        admin_client.post(address, {**shown, "note": "invoice 11"})
    assert LedgerEntry.objects.filter(kind="correct").count() == 4  # one for each period
    assert ledger_check.differences() == []
    streamed: Any = admin_client.post("/admin/reconciliation/report", {"month": "2026-11"})
    report = b"".join(streamed.streaming_content).decode()
    assert report.startswith("\ufeffGroup,Time,Task ID")
    assert len(report.splitlines()) == 4
    assert "invoice 11" in report
    assert str(right.pk) in report
    actions = set(AuditEntry.objects.values_list("action", flat=True))
    assert {AuditAction.RECONCILED, AuditAction.CORRECTED, AuditAction.EXPORTED} <= actions


def test_pasted_log_and_remembered_mapping(admin_client: Client) -> None:
    paste = admin_client.post(UPLOAD, {"text": "When,Spent,Ref\n2026-11-10 12:00:00,48,r-1\n"})
    page = admin_client.get(paste["Location"])
    assert page.context["form"].initial["amount"] == ""  # not guessed
    mapping = {
        "at": "When", "amount": "Spent", "request_id": "Ref", "unit": "cents",
        "decimal_mark": ".", "time_zone": "Europe/Berlin",
    }  # fmt: skip
    assert admin_client.post(paste["Location"], mapping).status_code == 302
    line = GatewayLine.objects.get()
    assert (line.amount_e4, line.at.hour) == (4800, 11)
    response = upload(admin_client, "Ref,When,Spent\nr-2,2026-11-11 12:00:00,24\n")
    initial = admin_client.get(response["Location"]).context["form"].initial
    assert mapping.items() <= initial.items()
    log = GatewayLog.objects.get(imported_at__isnull=False)
    assert not log.file  # it is not needed any more


def test_draft_is_imported_once(admin_client: Client) -> None:
    first = load(admin_client, lines((0, "a", "0.48")))
    address = f"/admin/reconciliation/logs/{GatewayLog.objects.get().pk}/"
    assert "1 lines were read, 1 of them are new." in text_of(admin_client.get(address))
    assert admin_client.post(address, {}).status_code == 200
    assert first.status_code == 200
    assert GatewayLine.objects.count() == 1


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "The log is empty."),
        (b"\x89PNG\x00\x01", "This is not a CSV file."),
        (b"a" * (MAX_BYTES + 1), "The log is too large."),
        (b"x" * 200_000, "Line 1 is too long"),
        (b"time,amount\n", "no lines after it"),
        (b"nothing\n1\n", "The first line must name the columns"),
    ],
)
def test_hostile_file_has_an_error_beside_the_field(
    admin_client: Client, content: bytes, error: str
) -> None:
    response = upload(admin_client, content)
    assert response.status_code == 422
    assert error in text_of(response)
    assert 'id="file-error"' in text_of(response)
    assert not GatewayLog.objects.exists()


def test_upload_without_a_log_asks_for_one(admin_client: Client) -> None:
    response = admin_client.post(UPLOAD, {"text": " "})
    assert response.status_code == 422
    assert "Choose a file, or paste the lines below." in text_of(response)


def test_lines_that_cannot_be_read_are_named_and_nothing_is_imported(
    admin_client: Client,
) -> None:
    response = load(admin_client, HEADER + "2026-11-10,a,0.48\nsoon,b,0.48\n2026-11-10,c,=1+1\n")
    text = text_of(response)
    assert "Line 3: “soon” in Time cannot be read." in text
    assert "Line 4: “=1+1” in Amount cannot be read." in text
    assert "2 lines cannot be read. Nothing was imported." in text
    assert not GatewayLine.objects.exists()


def test_columns_are_checked(admin_client: Client) -> None:
    Team.objects.create(currency="EUR")
    address = upload(admin_client, lines((0, "a", "0.48")))["Location"]
    values = {
        "at": "Time", "amount": "Time", "unit": "quota", "decimal_mark": ".", "time_zone": "UTC",
    }  # fmt: skip
    text = text_of(admin_client.post(address, values))
    assert "This column is used above." in text
    assert "Quota units are US dollars, and the team counts in EUR." in text
    text = text_of(admin_client.post(address, values | {"at": ""}))
    assert "Choose a column." in text


def test_formula_in_a_log_is_text_in_the_report(admin_client: Client) -> None:
    load(admin_client, HEADER + '2026-11-10,"=HYPERLINK(""x"")",0.48\n')
    response: Any = admin_client.post("/admin/reconciliation/report", {"month": "2026-11"})
    assert "'=HYPERLINK" in b"".join(response.streaming_content).decode()


def test_task_is_assigned_to_the_suggested_generation(admin_client: Client, owner: Member) -> None:
    row = make_generation(
        Status.UNCONFIRMED, owner=owner, created_at=at(1), attempt=1, is_private=True,
        prompt="a secret prompt", n=4, unit_price_e4=1200,
    )  # fmt: skip
    make_submission(row, sent_at=at(1))
    text = text_of(load(admin_client, lines((2, "task-1", "0.48"))))
    assert f"{owner.name}: unconfirmed, 4 images, $0.48, sent " in text
    assert "a secret prompt" not in text
    comparison = Comparison.objects.get()
    values = {"billed": "4800", "recorded": "", "generation": f"{row.pk}:{row.version}"}
    address = reverse("assign-task", args=(comparison.pk,))
    response = admin_client.post(address, values, follow=True)
    assert "The task is tracked now." in text_of(response)
    assert Generation.objects.get(pk=row.pk).upstream_task_id == "task-1"
    again = admin_client.post(address, values, follow=True)
    assert "Already decided." in text_of(again)


def test_one_of_several_requests_of_the_same_second_is_chosen(
    admin_client: Client, owner: Member
) -> None:
    rows = [
        make_generation(
            Status.UNCONFIRMED, owner=owner, created_at=at(1), attempt=1, n=4, unit_price_e4=1200,
            is_private=number == 1, prompt=f"prompt {number}",
        )
        for number in range(2)
    ]  # fmt: skip
    for row in rows:
        make_submission(row, sent_at=at(1))
    text = text_of(load(admin_client, lines((2, "task-1", "0.48"))))
    assert "2 unconfirmed requests, $0.48 each, sent " in text
    assert f"{rows[0].pk}: {owner.name}, 4 images, “prompt 0”" in text
    assert f"{rows[1].pk}: {owner.name}, 4 images, private" in text
    values = {"billed": "4800", "recorded": "", "generation": ""}
    address = reverse("assign-task", args=(Comparison.objects.get().pk,))
    refused = admin_client.post(address, values, follow=True)
    assert "Choose the request that this task belongs to." in text_of(refused)
    values["generation"] = f"{rows[1].pk}:{rows[1].version}"
    assert "The task is tracked now." in text_of(admin_client.post(address, values, follow=True))
    assert Generation.objects.get(upstream_task_id="task-1") == rows[1]


def test_a_request_with_another_price_is_offered_and_must_be_chosen(
    admin_client: Client, owner: Member
) -> None:
    row = make_generation(
        Status.UNCONFIRMED, owner=owner, created_at=at(1), attempt=1, n=4, unit_price_e4=1000,
        prompt="A pear",
    )  # fmt: skip
    make_submission(row, sent_at=at(1))
    far = make_generation(Status.UNCONFIRMED, owner=owner, created_at=at(1), attempt=1)
    make_submission(far, sent_at=at(1) - timedelta(hours=1))
    text = text_of(load(admin_client, lines((2, "task-1", "0.48"))))
    assert "1 unconfirmed request at another price" in text
    assert "None has this price. Sent within 30 minutes before, at another one" in text
    assert f"{row.pk}: {owner.name}, 4 images, “A pear”, $0.40, " in text
    assert f"{far.pk}: " not in text
    values = {"billed": "4800", "recorded": "", "generation": f"{row.pk}:{row.version}"}
    address = reverse("assign-task", args=(Comparison.objects.get().pk,))
    assert "The task is tracked now." in text_of(admin_client.post(address, values, follow=True))
    assert Generation.objects.get(pk=row.pk).upstream_task_id == "task-1"


def test_groups_have_pages(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("generations.web.admin.reconciliation.PAGE_SIZE", 2)
    load(admin_client, lines(*((n, f"task-{n}", "0.48") for n in range(5))))
    seen: list[str] = []
    address = f"{PAGE}?month=2026-11"
    while address:
        [block] = admin_client.get(address).context["blocks"]
        seen += [row.comparison.task_id for row in block.rows]
        key = block.next_key
        address = f"{PAGE}?month=2026-11&group=unknown&before={key}" if key else ""
    assert seen == [f"task-{n}" for n in (4, 3, 2, 1, 0)]


def test_month_of_another_form_is_not_found(admin_client: Client) -> None:
    for month in ("2026-13", "x", "1999-01", "2026-00"):
        assert admin_client.get(f"{PAGE}?month={month}").status_code == 404


# --- the correction of one charge ----------------------------------------------------------------


def test_charge_is_corrected_with_a_reason(admin_client: Client, owner: Member) -> None:
    row = charged(owner, 1, "a")
    address = f"/admin/ledger/{row.pk}/correct/"
    assert "charged $0.48" in text_of(admin_client.get(address))
    refused = admin_client.post(address, {"amount": "0.12", "note": "", "seen": "4800"})
    assert "Enter a reason. The ledger keeps it." in text_of(refused)
    values = {"amount": "0.12", "note": "a goodwill", "seen": "4800"}
    first = admin_client.post(address, values, follow=True)
    assert "Corrected from $0.48 to $0.12." in text_of(first)
    second = admin_client.post(address, values, follow=True)
    assert "The amounts have changed meanwhile." in text_of(second)
    same = admin_client.post(address, values | {"seen": "1200"})
    assert "This is the amount that is charged already." in text_of(same)
    assert Generation.objects.get(pk=row.pk).charged_e4 == 1200
    assert LedgerEntry.objects.filter(kind="correct").count() == 4
    assert ledger_check.differences() == []
    [entry] = AuditEntry.objects.filter(action=AuditAction.CORRECTED)
    assert (entry.before, entry.after, entry.note) == (
        {"charged_e4": 4800}, {"charged_e4": 1200}, "a goodwill",
    )  # fmt: skip


def test_open_request_has_no_charge_to_correct(admin_client: Client, owner: Member) -> None:
    row = make_generation(Status.RUNNING, owner=owner, reservations=1)
    address = f"/admin/ledger/{row.pk}/correct/"
    assert "Only a request that has ended" in text_of(admin_client.get(address))
    response = admin_client.post(address, {"amount": "1", "note": "x", "seen": "0"}, follow=True)
    assert "Only a request that has ended" in text_of(response)
    assert not LedgerEntry.objects.exists()


# --- several, watched and outdated rows ----------------------------------------------------------


def test_several_lines_are_decided_with_one_reason(admin_client: Client, owner: Member) -> None:
    rows = [charged(owner, n, f"task-{n}", 2400) for n in range(3)]
    load(admin_client, lines(*((n, f"task-{n}", "0.48") for n in range(3))))
    address = f"{PAGE}?month=2026-11&group=different&select=all"
    page = admin_client.get(address)
    [block] = page.context["blocks"]
    assert text_of(page).count(" checked>") == 3
    values = {
        "month": "2026-11", "group": "different", "decision": "corrected",
        "row": [row.value for row in block.rows],
    }  # fmt: skip
    many = f"{PAGE}decide"
    refused = admin_client.post(many, values)
    assert refused.status_code == 422
    assert "Enter a reason. The audit log keeps it." in text_of(refused)
    assert text_of(refused).count(" checked>") == 3
    none = admin_client.post(many, values | {"row": [], "note": "x"})
    assert "Tick at least one line." in text_of(none)
    done = admin_client.post(many, values | {"note": "invoice 12"}, follow=True)
    assert "3 differences were decided." in text_of(done)
    assert {row.charged_e4 for row in Generation.objects.filter(pk__in=[r.pk for r in rows])} == {
        4800
    }
    again = admin_client.post(many, values | {"note": "twice"}, follow=True)
    assert "0 differences were decided." in text_of(again)
    assert "Already decided." in text_of(again)
    assert ledger_check.differences() == []


def test_hostile_rows_of_a_decision_about_several_are_ignored(admin_client: Client) -> None:
    values = {"month": "2026-11", "group": "different", "decision": "kept", "note": "x"}
    for row in ("", "1", "x:1:1", "1:1", "9" * 30 + ":1:1"):
        assert admin_client.post(f"{PAGE}decide", values | {"row": row}).status_code == 422
    response = admin_client.post(f"{PAGE}decide", values | {"row": "77:1:1"}, follow=True)
    assert "0 differences were decided." in text_of(response)


def test_outcome_of_a_watched_task_is_shown(admin_client: Client) -> None:
    load(admin_client, lines((0, "task-unknown", "0.12")))
    row = Comparison.objects.get()
    response = admin_client.post(
        reverse("decide-difference", args=(row.pk,)),
        {"decision": "watched", "billed": "1200", "recorded": ""},
        follow=True,
    )
    assert "klingweb asks the gateway about this task now" in text_of(response)
    assert "Gateway: not asked yet" in text_of(response)
    WatchedTask.objects.update(outcome="succeeded", images=4, next_check_at=None)
    assert "Gateway: done, 4 images" in text_of(admin_client.get(f"{PAGE}?month=2026-11"))


def test_refused_decision_shows_the_row_as_it_is_now(admin_client: Client, owner: Member) -> None:
    generation = charged(owner, 1, "task-1", 2400)
    load(admin_client, lines((1, "task-1", "0.48")))
    row = Comparison.objects.get()
    admin_client.post(
        f"/admin/ledger/{generation.pk}/correct/", {"amount": "0.36", "note": "x", "seen": "2400"}
    )
    response = admin_client.post(
        reverse("decide-difference", args=(row.pk,)),
        {"decision": "kept", "note": "stale", "billed": "4800", "recorded": "2400"},
        follow=True,
    )
    text = text_of(response)
    assert "The amounts have changed meanwhile." in text
    assert "+$0.12" in text
    assert "Correct to $0.48" in text


def test_sample_data_is_said_not_to_be_compared(admin_client: Client, settings: Settings) -> None:
    load(admin_client, lines((0, "task-unknown", "0.12")))
    text = "Sample data is not compared"
    assert text not in text_of(admin_client.get(f"{PAGE}?month=2026-11"))
    make_member("sample-chen")
    settings.DEMO = True
    assert text in text_of(admin_client.get(f"{PAGE}?month=2026-11"))
