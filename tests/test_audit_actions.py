"""Everything that the audit log promises is recorded, on every road to it."""

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core.cache import cache
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Picture,
    Status,
    UpstreamGate,
    audit_entry,
)
from generations.models.money import Price
from generations.permissions import Role
from generations.setup import team
from generations.setup.team import TeamSetup
from generations.web.cards.context import pause_id
from generations.web.middleware import session_limits
from klingweb import data_folder
from tests.builders import PASSWORD, make_generation, make_member, make_submission, picture_ids
from tests.commands import run
from tests.conftest import client_for
from tests.installation import ROOT
from tests.one_time_codes import (
    add_app,
    add_passkey,
    add_recovery_codes,
    code_of,
    credentials,
    wrong_codes,
)
from tests.test_password_reset import DATA, NEW, create_link, open_link
from tests.test_second_factor import FOLDER, confirm

pytestmark = pytest.mark.django_db

KEY = "sk-a-key-that-nobody-may-see"


def entries(action: AuditAction) -> list[AuditEntry]:
    """Oldest first."""
    return list(AuditEntry.objects.filter(action=action).order_by("pk"))


def entry(action: AuditAction) -> AuditEntry:
    [found] = entries(action)
    return found


# --- the whole list ------------------------------------------------------------------------------


def test_every_action_is_recorded_somewhere() -> None:
    sources = [path for path in Path(ROOT, "generations").rglob("*.py") if _may_record(path)]
    recorded = {
        name
        for path in sources
        for name in re.findall(r"AuditAction\.([A-Z_]+)", path.read_text("utf-8"))
    }
    assert recorded >= AuditAction.__members__.keys()


def _may_record(path: Path) -> bool:
    """Whether naming an action there means that it is recorded: not in its texts and filters."""
    return not path.name.startswith("audit_") or path.name == "audit_entry.py"


# --- sign-ins ------------------------------------------------------------------------------------


def sign_in(name: str, password: str, address: str = "192.0.2.7", language: str = "en") -> Client:
    client = Client(REMOTE_ADDR=address)
    client.cookies["language"] = language
    client.post("/accounts/login/", {"username": name, "password": password})
    return client


def test_sign_in_and_sign_out(owner: Member) -> None:
    client = sign_in("owner", PASSWORD)
    assert entry(AuditAction.SIGNED_IN).by == owner
    assert entry(AuditAction.SIGNED_IN).address == "192.0.2.7"
    client.post("/accounts/logout/")
    assert entry(AuditAction.SIGNED_OUT).by == owner
    client.post("/accounts/logout/")
    assert len(entries(AuditAction.SIGNED_OUT)) == 1  # of the first one only


def test_sign_out_on_the_old_address_of_the_admin(admin_client: Client, admin: Member) -> None:
    admin_client.post("/admin/logout/")
    assert entry(AuditAction.SIGNED_OUT).by == admin


def test_failed_sign_in_names_an_account_and_nothing_else_that_was_typed(owner: Member) -> None:
    for name in ("owner", PASSWORD, "x" * 150):
        sign_in(name, "wrong")
    named, *others = entries(AuditAction.SIGN_IN_FAILED)
    assert (named.by, named.target_type, named.target_id) == (None, "member", str(owner.pk))
    assert named.target_label == "owner"
    for other in others:
        assert (other.target_label, other.target_id, other.note) == ("", "", "")
    assert len(others) == 2


def test_failures_of_one_name_are_one_entry_a_minute_and_the_lock_out_another(
    owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(12):
        sign_in("owner", "wrong", language=("vi", "zh-hans")[number % 2])
    failed, refused = entries(AuditAction.SIGN_IN_FAILED)
    assert (failed.note, refused.note) == ("", "Too many tries: refused for a while.")
    sign_in("owner", "wrong", address="192.0.2.8")
    assert len(entries(AuditAction.SIGN_IN_FAILED)) == 3


def test_failures_of_many_names_and_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_entry, "MAX_FAILED_SIGN_INS", 5)
    for number in range(9):
        sign_in(f"name-{number}", "wrong", address=f"192.0.2.{number}")
    found = entries(AuditAction.SIGN_IN_FAILED)
    assert len(found) == 5
    assert "the next ones are not recorded" in found[-1].note
    AuditEntry.objects.update(at=timezone.now() - timedelta(seconds=120))
    cache.clear()
    sign_in("name-10", "wrong")
    assert len(entries(AuditAction.SIGN_IN_FAILED)) == 6


