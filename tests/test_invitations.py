"""Invitations: links that are shown once, and the accounts that people make with them."""

import csv
import io
import logging
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations import people
from generations.models import (
    AlreadyInvited,
    Invitation,
    InvitationTerms,
    Member,
    OwnersOnly,
)
from generations.models.money import Limit
from generations.permissions import Role
from generations.web.people.forms import split_names
from klingweb.log_filters import MaskedSecrets
from tests.builders import make_admin, make_member
from tests.conftest import client_for
from tests.forms import text_of

pytestmark = pytest.mark.django_db

PASSWORD = "violets on a windowsill"
UNUSABLE = "This invitation link does not work."


def terms(role: Role = Role.MEMBER, days: float = 7, **columns: Any) -> InvitationTerms:
    return InvitationTerms(role, timezone.now() + timedelta(days=days), **columns)


def make_invitation(by: Member, role: Role = Role.MEMBER, **columns: Any) -> tuple[Invitation, str]:
    """Return the invitation and the path of its link."""
    [(invitation, secret)] = Invitation.objects.invite(by, terms(role, **columns))
    return invitation, f"/invitations/{secret}/"


def account(username: str = "ada", password: str = PASSWORD) -> dict[str, str]:
    return {"username": username, "password1": password, "password2": password}


def one_link(**fields: Any) -> dict[str, Any]:
    defaults = {"role": "member", "days": "7", "max_uses": "1", "batch": str(uuid4())}
    return defaults | fields


def many_links(pasted: str, **fields: Any) -> dict[str, Any]:
    return {"role": "member", "days": "7", "batch": str(uuid4()), "pasted": pasted} | fields


def links_in(page: str) -> list[str]:
    return re.findall(r'value="http://localhost:8000(/invitations/[\w-]+/)"', page)


# --- creating ------------------------------------------------------------------------------------


def test_link_is_shown_once_and_only_its_hash_is_stored(
    admin_client: Client, admin: Member
) -> None:
    response = admin_client.post(
        "/admin/invitations/new/one", one_link(made_for="Ada", max_uses="3")
    )
    [path] = links_in(response.content.decode())
    invitation = Invitation.objects.get()
    secret = path.split("/")[2]
    assert (invitation.made_for, invitation.max_uses, invitation.created_by) == ("Ada", 3, admin)
    assert secret not in str(vars(invitation))
    assert secret not in admin_client.get("/admin/invitations/").content.decode()
    assert "no-store" in response["Cache-Control"]
    assert len(secret) >= 32


def test_form_sent_twice_creates_links_once(admin_client: Client) -> None:
    data = one_link()
    admin_client.post("/admin/invitations/new/one", data)
    response = admin_client.post("/admin/invitations/new/one", data, follow=True)
    assert "No new links were created." in response.content.decode()
    assert Invitation.objects.count() == 1


def test_batch_is_unique_in_the_database(admin: Member) -> None:
    batch = uuid4()
    Invitation.objects.invite(admin, terms(), batch=batch)
    with pytest.raises(AlreadyInvited):
        Invitation.objects.invite(admin, terms(), batch=batch)


