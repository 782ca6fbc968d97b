"""A fault drill in the browser: one press, and the page shows live what it cost."""

import pytest
from playwright.sync_api import BrowserContext, ViewportSize, expect

from generations.models import Member
from generations.models.money import Price
from tests.browser.conftest import sign_in
from tests.simulator import Simulator
from tests.worker_driver import run_worker

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = [ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)]


@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_drill_of_a_lost_connection(
    context: BrowserContext, upstream: Simulator, admin: Member, size: ViewportSize
) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.set_viewport_size(size)
    page.goto("/admin/drills/")
    page.get_by_role("button", name="Start Lost connection").click()
    runs = page.locator("#drill-runs")
    expect(runs).to_contain_text("In progress. Nothing was paid twice so far.")
    run_worker()
    # Without a reload: the page asks for the figures itself.
    expect(runs).to_contain_text("1 request sent, 1 task at the gateway, 0 images stored")
    expect(runs).to_contain_text("the price stays reserved until you decide")
    assert len(upstream.requests("submit")) == 1
