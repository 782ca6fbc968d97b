"""Invitations by mail, where a mail server is configured."""

import re
from smtplib import SMTPRecipientsRefused
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django import Settings

from generations.models import Team

pytestmark = pytest.mark.django_db

PASTED = "ada@example.org\nBo <bo@example.org>\nCy"


@pytest.fixture
def mail_server(settings: Settings) -> None:
    settings.MAIL = {"host": "mail.example"}


def new_links(admin_client: Client) -> tuple[str, list[str]]:
    """Create three links. Return their page and their secrets."""
    data = {"role": "member", "days": "7", "batch": str(uuid4()), "pasted": PASTED}
    page = admin_client.post("/admin/invitations/new/many", data).content.decode()
    return page, re.findall(r'name="secret" value="([\w-]+)"', page)


def test_links_with_an_address_are_mailed(admin_client: Client, mail_server: None) -> None:
    Team(name="Pear\nstudio").save()
    page, secrets = new_links(admin_client)
    assert "Send 2 by e-mail" in page
    addressed = secrets[:2]
    response: Any = admin_client.post("/admin/invitations/mail", {"secret": addressed}, follow=True)
    assert "2 e-mails sent." in response.content.decode()
    assert [each.to for each in mail.outbox] == [["ada@example.org"], ["bo@example.org"]]
    [first, second] = mail.outbox
    assert first.subject == "admin-of-tests invites you to Pear studio"
    assert f"/invitations/{secrets[0]}/" in str(first.body)
    assert secrets[1] in str(second.body)
    assert secrets[0] not in str(second.body)


def test_link_in_the_mail_works(admin_client: Client, client: Client, mail_server: None) -> None:
    _page, secrets = new_links(admin_client)
    admin_client.post("/admin/invitations/mail", {"secret": secrets})
    found = re.search(r"http://localhost:8000(/invitations/\S+)", str(mail.outbox[0].body))
    assert found
    assert client.get(found[1]).status_code == 200


def test_links_that_were_not_mailed_are_shown_again(
    admin_client: Client, mail_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = EmailBackend.send_messages

    def refuse_ada(self: EmailBackend, messages: Any) -> int:
        if messages[0].to == ["ada@example.org"]:
            raise SMTPRecipientsRefused({})
        return send(self, messages)

    monkeypatch.setattr(EmailBackend, "send_messages", refuse_ada)
    _page, [ada, bo, cy] = new_links(admin_client)
    response = admin_client.post("/admin/invitations/mail", {"secret": [ada, bo, cy]})
    page = response.content.decode()
    assert response.status_code == 502
    assert "1 e-mail sent." in page
    assert "The mail server refused these addresses." in page
    assert ada in page
    assert bo not in page
    assert cy in page, "a name without an address"


def test_without_a_mail_server_nothing_is_offered(admin_client: Client) -> None:
    page, secrets = new_links(admin_client)
    assert "by e-mail" not in page
    response = admin_client.post("/admin/invitations/mail", {"secret": secrets})
    assert response.status_code == 404


def test_links_of_others_are_not_mailed(
    admin_client: Client, owner_client: Client, mail_server: None
) -> None:
    _page, secrets = new_links(admin_client)
    assert owner_client.post("/admin/invitations/mail", {"secret": secrets}).status_code == 403
    assert not mail.outbox
