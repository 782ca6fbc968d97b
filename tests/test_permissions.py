"""Who may do what: the table, the views that ask it, and its page in the docs."""

from typing import Any

import pytest
from django.test import Client

from generations.models import Collection, Member, Status
from generations.permissions import PERMISSIONS, Action, Role, Scope, may, scope_of
from tests.builders import make_generation, make_member, picture_ids
from tests.conftest import client_for
from tests.forms import form_data
from tests.installation import ROOT

pytestmark = pytest.mark.django_db


def test_roles_only_add_to_each_other() -> None:
    for smaller, larger in (
        (Role.VIEWER, Role.MEMBER),
        (Role.MEMBER, Role.ADMIN),
        (Role.ADMIN, Role.OWNER),
    ):
        assert PERMISSIONS[smaller].keys() < PERMISSIONS[larger].keys()


@pytest.mark.parametrize("role", Role)
def test_disabled_person_may_do_nothing(role: Role) -> None:
    person = make_member(role=role, is_active=False)
    assert not any(may(person, action) or scope_of(person, action) for action in Action)


def test_member_changes_own_rows_only(owner: Member, stranger: Member) -> None:
    row = make_generation(owner=owner)
    assert may(owner, Action.CHANGE, row)
    assert not may(stranger, Action.CHANGE, row)
    assert not may(owner, Action.CHANGE)


@pytest.fixture
def viewer() -> Client:
    return client_for(make_member("viewer", role=Role.VIEWER))


def test_viewer_sees_the_gallery_and_has_favourites(viewer: Client, media_root: Any) -> None:
    [picture] = picture_ids(make_generation(Status.SUCCEEDED))
    assert viewer.get("/gallery/").status_code == 200
    response = viewer.post("/pictures/bulk/favourite", {"picture": picture})
    assert response.status_code == 302
    assert Member.objects.get(username="viewer").favourites.count() == 1


def test_viewer_spends_nothing(viewer: Client) -> None:
    assert viewer.get("/").headers["Location"] == "/gallery/"
    assert viewer.post("/", form_data()).status_code == 403
    assert not Member.objects.get(username="viewer").generations.exists()


@pytest.mark.parametrize("action", ["collect", "tag", "untag", "trash", "private", "restore"])
def test_viewer_changes_no_image(viewer: Client, action: str) -> None:
    assert viewer.post(f"/pictures/bulk/{action}", {"picture": 1}).status_code == 403


def test_viewer_changes_no_collection(viewer: Client, owner: Member) -> None:
    row = Collection.objects.create(name="Pears", created_by=owner)
    address = f"/collections/{row.pk}/"
    assert viewer.get(address).status_code == 200
    for url in ("/collections/", address, f"{address}arrange", f"{address}delete"):
        assert viewer.post(url, {"name": "Mine"}).status_code == 403
    row.refresh_from_db()
    assert row.name == "Pears"


def test_viewer_is_offered_nothing_forbidden(viewer: Client, media_root: Any) -> None:
    row = make_generation(Status.SUCCEEDED)
    [picture] = picture_ids(row)
    for url in ("/gallery/", "/collections/", f"/pictures/{picture}/", f"/generations/{row.pk}/"):
        page = viewer.get(url).content.decode()
        for forbidden in ("bulk/collect", "bulk/tag", "remix=", "/variations/", 'name="name"'):
            assert forbidden not in page, f"{forbidden} on {url}"


def test_docs_print_the_table() -> None:
    text = (ROOT / "docs/permissions.md").read_text()
    for action in Action:
        cells = " | ".join(_cell(PERMISSIONS[role].get(action)) for role in Role)
        assert f"| `{action}` | {cells} |" in text


def _cell(scope: Scope | None) -> str:
    return scope.value if scope else "-"
