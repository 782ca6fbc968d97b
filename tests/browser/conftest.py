"""Fixtures for tests in a real browser. Errors in the browser's console fail a test."""

import os
from collections.abc import Iterator
from pathlib import Path

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
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import Member
from tests.browser.all_pages import populate
from tests.builders import PASSWORD

# Playwright runs an event loop in this thread; Django would refuse synchronous database calls.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # noqa: TID251

LANGUAGES = tuple(dict(settings.LANGUAGES))
DESKTOP: ViewportSize = {"width": 1280, "height": 900}


@pytest.fixture
def console_errors() -> list[str]:
    """Errors and warnings of the console, including content security policy violations."""
    return []


@pytest.fixture
def context(
    settings: Settings,
    chromium: Browser,
    live_server: LiveServer,
    owner: Member,
    console_errors: list[str],
) -> Iterator[BrowserContext]:
    """A browser context with the owner signed in, showing the studio.

    Messages that are left in `console_errors` at the end fail the test. `settings` comes first, so
    that the folder of files stays until the browser has stopped to load them.
    """
    context = chromium.new_context(base_url=live_server.url, viewport=DESKTOP)
    context.on("console", lambda message: _collect(message, console_errors))
    context.on("weberror", lambda error: console_errors.append(str(error.error)))
    context.set_default_timeout(10_000)
    _set_session_cookie(context, owner, live_server.url)
    context.new_page().goto("/")
    yield context
    context.close()
    assert not console_errors


def goto_in_turn(page: Page, url: str, number: int) -> None:
    """Load a page in one of the languages: each page in another one, at the cost of one."""
    language = LANGUAGES[number % len(LANGUAGES)]
    page.set_extra_http_headers({"Accept-Language": language})
    page.goto(url)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.pages[0]


@pytest.fixture
def populated_admin(settings: Settings, tmp_path: Path, transactional_db: None) -> Member:
    settings.MEDIA_ROOT = tmp_path
    return populate()


def _collect(message: ConsoleMessage, console_errors: list[str]) -> None:
    """Collect errors and warnings, except 422: the expected response to an invalid form."""
    if message.type in {"error", "warning"} and "422" not in message.text:
        console_errors.append(f"{message.text} {message.location}")


def _set_session_cookie(context: BrowserContext, member: Member, address: str) -> None:
    """Sign in without the form, to save time."""
    client = Client()
    client.force_login(member)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME]
    context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])


def sign_in(context: BrowserContext, member: Member) -> None:
    """Sign in with the form, in a new page."""
    page = context.new_page()
    page.goto("/accounts/login/")
    page.get_by_label("User name").fill(member.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")
