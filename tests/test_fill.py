"""Rows by the thousand for benches and trials: whole, believable, and gone without a trace."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from generations.management import filling
from generations.models import (
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    Status,
    Tag,
)
from generations.search import search
from tests.builders import make_generation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _files(settings: Settings, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


def fill(*arguments: str) -> str:
    said = StringIO()
    call_command("fill", *arguments, stdout=said)
    return said.getvalue()


def test_what_it_makes_is_whole(owner: Member, tmp_path: Any) -> None:
    assert "400 generations" in fill("--generations", "400")
    rows = Generation.objects.all()
    assert rows.count() == 400
    assert set(rows.values_list("status", flat=True)) > {Status.SUCCEEDED, Status.FAILED}
    assert rows.visible_to(owner).having_pictures().count() > 300
    assert rows.exclude(next_poll_at=None).count() == 0
    assert search(rows, "pear").exists()
    assert search(rows, "ca phe").exists()
    assert search(rows, "灯塔").exists()
    for kept in (Favourite, CollectionItem, Tag.pictures.through):
        assert kept.objects.exists()
    shown = Picture.objects.available()[0]
    assert shown.thumbnail.size > 0
    assert rows.filter(transitions=None).count() == 0


def test_twice_adds_and_remove_takes_only_what_was_added(owner: Member, tmp_path: Any) -> None:
    real = make_generation(Status.SUCCEEDED, owner=owner)
    kept = Tag.objects.named("Mine")
    kept.pictures.add(real.pictures.get())
    before = sorted(tmp_path.rglob("*.*"))
    fill("--generations", "30")
    fill("--generations", "30")
    assert Generation.objects.count() == 61
    assert "60 generations removed" in fill("--remove")
    assert Generation.objects.get() == real
    assert Member.objects.get() == owner
    assert Tag.objects.get() == kept
    assert not Collection.objects.exists()
    assert sorted(tmp_path.rglob("*.*")) == before


@pytest.mark.parametrize("many", ["0", "-1", "9000000"])
def test_nonsense_is_refused(many: str) -> None:
    with pytest.raises(CommandError, match="Say how many"):
        fill("--generations", many)


def test_batches_join(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filling, "BATCH", 7)
    assert [done.generations for done in filling.fill(20)] == [7, 14, 20]
    assert Generation.objects.count() == 20