def test_hundred_pasted_names_get_a_link_each_and_a_csv(admin_client: Client) -> None:
    names = [f"person-{number}@example.org" for number in range(99)]
    response = admin_client.post(
        "/admin/invitations/new/many", many_links("\n".join([*names, "=1+1"]))
    )
    page = response.content.decode()
    paths = links_in(page)
    assert len(set(paths)) == 100
    secrets = re.findall(r'name="secret" value="([\w-]+)"', page)
    table = admin_client.post("/admin/invitations/links.csv", {"secret": secrets})
    assert "attachment" in table["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(text_of(table).removeprefix("\ufeff"))))
    assert rows[0][:2] == ["For", "Link"]
    assert [row[0] for row in rows[1:]] == [*names, "'=1+1"]
    assert [row[1] for row in rows[1:]] == [f"http://localhost:8000{path}" for path in paths]


def test_csv_has_no_links_of_others_and_none_that_are_unknown(admin_client: Client) -> None:
    _invitation, path = make_invitation(make_admin())
    secrets = [path.split("/")[2], "unknown", ""]
    table = admin_client.post("/admin/invitations/links.csv", {"secret": secrets})
    assert text_of(table).count("\n") == 1


def test_hundred_and_one_names_are_refused_and_kept_in_the_form(admin_client: Client) -> None:
    names = "\n".join(f"person-{number}" for number in range(101))
    response = admin_client.post("/admin/invitations/new/many", many_links(names))
    page = response.content.decode()
    assert response.status_code == 422
    assert "Paste at most 100. You pasted 101; no link was created." in page
    assert "person-57" in page
    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Ada\r\nBo\n\n Cy ", ["Ada", "Bo", "Cy"]),
        ("a@x.org, b@x.org; c@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
        ("Lovelace, Ada\nBo", ["Lovelace, Ada", "Bo"]),
        ("Ada <a@x.org>, Bo <b@x.org>", ["Ada <a@x.org>", "Bo <b@x.org>"]),
        ("Ada\nADA\nada", ["Ada"]),
        (" , ;\n;", []),
    ],
)
def test_pasted_text_is_split_into_names(text: str, names: list[str]) -> None:
    assert split_names(text) == names


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("one", {"role": "king"}),
        ("one", {"role": ""}),
        ("one", {"days": "365"}),
        ("one", {"days": "x"}),
        ("one", {"max_uses": "0"}),
        ("one", {"max_uses": "501"}),
        ("one", {"max_uses": "9" * 400}),
        ("one", {"batch": "x"}),
        ("one", {"made_for": "x" * 255}),
        ("one", {"made_for": "a\0b"}),
        ("one", {"month_limit": "much"}),
        ("one", {"month_limit": "-1"}),
        ("one", {"month_limit": "9" * 39}),
        ("many", {"month_limit": "1.00001"}),
        ("many", {"pasted": ""}),
        ("many", {"pasted": " ;, \u200b"}),
        ("many", {"pasted": "x" * 300}),
        ("many", {"pasted": "x" * 30_001}),
        ("many", {"pasted": "a\0b"}),
    ],
)
def test_invalid_form_creates_nothing_and_shows_the_error(
    admin_client: Client, kind: str, fields: dict[str, str]
) -> None:
    base = one_link() if kind == "one" else many_links("Ada")
    response = admin_client.post(f"/admin/invitations/new/{kind}", base | fields)
    assert response.status_code == 422
    assert 'class="error"' in response.content.decode()
    assert not Invitation.objects.exists()


def test_only_owners_invite_owners(admin_client: Client, admin: Member) -> None:
    chief = make_member("chief", role=Role.OWNER)
    assert 'value="owner"' not in admin_client.get("/admin/invitations/").content.decode()
    assert (
        admin_client.post("/admin/invitations/new/one", one_link(role="owner")).status_code == 422
    )
    with pytest.raises(OwnersOnly):
        Invitation.objects.invite(admin, terms(Role.OWNER))
    assert not Invitation.objects.exists()
    response = client_for(chief).post("/admin/invitations/new/one", one_link(role="owner"))
    [path] = links_in(response.content.decode())
    Client().post(path, account())
    assert Member.objects.get(username="ada").role == Role.OWNER


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
def test_others_neither_see_people_nor_invite(role: Role, admin: Member) -> None:
    person = client_for(make_member(role=role))
    invitation, _path = make_invitation(admin)
    page = f"/admin/people/{admin.pk}/"
    for address in ("/admin/people/", page, f"{page}disable/", f"{page}hand-over/"):
        assert person.get(address).status_code == 403
        assert person.post(address).status_code in (403, 405)
    for address in (
        "/admin/invitations/new/one", "/admin/invitations/new/many", "/admin/invitations/links.csv",
        f"/admin/invitations/{invitation.pk}/revoke", f"/admin/people/{admin.pk}/enable",
    ):  # fmt: skip
        assert person.post(address, one_link()).status_code == 403
    assert 'href="/admin/people/"' not in person.get("/gallery/").content.decode()
    assert Invitation.objects.usable().count() == 1


# --- accepting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "landing"),
    [(Role.MEMBER, "/"), (Role.ADMIN, "/"), (Role.VIEWER, "/gallery/")],
)
def test_invited_person_makes_an_account_and_is_signed_in(
    client: Client, admin: Member, role: Role, landing: str
) -> None:
    invitation, path = make_invitation(admin, role)
    assert admin.name in client.get(path).content.decode()
    response = client.post(path, account())
    assert (response.status_code, response["Location"]) == (303, landing)
    assert client.get(landing).status_code == 200
    ada = Member.objects.get(username="ada")
    assert (ada.role, ada.check_password(PASSWORD)) == (role, True)
    assert list(invitation.members.all()) == [ada]
    assert Client().post(path, account("bo")).status_code == 404


def test_opening_a_link_uses_nothing_up(client: Client, admin: Member) -> None:
    invitation, path = make_invitation(admin)
    for _ in range(3):
        assert client.get(path).status_code == 200
    assert client.head(path).status_code == 200
    invitation.refresh_from_db()
    assert invitation.uses == 0


