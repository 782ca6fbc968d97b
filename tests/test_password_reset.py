"""Resetting a password by a link: created by an admin, or mailed."""

import re
from datetime import datetime, timedelta
from threading import Thread
from typing import Any

import pytest
from django.contrib.auth import tokens
from django.core import mail
from django.test import Client
from pytest_django import Settings

from generations.models import AuditAction, AuditEntry, Member, password_reset
from generations.permissions import Role
from generations.web.account import reset
from tests.builders import PASSWORD, make_admin, make_member
from tests.conftest import client_for
from tests.one_time_codes import add_app, add_recovery_codes, credentials

pytestmark = pytest.mark.django_db

NEW = "an even longer sentence"
DATA = {"new_password1": NEW, "new_password2": NEW}


def admin_page(member: Member, page: str = "reset-link") -> str:
    return f"/admin/people/{member.pk}/{page}/"


def create_link(client: Client, member: Member) -> str:
    page = client.post(admin_page(member)).content.decode()
    found = re.search(r'value="http://localhost:8000(/accounts/reset/[^"]+)"', page)
    assert found
    return found[1]


def open_link(link: str) -> tuple[Client, str]:
    """Follow a link in a new browser; return the browser and the address of its form."""
    client = Client()
    response = client.get(link)
    assert response.status_code == 302
    assert link.split("/")[-2] not in response["Location"]  # no token in the page's address
    return client, response["Location"]


# --- the link of an admin --------------------------------------------------------------------


def test_link_sets_a_new_password_and_ends_all_sessions(
    admin_client: Client, owner_client: Client, owner: Member
) -> None:
    assert owner_client.get("/gallery/").status_code == 200
    client, form = open_link(create_link(admin_client, owner))
    assert "Choose a new password for owner." in client.get(form).content.decode()
    response = client.post(form, DATA)
    assert (response.status_code, response["Location"]) == (303, "/accounts/login/")
    assert (
        "Password changed. Sign in with the new one."
        in client.get(response["Location"]).content.decode()
    )
    assert client.get("/gallery/").status_code == 302  # not signed in by the link
    assert owner_client.get("/gallery/").status_code == 302
    assert Client().post("/accounts/login/", credentials(owner, NEW))["Location"] == "/"


def test_link_is_shown_once_and_logged_without_its_token(
    admin_client: Client, owner: Member
) -> None:
    assert "/accounts/reset/" not in admin_client.get(admin_page(owner)).content.decode()
    token = create_link(admin_client, owner).split("/")[-2]
    assert "/accounts/reset/" not in admin_client.get(admin_page(owner)).content.decode()
    entry = AuditEntry.objects.get(action=AuditAction.RESET_LINK_CREATED)
    assert (entry.target_type, entry.target_id) == ("member", str(owner.pk))
    assert token not in repr(AuditEntry.objects.values())
    person = admin_client.get(f"/admin/people/{owner.pk}/")
    assert admin_page(owner) in person.content.decode()


def test_link_works_once(admin_client: Client, owner: Member) -> None:
    link = create_link(admin_client, owner)
    client, form = open_link(link)
    _client, second_form = open_link(link)
    client.post(form, DATA)
    for response in (Client().get(link), _client.post(second_form, DATA)):
        assert response.status_code == 410
        assert "This link no longer works." in response.content.decode()


