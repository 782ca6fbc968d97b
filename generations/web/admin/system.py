"""The lines under "System": worker, gateway, database, storage, the last hold, the version."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean, median
from typing import cast

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_facts
from generations.keeping.disk import CRITICAL_BYTES, LOW_BYTES, free_bytes
from generations.models import Picture, Submission, UpstreamGate
from generations.web.health import is_alive
from generations.web.model_names import engine_label

from .gate_state import ago
from .hold_list import last_hold_text

CACHE_SECONDS = 60
MAX_MILLISECONDS = 100
SAMPLE = 50  # rows of which a median or a mean is made
LOW_WEEKS = 8
PREVIEWS = 1.2  # an image with its previews, in sizes of the image


@dataclass(frozen=True)
class Line:
    """`lamp` is a class of the lamp: "" works, "off" says nothing."""

    name: str
    text: str
    lamp: str = ""
    url: str = ""


def lines(gate: UpstreamGate, heartbeat_at: datetime | None, images_a_week: int) -> list[Line]:
    queue = reverse("queue")
    lamp, text = _storage(images_a_week)
    return [
        _worker(heartbeat_at),
        Line(_("Gateway"), *_gateway(gate), url=queue),
        Line(_("Database"), f"{connection.display_name}, {filesizeformat(_database_bytes())}"),
        Line(_("Storage"), text, lamp),
        Line(_("Last hold"), last_hold_text(gate), "red" if gate.is_held else "", f"{queue}#holds"),
        Line(_("Version"), settings.VERSION),
    ]


def _worker(heartbeat_at: datetime | None) -> Line:
    if heartbeat_at is None:
        return Line(_("Worker"), _("no heartbeat yet"), "red")
    lamp = "" if is_alive(heartbeat_at) else "red"
    return Line(_("Worker"), _("heartbeat %s") % ago(heartbeat_at), lamp)


def _gateway(gate: UpstreamGate) -> tuple[str, str]:
    """The text and the lamp."""
    if gate.is_held and not gate.others_go_on:
        return str(gate.get_hold_reason_display()), "red"
    if held := gate.holds:
        engines = join_facts(engine_label(each.engine) for each in held)
        return _("on hold: %s") % engines, "amber"
    # Those of the demo data were never sent: answered at the moment of sending.
    newest = Submission.objects.order_by("-pk")
    times = newest.values_list("sent_at", "answered_at")[:SAMPLE]
    taken = [
        (answered - at).total_seconds() for at, answered in times if answered and answered > at
    ]
    if not taken:
        return _("no request yet"), "off"
    return _("median answer %s") % _seconds(median(taken)), "amber" if gate.waits_until else ""


def _seconds(duration: float) -> str:
    """Return "0.21 s", or "12 ms" for less than a tenth of a second."""
    if duration < MAX_MILLISECONDS / 1000:
        return _("%d ms") % round(duration * 1000)
    return _("%s s") % number_format(duration, 2)


def _database_bytes() -> int:
    """The size of the database, a minute old at most."""
    size = caches["local"].get_or_set("database-bytes", _read_database_bytes, CACHE_SECONDS)
    return cast(int, size)


def _read_database_bytes() -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
        cursor.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return int(cursor.fetchone()[0])


def _storage(images_a_week: int) -> tuple[str, str]:
    """The lamp, and what is left, with the weeks until it is full at the pace of this week."""
    free = free_bytes(Path(settings.MEDIA_ROOT))
    left = _("%s left") % filesizeformat(free)
    weeks = _weeks(free, images_a_week)
    lamp = "amber" if free < LOW_BYTES else ""
    if weeks is not None and weeks < LOW_WEEKS:
        lamp = "amber"
        left += ngettext(", about %d week", ", about %d weeks", weeks) % weeks
    return ("red" if free < CRITICAL_BYTES else lamp), left


def _weeks(free: int, images_a_week: int) -> int | None:
    """How many weeks last: an image takes as much as the newest ones, with their previews."""
    newest = Picture.objects.order_by("-pk").values_list("size_bytes", flat=True)[:SAMPLE]
    sizes = [size for size in newest if size]
    if not sizes or not images_a_week:
        return None
    return int(free / (images_a_week * fmean(sizes) * PREVIEWS))
