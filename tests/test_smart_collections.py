"""Smart collections: saved filters of the gallery, private or shared with the team."""

import pytest
from django.test import Client

from generations import people
from generations.models import Batch, Member, SmartCollection, Status
from generations.models.smart_collection import MAX_QUERY_LENGTH
from tests.builders import make_generation, make_member
from tests.conftest import client_for

pytestmark = pytest.mark.django_db


@pytest.fixture
def saved(owner: Member) -> SmartCollection:
    return SmartCollection.objects.create(name="Panoramas", query="ratio=16%3A9", created_by=owner)


def test_filter_is_saved_and_opened_again(owner_client: Client, owner: Member) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="A bottle")
    gallery = owner_client.get("/gallery/?q=bottle&ratio=16:9").content.decode()
    address = "/collections/smart/new/?q=bottle&amp;ratio=16%3A9"
    assert address in gallery
    address = address.replace("&amp;", "&")
    page = owner_client.get(address).content.decode()
    assert "“bottle”" in page
    assert 'value="“bottle”, 16:9"' in page
    response = owner_client.post(address, {"name": "Bottles"})
    [row] = SmartCollection.objects.all()
    assert (row.name, row.query, row.is_private) == ("Bottles", "q=bottle&ratio=16%3A9", True)
    assert response.headers["Location"] == f"/gallery/?q=bottle&ratio=16%3A9&smart={row.pk}"
    page = owner_client.get(response.headers["Location"]).content.decode()
    assert 'chip-text">Bottles</bdi>' in page
    assert f'href="/collections/smart/{row.pk}/"' in page
    assert "Save as smart collection" not in page
    assert "Bottles" in owner_client.get("/collections/").content.decode()


def test_batch_is_a_condition_with_a_name(owner_client: Client, owner: Member) -> None:
    batch = Batch.objects.create(owner=owner, title="Spring")
    page = owner_client.get(f"/collections/smart/new/?batch={batch.pk}").content.decode()
    assert 'value="Spring"' in page


def test_changed_filter_is_no_longer_the_smart_collection(
    owner_client: Client, saved: SmartCollection
) -> None:
    page = owner_client.get(f"/gallery/?{saved.query}&q=pear&smart={saved.pk}").content.decode()
    assert "Panoramas" not in page
    assert "Save as smart collection" in page


def test_filter_that_is_too_long_says_so_and_is_not_lost(owner_client: Client) -> None:
    query = f"q={'x' * MAX_QUERY_LENGTH}"
    for response in (
        owner_client.get(f"/collections/smart/new/?{query}"),
        owner_client.post(f"/collections/smart/new/?{query}", {"name": "Long"}),
    ):
        assert response.status_code == 422
        page = response.content.decode()
        assert "This filter has 2,002 characters" in page
        assert f'href="/gallery/?{query}"' in page
    assert not SmartCollection.objects.exists()


@pytest.mark.parametrize("query", ["", "?q=", "?since=x"])
def test_without_a_filter_there_is_nothing_to_save(owner_client: Client, query: str) -> None:
    assert owner_client.get(f"/collections/smart/new/{query}").status_code == 404


def test_name_is_required(owner_client: Client) -> None:
    response = owner_client.post("/collections/smart/new/?q=pear", {"name": " "})
    assert response.status_code == 422
    assert "Enter a name." in response.content.decode()


def test_private_one_is_visible_to_its_creator_only(
    owner_client: Client, stranger_client: Client, admin_client: Client, saved: SmartCollection
) -> None:
    for client in (stranger_client, admin_client):
        assert client.get(f"/collections/smart/{saved.pk}/").status_code == 404
        assert client.post(f"/collections/smart/{saved.pk}/delete").status_code == 404
        assert "Panoramas" not in client.get("/collections/").content.decode()
        address = f"/gallery/?{saved.query}&smart={saved.pk}"
        assert "Panoramas" not in client.get(address).content.decode()
    assert "Only you" in owner_client.get("/collections/").content.decode()


def test_shared_one_is_changed_by_its_creator_and_admins(
    owner_client: Client, stranger_client: Client, admin_client: Client, saved: SmartCollection
) -> None:
    address = f"/collections/smart/{saved.pk}/"
    owner_client.post(address, {"name": "Panoramas of all", "is_shared": "1"})
    assert "Panoramas of all" in stranger_client.get("/collections/").content.decode()
    opened = stranger_client.get(f"/gallery/?{saved.query}&smart={saved.pk}").content.decode()
    assert 'chip-text">Panoramas of all</bdi>' in opened
    assert address not in opened
    assert stranger_client.get(address).status_code == 403
    assert stranger_client.post(address, {"name": "Mine"}).status_code == 403
    assert stranger_client.post(f"{address}delete").status_code == 403
    admin_client.post(address, {"name": "Renamed", "is_shared": "1"})
    saved.refresh_from_db()
    assert (saved.name, saved.is_private) == ("Renamed", False)
    assert admin_client.post(f"{address}delete").headers["Location"] == "/collections/"
    assert not SmartCollection.objects.exists()


def test_viewer_opens_shared_ones_and_saves_none(saved: SmartCollection) -> None:
    SmartCollection.objects.update(is_private=False)
    viewer = client_for(make_member(role="viewer"))
    assert "Panoramas" in viewer.get("/collections/").content.decode()
    assert "Save as smart" not in viewer.get("/gallery/?q=pear").content.decode()
    assert viewer.get("/collections/smart/new/?q=pear").status_code == 403


def test_smart_collection_shows_what_its_viewer_may_see(
    stranger_client: Client, owner: Member
) -> None:
    make_generation(Status.SUCCEEDED, owner=owner, prompt="A hidden pear", is_private=True)
    row = SmartCollection.objects.create(
        name="Pears", query="q=pear", created_by=owner, is_private=False
    )
    page = stranger_client.get(f"/gallery/?q=pear&smart={row.pk}").content.decode()
    assert "A hidden" not in page


def test_shared_ones_of_a_person_who_leaves_are_handed_over(
    owner: Member, stranger: Member, admin: Member, saved: SmartCollection
) -> None:
    shared = SmartCollection.objects.create(
        name="Team", query="q=pear", created_by=owner, is_private=False
    )
    people.disable(owner, admin)
    people.hand_over(owner, stranger, admin)
    shared.refresh_from_db()
    saved.refresh_from_db()
    assert (shared.created_by, saved.created_by) == (stranger, owner)


@pytest.mark.parametrize("key", ["x", "0", "99999999999999999999"])
def test_unknown_smart_collection_is_ignored_in_the_gallery(owner_client: Client, key: str) -> None:
    assert owner_client.get(f"/gallery/?q=pear&smart={key}").status_code == 200
