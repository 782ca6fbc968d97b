"""Every URL as every kind of person. A new URL without an expectation here fails the test."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from generations.models import (
    ApiKey,
    Batch,
    Collection,
    Comment,
    Generation,
    Invitation,
    InvitationTerms,
    Member,
    SavedPrompt,
    SmartCollection,
    Status,
)
from generations.models.money import Comparison, GatewayLog, LimitRequest, RefusedKind
from generations.permissions import Role
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for
from tests.forms import form_data

pytestmark = pytest.mark.django_db

PEOPLE = ("anonymous", "disabled", "viewer", "member", "other", "admin", "owner")
OPEN = frozenset(PEOPLE)
SIGNED_IN = OPEN - {"anonymous", "disabled"}
MAKERS = SIGNED_IN - {"viewer"}
OWN = MAKERS - {"other"}  # the rows of this test belong to "member"
ADMINS = frozenset({"admin", "owner"})
AUTHOR = frozenset({"member"})


@dataclass(frozen=True)
class Visit:
    """A request and who may make it. `{generation}` and the like are the ids of the test's rows."""

    url: str
    allowed: frozenset[str]
    method: str = "get"
    data: dict[str, Any] = field(default_factory=dict)


def post(url: str, allowed: frozenset[str], **data: Any) -> Visit:
    return Visit(url, allowed, "post", data)


