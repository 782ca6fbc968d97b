"""Demo data can be added and removed, and demo requests are never sent to the paid gateway."""

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


def test_demo_adds_forty_generations_and_remove_deletes_them_with_their_files(files: Path) -> None:
    admin = make_admin("admin")
    call_command("demo", verbosity=0)
    assert Generation.objects.count() == 40
    assert Generation.objects.filter(owner=admin).count() > 20
    assert not Picture.objects.exclude(state=Picture.State.STORED).exists()

    real = make_generation(owner=Member.objects.get(username="demo-lan"))
    call_command("demo", "--remove", verbosity=0)
    assert list(Generation.objects.all()) == [real]
    assert not [path for path in files.rglob("*") if path.is_file()]
    assert set(Member.objects.values_list("username", flat=True)) == {"admin", "demo-lan"}


def test_demo_added_twice_is_stored_once(files: Path) -> None:
    call_command("demo", verbosity=0)
    call_command("demo", verbosity=0)
    assert Generation.objects.count() == 40


def test_requests_from_the_demo_are_not_sent_after_a_key_is_set(settings: Settings) -> None:
    from_demo = make_generation(upstream="simulator")
    settings.UPSTREAM_MODE = "live"
    paid = make_generation(upstream="live")
    sent = dispatch.claim_next(10)
    assert [submission.generation for submission in sent] == [paid]
    from_demo.refresh_from_db()
    assert from_demo.status == Status.QUEUED
