"""How far a batch is, as its page and its card in the studio show it."""

import math
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.estimates import seconds_left
from generations.joining import join_facts
from generations.models import (
    Batch,
    BatchCounts,
    Generation,
    Member,
    Picture,
    Status,
    UpstreamGate,
    durations,
)
from generations.models.batch import counts_of
from generations.permissions import Action, may
from generations.web.money.formats import format_money
from generations.web.picture_views import PictureView, alt_text

COVERS = 6
GAP = 0.2  # between the parts of the bar, in percent of it
MAX_TITLE_CHARACTERS = 80


@dataclass(frozen=True)
class Part:
    """One part of the bar: `x` and `width` in percent of it. `state` names its style."""

    state: str
    label: str
    count: int
    x: float
    width: float


@dataclass(frozen=True)
class BatchProgress:
    """Everything that the heading, the bar and the card show. Plain values only.

    `stamp` changes whenever one of them does.
    """

    pk: int
    title: str
    owner: str
    created_at: datetime
    status_at: datetime  # of the newest change of a row
    rows: int
    images: int
    parts: tuple[Part, ...]
    notes: tuple[str, ...]  # what the four parts do not say, in words
    money: str
    time_left: str
    is_paused: bool
    is_open: bool
    queued: int
    unfinished: int  # failed or canceled: they can be tried again
    may_change: bool
    is_own: bool

    @property
    def id(self) -> str:
        return f"batch-{self.pk}"

    @property
    def url(self) -> str:
        return reverse("batch", args=(self.pk,))

    @property
    def gallery_url(self) -> str:
        return f"{reverse('gallery')}?batch={self.pk}"

    @property
    def stamp(self) -> str:
        shown = (self.title, self.parts, self.notes, self.money, self.time_left, self.is_paused)
        return f"{zlib.crc32(repr(shown).encode()):x}"

    @property
    def state(self) -> str:
        return "open" if self.is_open else "ended"

    @property
    def announcement(self) -> str:
        """The text for screen readers when the last request has ended."""
        if self.is_open:
            return ""
        done = join_facts(f"{part.count} {part.label}" for part in self.parts)
        return _("%(title)s has ended: %(counts)s") % {"title": self.title, "counts": done}

    @property
    def counts(self) -> str:
        """ "18 done, 1 failed, 1 unconfirmed": what is not zero."""
        parts = [f"{part.count} {part.label}" for part in self.parts if part.count]
        return join_facts([*parts, *self.notes])

    @property
    def cancel_label(self) -> str:
        return ngettext("Cancel the remaining %(n)d", "Cancel the remaining %(n)d", self.queued) % {
            "n": self.queued
        }

    @property
    def summary(self) -> str:
        """ "48 prompts, 96 images"."""
        prompts = ngettext("%(n)d prompt", "%(n)d prompts", self.rows) % {"n": self.rows}
        images = ngettext("%(n)d image", "%(n)d images", self.images) % {"n": self.images}
        return join_facts((prompts, images))


def progress_of_batches(
    batches: Iterable[Batch], viewer: Member, gate: UpstreamGate | None
) -> list[BatchProgress]:
    """Return the progress of each batch, of the rows that the viewer may see.

    In a constant number of statements.
    """
    batches = list(batches)
    counts, titles = counts_of(batches, viewer), _titles(batches, viewer)
    return [
        _progress(batch, counts[batch.pk], titles.get(batch.pk, ""), viewer, gate)
        for batch in batches
    ]


def _titles(batches: list[Batch], viewer: Member) -> dict[int, str]:
    """The first prompt of each batch without a title."""
    untitled = [batch.pk for batch in batches if not batch.title]
    if not untitled:
        return {}
    rows = Generation.objects.visible_to(viewer).filter(batch__in=untitled).order_by("-batch_row")
    return {
        pk: Truncator(" ".join(prompt.split())).chars(MAX_TITLE_CHARACTERS)
        for pk, prompt in rows.values_list("batch", "prompt")
    }


def _progress(
    batch: Batch, counts: BatchCounts, title: str, viewer: Member, gate: UpstreamGate | None
) -> BatchProgress:
    return BatchProgress(
        pk=batch.pk,
        title=batch.title or title,
        owner=batch.owner.name,
        created_at=batch.created_at,
        status_at=counts.changed_at or batch.created_at,
        rows=counts.rows,
        images=counts.images,
        parts=tuple(_parts(counts)),
        notes=tuple(_notes(batch, counts)),
        money=_money(counts),
        time_left=_time_left(batch, counts, gate),
        is_paused=batch.is_paused and counts.queued > 0,
        is_open=counts.is_open,
        queued=counts.queued,
        unfinished=counts.of(Status.FAILED, Status.CANCELED),
        may_change=may(viewer, Action.CHANGE, batch),
        is_own=batch.owner_id == viewer.pk,
    )


def _parts(counts: BatchCounts) -> Iterable[Part]:
    """The four parts in their order. Their sum leaves out what was canceled or dismissed."""
    numbers = (
        ("done", _("done"), counts.done),
        ("running", _("in progress"), counts.in_progress),
        ("queued", _("queued"), counts.queued),
        ("failed", _("failed"), counts.of(Status.FAILED)),
    )
    x = 0.0
    for state, label, count in numbers:
        share = 100 * count / counts.rows if counts.rows else 0
        yield Part(state, label, count, round(x, 3), round(max(share - GAP, share / 2), 3))
        x += share


def _notes(batch: Batch, counts: BatchCounts) -> Iterable[str]:
    """What else there is to say about the rows."""
    if n := counts.of(Status.UNCONFIRMED):
        yield ngettext("%(n)d unconfirmed", "%(n)d unconfirmed", n) % {"n": n}
    if n := counts.of(Status.CANCELED):
        yield ngettext("%(n)d canceled", "%(n)d canceled", n) % {"n": n}
    if n := counts.of(Status.ABANDONED):
        yield ngettext("%(n)d dismissed", "%(n)d dismissed", n) % {"n": n}


def _money(counts: BatchCounts) -> str:
    """ "$7.44 of $11.52 spent"; "" without a price."""
    if not counts.planned_e4:
        return ""
    return _("%(spent)s of %(total)s spent") % {
        "spent": format_money(counts.charged_e4),
        "total": format_money(counts.planned_e4),
    }


def _time_left(batch: Batch, counts: BatchCounts, gate: UpstreamGate | None) -> str:
    """ "about 6 min left", or why nothing starts; "" if it is not known."""
    if not counts.is_open:
        return ""
    if batch.is_paused and counts.queued:
        return _("paused")
    if gate and (gate.is_paused or gate.is_held) and counts.queued:
        return _("generation is on hold")
    limit = (gate or UpstreamGate()).current_limit
    seconds = seconds_left(counts.open_images, durations.usual_stats(), limit)
    if seconds is None:
        return ""
    if seconds < 60:
        return _("less than a minute left")
    minutes = math.ceil(seconds / 60)
    return ngettext("about %(n)d min left", "about %(n)d min left", minutes) % {"n": minutes}


def covers_of(batch: BatchProgress, viewer: Member) -> list[PictureView]:
    """The first images of a batch, for its card."""
    pictures = (
        Picture.objects.available()
        .filter(generation__in=Generation.objects.visible_to(viewer).filter(batch=batch.pk))
        .select_related("generation")
        .order_by("generation__batch_row", "index")
    )
    return [
        PictureView.of(picture, picture.number, alt_text(picture.generation.prompt, 1, 1))
        for picture in pictures[:COVERS]
    ]