def test_link_for_three_lets_three_in(admin: Member, admin_client: Client) -> None:
    _invitation, path = make_invitation(admin, max_uses=3)
    assert Client().post(path, account("ada")).status_code == 303
    assert Client().post(path, account("bo")).status_code == 303
    page = admin_client.get("/admin/invitations/").content.decode()
    assert "2 of 3" in page
    joined = page.partition("Joined:")[2].partition("</span>")[0]
    assert " ".join(joined.split()) == "ada, bo"
    assert Client().post(path, account("cy")).status_code == 303
    assert Client().post(path, account("di")).status_code == 404
    assert Member.objects.filter(username__in=["ada", "bo", "cy", "di"]).count() == 3


def use_up(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(uses=1)


def revoke(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).revoke(None)


def expire(invitation: Invitation) -> None:
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now())


def disable_author(invitation: Invitation) -> None:
    Member.objects.filter(pk=invitation.created_by_id).update(is_active=False)


def demote_author(invitation: Invitation) -> None:
    Member.objects.filter(pk=invitation.created_by_id).update(role=Role.MEMBER)


def without_switch(response: Any, path: str) -> str:
    """The page without its own address and the token of the form that changes the language."""
    page = response.content.decode().replace(path, "")
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)


@pytest.mark.parametrize("end", [use_up, revoke, expire, disable_author, demote_author])
def test_links_that_do_not_work_get_the_same_response(
    client: Client, admin: Member, end: Callable[[Invitation], None]
) -> None:
    invitation, path = make_invitation(admin)
    end(invitation)
    unknown = client.get("/invitations/unknown/")
    ended = client.get(path)
    assert UNUSABLE in ended.content.decode()
    assert ended.status_code == unknown.status_code
    assert without_switch(ended, path) == without_switch(unknown, "/invitations/unknown/")
    assert client.post(path, account()).status_code == 404
    assert not Member.objects.filter(username="ada").exists()


def test_owner_link_ends_when_its_author_is_no_longer_owner() -> None:
    chief, _other = make_member(role=Role.OWNER), make_member(role=Role.OWNER)
    _for_owner, owner_path = make_invitation(chief, Role.OWNER)
    _for_member, member_path = make_invitation(chief)
    Member.objects.filter(pk=chief.pk).update(role=Role.ADMIN)
    assert Client().get(owner_path).status_code == 404
    assert Client().get(member_path).status_code == 200


def test_admin_revokes_a_link(admin_client: Client, admin: Member) -> None:
    invitation, path = make_invitation(admin)
    address = f"/admin/invitations/{invitation.pk}/revoke"
    page = admin_client.post(address, follow=True).content.decode()
    assert "Invitation revoked." in page
    assert Client().get(path).status_code == 404
    assert "Nothing was changed." in admin_client.post(address, follow=True).content.decode()
    assert admin_client.post("/admin/invitations/999999999999999999999/revoke").status_code == 404


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (account(""), "required"),
        (account("owner"), "already exists"),
        (account("OWNER"), "already exists"),
        (account("a b"), "valid username"),
        (account("x" * 151), "at most 150"),
        (account("a\0b"), "Null characters"),
        (account(password="short"), "too short"),
        (account(password="password"), "too common"),
        (account("adalovelace", "adalovelace"), "too similar"),
        (account() | {"password2": "something else"}, "match"),
    ],
)
def test_invalid_account_uses_nothing_up(
    client: Client, admin: Member, owner: Member, data: dict[str, str], error: str
) -> None:
    invitation, path = make_invitation(admin)
    before = Member.objects.count()
    response = client.post(path, data)
    page = response.content.decode()
    assert response.status_code == 422
    assert error in page
    assert page.count('type="password"') == 2
    assert not re.search(r'type="password"[^>]*value=', page)
    invitation.refresh_from_db()
    assert (invitation.uses, Member.objects.count()) == (0, before)


