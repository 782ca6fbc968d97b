"""Error pages say what happened, whether it cost anything, and what to do."""

import pytest
from django.test import Client
from pytest_django import Settings

from generations.permissions import Role
from tests.builders import make_member
from tests.conftest import client_for

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _broken_urls(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.broken_urls"


@pytest.fixture
def client(owner_client: Client) -> Client:
    """Signed in, and with error pages instead of exceptions."""
    owner_client.raise_request_exception = False
    return owner_client


@pytest.mark.parametrize(
    ("url", "status", "heading", "cost"),
    [
        ("/bad-request", 400, "This request could not be read.", "Nothing was sent or charged."),
        (
            "/admin/queue/",
            403,
            "You don’t have access to this page.",
            "Nothing was sent or charged.",
        ),
        ("/nowhere", 404, "Page not found.", ""),
        (
            "/broken",
            500,
            "Something went wrong on the server.",
            "nothing was sent or charged twice",
        ),
        (
            "/database-error",
            503,
            "This page is temporarily unavailable.",
            "Nothing was sent or charged.",
        ),
    ],
)
def test_error_page_names_the_error_and_its_cost(
    client: Client, url: str, status: int, heading: str, cost: str
) -> None:
    response = client.get(url)
    page = " ".join(response.content.decode().split())
    assert response.status_code == status
    assert heading in page
    assert cost in page
    assert 'href="/">Open the studio</a>' in page


def test_database_error_on_a_form_keeps_the_prompt(client: Client) -> None:
    response = client.post("/database-error", {"prompt": "A <pear>"})
    page = response.content.decode()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "Could not save." in page
    assert "Nothing was sent or charged." in page
    assert ">A &lt;pear&gt;</textarea>" in page


def test_database_error_without_a_prompt_shows_no_field(client: Client) -> None:
    assert "<textarea" not in client.post("/database-error").content.decode()


def test_viewer_without_access_is_led_to_the_gallery() -> None:
    page = client_for(make_member("looks-only", role=Role.VIEWER)).get("/batches/new/")
    assert page.status_code == 403
    assert '<a class="button primary" href="/gallery/">' in page.content.decode()
