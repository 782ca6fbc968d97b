"""Stored rows of an engine or model that this release does not know: pages show stored names."""

from typing import Any

import pytest
from django.test import Client

from generations.models import (
    Batch,
    Failure,
    Generation,
    Member,
    Picture,
    Status,
    TransitionReason,
    UpstreamGate,
)
from generations.models.money import Price, Quote, ledger
from generations.models.notification import Notification
from generations.web.cards.facts import facts
from tests.builders import make_generation, make_submission

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("media_root")]

UNKNOWN: list[dict[str, Any]] = [
    {"engine": "midway", "model": "midway-7", "params": {"speed": "fast"}},
    {"engine": "kling", "model": "kling-v0"},
]


@pytest.fixture(params=UNKNOWN, ids=["engine", "model"])
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def rows(kind: dict[str, Any], admin: Member) -> list[Generation]:
    """A row in every state and of every failure, each in the newest ten of the studio."""
    found = [make_generation(status, owner=admin, n=2, **kind) for status in Status]
    found += [
        make_generation(Status.FAILED, owner=admin, failure=failure, **kind) for failure in Failure
    ]
    for row in found:
        make_submission(row)
        row.transitions.create(to_status=row.status, reason=TransitionReason.SENT)
    batch = Batch.objects.create(owner=admin, idempotency_key="x", title="Old")
    done = make_generation(Status.SUCCEEDED, owner=admin, batch=batch, batch_row=1, **kind)
    Notification.objects.create(member=admin, kind="generation", generation=done, topic="x")
    return [*found, done]


def test_every_page_shows_the_row(
    admin_client: Client, rows: list[Generation], kind: dict[str, Any]
) -> None:
    for row in rows:
        page = admin_client.get(f"/generations/{row.pk}/")
        assert page.status_code == 200
        assert kind["model"] in page.content.decode()
    done = rows[-1]
    picture = Picture.objects.filter(generation=done).first()
    assert picture
    others = Picture.objects.exclude(pk=picture.pk).filter(state=Picture.State.STORED)
    compared = f"/compare/?picture={picture.pk}&picture={others[0].pk}"
    for url in (
        "/", f"/?remix={done.pk}", f"/?use={picture.pk}", "/gallery/", "/gallery/?state=failed",
        f"/pictures/{picture.pk}/", compared, f"/generations/{done.pk}/variations/", "/history/",
        "/search/?q=pear", "/notifications/", f"/batches/{done.batch_id}/",
        f"/batches/{done.batch_id}/csv", "/usage/", "/similar?prompt=a+pear+on+a+dark+ground",
        "/admin/", "/admin/queue/", "/admin/keys/", "/admin/audit-log/",
        "/admin/generations/generation/", f"/admin/generations/generation/{done.pk}/change/",
        "/admin/generations/price/", f"/batches/new/?batch={done.batch_id}",
    ):  # fmt: skip
        assert admin_client.get(url).status_code in (200, 302), url
    assert admin_client.post("/usage/usage.csv").status_code == 200
    assert kind["model"] in admin_client.get(f"/pictures/{picture.pk}/").content.decode()
    assert kind["model"] in admin_client.get("/").content.decode()


def test_facts_and_the_export_have_the_stored_name(
    rows: list[Generation], kind: dict[str, Any], admin_client: Client
) -> None:
    assert {fact.label: fact.text for fact in facts(rows[-1])}["Model"] == kind["model"]
    pictures = [str(pk) for pk in Picture.objects.available().values_list("pk", flat=True)]
    download = admin_client.post("/pictures/download", {"picture": pictures})
    assert download.status_code == 200
    assert b"".join(download).startswith(b"PK")


def test_its_price_and_hold_and_usage_are_shown(admin_client: Client, admin: Member) -> None:
    Price.objects.put({"engine": "midway", "model": "midway-7"}, 600, None)
    UpstreamGate.for_engine("midway").hold(UpstreamGate.HoldReason.KEY)
    row = make_generation(owner=admin, **UNKNOWN[0])
    quote = Quote("midway", "midway-7", "", 600, 1)
    ledger.reserve(row.pk, 1, admin, quote)
    assert "midway-7" in admin_client.get("/usage/").content.decode()
    assert "midway-7" in admin_client.get("/admin/generations/price/").content.decode()
    assert "midway is on hold" in admin_client.get("/admin/queue/").content.decode()
    UpstreamGate.for_engine("midway").clear()
    assert "midway" in admin_client.get("/admin/audit-log/").content.decode()