def test_link_ends_after_24_hours(
    admin_client: Client, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = create_link(admin_client, owner)
    now = datetime.now()
    for hours, status in ((23.9, 302), (24.1, 410)):
        later = now + timedelta(hours=hours)
        monkeypatch.setattr(
            tokens.PasswordResetTokenGenerator, "_now", lambda _self, later=later: later
        )
        assert Client().get(link).status_code == status


def test_link_ends_with_a_sign_in(admin_client: Client, owner: Member) -> None:
    link = create_link(admin_client, owner)
    Client().post("/accounts/login/", credentials(owner, PASSWORD))
    assert Client().get(link).status_code == 410


def test_invalid_passwords_are_beside_their_field(admin_client: Client, owner: Member) -> None:
    client, form = open_link(create_link(admin_client, owner))
    for data, field in (
        ({"new_password1": "short", "new_password2": "short"}, "new_password2"),
        ({"new_password1": NEW, "new_password2": "other"}, "new_password2"),
        ({}, "new_password1"),
        ({"new_password1": "a\x00bcdefghijk", "new_password2": "x"}, "new_password1"),
    ):
        response = client.post(form, data)
        assert response.status_code == 422
        assert f'id="{field}-error"' in response.content.decode()
    owner.refresh_from_db()
    assert owner.check_password(PASSWORD)


def test_disabled_people_get_no_link(admin_client: Client, owner: Member) -> None:
    link = create_link(admin_client, owner)
    Member.objects.filter(pk=owner.pk).update(is_active=False)
    assert Client().get(link).status_code == 410
    page = admin_client.post(admin_page(owner)).content.decode()
    assert "is disabled" in page
    assert "/accounts/reset/" not in page


@pytest.mark.parametrize("uid", ["MQ", "x", "%00", "9" * 99, "4pyT", "MTIzNDU2Nzg5MDEyMzQ1Njc4OTA"])
def test_invented_links_do_not_work(client: Client, owner: Member, uid: str) -> None:
    for token in ("set-password", "x", "1-" + "a" * 32, "a" * 3000):
        assert client.get(f"/accounts/reset/{uid}/{token}/").status_code == 410
        assert client.post(f"/accounts/reset/{uid}/{token}/", DATA).status_code == 410


@pytest.mark.parametrize("page", ["reset-link", "remove-second-factor"])
def test_who_may_give_access(owner_client: Client, admin_client: Client, page: str) -> None:
    head = make_member("head", role=Role.OWNER)
    second = make_admin()
    assert owner_client.get(admin_page(second, page)).status_code == 403
    assert admin_client.get(admin_page(head, page)).status_code == 403
    assert admin_client.post(admin_page(head, page)).status_code == 403
    assert admin_client.get(admin_page(second, page)).status_code == 200
    change = {"username": "head", "email": "second@team.example"}
    response = admin_client.post(f"/admin/people/{head.pk}/", change)
    assert response.status_code == 422
    head.refresh_from_db()
    assert head.email == ""
    person = admin_client.get(f"/admin/people/{head.pk}/").content.decode()
    assert admin_page(head, page) not in person
    assert client_for(head).get(admin_page(second, page)).status_code == 200
    missing = admin_page(second, page).replace(f"/{second.pk}/", "/999999/")
    assert admin_client.get(missing).status_code == 404


def test_second_factor_is_removed_by_an_admin(admin_client: Client, owner: Member) -> None:
    add_app(owner)
    add_recovery_codes(owner)
    url = admin_page(owner, "remove-second-factor")
    assert "Make sure that it is" in admin_client.get(url).content.decode()
    assert "with the password alone" in admin_client.post(url, follow=True).content.decode()
    assert AuditEntry.objects.filter(action=AuditAction.SECOND_FACTOR_REMOVED).count() == 1
    assert "has no second factor" in admin_client.get(url).content.decode()
    assert Client().post("/accounts/login/", credentials(owner, PASSWORD))["Location"] == "/"


def test_link_does_not_pass_the_second_factor(admin_client: Client, owner: Member) -> None:
    add_app(owner)
    client, form = open_link(create_link(admin_client, owner))
    client.post(form, DATA)
    response = client.post("/accounts/login/", credentials(owner, NEW))
    assert response["Location"] == "/accounts/second-factor/"


# --- by mail ---------------------------------------------------------------------------------

URL = "/accounts/forgotten/"


@pytest.fixture
def with_mail(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail server; mails are sent before the answer."""
    settings.MAIL = {"host": "mail.example"}
    monkeypatch.setattr(Thread, "start", Thread.run)


def test_mailed_link_sets_a_new_password(client: Client, with_mail: None, owner: Member) -> None:
    Member.objects.filter(pk=owner.pk).update(email="owner@team.example")
    assert f'href="{URL}"' in client.get("/accounts/login/").content.decode()
    answer = client.post(URL, {"name": "Owner@Team.example"})
    assert "Check your e-mail" in answer.content.decode()
    [message] = mail.outbox
    assert message.to == ["owner@team.example"]
    found = re.search(r"http://localhost:8000(/accounts/reset/\S+)", str(message.body))
    assert found
    browser, form = open_link(found[1])
    browser.post(form, DATA)
    owner.refresh_from_db()
    assert owner.check_password(NEW)


def test_every_name_gets_the_same_answer(client: Client, with_mail: None, owner: Member) -> None:
    make_member("disabled", email="disabled@team.example", is_active=False)
    outside = make_member("outside", email="outside@team.example")
    outside.set_unusable_password()
    outside.save()
    answers = {
        re.sub(r'name="csrf\w+" value="\w+"', "", client.post(URL, {"name": name}).content.decode())
        for name in ("owner", "nobody", "disabled", "outside", "x@y.example")
    }
    assert len(answers) == 1
    assert mail.outbox == []


def test_mails_to_one_person_are_limited(client: Client, with_mail: None, owner: Member) -> None:
    Member.objects.filter(pk=owner.pk).update(email="owner@team.example")
    statuses = [client.post(URL, {"name": "owner"}).status_code for _ in range(21)]
    assert statuses == [200] * 20 + [429]
    assert len(mail.outbox) == 3


@pytest.mark.parametrize("name", ["", " ", "a\x00", "x" * 300])
def test_unusable_names_are_refused(client: Client, with_mail: None, name: str) -> None:
    assert client.post(URL, {"name": name}).status_code == 422


def test_nothing_is_mailed_without_a_mail_server(client: Client, owner: Member) -> None:
    assert client.get(URL).status_code == 404
    assert client.post(URL, {"name": "owner"}).status_code == 404
    assert "Ask an admin." in client.get("/accounts/login/").content.decode()


def test_mail_server_that_fails_is_logged_without_the_link(
    owner: Member, caplog: pytest.LogCaptureFixture
) -> None:
    class Failing:
        def send(self) -> None:
            raise ConnectionRefusedError("no")

    sender: Any = Failing()
    reset._send(sender, owner.pk)
    assert f"The mail to member {owner.pk} was not sent" in caplog.text
    assert password_reset.reset_path(owner) not in caplog.text


def test_link_ends_with_a_change_of_the_role(admin_client: Client, owner: Member) -> None:
    """An admin's copy must not set the password of somebody who has become an owner."""
    link = create_link(admin_client, owner)
    Member.objects.filter(pk=owner.pk).update(role="owner")
    assert Client().get(link).status_code == 410
