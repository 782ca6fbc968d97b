"""What only the page of one generation shows: its facts, history and API log."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from generations.models import Generation, Member, Submission
from generations.permissions import Action, may

from .facts import Fact, facts
from .history import HistoryLine, reason_text

MAX_REMIXES = 5


@dataclass(frozen=True)
class Details:
    """Read lazily: each property is one query at most."""

    generation: Generation
    viewer: Member

    @property
    def facts(self) -> list[Fact]:
        return facts(self.generation)

    @property
    def shows_internals(self) -> bool:
        """Stored codes and API responses are for admins."""
        return may(self.viewer, Action.SEE_INTERNALS)

    @cached_property
    def history(self) -> Sequence[HistoryLine]:
        return [
            HistoryLine(each, reason_text(each, self.generation.engine))
            for each in self.generation.transitions.select_related("by")
        ]

    @cached_property
    def source(self) -> Generation | None:
        """The generation whose settings were reused, if this viewer may see it."""
        visible = Generation.objects.visible_to(self.viewer)
        source = self.generation.remix_of_id
        return visible.filter(pk=source).first() if source else None

    @cached_property
    def remixes(self) -> Sequence[Generation]:
        """The first few generations that reused these settings, of those the viewer may see."""
        visible = Generation.objects.visible_to(self.viewer)
        return list(visible.filter(remix_of=self.generation).order_by("pk")[:MAX_REMIXES])

    @cached_property
    def submissions(self) -> Sequence[Submission]:
        if not self.shows_internals:
            return []
        return list(self.generation.submissions.order_by("attempt"))
