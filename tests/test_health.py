"""Whether the house says truly that it is alive."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from generations.models import Lease

pytestmark = pytest.mark.django_db


def test_all_is_well_while_the_worker_beats(client: Client) -> None:
    Lease.record_heartbeat("worker")
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"database": "ok", "worker": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("silent_seconds", [None, 61, 3600])
def test_a_silent_worker_is_told(client: Client, silent_seconds: int | None) -> None:
    if silent_seconds:
        heartbeat_at = timezone.now() - timedelta(seconds=silent_seconds)
        Lease.objects.create(name="worker", heartbeat_at=heartbeat_at)
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"database": "ok", "worker": "down"})


def test_a_database_that_is_away_is_told(client: Client) -> None:
    with patch.object(Lease, "last_heartbeat", side_effect=OperationalError):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"database": "down", "worker": "down"})
