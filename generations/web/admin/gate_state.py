"""Whether generation works now, in one sentence, for the overview and the queue page."""

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.engines.registry import engine_for
from generations.models import UpstreamGate
from generations.web.cards.context import pause_id
from generations.web.formats import format_datetime
from generations.web.health import is_alive
from generations.web.hold_messages import partial_text

MAX_HOURS = 48


@dataclass(frozen=True)
class GateState:
    """`lamp` is a class of the lamp; "" is the one that works."""

    lamp: str
    text: str
    can_pause: bool
    can_resume: bool
    pause: str  # the `pause_id` that a Resume button sends


def state_of(gate: UpstreamGate, heartbeat_at: datetime | None) -> GateState:
    lamp, text = _lamp_and_text(gate, heartbeat_at)
    is_stopped = gate.is_paused or bool(gate.holds)
    has_wait = gate.waits_until is not None or gate.concurrency_limit is not None
    return GateState(
        lamp,
        text,
        can_pause=not gate.is_paused,
        can_resume=is_stopped or has_wait,
        pause=pause_id(gate),
    )


def _lamp_and_text(gate: UpstreamGate, heartbeat_at: datetime | None) -> tuple[str, str]:
    if gate.is_paused:
        return "amber", _("Paused: %(reason)s") % {"reason": gate.pause_reason}
    if not is_alive(heartbeat_at):
        return "red", _("Not running: the worker has no heartbeat. Start klingweb again.")
    if held := gate.holds:
        return "amber" if held[0].others_go_on else "red", partial_text(held)
    if gate.waits_until:
        at = format_datetime(gate.waits_until, "TIME_WITH_SECONDS")
        text = _("%(engine)s is busy. Sending resumes at %(time)s.")
        return "amber", text % {"engine": _(engine_for(gate.engine).label), "time": at}
    if gate.answered_at:
        age = ago(gate.answered_at)
        return "", _("Generating. Last answer from the gateway %(ago)s.") % {"ago": age}
    return "", _("Running. No request was sent since the start.")


def ago(moment: datetime) -> str:
    """Return "4 s ago", "12 min ago", "3 h ago" or "2 days ago", for the middle of a sentence."""
    seconds = max(int((timezone.now() - moment).total_seconds()), 0)
    minutes, hours = seconds // 60, seconds // 3600
    if not minutes:
        return _("%d s ago") % seconds
    if not hours:
        return ngettext("%d min ago", "%d min ago", minutes) % minutes
    if hours < MAX_HOURS:
        return ngettext("%d h ago", "%d h ago", hours) % hours
    return ngettext("%d day ago", "%d days ago", hours // 24) % (hours // 24)
