"""The demo data comes and goes, and what was asked of the simulator is never paid for."""

from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from generations.models import Generation, Member, Picture, Status
from generations.worker import dispatch
from tests.builders import make_admin, make_generation

pytestmark = pytest.mark.django_db


@pytest.fixture
def files(settings: Settings, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


def test_the_demo_brings_forty_generations_and_takes_every_file_away(files: Path) -> None:
    admin = make_admin("admin")
    call_command("demo", verbosity=0)
    assert Generation.objects.count() == 40
    assert Generation.objects.filter(owner=admin).count() > 20
    assert not Picture.objects.exclude(state=Picture.State.STORED).exists()

    mine = make_generation(owner=Member.objects.get(username="demo-lan"))
    call_command("demo", "--remove", verbosity=0)
    assert list(Generation.objects.all()) == [mine]
    assert not [path for path in files.rglob("*") if path.is_file()]
    assert set(Member.objects.values_list("username", flat=True)) == {"admin", "demo-lan"}


def test_the_demo_comes_only_once(files: Path) -> None:
    call_command("demo", verbosity=0)
    call_command("demo", verbosity=0)
    assert Generation.objects.count() == 40


def test_a_wish_of_the_demo_is_not_sent_once_a_key_is_there(settings: Settings) -> None:
    asked_in_demo = make_generation(upstream="simulator")
    settings.UPSTREAM_MODE = "live"
    paid = make_generation(upstream="live")
    sent = dispatch.send_next(10)
    assert [sending.generation for sending in sent] == [paid]
    asked_in_demo.refresh_from_db()
    assert asked_in_demo.status == Status.QUEUED
