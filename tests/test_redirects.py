"""Addresses of earlier releases redirect permanently to the new ones."""

import pytest
from django.test import Client

from generations.models import Member, UpstreamGate

pytestmark = pytest.mark.django_db

GATE_ADMIN = "/admin/generations/upstreamgate/"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/line/", "/admin/queue/"),
        ("/queue/", "/admin/queue/"),
        ("/people/", "/admin/people/"),
        ("/people/invite/one?x=1", "/admin/people/invite/one?x=1"),
        ("/admin/people/invite/one?x=1", "/admin/invitations/new/one?x=1"),
        ("/admin/generations/member/?q=ada", "/admin/people/?q=ada"),
        ("/admin/generations/member/add/", "/admin/invitations/"),
        ("/line/?from=mail", "/admin/queue/?from=mail"),
        ("/admin/generations/line/", GATE_ADMIN),
        ("/admin/generations/line/1/change/", f"{GATE_ADMIN}1/change/"),
        ("/admin/generations/line/1/history/?p=2", f"{GATE_ADMIN}1/history/?p=2"),
    ],
)
def test_old_address_redirects_permanently(admin_client: Client, old: str, new: str) -> None:
    UpstreamGate.objects.get_or_create(pk=1)
    response = admin_client.get(old)
    assert (response.status_code, response["Location"]) == (301, new)
    assert admin_client.get(new, follow=True).status_code == 200


@pytest.mark.parametrize(
    ("old", "new"), [("/line/", "/admin/queue/"), ("/line/resume", "/admin/queue/resume")]
)
def test_post_to_an_old_address_keeps_its_method(admin_client: Client, old: str, new: str) -> None:
    response = admin_client.post(old)
    assert (response.status_code, response["Location"]) == (308, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("/admin/people/invitations.csv", "/admin/invitations/links.csv"),
        ("/admin/people/invitations/7/revoke", "/admin/invitations/7/revoke"),
        ("/usage/requests/7/decline", "/admin/requests/7/decline"),
    ],
)
def test_post_of_a_page_of_people_keeps_its_method(
    admin_client: Client, old: str, new: str
) -> None:
    response = admin_client.post(old)
    assert (response.status_code, response["Location"]) == (308, new)


@pytest.mark.parametrize("page", ["", "change/", "password/", "reset-link/", "history/"])
def test_admin_pages_of_a_person_lead_to_the_new_one(
    admin_client: Client, admin: Member, page: str
) -> None:
    response = admin_client.get(f"/admin/generations/member/{admin.pk}/{page}", follow=True)
    assert response.redirect_chain == [(f"/admin/people/{admin.pk}/", 301)]
    assert response.status_code == 200


def test_resume_from_a_page_of_an_earlier_release_works(
    admin_client: Client, admin: Member
) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY)
    admin_client.post("/line/resume", follow=True)
    assert not UpstreamGate.for_engine().is_held


def test_old_addresses_require_sign_in(client: Client) -> None:
    assert client.get("/line/")["Location"] == "/accounts/login/?next=/line/"