VISITS: dict[str, list[Visit]] = {
    "studio": [Visit("/", SIGNED_IN), post("/", MAKERS, **form_data())],
    "changes": [Visit("/cards/changes", SIGNED_IN)],
    "generation": [Visit("/generations/{generation}/", SIGNED_IN)],
    "variations": [Visit("/generations/{generation}/variations/", MAKERS)],
    "enter-task-id": [post("/generations/{generation}/enter-task-id/", ADMINS)],
    "action": [post("/generations/{generation}/dismiss/", OWN)],
    "limits": [Visit("/admin/limits/", ADMINS)],
    "set-limit": [post("/admin/limits/team/", ADMINS, month_money="100")],
    "overview": [Visit("/admin/", ADMINS)],
    "audit-log": [Visit("/admin/audit-log/", ADMINS)],
    "audit-log-csv": [post("/admin/audit-log/csv", ADMINS)],
    "diagnostics": [Visit("/admin/diagnostics/", ADMINS)],
    "queue": [Visit("/admin/queue/", ADMINS), post("/admin/queue/", ADMINS, reason="Maintenance")],
    "team-settings": [
        Visit("/admin/settings/", ADMINS),
        post("/admin/settings/", ADMINS, section="trash"),
    ],
    "retention": [Visit("/admin/retention/", ADMINS), post("/admin/retention/", ADMINS)],
    "run-retention": [post("/admin/retention/run", ADMINS, version="1")],
    "demo": [Visit("/demo/", SIGNED_IN)],
    "remove-demo-data": [post("/demo/remove", ADMINS)],
    "drills": [Visit("/admin/drills/", ADMINS)],
    "start-drill": [post("/admin/drills/refused", ADMINS)],
    "test-prompt": [post("/admin/settings/test", ADMINS, test="A pear")],
    "resume-queue": [post("/admin/queue/resume", ADMINS)],
    "reconciliation": [Visit("/admin/reconciliation/", ADMINS)],
    "upload-log": [
        Visit("/admin/reconciliation/upload/", ADMINS),
        post("/admin/reconciliation/upload/", ADMINS, text="time,amount\n2026-11-24,1\n"),
    ],
    "gateway-log": [Visit("/admin/reconciliation/logs/{log}/", ADMINS)],
    "cancel-log": [post("/admin/reconciliation/logs/{log}/cancel", ADMINS)],
    "fetch-log": [post("/admin/reconciliation/fetch", ADMINS, month="2026-11")],
    "decide-differences": [
        post("/admin/reconciliation/decide", ADMINS, decision="ignored", note="x", row="1:1:1")
    ],
    "put-account-key": [
        post("/admin/keys/account/store", frozenset({"owner"}), account_key="no key")
    ],
    "test-account-key": [post("/admin/keys/account/ask", frozenset({"owner"}))],
    "remove-account-key": [post("/admin/keys/account/forget", frozenset({"owner"}))],
    "match-again": [post("/admin/reconciliation/match", ADMINS)],
    "reconciliation-report": [post("/admin/reconciliation/report", ADMINS)],
    "decide-difference": [
        post("/admin/reconciliation/{comparison}/decide", ADMINS, decision="ignored", note="x")
    ],
    "assign-task": [
        post(
            "/admin/reconciliation/{comparison}/assign",
            ADMINS,
            generation="{generation}:99",
        )
    ],
    "correct-charge": [
        Visit("/admin/ledger/{generation}/correct/", ADMINS),
        post("/admin/ledger/{generation}/correct/", ADMINS, amount="1", note="x", seen="0"),
    ],
    "configure-queue": [post("/admin/queue/limits", ADMINS, limit="5", gap="0.5")],
    "hide-kind": [post("/admin/kinds/{kind}/hide", ADMINS)],
    "decide": [post("/admin/decide/{generation}/dismiss", ADMINS)],
    "decide-several": [
        post("/admin/decide/several", ADMINS, action="dismiss", row="{generation}:99")
    ],
    "keys": [Visit("/admin/keys/", ADMINS)],
    "put-key": [post("/admin/keys/first/put", frozenset({"owner"}), api_key="no key")],
    "same-account": [post("/admin/keys/{key}/same-account", frozenset({"owner"}), key="{key}")],
    "test-key": [post("/admin/keys/first/test", frozenset({"owner"}))],
    "remove-key": [post("/admin/keys/first/remove", frozenset({"owner"}))],
    "new-batch": [Visit("/batches/new/", MAKERS), post("/batches/new/", MAKERS, text="A pear")],
    "batch": [Visit("/batches/{batch}/", SIGNED_IN)],
    "batch-changes": [Visit("/batches/{batch}/changes", SIGNED_IN)],
    "batch-csv": [Visit("/batches/{batch}/csv", SIGNED_IN)],
    "batch-action": [post("/batches/{batch}/pause", OWN)],
    "prompts": [Visit("/prompts/", MAKERS), post("/prompts/", MAKERS, prompt="A pear")],
    "use-prompt": [post("/prompts/{prompt}/use", MAKERS)],
    "change-prompt": [post("/prompts/{prompt}/unshare", OWN)],
    "similar": [Visit("/similar", SIGNED_IN)],
    "use-similar": [post("/similar/use", MAKERS, picture="{picture}")],
    "history": [Visit("/history/", SIGNED_IN)],
    "search": [Visit("/search/", SIGNED_IN), Visit("/search/?q=pear", SIGNED_IN)],
    "record-search": [post("/search/record", SIGNED_IN, q="pear")],
    "clear-searches": [post("/search/clear", SIGNED_IN)],
    "new-smart-collection": [
        Visit("/collections/smart/new/?q=pear", MAKERS),
        post("/collections/smart/new/?q=pear", MAKERS, name="Pears"),
    ],
    "smart-collection": [
        Visit("/collections/smart/{smart}/", OWN),
        post("/collections/smart/{smart}/", OWN, name="Pears", is_shared="1"),
    ],
    "delete-smart-collection": [post("/collections/smart/{smart}/delete", OWN)],
    "gallery": [Visit("/gallery/", SIGNED_IN)],
    "gallery-counts": [Visit("/gallery/counts", SIGNED_IN)],
    "show-stacks": [post("/gallery/stacks", SIGNED_IN, show="1")],
    "stack": [Visit("/gallery/stacks/{done}/", SIGNED_IN)],
    "picture": [Visit("/pictures/{picture}/", SIGNED_IN)],
    "comments": [
        Visit("/pictures/{picture}/comments/", SIGNED_IN),
        post("/pictures/{picture}/comments/", MAKERS, text="Nice"),
    ],
    "mentionable": [Visit("/pictures/{picture}/comments/people?q=o", MAKERS)],
    "edit-comment": [
        Visit("/comments/{comment}/edit/", AUTHOR),
        post("/comments/{comment}/edit/", AUTHOR, text="Nicer"),
    ],
    "delete-comment": [post("/comments/{comment}/delete", AUTHOR | ADMINS)],
    "notifications": [Visit("/notifications/", SIGNED_IN)],
    "mark-all-read": [post("/notifications/read", SIGNED_IN)],
    "bulk": [
        post("/pictures/bulk/favourite", SIGNED_IN, picture="{picture}"),
        post("/pictures/bulk/tag", MAKERS, picture="{picture}", tag="blue"),
        post("/pictures/bulk/trash", MAKERS, picture="{picture}"),
    ],
    "download": [post("/pictures/download", SIGNED_IN, picture="{picture}")],
    "compare": [Visit("/compare/?picture={picture}", SIGNED_IN)],
    "collections": [Visit("/collections/", SIGNED_IN), post("/collections/", MAKERS, name="Sea")],
    "collection": [
        Visit("/collections/{collection}/", SIGNED_IN),
        post("/collections/{collection}/", MAKERS, name="Sea"),
    ],
    "arrange": [post("/collections/{collection}/arrange", MAKERS, cover="{picture}")],
    "delete-collection": [post("/collections/{collection}/delete", OWN)],
    "trash": [Visit("/trash/", SIGNED_IN)],
    "delete-permanently": [post("/trash/delete", ADMINS, picture="{picture}")],
    "usage": [Visit("/usage/", SIGNED_IN)],
    "usage-csv": [post("/usage/usage.csv", SIGNED_IN)],
    "ask-for-more": [post("/usage/ask", MAKERS, amount="1", reason="a poster")],
    "requests": [Visit("/admin/requests/", ADMINS)],
    "grant-more": [post("/admin/requests/{request}/grant", ADMINS)],
    "decline-more": [post("/admin/requests/{request}/decline", ADMINS)],
    "mark-read": [post("/usage/read", SIGNED_IN)],
    "settings": [Visit("/settings/", SIGNED_IN), post("/settings/", SIGNED_IN)],
    "account_change_password": [Visit("/settings/password/", SIGNED_IN)],
    "usersessions_list": [
        Visit("/settings/sessions/", SIGNED_IN),
        post("/settings/sessions/", SIGNED_IN, session="1"),
    ],
    "account_reauthenticate": [Visit("/settings/confirm/", SIGNED_IN)],
    "mfa_reauthenticate": [Visit("/settings/confirm/code/", SIGNED_IN)],
    "mfa_reauthenticate_webauthn": [Visit("/settings/confirm/passkey/", SIGNED_IN)],
    "mfa_index": [Visit("/settings/second-factor/", SIGNED_IN)],
    "mfa_activate_totp": [Visit("/settings/second-factor/app/", SIGNED_IN)],
    "mfa_add_webauthn": [Visit("/settings/second-factor/passkeys/add/", SIGNED_IN)],
    "mfa_remove_webauthn": [Visit("/settings/second-factor/passkeys/1/remove/", SIGNED_IN)],
    "mfa_generate_recovery_codes": [Visit("/settings/second-factor/codes/new/", SIGNED_IN)],
    # 404: nothing is set up, and sign-in at a provider and mail are off.
    "mfa_deactivate_totp": [Visit("/settings/second-factor/app/remove/", frozenset())],
    "mfa_view_recovery_codes": [Visit("/settings/second-factor/codes/", frozenset())],
    "mfa_download_recovery_codes": [Visit("/settings/second-factor/codes/download", frozenset())],
    "openid_connect_login": [Visit("/accounts/oidc/login/", frozenset())],
    "openid_connect_callback": [Visit("/accounts/oidc/callback/", frozenset())],
    "forgotten-password": [Visit("/accounts/forgotten/", frozenset())],
    "mfa_authenticate": [Visit("/accounts/second-factor/", OPEN)],
    "reset-password": [Visit("/accounts/reset/MQ/unknown/", OPEN)],
    "people": [Visit("/admin/people/", ADMINS)],
    "invite": [post("/admin/invitations/new/one", ADMINS)],
    "invitations-csv": [post("/admin/invitations/links.csv", ADMINS)],
    "mail-invitations": [Visit("/admin/invitations/mail", frozenset(), "post")],  # no mail server
    "revoke-invitation": [post("/admin/invitations/{invitation}/revoke", ADMINS)],
    "person": [Visit("/admin/people/{member}/", ADMINS), post("/admin/people/{member}/", ADMINS)],
    "person-limits": [
        Visit("/admin/people/{member}/limits/", ADMINS),
        post("/admin/people/{member}/limits/", ADMINS),
    ],
    "create-reset-link": [
        Visit("/admin/people/{member}/reset-link/", ADMINS),
        post("/admin/people/{member}/reset-link/", ADMINS),
        Visit("/admin/people/{owner}/reset-link/", frozenset({"owner"})),
        post("/admin/people/{owner}/reset-link/", frozenset({"owner"})),
    ],
    "remove-second-factor": [
        Visit("/admin/people/{member}/remove-second-factor/", ADMINS),
        post("/admin/people/{member}/remove-second-factor/", ADMINS),
        post("/admin/people/{owner}/remove-second-factor/", frozenset({"owner"})),
    ],
    "end-sessions": [
        post("/admin/people/{other}/end-sessions", ADMINS),
        post("/admin/people/{owner}/end-sessions", frozenset({"owner"})),
    ],
    "invitations": [Visit("/admin/invitations/", ADMINS)],
    "disable-person": [
        Visit("/admin/people/{member}/disable/", ADMINS),
        post("/admin/people/{member}/disable/", ADMINS),
    ],
    "enable-person": [post("/admin/people/{disabled}/enable", ADMINS)],
    "hand-over": [Visit("/admin/people/{disabled}/hand-over/", ADMINS)],
    "invitation": [Visit("/invitations/unknown/", frozenset())],  # 404 for everybody
    "file": [Visit("/files/{picture}/thumbnail", SIGNED_IN)],
    "reference": [Visit("/references/999", frozenset())],  # 404: there is none
    "account_login": [Visit("/accounts/login/", OPEN)],
    "account_logout": [post("/accounts/logout/", SIGNED_IN)],
    "healthz": [Visit("/healthz", OPEN)],
    "callback": [post("/callbacks/1/1/unknown/", frozenset())],  # 404 for everybody
    "favicon": [Visit("/favicon.ico", OPEN)],
    "set-language": [post("/language/", OPEN, language="vi")],
    "setup": [Visit("/setup/", frozenset())],  # 404: people exist
    "setup-restart": [Visit("/setup/restart/", frozenset({"owner"}))],
    "set-up-team": [Visit("/settings/team/", frozenset({"owner"}))],
}


