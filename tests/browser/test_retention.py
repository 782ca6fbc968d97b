"""A rule of retention: saved, its dry run looked at, and run."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import BrowserContext, ViewportSize, expect
from pytest_django import Settings

from generations.models import Member, Picture, Status, bulk
from tests.browser.conftest import sign_in
from tests.builders import make_generation, picture_ids
from tests.worker_driver import run_loops

pytestmark = pytest.mark.django_db(transaction=True)

SIZES = [ViewportSize(width=1280, height=900), ViewportSize(width=390, height=844)]


@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_dry_run_and_run(
    context: BrowserContext,
    owner: Member,
    admin: Member,
    size: ViewportSize,
    settings: Settings,
    tmp_path: Path,
) -> None:
    settings.MEDIA_ROOT = tmp_path
    row = make_generation(Status.SUCCEEDED, owner=owner, n=3)
    row.pictures.update(stored_at=timezone.now() - timedelta(days=100))
    loved, *others = picture_ids(row)
    bulk.favourite([loved], owner)
    context.clear_cookies()
    sign_in(context, admin)
    page = context.pages[-1]
    page.set_viewport_size(size)

    page.goto("/admin/retention/")
    expect(page.get_by_text("Nothing. No image matches the saved rule.")).to_be_visible()
    page.get_by_label("Move images to the trash after").fill("90")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#dry-run")).to_contain_text("2 images")
    expect(page.locator(".previews img")).to_have_count(2)
    assert not Picture.objects.filter(trashed_at__isnull=False).exists()

    page.get_by_role("button", name="Move 2 images to the trash").click()
    expect(page.get_by_text("The run has started.")).to_be_visible()
    run_loops("retention")
    page.goto("/admin/retention/")
    expect(page.get_by_text("Nothing. No image matches the saved rule.")).to_be_visible()
    expect(page.get_by_text("Done")).to_be_visible()
    trashed = Picture.objects.filter(trashed_at__isnull=False)
    assert set(trashed.values_list("pk", flat=True)) == set(others)
    page.goto("/trash/")
    expect(page.get_by_role("checkbox")).to_have_count(2)
