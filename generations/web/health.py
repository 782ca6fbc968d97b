"""The health check for load balancers and monitoring."""

import logging
import time
from datetime import datetime, timedelta

from django.contrib.auth.decorators import login_not_required
from django.db import Error as DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Lease

logger = logging.getLogger(__name__)

PATH = "/healthz"
WORKER_TIMEOUT = timedelta(seconds=60)  # without a heartbeat


def is_alive(heartbeat_at: datetime | None) -> bool:
    """Whether the worker's heartbeat is recent."""
    return heartbeat_at is not None and timezone.now() - heartbeat_at < WORKER_TIMEOUT


class StateLog:
    """Logs the state when it changes: probes repeat every few seconds.

    One per process. Until the worker has been up once it is starting, for `WORKER_TIMEOUT` at
    most, and that is no error.
    """

    def __init__(self) -> None:
        self._logged = ""
        self._has_been_up = False
        self._first_probe: float | None = None

    def record(self, *, database: bool, worker: bool) -> None:
        if self._first_probe is None:
            self._first_probe = time.monotonic()
        self._has_been_up |= worker
        is_starting = (
            not self._has_been_up
            and time.monotonic() - self._first_probe < WORKER_TIMEOUT.total_seconds()
        )
        if not database:
            self._log(logging.ERROR, "The database cannot be reached")
        elif worker:
            self._log(logging.INFO, "The worker is running")
        elif is_starting:
            self._log(logging.INFO, "Waiting for the worker")
        else:
            self._log(logging.ERROR, "No heartbeat from the worker")

    def _log(self, level: int, message: str) -> None:
        if message != self._logged:
            logger.log(level, message)
            self._logged = message


_log = StateLog()


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """Return 200 when database and worker are up, otherwise 503; the body names each part.

    Django's own log line for each 503 is filtered out in settings.LOGGING: a change is logged once.
    """
    try:
        heartbeat_at = Lease.last_heartbeat("worker")
    except DatabaseError:
        return database_is_down()
    return _response(database=True, worker=is_alive(heartbeat_at))


def database_is_down() -> JsonResponse:
    return _response(database=False, worker=False)


def _response(*, database: bool, worker: bool) -> JsonResponse:
    _log.record(database=database, worker=worker)
    parts = {"database": database, "worker": worker}
    body = {name: "ok" if is_up else "down" for name, is_up in parts.items()}
    return JsonResponse(body, status=200 if all(parts.values()) else 503)
