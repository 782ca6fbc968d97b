"""Sample data: complete rows, created in batches, and removed without a trace."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from generations.models import (
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    Status,
    Tag,
    Team,
)
from generations.models.money import LedgerEntry, Period, Window
from generations.models.money.month import Month
from generations.models.money.usage import usage_of
from generations.operations import ledger_check, sample_data
from generations.search import search
from tests.builders import make_generation
from tests.test_ledger import press, quote

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def run(*arguments: str, command: str = "sample_data", stderr: StringIO | None = None) -> str:
    stdout = StringIO()
    call_command(command, *arguments, stdout=stdout, stderr=stderr)
    return stdout.getvalue()


def test_sample_data_has_everything_that_pages_show(owner: Member) -> None:
    assert "400 generations" in run("--generations", "400")
    rows = Generation.objects.all()
    assert rows.count() == 400
    assert set(rows.values_list("status", flat=True)) > {Status.SUCCEEDED, Status.FAILED}
    assert rows.visible_to(owner).having_pictures().count() > 300
    assert rows.exclude(next_poll_at=None).count() == 0
    assert search(rows, "pear").exists()
    assert search(rows, "ca phe").exists()
    assert search(rows, "灯塔").exists()
    for model in (Favourite, CollectionItem, Tag.pictures.through):
        assert model.objects.exists()
    picture = Picture.objects.available()[0]
    assert picture.thumbnail.size > 0
    assert rows.filter(transitions=None).count() == 0


def test_sample_data_has_a_ledger_that_explains_every_figure() -> None:
    run("--generations", "300")
    assert ledger_check.differences() == []
    assert LedgerEntry.objects.count() == 300 * 2 * 4
    month = Period.objects.filter(member=None, window=Window.MONTH).latest("starts_at")
    zone = Team.objects.current().zone
    usage = usage_of(Month.around(month.starts_at + timedelta(days=10), zone))
    assert usage.total.charged_e4 == month.charged_e4 > 0
    assert len(usage.models) > 1


def test_sample_data_of_an_install_that_pays_has_no_ledger(settings: Settings) -> None:
    settings.DEMO = False
    run("--generations", "30")
    assert not Period.objects.exists()
    assert not LedgerEntry.objects.exists()


def test_removal_keeps_the_ledger_of_others(owner: Member) -> None:
    press(owner, "a", quote(2))
    before = list(LedgerEntry.objects.order_by("pk").values())
    run("--generations", "30")
    run("--remove")
    assert list(LedgerEntry.objects.order_by("pk").values()) == before
    assert Period.objects.count() == 4
    assert ledger_check.differences() == []


def test_second_run_adds_rows_and_remove_deletes_sample_data_only(
    owner: Member, tmp_path: Path
) -> None:
    real = make_generation(Status.SUCCEEDED, owner=owner)
    tag = Tag.objects.named("Mine")
    tag.pictures.add(real.pictures.get())
    before = sorted(tmp_path.rglob("*.*"))
    run("--generations", "30")
    run("--generations", "30")
    assert Generation.objects.count() == 61
    assert "60 generations removed" in run("--remove")
    assert Generation.objects.get() == real
    assert Member.objects.get() == owner
    assert Tag.objects.get() == tag
    assert not Collection.objects.exists()
    assert sorted(tmp_path.rglob("*.*")) == before


def test_remove_finds_people_under_the_old_username_prefix() -> None:
    run("--generations", "5")
    Member.objects.filter(username="sample-chen").update(username="fill-chen")
    run("--remove")
    assert not Member.objects.exists()


@pytest.mark.parametrize("count", ["0", "-1", "9000000"])
def test_invalid_number_of_generations_is_refused(count: str) -> None:
    with pytest.raises(CommandError, match="Use --generations"):
        run("--generations", count)


def test_rows_are_created_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_data, "BATCH_SIZE", 7)
    assert [progress.generations for progress in sample_data.create(20)] == [7, 14, 20]
    assert Generation.objects.count() == 20


def test_old_command_name_works_with_a_warning() -> None:
    stderr = StringIO()
    assert "3 generations" in run("--generations", "3", command="fill", stderr=stderr)
    assert "sample_data" in stderr.getvalue()
