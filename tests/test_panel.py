"""The panel: what an admin may look at, and what nobody may do there."""

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import Line, Member, Status
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

LISTS = (
    "generations/member", "generations/generation", "generations/picture", "generations/line",
    "django_q/schedule", "django_q/ormq", "django_q/success", "django_q/failure",
)  # fmt: skip


@pytest.mark.parametrize("page", LISTS)
def test_an_admin_sees_each_list_and_a_member_none(
    admins: Client, strangers: Client, page: str
) -> None:
    make_generation(Status.SUCCEEDED)
    Line.now()
    assert admins.get(f"/admin/{page}/").status_code == 200
    assert strangers.get(f"/admin/{page}/").status_code == 302


@pytest.mark.parametrize(
    "page", ["django_q/schedule", "django_q/ormq", "generations/generation", "generations/picture"]
)
def test_nobody_adds_what_the_engine_writes(admins: Client, page: str) -> None:
    assert admins.get(f"/admin/{page}/add/").status_code == 403


def test_a_generation_shows_the_upstreams_own_words_and_cannot_be_changed(
    admins: Client,
) -> None:
    row = make_generation(Status.FAILED, last_answer='{"task_status_msg": "Image pixel"}')
    address = f"/admin/generations/generation/{row.pk}/change/"
    assert b"Image pixel" in admins.get(address).content
    assert admins.post(address, {"status": "succeeded"}).status_code == 403


def test_nobody_takes_the_panel_from_themselves(admins: Client, admin: Member) -> None:
    address = f"/admin/generations/member/{admin.pk}/change/"
    admins.post(address, {"username": admin.username, "role": "member"})
    admin.refresh_from_db()
    assert admin.is_admin
    assert admin.is_active


def test_resume_opens_the_line_and_ends_a_silence(admins: Client) -> None:
    Line.hold(Line.Trouble.KEY, "no")
    Line.keep_quiet(3600)
    assert b"The key is refused" in admins.get("/admin/generations/line/").content
    admins.post("/line/resume")
    line = Line.now()
    assert not line.is_held
    assert line.quiet_until is None or line.quiet_until < timezone.now()
