"""Whether the house is alive, for whoever watches it from outside."""

from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Lease

WORKER_IS_SILENT = timedelta(seconds=60)


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    try:
        heartbeat_at = Lease.last_heartbeat("worker")
    except DatabaseError:
        return _answer(database=False, worker=False)
    alive = heartbeat_at is not None and timezone.now() - heartbeat_at < WORKER_IS_SILENT
    return _answer(database=True, worker=alive)


def _answer(**parts: bool) -> JsonResponse:
    said = {name: "ok" if well else "down" for name, well in parts.items()}
    return JsonResponse(said, status=200 if all(parts.values()) else 503)