@pytest.fixture
def ids(media_root: Any) -> dict[str, int]:
    people = {
        "disabled": make_member("disabled", is_active=False),
        "viewer": make_member("viewer", role=Role.VIEWER),
        "member": make_member("member"),
        "other": make_member("other"),
        "admin": make_member("admin", role=Role.ADMIN),
        "owner": make_member("owner", role=Role.OWNER),
    }
    done = make_generation(Status.SUCCEEDED, owner=people["member"])
    [picture] = picture_ids(done)
    collection = Collection.objects.create(name="Pears", created_by=people["member"])
    collection.add([picture], people["member"])
    terms = InvitationTerms(Role.MEMBER, timezone.now() + timedelta(days=1))
    [(invitation, _secret)] = Invitation.objects.invite(people["admin"], terms)
    key = ApiKey.objects.create(slot=ApiKey.Slot.FIRST, encrypted="not readable here")
    batch = Batch.objects.create(owner=people["member"], idempotency_key="x")
    make_generation(owner=people["member"], batch=batch, batch_row=1)
    prompt = SavedPrompt.objects.create(owner=people["member"], text="A pear", is_shared=True)
    rows = {
        "key": key.pk,
        "batch": batch.pk,
        "prompt": prompt.pk,
        "generation": make_generation(Status.UNCONFIRMED, owner=people["member"]).pk,
        "done": done.pk,
        "picture": picture,
        "comment": Comment.objects.create(
            picture_id=picture, author=people["member"], text="Nice"
        ).pk,
        "collection": collection.pk,
        "smart": SmartCollection.objects.create(
            name="Pears", query="q=pear", created_by=people["member"], is_private=False
        ).pk,
        "request": LimitRequest.objects.create(person=people["other"], images=1, reason="x").pk,
        "invitation": invitation.pk,
        "log": GatewayLog.objects.create(
            imported_at=timezone.now(), starts_at=timezone.now(), ends_at=timezone.now()
        ).pk,
        "kind": RefusedKind.objects.create(
            upstream="simulator", engine="kling", model="kling-v1", last_at=timezone.now()
        ).pk,
        "comparison": Comparison.objects.create(
            key="t1", task_id="1", at=timezone.now(), group="unknown", block="unknown"
        ).pk,
    }
    return {name: person.pk for name, person in people.items()} | rows


