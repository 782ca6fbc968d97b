"""A walk over every address of the house: closed, unless it is marked as open."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from tests.forms import HTMX

pytestmark = pytest.mark.django_db

OPEN = {"/accounts/login/", "/healthz", "/favicon.ico", "/admin/login/"}
EXAMPLES = {"pk": "1", "action": "cancel", "variant": "original", "app_label": "generations"}


def addresses(patterns: list[URLPattern | URLResolver], before: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, before + route)
        elif "(?P" not in route:
            for name, value in EXAMPLES.items():
                for converter in ("int", "slug", "str", "path"):
                    route = route.replace(f"<{converter}:{name}>", value)
            yield before + route.replace("<path:object_id>", "1")


ALL = sorted(set(addresses(get_resolver().url_patterns)))


def test_the_walk_finds_the_pages() -> None:
    assert {
        "/",
        "/cards/changes",
        "/generations/1/",
        "/files/1/original",
        "/healthz",
        "/favicon.ico",
    } <= set(ALL)


@pytest.mark.parametrize("address", ALL)
def test_nobody_passes_without_signing_in(client: Client, address: str) -> None:
    for answer in (client.get(address), client.post(address)):
        is_led_away = answer.status_code == 302 and "/login/?next=" in answer["Location"]
        assert is_led_away != (address in OPEN), f"{address}: {answer.status_code}"


@pytest.mark.parametrize("address", [address for address in ALL if address not in OPEN])
def test_htmx_is_never_given_a_login_page(client: Client, address: str) -> None:
    answer = client.get(address, headers=HTMX)
    assert answer.status_code == 401
    assert answer["HX-Redirect"].endswith("/login/?next=/")


def test_an_unknown_address_is_our_404_for_anybody(client: Client, owner_client: Client) -> None:
    for visitor in (client, owner_client):
        answer = visitor.get("/nowhere")
        assert answer.status_code == 404
        assert b"No picture here." in answer.content


def test_the_policy_forbids_what_is_not_ours(owner_client: Client) -> None:
    policy = owner_client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_no_page_carries_inline_styles_or_scripts(owner_client: Client, client: Client) -> None:
    for page in (owner_client.get("/"), client.get("/accounts/login/"), client.get("/nowhere")):
        for forbidden in (b" style=", b"<style", b"javascript:", b" onclick", b"<script>"):
            assert forbidden not in page.content


def test_a_page_that_breaks_still_looks_like_ours(client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.broken_urls"
    client.raise_request_exception = False
    answer = client.get("/broken")
    assert answer.status_code == 500
    assert b"Something broke on our side." in answer.content