def test_a_failure_takes_the_same_queries_for_every_name(owner: Member) -> None:
    """Or else the time of the answer would tell which accounts exist."""
    counts = []
    for name in ("warm-up", "owner", "nobody"):
        with CaptureQueriesContext(connection) as queries:
            AuditEntry.objects.record_failed_sign_in(name)
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_wrong_second_factor(owner: Member) -> None:
    secret = add_app(owner)
    client = sign_in("owner", PASSWORD)
    assert not entries(AuditAction.SIGNED_IN)  # not before the code
    client.cookies["language"] = "vi"
    client.post("/accounts/second-factor/", {"code": next(wrong_codes(secret))})
    assert entry(AuditAction.SIGN_IN_FAILED).note == "The second factor was wrong."
    client.post("/accounts/second-factor/", {"code": code_of(secret)})
    assert entry(AuditAction.SIGNED_IN).by == owner


# --- passwords, second factor, sessions ----------------------------------------------------------


def test_own_password(owner_client: Client, owner: Member) -> None:
    data = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    assert owner_client.post("/settings/password/", data).status_code == 303
    changed = entry(AuditAction.PASSWORD_CHANGED)
    assert (changed.by, changed.target_id) == (owner, str(owner.pk))


def test_reset_link_and_its_use(admin_client: Client, admin: Member, owner: Member) -> None:
    link = create_link(admin_client, owner)
    created = entry(AuditAction.RESET_LINK_CREATED)
    assert (created.by, created.target_id) == (admin, str(owner.pk))
    client, form = open_link(link)
    client.post(form, DATA)
    assert entry(AuditAction.PASSWORD_CHANGED).note == "With a reset link."
    token = link.split("/")[-2]
    assert token not in str(list(AuditEntry.objects.values()))


def test_reset_link_by_mail(client: Client, owner: Member, settings: Settings) -> None:
    settings.MAIL = {"host": "mail.example"}
    Member.objects.filter(pk=owner.pk).update(email="owner@example.com")
    client.post("/accounts/forgotten/", {"name": "owner"})
    assert entry(AuditAction.RESET_LINK_CREATED).by is None


def test_second_factor_is_added_and_removed(owner_client: Client, owner: Member) -> None:
    page = confirm(owner_client, f"{FOLDER}app/").content.decode()
    secret = re.findall(r'<code class="key">(\w+)</code>', page)[0]
    Member.objects.filter(pk=owner.pk).update(language="vi")
    owner_client.post(f"{FOLDER}app/", {"code": code_of(secret)})
    owner_client.post(f"{FOLDER}codes/new/")
    owner_client.post(f"{FOLDER}app/remove/")
    added = entries(AuditAction.SECOND_FACTOR_ADDED)
    assert [each.after["kind"] for each in added] == ["App", "Recovery codes"]
    assert entry(AuditAction.SECOND_FACTOR_REMOVED).after == {"kind": "App"}
    assert secret not in str(list(AuditEntry.objects.values()))


def test_passkey_is_removed(owner: Member) -> None:
    add_passkey(owner)
    client = client_for(owner)
    row = Authenticator.objects.get()
    confirm(client, f"{FOLDER}passkeys/{row.pk}/remove/")
    client.post(f"{FOLDER}passkeys/{row.pk}/remove/")
    assert entry(AuditAction.SECOND_FACTOR_REMOVED).after == {"kind": "Passkey"}


def test_second_factor_of_somebody_else(admin_client: Client, admin: Member, owner: Member) -> None:
    add_app(owner)
    add_recovery_codes(owner)
    admin_client.post(f"/admin/people/{owner.pk}/remove-second-factor/")
    removed = entry(AuditAction.SECOND_FACTOR_REMOVED)
    assert (removed.by, removed.target_id) == (admin, str(owner.pk))


def test_sessions_elsewhere(owner: Member) -> None:
    here, _there, _third = (sign_in("owner", PASSWORD) for _each in range(3))
    here.post("/settings/sessions/", {"others": "1"})
    assert entry(AuditAction.SESSIONS_ENDED).after == {"sessions": 2}
    here.post("/settings/sessions/", {"others": "1"})
    assert len(entries(AuditAction.SESSIONS_ENDED)) == 1


def test_session_beyond_a_limit(owner_client: Client, owner: Member, settings: Settings) -> None:
    settings.SESSION_DAYS = 1
    UserSession.objects.update(created_at=timezone.now() - timedelta(days=2))
    session_limits.forget_checks()
    owner_client.get("/gallery/")
    ended = entry(AuditAction.SESSIONS_ENDED)
    assert (ended.by, ended.target_id) == (None, str(owner.pk))


# --- money and settings --------------------------------------------------------------------------

