"""What the history of a generation says, with the name of its engine."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.engines.registry import engine_for
from generations.models import Transition, TransitionReason

if TYPE_CHECKING:  # django-stubs only
    from django.utils.functional import _StrPromise as LazyText

# Instead of labels that say "the engine".
TEXTS: dict[str, "LazyText"] = {
    TransitionReason.SENT: _("Sent to %(engine)s"),
    TransitionReason.ACCEPTED: _("Accepted by %(engine)s"),
    TransitionReason.REFUSED: _("Refused by %(engine)s"),
    TransitionReason.NOT_REACHED: _("Not sent: %(engine)s could not be reached. Queued again"),
    TransitionReason.BUSY: _("Not accepted: %(engine)s was busy. Queued again"),
    TransitionReason.TOO_BUSY: _("Not accepted: %(engine)s was too busy for too long"),
    TransitionReason.AT_FAULT: _("Refused by %(engine)s, while it accepted others"),
    TransitionReason.FOUND: _("Found at %(engine)s"),
    TransitionReason.NOT_FOUND: _("Not found at %(engine)s: the request was never accepted"),
    TransitionReason.COMPLETED: _("Completed by %(engine)s"),
    TransitionReason.FAILED: _("Failed at %(engine)s"),
    TransitionReason.NO_IMAGES: _("Completed by %(engine)s, without usable images"),
    TransitionReason.NO_LONGER_FOUND: _("No longer found at %(engine)s"),
}


@dataclass(frozen=True)
class HistoryLine:
    transition: Transition
    reason: str


def reason_text(transition: Transition, engine: str) -> str:
    """Why a generation of this engine changed."""
    if text := TEXTS.get(transition.reason):
        return str(text % {"engine": gettext(engine_for(engine).label)})
    return str(transition.get_reason_display())
