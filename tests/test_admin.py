"""The panel: what an admin may look at, and what nobody may do there."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from generations.models import Collection, Generation, Member, Status, Tag, UpstreamGate
from tests.builders import make_generation, make_submission

pytestmark = pytest.mark.django_db

LISTS = (
    "generations/member", "generations/generation", "generations/picture",
    "generations/upstreamgate",
    "generations/collection", "generations/tag",
    "django_q/schedule", "django_q/ormq", "django_q/success", "django_q/failure",
)  # fmt: skip


@pytest.mark.parametrize("page", LISTS)
def test_an_admin_sees_each_list_and_a_member_none(
    admin_client: Client, stranger_client: Client, page: str
) -> None:
    make_generation(Status.SUCCEEDED)
    UpstreamGate.for_engine()
    assert admin_client.get(f"/admin/{page}/").status_code == 200
    assert stranger_client.get(f"/admin/{page}/").status_code == 302


@pytest.mark.parametrize(
    "page", ["django_q/schedule", "django_q/ormq", "generations/generation", "generations/picture"]
)
def test_nobody_adds_what_the_engine_writes(admin_client: Client, page: str) -> None:
    assert admin_client.get(f"/admin/{page}/add/").status_code == 403


def test_a_generation_shows_the_upstreams_own_words_and_cannot_be_changed(
    admin_client: Client,
) -> None:
    row = make_generation(Status.FAILED, last_response='{"task_status_msg": "Image pixel"}')
    address = f"/admin/generations/generation/{row.pk}/change/"
    assert b"Image pixel" in admin_client.get(address).content
    assert admin_client.post(address, {"status": "succeeded"}).status_code == 403


def test_nobody_takes_the_panel_from_themselves(admin_client: Client, admin: Member) -> None:
    address = f"/admin/generations/member/{admin.pk}/change/"
    admin_client.post(address, {"username": admin.username, "role": "member"})
    admin.refresh_from_db()
    assert admin.is_admin
    assert admin.is_active


def test_resume_opens_the_line_and_ends_a_silence(admin_client: Client) -> None:
    UpstreamGate.for_engine().hold(UpstreamGate.HoldReason.KEY, "no")
    UpstreamGate.for_engine().stay_silent(3600)
    assert (
        b"The API key is rejected" in admin_client.get("/admin/generations/upstreamgate/").content
    )
    admin_client.post("/queue/resume")
    line = UpstreamGate.for_engine()
    assert not line.is_held
    assert line.silent_until is None or line.silent_until < timezone.now()


# --- what is private ------------------------------------------------------------------------------

SECRETS = ("quiet pear", "loud birds", "files.example", "the reason", "the answer", "the submit",
           "a.example", "secret-tag")  # fmt: skip


def make_secret(owner: Member, *, is_private: bool = True) -> Generation:
    """A row that says something in every place that can."""
    row = make_generation(
        Status.SUCCEEDED, owner=owner, is_private=is_private, prompt="A quiet pear",
        negative_prompt="loud birds", reference_url="https://a.example/b.png",
        failure_message="the reason", last_response="the answer",
    )  # fmt: skip
    make_submission(row, response="the submit")
    picture = row.pictures.get()
    picture.tags.add(Tag.objects.named("secret-tag"))
    return row


def pages_of(row: Generation) -> list[str]:
    picture = row.pictures.get()
    return [
        "/admin/generations/generation/",
        f"/admin/generations/generation/{row.pk}/change/",
        f"/admin/generations/generation/{row.pk}/history/",
        "/admin/generations/picture/",
        f"/admin/generations/picture/{picture.pk}/change/",
    ]


def test_what_is_private_to_others_is_masked_everywhere(
    admin_client: Client, owner: Member
) -> None:
    row = make_secret(owner)
    picture = row.pictures.get()
    for address in pages_of(row):
        answer = admin_client.get(address)
        page = answer.content.decode()
        assert answer.status_code == 200
        assert "private" in page
        for secret in (*SECRETS, picture.sha256, str(picture.file), f"/files/{picture.pk}/"):
            assert secret not in page, (address, secret)


def test_ones_own_and_what_is_shared_is_not_masked(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    for row in (make_secret(admin), make_secret(owner, is_private=False)):
        picture = row.pictures.get()
        page = admin_client.get(f"/admin/generations/generation/{row.pk}/change/").content.decode()
        for words in ("quiet pear", "loud birds", "the answer", "the submit"):
            assert words in page
        assert f"/files/{picture.pk}/thumbnail" in page
        page = admin_client.get(f"/admin/generations/picture/{picture.pk}/change/").content.decode()
        assert picture.sha256 in page


def test_a_private_one_is_not_found_by_its_words(
    admin_client: Client, admin: Member, owner: Member
) -> None:
    hidden, own = make_secret(owner), make_secret(admin)
    picture = hidden.pictures.get()

    def found(kind: str, words: str) -> list[str]:
        page = admin_client.get(f"/admin/generations/{kind}/", {"q": words}).content.decode()
        return re.findall(rf"/admin/generations/{kind}/(\d+)/change/", page)

    assert found("generation", "quiet") == [str(own.pk)]
    assert found("generation", hidden.upstream_task_id) == [str(hidden.pk)]
    assert found("generation", owner.username) == [str(hidden.pk)]
    assert found("picture", "quiet") == [str(own.pictures.get().pk)]
    assert found("picture", picture.sha256) == []


@pytest.mark.parametrize(
    "query",
    [
        "generation/?prompt__startswith=A",
        "generation/?search_text__contains=quiet",
        "generation/?last_response__contains=the",
        "picture/?generation__prompt__startswith=A",
        "picture/?upstream_url__contains=files",
    ],
)
def test_nor_by_a_column_in_the_address(admin_client: Client, owner: Member, query: str) -> None:
    make_secret(owner)
    assert admin_client.get(f"/admin/generations/{query}").status_code == 400


def test_the_filters_still_filter(admin_client: Client, owner: Member) -> None:
    row = make_secret(owner)
    page = admin_client.get(f"/admin/generations/generation/?owner__id__exact={owner.pk}")
    assert f"/generation/{row.pk}/change/" in page.content.decode()
    page = admin_client.get("/admin/generations/generation/?status__exact=queued")
    assert f"/generation/{row.pk}/change/" not in page.content.decode()


def test_collections_and_tags_are_only_looked_at(admin_client: Client, owner: Member) -> None:
    row = Collection.objects.create(name="Spring", created_by=owner)
    tag = Tag.objects.named("blue")
    for address in (f"collection/{row.pk}", f"tag/{tag.pk}"):
        assert admin_client.get(f"/admin/generations/{address}/change/").status_code == 200
        assert admin_client.post(f"/admin/generations/{address}/change/", {}).status_code == 403
        assert admin_client.post(f"/admin/generations/{address}/delete/").status_code == 403
