"""Batches in the studio: one card each, refreshed with the other cards of the page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from generations.models import Batch, Generation, Member
from generations.web.cards.progress import current_gate
from generations.web.picture_views import PictureView

from .progress import BatchProgress, covers_of, progress_of_batches

MAX_BATCHES = 20


@dataclass(frozen=True)
class BatchCard:
    """The card of a batch. It stands where its first row would: `pk` and `created_at` are its."""

    progress: BatchProgress
    covers: Sequence[PictureView]
    pk: int
    created_at: datetime
    is_batch: bool = True  # for templates that list it among other cards


def batch_cards(first_rows: Sequence[Generation], viewer: Member) -> list[BatchCard]:
    """Return the cards of the batches of these rows, which are the first of their batch."""
    by_batch = {row.batch_id: row for row in first_rows if row.batch_id}
    if not by_batch:
        return []
    batches = Batch.objects.filter(pk__in=by_batch).select_related("owner")
    return [
        BatchCard(
            progress,
            covers_of(progress, viewer),
            by_batch[progress.pk].pk,
            by_batch[progress.pk].created_at,
        )
        for progress in progress_of_batches(batches, viewer, current_gate())
    ]


@dataclass(frozen=True)
class Batches:
    """Those that a page shows, and the cards of those that have changed since."""

    shown: Sequence[BatchProgress] = ()
    changed: Sequence[BatchCard] = ()


def changed_batches(stamps: str, viewer: Member) -> Batches:
    """Read `batch-7.a1b2` among the stamps of cards, and compare it with the current state."""
    pairs = re.findall(r"(?:^|,)batch-([0-9]{1,18})\.([0-9a-f]{1,8})(?=,|$)", stamps)
    seen = {int(pk): stamp for pk, stamp in pairs}
    if not seen:
        return Batches()
    keys = list(seen)[:MAX_BATCHES]
    batches = Batch.objects.visible_to(viewer).filter(pk__in=keys).select_related("owner")
    shown = progress_of_batches(batches, viewer, current_gate())
    return Batches(
        shown,
        [
            BatchCard(each, covers_of(each, viewer), each.pk, each.created_at)
            for each in shown
            if each.stamp != seen[each.pk]
        ],
    )