PRICE = {
    "engine": "kling", "model": "*", "option": "", "amount_e4": "0.15",
    "valid_from": "2026-01-02T03:04",
}  # fmt: skip


def test_price_in_the_admin(admin_client: Client, admin: Member) -> None:
    for amount in ("0.12", "0.15"):
        day = f"2026-01-0{amount[-1]}"
        data = PRICE | {"amount_e4": amount, "valid_from": f"{day}T03:04"}
        assert admin_client.post("/admin/generations/price/add/", data).status_code == 302
    first, second = entries(AuditAction.PRICE_SET)
    assert (first.before, first.after["price_e4"]) == ({}, 1200)
    assert (second.before, second.after["price_e4"]) == ({"price_e4": 1200}, 1500)
    assert (second.by, second.target_label) == (admin, "kling *")


def test_prices_of_a_command(tmp_path: Path) -> None:
    run("price", "set", "kling", "*", "0.12")
    run("price", "set", "kling", "*", "0.12")  # is in force already
    file = tmp_path / "prices.csv"
    file.write_text("engine,model,amount\nkling,kling-v1,0.2\nkling,kling-v2,0.3\n")
    run("price", "import", str(file))
    found = entries(AuditAction.PRICE_SET)
    assert [each.after["price_e4"] for each in found] == [1200, 2000, 3000]
    assert {(each.by, each.note) for each in found} == {(None, "command")}