def names(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """The names of all URLs, with their namespace, and their routes."""
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from names(pattern.url_patterns, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{prefix}{pattern.name or ''}", str(pattern.pattern)


def test_every_url_has_an_expectation() -> None:
    found = {name for name, _route in names(get_resolver().url_patterns)}
    ours = {name for name in found if name and ":" not in name}
    assert ours == VISITS.keys()


@pytest.mark.parametrize("name", VISITS)
def test_url_is_open_only_to_those_it_is_for(name: str, ids: dict[str, int]) -> None:
    for visit in VISITS[name]:
        for person in PEOPLE:
            with transaction.atomic():
                response = _visit(visit, person, ids)
                transaction.set_rollback(True)
            is_allowed = person in visit.allowed
            assert _is_open(response) == is_allowed, (
                f"{visit.method} {visit.url} as {person}: {response.status_code}"
            )


def _visit(visit: Visit, person: str, ids: dict[str, int]) -> HttpResponse:
    client = _client(person)
    url = visit.url.format(**ids)
    data = {
        key: value.format(**ids) if isinstance(value, str) else value
        for key, value in visit.data.items()
    }
    if "/generations/" in visit.url:
        data["version"] = Generation.objects.get(pk=ids["generation"]).version
    response: Any = getattr(client, visit.method)(url, data or None)
    return response  # type: ignore[no-any-return]


def _client(person: str) -> Client:
    """A signed-in client. The session of a disabled person was opened before."""
    return Client() if person == "anonymous" else client_for(Member.objects.get(username=person))


def _is_open(response: HttpResponse) -> bool:
    to_sign_in = response.status_code == 302 and "/accounts/login/?next=" in response["Location"]
    assert response.status_code != 405, "the visit has the wrong method"
    assert response.status_code < 500 or response["Content-Type"] == "application/json"  # health
    return response.status_code not in (403, 404) and not to_sign_in


def admin_urls() -> Iterator[str]:
    """Every page of the admin area, with a number for what a route leaves open."""
    for each in admin.site._registry:
        base = f"/admin/{each._meta.app_label}/{each._meta.model_name}/"
        yield from (base, f"{base}add/", *(f"{base}1/{page}/" for page in ADMIN_PAGES))
    yield from (f"/admin/generations/price/{page}/" for page in ("import", "export"))


ADMIN_PAGES = ("change", "delete", "history")


@pytest.mark.parametrize("person", ["anonymous", "disabled", "viewer", "member", "other"])
def test_admin_area_is_closed_to_others(person: str, ids: dict[str, int]) -> None:
    client = _client(person)
    for url in admin_urls():
        response: Any = client.get(url)
        assert response.status_code == 302, url
        assert "/login/" in response["Location"], url


@pytest.mark.parametrize("person", ["admin", "owner"])
def test_admin_area_is_open_to_admins(person: str, ids: dict[str, int]) -> None:
    client = _client(person)
    for each in admin.site._registry:
        url = f"/admin/{each._meta.app_label}/{each._meta.model_name}/"
        assert client.get(url).status_code == 200, url
