"""axe-core finds no violation on any page in any state, light and dark, desktop and phone; and no
text widens a page beyond its screen."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from generations.models import (
    Collection,
    Failure,
    Generation,
    Member,
    Picture,
    Status,
    UpstreamGate,
    bulk,
)
from tests.browser.conftest import sign_in
from tests.builders import make_admin, make_generation, make_submission

RULES = {
    "runOnly": [
        "wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice",
    ]
}  # fmt: skip
HOSTILE = (
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3,
    "كوب شاي على الطاولة بجانب نافذة مفتوحة على البحر",
    "👩‍👩‍👧‍👦🏳️‍🌈 a family of emoji 🌿🌿🌿",
    "<b>bold</b> & \"quoted\" 'words'",
)


@pytest.fixture
def populated_admin(settings: Settings, tmp_path: Path, transactional_db: None) -> Member:
    """An admin with a card in every state, hostile prompts, and a full gallery."""
    settings.MEDIA_ROOT = tmp_path
    admin = make_admin("a-name-that-is-longer-than-most-names-are-ever")
    for index, status in enumerate(Status):
        for failure in Failure if status == Status.FAILED else ("",):
            columns: dict[str, Any] = {"failure": failure} if failure else {}
            row = make_generation(
                status,
                owner=admin,
                prompt=HOSTILE[index % len(HOSTILE)],
                n=index % 4 + 1,
                created_at=timezone.now() - timedelta(minutes=index),
                **columns,
            )
            if status == Status.UNCONFIRMED:
                make_submission(row)
    short = make_generation(Status.SUCCEEDED, owner=admin, n=3, stored=2, prompt=HOSTILE[0])
    make_generation(Status.RUNNING, owner=admin, late_at=timezone.now(), prompt="Late")
    make_generation(Status.RUNNING, owner=admin, lost_at=timezone.now(), prompt="Lost")
    shown = [picture.pk for picture in Picture.objects.available()]
    bulk.favourite(shown[:2], admin)
    bulk.tag(shown[:1], admin, HOSTILE[2][:40])
    Collection.objects.create(name=HOSTILE[0][:80], created_by=admin).add(shown, admin)
    make_generation(Status.SUCCEEDED, owner=admin, is_private=True, prompt=HOSTILE[1])
    Picture.objects.filter(pk=short.pictures.all()[0].pk).trash(admin)
    UpstreamGate.for_engine().pause(admin, HOSTILE[0][:60])
    return admin


@pytest.fixture(
    params=[("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)],
    ids=lambda each: f"{each[0]}-{each[1]}",
)
def context(
    request: pytest.FixtureRequest,
    chromium: Browser,
    live_server: LiveServer,
    populated_admin: Member,
) -> Iterator[BrowserContext]:
    color_scheme, width = request.param
    context = chromium.new_context(
        base_url=live_server.url,
        viewport={"width": width, "height": 900},
        color_scheme=color_scheme,
        bypass_csp=True,  # axe is injected as a script; test_access checks the policy
        reduced_motion="reduce",  # contrast is measured after transitions
    )
    sign_in(context, populated_admin)
    yield context
    context.close()


def pages() -> dict[str, str]:
    first = Picture.objects.available()[0]
    failed = Generation.objects.filter(status=Status.FAILED)[0]
    unconfirmed = Generation.objects.get(status=Status.UNCONFIRMED)
    collection = Collection.objects.get()
    shown = [picture.pk for picture in Picture.objects.available()[:2]]
    return {
        "studio": "/",
        "studio, reused settings": f"/?remix={first.generation_id}&use={first.pk}",
        "gallery": "/gallery/",
        "gallery, filtered": "/gallery/?q=family&favourite=1&since=x",
        "gallery, by status": "/gallery/?state=failed",
        "gallery, no results": "/gallery/?q=nothing-is-like-that",
        "picture": f"/pictures/{first.pk}/",
        "compare": f"/compare/?picture={shown[0]}&picture={shown[1]}",
        "collections": "/collections/",
        "collection": f"/collections/{collection.pk}/",
        "collection, arranging": f"/collections/{collection.pk}/?arrange=1",
        "trash": "/trash/",
        "history": "/history/",
        "settings": "/settings/",
        "change password": "/settings/password/",
        "queue": "/queue/",
        "generation": f"/generations/{first.generation_id}/",
        "variations": f"/generations/{first.generation_id}/variations/",
        "failed": f"/generations/{failed.pk}/",
        "unconfirmed": f"/generations/{unconfirmed.pk}/",
        "not found": "/pictures/999999/",
    }


def violations(page: Page) -> list[str]:
    result = Axe().run(page, options=RULES)
    return [
        f"{each['id']}: {node['target']} {node['html'][:160]}"
        for each in result.response["violations"]
        for node in each["nodes"]
    ]


def test_axe_finds_no_violation_on_any_page(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}
    for name, url in pages().items():
        page.goto(url)
        if violations_here := violations(page):
            found[name] = violations_here
    assert found == {}


def test_axe_finds_no_violation_in_dialogs_and_menus(
    context: BrowserContext, populated_admin: Member
) -> None:
    page = context.pages[0]
    found = {}

    def check(name: str) -> None:
        if violations_here := violations(page):
            found[name] = violations_here

    page.goto("/")
    page.get_by_role("button", name="Generate").click()
    page.get_by_text("Describe the image first.").wait_for()
    for row in page.locator("details.composer-row").all():
        row.evaluate("row => { row.open = true; }")
    check("composer with errors, all rows open")
    page.keyboard.press("Escape")
    page.locator("body").click(position={"x": 2, "y": 300})
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keyboard shortcuts").wait_for()
    check("shortcut list")
    page.goto("/")
    page.locator("details.variations summary").first.click()
    page.locator("form.variations").wait_for()
    check("variations")
    page.goto("/gallery/")
    for menu in page.locator(".chips details.menu:not(.months)").all():
        menu.locator("summary").click()
        check(f"menu {menu.locator('summary').text_content()}")
    page.keyboard.press("Escape")
    page.locator("#select").click()
    page.locator(".month .select-box").first.check()
    check("month selected")
    page.locator(".tile").first.click()
    check("selecting")
    page.locator("#bulk-bar").get_by_role("button", name="Favourite").click()
    page.locator(".toast").wait_for()
    check("toast")
    page.goto("/gallery/")
    page.locator(".tile a").first.click()
    page.get_by_role("dialog", name="Image").wait_for()
    check("viewer")
    assert found == {}


def test_axe_finds_no_violation_on_the_sign_in_page(
    chromium: Browser, live_server: LiveServer
) -> None:
    context = chromium.new_context(base_url=live_server.url, bypass_csp=True)
    page = context.new_page()
    page.goto("/accounts/login/")
    assert violations(page) == []
    page.get_by_label("User name").fill("unknown")
    page.get_by_label("Password").fill("nothing")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    assert violations(page) == []
    context.close()


def test_pages_fit_a_320_px_screen(
    chromium: Browser, live_server: LiveServer, populated_admin: Member
) -> None:
    context = chromium.new_context(
        base_url=live_server.url, viewport={"width": 320, "height": 700}, bypass_csp=True
    )
    sign_in(context, populated_admin)
    page = context.pages[0]
    wide = {}
    for name, url in pages().items():
        page.goto(url)
        overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if overflow > 0:
            wide[name] = overflow
    assert wide == {}
    context.close()
