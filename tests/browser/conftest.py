"""A real browser before the real pages; no page may complain while a test looks at it."""

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    ViewportSize,
)
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.builders import PASSWORD

# Playwright's own loop runs in this thread; our database calls beside it are not asynchronous.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # noqa: TID251

DESK: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console complained of, violations of the content policy among it."""
    return []


@pytest.fixture
def window(
    chromium: Browser, live_server: LiveServer, owner: Member, complaints: list[str]
) -> Iterator[BrowserContext]:
    """The owner's window, signed in; any complaint that a test does not take away fails it."""
    context = chromium.new_context(base_url=live_server.url, viewport=DESK)
    context.on("console", lambda message: _note(message, complaints))
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.set_default_timeout(10_000)
    _let_in(context, owner, live_server.url)
    context.new_page().goto("/")
    yield context
    context.close()
    assert not complaints


@pytest.fixture
def page(window: BrowserContext) -> Page:
    return window.pages[0]


def _note(message: ConsoleMessage, complaints: list[str]) -> None:
    """A refused form is an answer too: the browser calls every 4xx an error."""
    if message.type in {"error", "warning"} and "422" not in message.text:
        complaints.append(f"{message.text} {message.location}")


def _let_in(context: BrowserContext, member: Member, address: str) -> None:
    """With a cookie: signing in by hand is one journey of its own."""
    client = Client()
    client.force_login(member)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def sign_in(context: BrowserContext, member: Member) -> None:
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill(member.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
