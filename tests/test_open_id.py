"""Sign-in at an identity provider, and the role that its groups give."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount
from django.test import Client
from pytest_django import Settings

from generations.models import AuditAction, AuditEntry, Member
from generations.permissions import Role
from generations.web.account.open_id import OpenIdAdapter
from tests.builders import PASSWORD, make_member
from tests.conftest import client_for
from tests.identity_provider import CLIENT_ID, URL, Answer, IdentityProvider
from tests.one_time_codes import add_app

pytestmark = pytest.mark.django_db


@pytest.fixture
def provider(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    settings.OIDC_URL = URL
    settings.OIDC_NAME = "Example ID"
    settings.OIDC_ROLES = {"designers": "member", "leads": "admin", "heads": "owner"}
    settings.OIDC_DEFAULT_ROLE = ""
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0] | {
        "client_id": CLIENT_ID,
        "secret": "s3cret-of-tests",
        "settings": {"server_url": URL},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": settings.SOCIALACCOUNT_PROVIDERS["openid_connect"] | {"APPS": [app]}
    }
    standing_in = IdentityProvider()
    monkeypatch.setattr(OpenIdAdapter, "get_requests_session", lambda _self: standing_in)
    yield standing_in


def text_of(response: Any) -> str:
    text: str = response.content.decode()
    return text


# --- the flow --------------------------------------------------------------------------------


def test_first_sign_in_creates_a_member(provider: IdentityProvider, client: Client) -> None:
    response = provider.sign_in(client)
    assert response["Location"] == "/"
    assert client.get("/").status_code == 200
    member = Member.objects.get()
    assert (member.username, member.name, member.role) == ("ada", "Ada Lovelace", Role.MEMBER)
    assert (member.email, member.has_usable_password()) == ("ada@team.example", False)
    assert "without a password" in text_of(client.get("/settings/"))


def test_second_sign_in_finds_the_same_member(provider: IdentityProvider, client: Client) -> None:
    provider.sign_in(client)
    provider.person |= {"preferred_username": "other", "email": "new@team.example"}
    assert provider.sign_in(Client())["Location"] == "/"
    assert Member.objects.get().username == "ada"


def test_provider_gets_a_state_and_a_challenge(provider: IdentityProvider, client: Client) -> None:
    location = client.get("/accounts/oidc/login/")["Location"]
    query = parse_qs(urlsplit(location).query)
    assert location.startswith(f"{URL}/authorize?")
    assert query["redirect_uri"] == ["http://testserver/accounts/oidc/callback/"]
    assert set(query["scope"][0].split()) == {"openid", "profile", "email"}
    assert (query["client_id"], query["code_challenge_method"]) == ([CLIENT_ID], ["S256"])
    client.get("/accounts/oidc/callback/", {"state": query["state"][0], "code": "c"})
    [token_request] = [each for each in provider.sent if each["url"] == f"{URL}/token"]
    assert token_request["data"]["code_verifier"]


def test_sign_in_page_has_a_button_and_returns_to_the_requested_page(
    provider: IdentityProvider, client: Client
) -> None:
    page = text_of(client.get("/accounts/login/?next=/gallery/"))
    assert "Sign in with Example ID" in page
    assert 'href="/accounts/oidc/login/?next=/gallery/"' in page
    assert provider.sign_in(client, "/gallery/")["Location"] == "/gallery/"
    assert provider.sign_in(Client(), "https://evil.example/")["Location"] == "/"


def test_parameters_of_others_do_not_change_the_request(
    provider: IdentityProvider, client: Client
) -> None:
    query = {"scope": "admin", "auth_params": "prompt=none", "process": "connect"}
    location = client.get("/accounts/oidc/login/", query)["Location"]
    assert "admin" not in location and "prompt" not in location


def test_everything_is_off_without_a_url(client: Client) -> None:
    assert "oidc" not in text_of(client.get("/accounts/login/"))
    for url in ("/accounts/oidc/login/", "/accounts/oidc/callback/?code=c&state=s"):
        assert client.get(url).status_code == 404


def test_second_factor_is_asked_here_too(provider: IdentityProvider, client: Client) -> None:
    provider.sign_in(client)
    add_app(Member.objects.get())
    assert provider.sign_in(Client())["Location"] == "/accounts/second-factor/"


def test_signed_in_members_are_not_sent_away(
    provider: IdentityProvider, owner_client: Client
) -> None:
    assert owner_client.get("/accounts/oidc/login/")["Location"] == "/"


def test_starts_are_limited(provider: IdentityProvider, client: Client) -> None:
    statuses = [client.get("/accounts/oidc/login/").status_code for _ in range(31)]
    assert statuses == [302] * 30 + [429]


# --- roles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["designers"], Role.MEMBER),
        (["designers", "leads"], Role.ADMIN),
        (["heads", "leads"], Role.OWNER),
        ("leads", Role.ADMIN),
        (["strangers"], None),
        ([], None),
        (None, None),
        ({"leads": 1}, None),
        ([["leads"], 7, None], None),
        (["Leads"], None),
    ],
)
def test_highest_role_of_the_groups_counts(
    provider: IdentityProvider, client: Client, groups: Any, role: Role | None
) -> None:
    provider.person["groups"] = groups
    response = provider.sign_in(client)
    if role:
        assert Member.objects.get().role == role
        assert Member.objects.get().is_staff == (role in (Role.ADMIN, Role.OWNER))
    else:
        assert response.status_code == 403
        assert "You don’t have access to klingweb." in text_of(response)
        assert not Member.objects.exists()
        assert client.get("/").status_code == 302


def test_other_people_get_the_default_role(
    provider: IdentityProvider, client: Client, settings: Settings
) -> None:
    settings.OIDC_DEFAULT_ROLE = "viewer"
    provider.person["groups"] = ["strangers"]
    provider.sign_in(client)
    assert Member.objects.get().role == Role.VIEWER


def test_groups_may_have_another_name_and_be_in_the_token(
    provider: IdentityProvider, client: Client, settings: Settings
) -> None:
    settings.OIDC_GROUP_CLAIM = "team"
    provider.token["team"] = ["leads"]
    provider.sign_in(client)
    assert Member.objects.get().role == Role.ADMIN


def test_role_follows_the_groups_at_each_sign_in(
    provider: IdentityProvider, client: Client
) -> None:
    provider.person["groups"] = ["leads"]
    provider.sign_in(client)
    provider.person["groups"] = ["designers"]
    provider.sign_in(Client())
    member = Member.objects.get()
    assert (member.role, member.is_staff, member.is_superuser) == (Role.MEMBER, False, False)
    joined, changed = AuditEntry.objects.filter(
        action__in=(AuditAction.JOINED, AuditAction.ROLE_CHANGED)
    ).order_by("pk")
    assert (joined.action, joined.after) == (AuditAction.JOINED, {"role": "admin"})
    assert (changed.action, changed.by) == (AuditAction.ROLE_CHANGED, None)
    assert (changed.before, changed.after) == ({"role": "admin"}, {"role": "member"})
    provider.person["groups"] = []
    assert provider.sign_in(Client()).status_code == 403


def test_owner_stays_owner(provider: IdentityProvider, client: Client) -> None:
    provider.sign_in(client)
    Member.objects.update(role=Role.OWNER)
    provider.person["groups"] = []
    assert provider.sign_in(Client())["Location"] == "/"
    assert Member.objects.get().role == Role.OWNER


def test_disabled_member_is_refused(provider: IdentityProvider, client: Client) -> None:
    provider.sign_in(client)
    Member.objects.update(is_active=False)
    response = provider.sign_in(Client())
    assert response.status_code == 403
    assert "Your account is disabled." in text_of(response)


# --- people who are members already ----------------------------------------------------------


def test_nobody_gets_the_account_of_a_member_with_the_same_name_or_address(
    provider: IdentityProvider, client: Client
) -> None:
    known = make_member("Ada", email="ada@team.example", role=Role.ADMIN)
    assert provider.sign_in(client)["Location"] == "/"
    new = Member.objects.exclude(pk=known.pk).get()
    assert new.username.casefold() != "ada"
    assert (new.role, SocialAccount.objects.get().user) == (Role.MEMBER, new)


@pytest.mark.parametrize(("is_verified", "is_linked"), [(True, True), (False, False)])
def test_verified_address_links_if_wanted(
    provider: IdentityProvider,
    client: Client,
    settings: Settings,
    is_verified: bool,
    is_linked: bool,
) -> None:
    settings.OIDC_LINK_BY_EMAIL = True
    known = make_member("lovelace", email="Ada@team.example")
    provider.person["email_verified"] = is_verified
    provider.sign_in(client)
    assert (SocialAccount.objects.get().user == known) == is_linked
    known.refresh_from_db()
    assert known.check_password(PASSWORD)


def test_address_of_two_members_links_to_none(
    provider: IdentityProvider, client: Client, settings: Settings
) -> None:
    settings.OIDC_LINK_BY_EMAIL = True
    for name in ("one", "two"):
        make_member(name, email="ada@team.example")
    provider.sign_in(client)
    assert SocialAccount.objects.get().user.username == "ada"


def test_unverified_address_is_not_taken_over(provider: IdentityProvider, client: Client) -> None:
    provider.person["email_verified"] = "false"
    provider.sign_in(client)
    assert Member.objects.get().email == ""


# --- faults ----------------------------------------------------------------------------------


def is_failure(response: Any) -> bool:
    return response.status_code == 502 and "Sign-in failed." in text_of(response)


def test_provider_that_is_down_is_no_server_error(
    provider: IdentityProvider, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    provider.is_down = True
    assert is_failure(client.get("/accounts/oidc/login/"))
    assert f"Sign-in at {URL} failed: ProviderIsDown" in caplog.text


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("token", Answer({"error": "invalid_grant"}, 400)),
        ("token", Answer({"access_token": "opaque", "id_token": "x.y.z"})),
        ("token", Answer({"access_token": "opaque", "expires_in": "soon"})),
        ("token", Answer(None)),
        ("token", Answer([])),
        ("userinfo", Answer({}, 500)),
        ("userinfo", Answer({"name": "no sub"})),
        ("userinfo", Answer({"sub": "x" * 500})),
        ("userinfo", Answer(["sub"])),
        ("userinfo", Answer(None)),
    ],
)
def test_nonsense_of_the_provider_is_no_server_error(
    provider: IdentityProvider,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    name: str,
    answer: Answer,
) -> None:
    provider.answers[name] = answer
    assert is_failure(provider.sign_in(client))
    assert "secret" not in caplog.text
    assert not Member.objects.exists()


@pytest.mark.parametrize(
    "claims", [{"aud": "another-app"}, {"iss": "https://evil.example"}, {"exp": 1}]
)
def test_tokens_of_others_are_refused(
    provider: IdentityProvider, client: Client, claims: dict[str, Any]
) -> None:
    provider.token |= claims
    assert is_failure(provider.sign_in(client))
    assert not Member.objects.exists()


def test_canceled_sign_in(provider: IdentityProvider, client: Client) -> None:
    response = provider.sign_in(client, error="access_denied")
    assert response.status_code == 403
    assert "Sign-in canceled." in text_of(response)
    assert is_failure(provider.sign_in(client, error="server_error"))


@pytest.mark.parametrize("query", ["", "?state=x&code=c", "?code=c", "?state=%00&code=%00"])
def test_answers_without_a_request_are_refused(
    provider: IdentityProvider, client: Client, query: str
) -> None:
    assert is_failure(client.get(f"/accounts/oidc/callback/{query}"))


def test_answer_of_another_browser_is_refused(provider: IdentityProvider, client: Client) -> None:
    location = client.get("/accounts/oidc/login/")["Location"]
    state = parse_qs(urlsplit(location).query)["state"][0]
    answer = {"state": state, "code": "c"}
    assert is_failure(Client().get("/accounts/oidc/callback/", answer))
    assert client.get("/accounts/oidc/callback/", answer)["Location"] == "/"
    assert is_failure(client_for(make_member()).get("/accounts/oidc/callback/", answer))
