"""The browser's time zone reaches the server and the pages."""

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from generations.models import Member, Status
from tests.browser.conftest import sign_in
from tests.builders import make_generation

pytestmark = pytest.mark.django_db(transaction=True)


def test_two_browsers_see_one_moment_in_their_own_zones(
    chromium: Browser, live_server: LiveServer, owner: Member, stranger: Member
) -> None:
    row = make_generation(Status.RUNNING, owner=owner)
    zones = {owner: "Asia/Ho_Chi_Minh", stranger: "America/New_York"}
    for member, zone in zones.items():
        context = chromium.new_context(base_url=live_server.url, timezone_id=zone)
        sign_in(context, member)
        page = context.pages[0]
        page.goto(f"/generations/{row.pk}/")
        local_time = page.evaluate(
            """moment => new Date(moment).toLocaleTimeString("en-GB", {timeStyle: "short"})""",
            row.created_at.isoformat(),
        )
        assert f", {local_time}" in page.locator("dl.facts").first.inner_text()
        context.close()
        member.refresh_from_db()
        assert member.time_zone == zone
