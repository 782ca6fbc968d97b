"""Retention: which images a rule moves to the trash, its dry run, its runs, and what stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import QuerySet
from django.test import Client
from django.utils import timezone

from generations.models import (
    AuditAction,
    AuditEntry,
    Collection,
    Generation,
    Member,
    Picture,
    RetentionRule,
    RetentionRun,
    Status,
    bulk,
)
from generations.models.money import LedgerEntry, Period, Price
from generations.models.retention import RuleChanged, RunInProgress, candidates
from generations.requests import GenerationRequest, create
from generations.web.admin import retention as page_module
from generations.worker import retention
from tests.builders import make_generation, make_member, picture_ids
from tests.simulator import Simulator
from tests.worker_driver import run_loops, run_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

URL = "/admin/retention/"
OFF = {"keeps_favourites": False, "keeps_collections": False, "keeps_private": False}


def old(days: int = 400, **columns: Any) -> Generation:
    row = make_generation(Status.SUCCEEDED, **columns)
    row.pictures.update(stored_at=timezone.now() - timedelta(days=days))
    return row


def set_rule(by: Member, **values: Any) -> RetentionRule:
    """Change the rule, as if two days ago: a new one does not run on its first day."""
    rule = RetentionRule.objects.current()
    rule = RetentionRule.change(by, rule.version, rule.as_values() | values)
    RetentionRule.objects.update(changed_at=timezone.now() - timedelta(days=2))
    return rule


def start(by: Member) -> RetentionRun:
    return RetentionRun.objects.start(by, RetentionRule.objects.current().version)


def found() -> set[int]:
    pictures = candidates(RetentionRule.objects.current(), timezone.now())
    return set(pictures.values_list("pk", flat=True))


def trashed() -> set[int]:
    return set(Picture.objects.filter(trashed_at__isnull=False).values_list("pk", flat=True))


def total_size(pictures: QuerySet[Picture]) -> int:
    return sum(picture.size_bytes or 0 for picture in pictures)


def run_all() -> None:
    """Run the loop until it has no work; each run is short."""
    for _round in range(20):
        run_loops("retention")
        if not retention.has_work():
            return
    raise AssertionError("the run does not end")


# --- the rule ------------------------------------------------------------------------------------


def test_rule_finds_old_images_only(admin: Member) -> None:
    row, _new = old(400), old(364)
    assert found() == set(picture_ids(row))
    set_rule(admin, days=300)
    assert len(found()) == 2


@pytest.mark.parametrize("rule", sorted(OFF))
def test_rule_keeps_what_it_says(rule: str, admin: Member, owner: Member) -> None:
    row = old(is_private=rule == "keeps_private", n=2)
    kept, other = picture_ids(row)
    if rule == "keeps_favourites":
        bulk.favourite([kept], owner)
    elif rule == "keeps_collections":
        Collection.objects.create(name="Sea", created_by=owner).add([kept], owner)
    else:
        other = old().pictures.get().pk
    set_rule(admin, **OFF | {rule: True})
    assert found() == {other}
    set_rule(admin, **OFF)
    assert found() >= {kept, other}


def test_open_trashed_and_deleted_images_are_left_alone(admin: Member) -> None:
    moved, deleted, open_row = old(), old(), old()
    Picture.objects.filter(generation=moved).trash(admin)
    Picture.objects.filter(generation=deleted).trash(admin)
    Picture.objects.filter(generation=deleted).delete_permanently()
    Generation.objects.filter(pk=open_row.pk).update(status=Status.FETCHING, finished_at=None)
    assert not found()


def test_age_of_a_restored_image_begins_anew(admin: Member) -> None:
    row = old()
    Picture.objects.filter(generation=row).trash(admin)
    Picture.objects.filter(generation=row).restore(admin)
    assert not found()
    Picture.objects.update(restored_at=timezone.now() - timedelta(days=366))
    assert found() == set(picture_ids(row))


def test_change_is_versioned_and_recorded(admin: Member) -> None:
    rule = set_rule(admin, days=90, is_daily=True)
    assert rule.version == 2
    entry = AuditEntry.objects.get(action=AuditAction.SETTING_CHANGED)
    assert (entry.before, entry.after) == (
        {"days": 365, "is_daily": False},
        {"days": 90, "is_daily": True},
    )
    assert set_rule(admin, days=90).version == 2
    with pytest.raises(RuleChanged):
        RetentionRule.change(admin, 1, rule.as_values() | {"days": 1})
    assert RetentionRule.objects.get().days == 90


# --- runs ----------------------------------------------------------------------------------------


def test_run_moves_what_the_rule_finds_and_is_recorded(admin: Member) -> None:
    row, newer = old(n=3), old(100)
    run = start(admin)
    run_all()
    run.refresh_from_db()
    assert trashed() == set(picture_ids(row))
    assert set(row.pictures.values_list("trashed_by", flat=True)) == {admin.pk}
    assert (run.images, run.ended_at is not None) == (3, True)
    assert run.size_bytes == total_size(row.pictures.all())
    entry = AuditEntry.objects.get(action=AuditAction.RETENTION_RUN)
    assert (entry.by, entry.after["images"], entry.after["version"]) == (admin, 3, 1)
    assert newer.pictures.get().is_available
    Picture.objects.filter(generation=row).restore(admin)
    assert not trashed()


def test_run_is_of_the_rule_and_moment_that_were_shown(admin: Member) -> None:
    row = old(400)
    run = start(admin)
    set_rule(admin, days=1)  # later than the press
    almost = old(365)
    Picture.objects.filter(generation=almost).update(
        stored_at=run.started_at - timedelta(days=365) + timedelta(seconds=1)
    )
    run_all()
    assert trashed() == set(picture_ids(row))
    with pytest.raises(RuleChanged):
        RetentionRun.objects.start(admin, 1)


def test_one_run_at_a_time(admin: Member) -> None:
    start(admin)
    with pytest.raises(RunInProgress):
        start(admin)


def test_run_that_was_cut_short_continues(admin: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    rows = [old(n=2), old(n=3)]
    run = start(admin)
    assert run.move_batch(2) == 2  # and then the process was killed
    assert len(trashed()) == 2
    assert retention.has_work()
    run_all()
    run.refresh_from_db()
    assert trashed() == set(picture_ids(*rows))
    assert run.images == 5
    assert not retention.has_work()


def test_failed_batch_counts_nothing(admin: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_changes: object) -> None:
        raise RuntimeError

    old()
    run = start(admin)
    monkeypatch.setattr(RetentionRun, "_count", fail)
    with pytest.raises(RuntimeError), transaction.atomic():
        run.move_batch(10)
    assert not trashed()


def test_daily_run_is_due_once_a_day(admin: Member) -> None:
    row = old()
    assert not retention.has_work()
    set_rule(admin, is_daily=True)
    assert retention.has_work()
    run_all()
    assert trashed() == set(picture_ids(row))
    run = RetentionRun.objects.get()
    assert run.by is None
    assert not retention.has_work()
    RetentionRun.objects.update(started_at=timezone.now() - timedelta(hours=25))
    assert retention.has_work()


def test_trash_is_emptied_after_its_days_and_not_before_they_could_restore(
    admin: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 2)
    moment = timezone.now() - timedelta(days=61)
    gone, kept, recent = old(n=5), old(), old()
    gone.pictures.update(trashed_at=moment)  # all of one moment, over several batches
    kept.pictures.update(trashed_at=timezone.now() - timedelta(days=59))
    names = [name for picture in gone.pictures.all() for name in picture.file_names]
    set_rule(admin, delete_after_days=60)
    run_all()
    run = RetentionRun.objects.get()
    assert (run.images, run.deleted_images, run.ended_at is not None) == (0, 5, True)
    assert set(gone.pictures.values_list("state", flat=True)) == {Picture.State.DELETED}
    assert not any(default_storage.exists(name) for name in names)
    assert kept.pictures.get().is_stored
    assert recent.pictures.get().is_available  # the rule is not set to run daily


def test_trash_is_not_emptied_within_the_days_of_restoring(admin: Member) -> None:
    row = old()
    row.pictures.update(trashed_at=timezone.now() - timedelta(days=29))
    set_rule(admin, delete_after_days=1)
    run_all()
    assert row.pictures.get().is_stored


def test_ledger_is_untouched(upstream: Simulator, owner: Member, admin: Member) -> None:
    Price.objects.create(engine="kling", model="*", amount_e4=1200)
    create(owner, GenerationRequest("A pear", "3:2", n=2), "key")
    run_worker()
    row = Generation.objects.get()
    assert (row.status, row.charged_e4) == (Status.SUCCEEDED, 2400)
    row.pictures.update(stored_at=timezone.now() - timedelta(days=400))
    before = [list(model.objects.order_by("pk").values()) for model in (LedgerEntry, Period)]
    assert all(before)
    start(admin)
    set_rule(admin, delete_after_days=60)
    run_all()
    Picture.objects.update(trashed_at=timezone.now() - timedelta(days=100))
    RetentionRun.objects.update(started_at=timezone.now() - timedelta(hours=25))
    run_all()
    assert set(row.pictures.values_list("state", flat=True)) == {Picture.State.DELETED}
    after = [list(model.objects.order_by("pk").values()) for model in (LedgerEntry, Period)]
    assert after == before
    row.refresh_from_db()
    assert (row.charged_e4, row.n) == (2400, 2)


# --- the page ------------------------------------------------------------------------------------


def rule_data(**values: Any) -> dict[str, Any]:
    rule = RetentionRule.objects.current()
    data = rule.as_values() | {"version": rule.version} | values
    return {name: value for name, value in data.items() if value is not False}


def test_dry_run_lists_and_sums_and_writes_nothing(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    shown = old(n=2, owner=owner)
    old(owner=make_member("other"), is_private=True, prompt="A secret pear")
    set_rule(admin, keeps_private=False)
    response = admin_client.get(URL)
    summary = response.context["dry_run"]
    assert (summary.images, summary.hidden) == (3, 1)
    assert summary.size_bytes == total_size(Picture.objects.all())
    assert [(share.name, share.images) for share in summary.people] == [("owner", 2), ("other", 1)]
    assert {tile.pk for tile in summary.tiles} == set(picture_ids(shown))
    page = response.content.decode()
    assert "<strong>3 images</strong>" in page
    assert "1 is a private image, counted and not shown." in page
    assert "secret" not in page
    assert not trashed()


def test_dry_run_is_bounded(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch, owner: Member
) -> None:
    monkeypatch.setattr(page_module, "MAX_COUNTED", 3)
    old(n=4)
    assert "<strong>More than 3 images</strong>" in admin_client.get(URL).content.decode()


def test_rule_is_saved_without_moving_anything(admin_client: Client) -> None:
    old()
    response = admin_client.post(URL, rule_data(days="30", is_daily="on"), follow=True)
    assert "Saved. Nothing moves or is deleted before tomorrow." in response.content.decode()
    rule = RetentionRule.objects.get()
    assert (rule.days, rule.is_daily, rule.keeps_favourites) == (30, True, True)
    assert not trashed()


@pytest.mark.parametrize(
    "values",
    [{"days": "0"}, {"days": ""}, {"days": "36501"}, {"days": "x"}, {"delete_after_days": "29"}],
)
def test_invalid_rule_is_not_saved(values: dict[str, str], admin_client: Client) -> None:
    response = admin_client.post(URL, rule_data(**values))
    assert response.status_code == 422
    assert f'id="{next(iter(values))}-error"' in response.content.decode()
    assert not RetentionRule.objects.exists()


def test_press_runs_the_rule_that_was_shown(admin_client: Client, admin: Member) -> None:
    row = old()
    set_rule(admin, days=90)
    response = admin_client.post(f"{URL}run", {"version": "1"}, follow=True)
    assert "Somebody else has changed the rule." in response.content.decode()
    assert not RetentionRun.objects.exists()
    admin_client.post(f"{URL}run", {"version": "2"})
    run_all()
    assert trashed() == set(picture_ids(row))
    page = admin_client.get(URL).content.decode()
    assert "Nothing. No image matches the saved rule." in page
    assert "Done" in page


def test_version_of_many_digits_is_of_no_rule(admin_client: Client, admin: Member) -> None:
    response = admin_client.post(f"{URL}run", {"version": "9" * 5000}, follow=True)
    assert "Somebody else has changed the rule." in response.content.decode()
    assert not RetentionRun.objects.exists()


def test_page_of_a_run_in_progress_offers_no_second_run(
    admin_client: Client, admin: Member
) -> None:
    old()
    start(admin)
    page = admin_client.get(URL).content.decode()
    assert "In progress" in page
    assert "Run: move these images" not in page


def test_new_rule_does_not_run_on_its_first_day(admin: Member) -> None:
    set_rule(admin, is_daily=True, delete_after_days=30)
    assert RetentionRun.objects.is_daily_due()
    rule = RetentionRule.objects.current()
    RetentionRule.change(admin, rule.version, rule.as_values() | {"days": 100})
    assert not RetentionRun.objects.is_daily_due()
