"""Callbacks of the upstream: a hint that makes the next query due, and nothing else."""

import json
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations import callbacks
from generations.models import Generation, Member, Status
from generations.worker import dispatch
from tests.builders import make_generation
from tests.installation import Installation, wait_until
from tests.simulator import Simulator
from tests.worker_driver import run_loops, run_worker

LATER = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _callbacks(settings: Settings) -> None:
    settings.CALLBACKS, settings.URL = True, "https://studio.example.org"
    settings.UPSTREAM_PROFILE = "extended"


def running(owner: Member, **columns: Any) -> Generation:
    due_at = timezone.now() + LATER
    return make_generation(Status.RUNNING, owner=owner, attempt=1, next_poll_at=due_at, **columns)


def path_of(row: Generation) -> str:
    return callbacks.url_of(row.pk, row.attempt).removeprefix("https://studio.example.org")


def call(path: str, body: Any = None) -> int:
    """Call an address as the upstream does: with no cookie and no token."""
    content = body if isinstance(body, bytes) else json.dumps(body or {"task_status": "succeed"})
    client = Client(enforce_csrf_checks=True)
    return client.post(path, content, content_type="application/json").status_code


def due_at(row: Generation) -> datetime | None:
    row.refresh_from_db()
    return row.next_poll_at


@pytest.mark.parametrize(
    ("body", "is_due"),
    [
        ({"task_id": "t", "task_status": "succeed"}, True),
        ({"task_id": "t", "task_status": "failed"}, True),
        ({"code": 0, "data": {"task_id": "t", "task_status": "SUCCEED"}}, True),
        ({"task_id": "t", "task_status": "submitted"}, False),
        ({"task_id": "t", "task_status": "processing"}, False),
        ({"task_id": "t"}, True),
        ([1], True),
        (b"not JSON", True),
        (b"\xff\xfe", True),
        (b"[" * 100_000, True),
        (b"{" + b" " * 3_000_000, True),
    ],
    ids=repr,
)
@pytest.mark.django_db
def test_end_of_a_task_makes_its_query_due(owner: Member, body: Any, is_due: bool) -> None:
    row, other = running(owner), running(owner)
    assert call(path_of(row), body) == 204
    now = timezone.now()
    at = due_at(row)
    assert at is not None
    assert (at <= now) == is_due
    assert row.status == Status.RUNNING, "only a query changes the state"
    other_at = due_at(other)
    assert other_at is not None
    assert other_at > now


@pytest.mark.django_db
def test_forged_callbacks_are_not_found(owner: Member, settings: Settings) -> None:
    row, other = running(owner), running(owner)
    at, own = due_at(row), path_of(row)
    code = own.rstrip("/").rpartition("/")[2]
    forged = [
        own.replace(code, "0" * len(code)),
        own.replace(code, "é"),
        own.replace(f"/{row.pk}/1/", f"/{row.pk}/2/"),
        path_of(other).replace(f"/{other.pk}/1/", f"/{row.pk}/1/"),
        own.replace(f"/{row.pk}/1/", f"/{10**30}/1/"),
    ]
    assert [call(path) for path in forged] == [404] * len(forged)
    assert Client().get(own).status_code == 405
    settings.SECRET_KEY = "another install's"
    assert call(own) == 404
    assert due_at(row) == at


@pytest.mark.parametrize(
    "status", [Status.SUCCEEDED, Status.FAILED, Status.QUEUED, Status.FETCHING, Status.UNCONFIRMED]
)
@pytest.mark.django_db
def test_late_and_repeated_callbacks_change_nothing(owner: Member, status: Status) -> None:
    row = make_generation(status, owner=owner, attempt=1)
    before = Generation.objects.values().get(pk=row.pk)
    for _time in range(2):
        assert call(path_of(row)) == 204
    assert Generation.objects.values().get(pk=row.pk) == before


@pytest.mark.django_db
def test_callback_to_an_earlier_attempt_changes_nothing(owner: Member) -> None:
    row = running(owner)
    first, at = path_of(row), due_at(row)
    Generation.objects.filter(pk=row.pk).update(attempt=2)
    assert call(first) == 204
    assert due_at(row) == at


@pytest.mark.django_db
def test_callback_while_a_query_is_under_way_leads_to_another(
    upstream: Simulator, owner: Member
) -> None:
    row = make_generation(owner=owner)
    run_loops("submit")
    Generation.objects.update(next_poll_at=timezone.now() - timedelta(seconds=1))
    [claimed] = Generation.objects.claim_due(1, lease_seconds=60)
    row.refresh_from_db()
    assert call(path_of(row)) == 204
    assert claimed.next_poll_at is not None
    # The answer of the first query says "in progress", and is older.
    late = (timezone.now() + LATER, 0, row.pk, claimed.next_poll_at)
    Generation.objects.reschedule([late])
    assert Generation.objects.claim_due(1, lease_seconds=60)


@pytest.mark.parametrize(
    ("profile", "is_on", "is_sent"),
    [("extended", True, True), ("extended", False, False), ("documented", True, False)],
)
@pytest.mark.django_db
def test_address_is_sent_where_it_is_wanted(
    upstream: Simulator,
    owner: Member,
    settings: Settings,
    profile: str,
    is_on: bool,
    is_sent: bool,
) -> None:
    settings.UPSTREAM_PROFILE, settings.CALLBACKS = profile, is_on
    make_generation(owner=owner)
    run_worker()
    [submit] = upstream.requests("submit")
    assert ("callback_url" in submit["body_keys"]) is is_sent


@pytest.mark.django_db
def test_engines_without_callbacks_get_no_address(owner: Member) -> None:
    row = make_generation(owner=owner, engine="openai", model="gpt-image-1")
    assert dispatch._prepare(row).extended == {}


def test_callback_ends_a_task_long_before_its_first_query(tmp_path: Path) -> None:
    with (
        Simulator(seconds=(0.5, 0.5)) as simulator,
        Installation(
            tmp_path,
            upstream_url=simulator.url,
            upstream_profile="extended",
            callbacks="true",
            poll_seconds="600,600,600,600",
        ).prepare() as installation,
    ):
        installation.open().generate("a lighthouse")
        wait_until(lambda: installation.statuses() == {"succeeded": 1}, 60, "the task has ended")
        assert simulator.stats()["requests"]["query"] == 1
        address = installation.rows("SELECT response FROM generations_submission")[0]["response"]
        assert not re.search("callbacks/", address)
