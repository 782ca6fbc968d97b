"""The number of open generations in the header of every page."""

import pytest
from django.db import OperationalError
from django.test import Client
from django.urls import reverse

from generations.models import Member, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

PAGES = ("studio", "gallery", "collections", "trash", "history", "settings", "compare")


@pytest.fixture
def _no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> list[int]:
        raise OperationalError("counted")

    monkeypatch.setattr("generations.web.header.count_up_to", fail)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_the_open_count(name: str, owner_client: Client, owner: Member) -> None:
    for status in (Status.QUEUED, Status.RUNNING, Status.SUCCEEDED):
        make_generation(status, owner=owner)
    make_generation(Status.QUEUED)
    page = owner_client.get(reverse(name)).content.decode()
    assert 'class="open-count" data-count="2"' in page


@pytest.mark.usefixtures("_no_count")
@pytest.mark.parametrize("name", ["studio", "gallery", "changes"])
def test_views_that_count_in_their_own_query_count_once(name: str, owner_client: Client) -> None:
    assert owner_client.get(reverse(name)).status_code == 200


@pytest.mark.usefixtures("_no_count")
def test_sign_in_page_counts_nothing(client: Client, db: None) -> None:
    assert client.get(reverse("account_login")).status_code == 200


@pytest.mark.usefixtures("_no_count")
def test_page_for_database_errors_runs_no_query(
    owner_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise OperationalError("locked")

    monkeypatch.setattr("generations.web.studio.studio.page_context", fail)
    assert owner_client.get(reverse("studio")).status_code == 503