def test_name_taken_after_the_check_uses_nothing_up(
    client: Client, admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    invitation, path = make_invitation(admin)
    make_member("Ada")
    monkeypatch.setattr(
        "generations.web.people.forms.NewAccountForm.clean_username",
        lambda form: form.cleaned_data["username"],
    )
    response = client.post(path, account("ada"))
    assert response.status_code == 422
    assert "This user name is taken. Choose another." in response.content.decode()
    invitation.refresh_from_db()
    assert invitation.uses == 0


def test_signed_in_person_uses_nothing_up(owner_client: Client, admin: Member) -> None:
    invitation, path = make_invitation(admin)
    for response in (owner_client.get(path), owner_client.post(path, account())):
        assert "You already have an account." in response.content.decode()
    invitation.refresh_from_db()
    assert invitation.uses == 0


def test_guesses_are_limited_by_address_and_right_links_are_not(
    admin: Member, settings: Settings
) -> None:
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {"invitation": "4/m/ip"}
    _invitation, path = make_invitation(admin, max_uses=9)
    for number in range(6):
        person = Client(REMOTE_ADDR="203.0.113.5")
        assert person.get(path).status_code == 200
        assert person.post(path, account(f"person-{number}")).status_code == 303
    guesser = Client(REMOTE_ADDR="203.0.113.5")
    statuses = [guesser.get(f"/invitations/guess-{n}/").status_code for n in range(5)]
    refused = guesser.get(path)
    assert statuses == [404] * 4 + [429]
    assert (refused.status_code, refused["Retry-After"]) == (429, "60")
    assert guesser.post(path, account("late")).status_code == 429
    assert Client(REMOTE_ADDR="198.51.100.7").get(path).status_code == 200


def test_secret_is_never_in_the_log(admin: Member, caplog: pytest.LogCaptureFixture) -> None:
    caplog.handler.addFilter(log_filter := MaskedSecrets())
    caplog.set_level(logging.DEBUG)
    _invitation, path = make_invitation(admin)
    client = Client(enforce_csrf_checks=True)
    assert client.post(path, account()).status_code == 403
    assert Client().post(path, account("")).status_code == 422
    assert Client().post(path, account()).status_code == 303
    assert Client().get(path).status_code == 404
    caplog.handler.removeFilter(log_filter)
    assert "/invitations/***/" in caplog.text
    assert path.split("/")[2] not in caplog.text
    assert PASSWORD not in caplog.text


def test_monthly_limit_becomes_the_limit_of_the_new_person(
    admin_client: Client, admin: Member
) -> None:
    response = admin_client.post(
        "/admin/invitations/new/one", one_link(month_limit="25,50", max_uses="2")
    )
    [path] = links_in(response.content.decode())
    assert Invitation.objects.get().month_money_e4 == 255_000
    for name in ("ada", "bo"):
        Client().post(path, account(name))
        limit = Limit.objects.get(member__username=name)
        assert (limit.scope, limit.window, limit.money_e4) == ("member", "month", 255_000)
        assert (limit.images, limit.by) == (None, admin)


def test_person_without_a_limit_in_the_invitation_has_none(admin: Member) -> None:
    _invitation, path = make_invitation(admin)
    Client().post(path, account())
    assert Member.objects.filter(username="ada").exists()
    assert not Limit.objects.exists()


def test_limit_of_nothing_is_a_limit(admin: Member) -> None:
    _invitation, path = make_invitation(admin, month_money_e4=0)
    Client().post(path, account())
    assert Limit.objects.get().money_e4 == 0


# --- at once -------------------------------------------------------------------------------------


def at_once(number: int, call: Callable[[int], Any]) -> list[Any]:
    """Run the call in so many threads, which start together, and return the results."""
    barrier = Barrier(number)

    def one(index: int) -> Any:
        try:
            barrier.wait(timeout=30)
            return call(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("max_uses", [1, 3])
def test_last_use_is_given_exactly_once(max_uses: int) -> None:
    invitation, path = make_invitation(make_admin(), max_uses=max_uses)
    statuses = at_once(8, lambda index: Client().post(path, account(f"person-{index}")).status_code)
    assert sorted(statuses) == [303] * max_uses + [404] * (8 - max_uses)
    invitation.refresh_from_db()
    assert invitation.uses == max_uses == invitation.members.count()
    assert Member.objects.filter(username__startswith="person-").count() == max_uses
    cache.clear()


@pytest.mark.django_db(transaction=True)
def test_one_name_is_given_exactly_once() -> None:
    invitation, path = make_invitation(make_admin(), max_uses=8)
    statuses = at_once(4, lambda _index: Client().post(path, account("ada")).status_code)
    assert sorted(statuses) == [303, 422, 422, 422]
    invitation.refresh_from_db()
    assert invitation.uses == 1
    cache.clear()


def test_disabling_revokes_the_links_of_a_person_for_good(admin: Member) -> None:
    other = make_admin()
    _invitation, path = make_invitation(admin)
    people.disable(admin, other)
    people.enable(admin, other)
    assert Client().get(path).status_code == 404
