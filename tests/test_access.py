"""Every URL requires sign-in unless it is marked as open; error pages and security headers."""

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from tests.forms import HTMX

pytestmark = pytest.mark.django_db

PUBLIC = {
    "/accounts/login/",
    "/accounts/second-factor/",
    "/accounts/forgotten/",
    "/accounts/reset/MQ/token/",
    "/accounts/oidc/login/",
    "/accounts/oidc/callback/",
    "/healthz",
    "/favicon.ico",
    "/callbacks/1/1/unknown/",
    "/invitations/unknown/",
    "/language/",
    "/setup/",
}
EXAMPLES = {
    "pk": "1",
    "action": "cancel",
    "variant": "original",
    "app_label": "generations",
    "kind": "one",
    "secret": "unknown",
    "uidb64": "MQ",
    "token": "token",
    "attempt": "1",
    "code": "unknown",
}


def all_urls(
    patterns: list[URLPattern | URLResolver],
    prefix: str = "/",
    examples: dict[str, str] = EXAMPLES,
) -> Iterator[str]:
    for pattern in patterns:
        route = str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from all_urls(pattern.url_patterns, prefix + route, examples)
        elif "(?P" not in route:
            for name, value in examples.items():
                for converter in ("int", "slug", "str", "path"):
                    route = route.replace(f"<{converter}:{name}>", value)
            yield prefix + route.replace("<path:object_id>", examples["pk"])


ALL_URLS = sorted(set(all_urls(get_resolver().url_patterns)))


def test_url_walk_finds_the_pages() -> None:
    assert {
        "/",
        "/cards/changes",
        "/generations/1/",
        "/files/1/original",
        "/healthz",
        "/favicon.ico",
    } <= set(ALL_URLS)


@pytest.mark.parametrize("url", ALL_URLS)
def test_pages_redirect_to_sign_in_when_signed_out(client: Client, url: str) -> None:
    for response in (client.get(url), client.post(url)):
        is_redirected = response.status_code == 302 and "/login/?next=" in response["Location"]
        assert is_redirected != (url in PUBLIC), f"{url}: {response.status_code}"


@pytest.mark.parametrize("url", [url for url in ALL_URLS if url not in PUBLIC])
def test_htmx_gets_401_instead_of_a_sign_in_page(client: Client, url: str) -> None:
    response = client.get(url, headers=HTMX)
    assert response.status_code == 401
    assert response["HX-Redirect"].endswith("/login/?next=/")


def test_unknown_url_shows_the_404_page_to_everyone(client: Client, owner_client: Client) -> None:
    for visitor in (client, owner_client):
        response = visitor.get("/nowhere")
        assert response.status_code == 404
        assert b"Page not found." in response.content


def test_content_security_policy_allows_only_own_sources(owner_client: Client) -> None:
    policy = owner_client.get("/")["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_pages_contain_no_inline_styles_or_scripts(owner_client: Client, client: Client) -> None:
    for page in (owner_client.get("/"), client.get("/accounts/login/"), client.get("/nowhere")):
        for fragment in (b" style=", b"<style", b"javascript:", b" onclick", b"<script>"):
            assert fragment not in page.content


def test_exception_in_a_view_shows_the_500_page(client: Client, settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.broken_urls"
    client.raise_request_exception = False
    response = client.get("/broken")
    assert response.status_code == 500
    assert b"Something went wrong on the server." in response.content
