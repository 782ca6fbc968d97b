"""The health check and its log lines."""

import logging
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from generations.models import Lease
from generations.web import health

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _fresh_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has just started."""
    monkeypatch.setattr(health, "_log", health.StateLog())


def log_lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_healthy_while_the_worker_sends_heartbeats(client: Client) -> None:
    Lease.record_heartbeat("worker")
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"database": "ok", "worker": "ok"})
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("silent_seconds", [None, 61, 3600])
def test_silent_worker_is_reported(client: Client, silent_seconds: int | None) -> None:
    if silent_seconds:
        heartbeat_at = timezone.now() - timedelta(seconds=silent_seconds)
        Lease.objects.create(name="worker", heartbeat_at=heartbeat_at)
    response = client.get("/healthz")
    assert (response.status_code, response.json()) == (503, {"database": "ok", "worker": "down"})


def test_unreachable_database_is_reported(client: Client) -> None:
    with patch.object(Lease, "last_heartbeat", side_effect=OperationalError):
        response = client.get("/healthz")
    assert (response.status_code, response.json()) == (
        503,
        {"database": "down", "worker": "down"},
    )


# --- the log -------------------------------------------------------------------------------------


def test_start_logs_one_info_line_until_the_worker_is_up(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(5):
        assert client.get("/healthz").status_code == 503
    assert log_lines(caplog) == [("INFO", "Waiting for the worker")]
    Lease.record_heartbeat("worker")
    for _ in range(5):
        assert client.get("/healthz").status_code == 200
    assert log_lines(caplog)[1:] == [("INFO", "The worker is running")]


def test_worker_that_stops_is_one_error(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    Lease.record_heartbeat("worker")
    client.get("/healthz")
    Lease.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=61))
    for _ in range(5):
        client.get("/healthz")
    assert log_lines(caplog)[-1:] == [("ERROR", "No heartbeat from the worker")]
    assert len([level for level, _message in log_lines(caplog) if level == "ERROR"]) == 1


def test_worker_that_never_starts_becomes_an_error(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/healthz")
    monkeypatch.setattr(health, "WORKER_TIMEOUT", timedelta(0))
    client.get("/healthz")
    assert log_lines(caplog)[-1] == ("ERROR", "No heartbeat from the worker")


def test_unreachable_database_is_one_error(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with patch.object(Lease, "last_heartbeat", side_effect=OperationalError):
        for _ in range(5):
            client.get("/healthz")
    assert log_lines(caplog) == [("ERROR", "The database cannot be reached")]


def test_other_failing_pages_are_still_logged(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/nowhere")
    assert log_lines(caplog) == [("WARNING", "Not Found: /nowhere")]