def test_first_start(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    person = Member(username="lan")
    team.create_owner(person, TeamSetup("Pear & Sons", "Europe/Berlin", "EUR", 5000, 1200, KEY))
    changed = {each.target_label: each.after for each in entries(AuditAction.SETTING_CHANGED)}
    assert changed["Team name"] == {"value": "Pear & Sons"}
    assert entry(AuditAction.PRICE_SET).by == person
    key = entry(AuditAction.KEY_CHANGED)
    assert (key.by, key.after) == (person, {"last_four": "…-see"})
    assert KEY not in str(list(AuditEntry.objects.values()))


def test_key_that_cannot_be_stored_is_not_recorded(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Member
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError

    settings.DATA_DIR = tmp_path
    monkeypatch.setattr(data_folder, "create_encryption_key", fail)
    with pytest.raises(OSError):
        team.change(TeamSetup("Pear & Sons", "UTC", "EUR", None, api_key=KEY), owner)
    assert not AuditEntry.objects.exists()


def test_ledger_is_rebuilt_and_exported() -> None:
    run("ledger", "export", "--month", "2026-11")
    run("price", "export")
    ledger, prices = entries(AuditAction.EXPORTED)
    assert (ledger.target_label, ledger.after, ledger.note) == (
        "ledger", {"month": "2026-11"}, "command",
    )  # fmt: skip
    assert prices.target_label == "price table", "as on the page"
    assert not entries(AuditAction.CORRECTED)


# --- generations and files -----------------------------------------------------------------------


@pytest.mark.parametrize("is_own", [True, False])
@pytest.mark.parametrize(
    ("name", "status", "columns", "action"),
    [
        ("dismiss", Status.UNCONFIRMED, {}, AuditAction.DISMISSED),
        ("send-again", Status.UNCONFIRMED, {}, AuditAction.SENT_AGAIN),
        ("search", Status.UNCONFIRMED, {"next_poll_at": timezone.now()}, AuditAction.RECHECKED),
        ("recheck", Status.RUNNING, {"lost_at": timezone.now()}, AuditAction.RECHECKED),
        ("fetch-again", Status.FAILED, {"failure": "files"}, AuditAction.RECHECKED),
    ],
)
def test_decisions_on_a_generation(
    admin_client: Client,
    admin: Member,
    owner: Member,
    settings: Settings,
    name: str,
    status: Status,
    columns: dict[str, Any],
    action: AuditAction,
    is_own: bool,
) -> None:
    settings.UPSTREAM_LOOKUP = True
    settings.UNPRICED = "count"
    row = make_generation(
        status, owner=admin if is_own else owner, upstream=settings.UPSTREAM_MODE, **columns
    )
    version = Generation.objects.get(pk=row.pk).version
    admin_client.post(f"/generations/{row.pk}/{name}/", {"version": version})
    found = entry(action)
    assert (found.by, found.target_type, found.target_id) == (admin, "generation", str(row.pk))
    assert found.target_label == f"generation {row.pk}"
    admin_client.post(f"/generations/{row.pk}/{name}/", {"version": version})  # is refused
    assert len(entries(action)) == 1


def test_task_id(admin_client: Client, owner: Member) -> None:
    row = make_generation(Status.UNCONFIRMED, owner=owner)
    make_submission(row)
    data = {"version": row.version, "upstream_task_id": "task-77"}
    admin_client.post(f"/generations/{row.pk}/enter-task-id/", data)
    found = entry(AuditAction.TASK_ID_ENTERED)
    assert found.after == {"upstream_task_id": "task-77"}


def test_files_deleted_for_ever(admin_client: Client, owner: Member, media_root: Path) -> None:
    ids = picture_ids(make_generation(Status.SUCCEEDED, n=2, owner=owner))
    Picture.objects.update(trashed_at=timezone.now(), trashed_by=owner)
    admin_client.post("/trash/delete", {"picture": ids})
    assert not entries(AuditAction.DELETED_PERMANENTLY)  # asks first
    admin_client.post("/trash/delete", {"picture": ids, "confirmed": "1"})
    found = entry(AuditAction.DELETED_PERMANENTLY)
    assert found.after == {"images": 2, "image_ids": f"{ids[0]}, {ids[1]}"}


def test_download(owner_client: Client, owner: Member, media_root: Path) -> None:
    ids = picture_ids(make_generation(Status.SUCCEEDED, n=2, owner=owner))
    owner_client.post("/pictures/download", {"picture": ids, "format": "webp"})
    found = entry(AuditAction.DOWNLOADED)
    assert (found.by, found.after) == (owner, {"images": 2, "format": "WebP"})


def test_links_of_invitations(admin_client: Client) -> None:
    admin_client.post("/admin/invitations/links.csv", {"secret": ["unknown-secret"]})
    found = entry(AuditAction.EXPORTED)
    assert (found.target_label, found.after) == ("Invitation links", {"lines": 0})


def test_demo(media_root: Path) -> None:
    make_member("first", role=Role.OWNER)
    run("demo")
    run("demo")  # all is there
    run("demo", "--remove")
    added, removed = entries(AuditAction.DEMO_CHANGED)
    assert added.after["generations"] == removed.before["generations"] > 0
    assert (added.note, removed.after) == ("command", {"generations": 0})


def test_pause(admin_client: Client) -> None:
    admin_client.post("/admin/queue/", {"reason": "Maintenance"})
    assert entry(AuditAction.PAUSED).note == "Maintenance"
    pause = pause_id(UpstreamGate.for_engine())
    admin_client.post("/admin/queue/resume", {"pause": pause})
    assert entry(AuditAction.RESUMED).note == "Maintenance"
    assert not UpstreamGate.for_engine().is_paused


# --- nothing is recorded that did not happen -----------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda: Price.objects.put({"engine": "kling", "model": "*"}, -1, None),
        lambda: Price.objects.put({"engine": None, "model": "*"}, 1, None),  # type: ignore[dict-item]
    ],
)
def test_a_change_that_fails_leaves_no_entry(change: Callable[[], Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        change()
    assert not AuditEntry.objects.exists()


def test_a_failed_entry_undoes_the_change(
    monkeypatch: pytest.MonkeyPatch, owner_client: Client, owner: Member
) -> None:
    """The password is not changed without its entry."""

    def fail(*_values: Any, **_more: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(type(AuditEntry.objects), "record", fail)
    data = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    with pytest.raises(OSError, match="disk full"):
        owner_client.post("/settings/password/", data)
    assert Member.objects.get(pk=owner.pk).check_password(PASSWORD)
    assert credentials(owner, PASSWORD)["username"] == "owner"


# --- masking -------------------------------------------------------------------------------------


def test_what_looks_like_a_secret_is_masked(settings: Settings, owner: Member) -> None:
    settings.UPSTREAM_KEY = KEY
    stored = AuditEntry.objects.record(
        AuditAction.SETTING_CHANGED,
        owner,
        label=f"The key {KEY}",
        before={"api_key": "another-key", "last_four": "…-see", "key": "…-see", "has_key": True},
        after={"nested": {"password": "quiet"}, "lines": [f"was {KEY}", 7, "x" * 9000]},
        note="http://localhost/accounts/reset/Mg/c0-ffee/ and /invitations/s3cret",
    )
    stored.refresh_from_db()
    assert stored.target_label == "The key •••"
    assert stored.before == {
        "api_key": "•••", "last_four": "…-see", "key": "…-see", "has_key": True,
    }  # fmt: skip
    assert stored.after == {"nested": {"password": "•••"}, "lines": ["was •••", 7, "x" * 2000]}
    assert stored.note == "http://localhost/accounts/reset/Mg/•••/ and /invitations/•••"
