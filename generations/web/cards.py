"""A generation as one sees it: the card, and how a page keeps its cards fresh."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Count, Q, prefetch_related_objects
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from generations.models import Generation, Line, Member, Move, Picture, Status, Submission
from generations.worker import tasks

from .access import MemberRequest

MOST_CARDS = 50
FIRST_MINUTE = timedelta(seconds=60)
QUICK_SECONDS, CALM_SECONDS = 2, 5
MOST_PLACES = 500  # whoever waits behind so many is told "in line", without a figure

OFFERED: dict[str, frozenset[str]] = {
    "queued": frozenset({"cancel"}),
    "unconfirmed": frozenset({"send-again", "give-up"}),
    "lost": frozenset({"look-again", "give-up"}),
}
TROUBLES = frozenset({"unconfirmed", "failed", "lost", "abandoned", "canceled"})


@dataclass(frozen=True)
class Card:
    """One generation, as this viewer sees it now."""

    generation: Generation
    may_act: bool
    sees_answers: bool = False  # what went over the wire is for admins
    place: int | None = None  # in line, from 1
    wait: str = ""  # what all who wait wait for: the line is "held", or Kling is "busy"

    @property
    def look(self) -> str:
        """The status, or the mark that says more than the status does."""
        row = self.generation
        if row.is_lost:
            return "lost"
        if row.is_late:
            return "late"
        return "short" if row.status == Status.SUCCEEDED and self.missing > 0 else row.status

    @property
    def is_trouble(self) -> bool:
        return self.look in TROUBLES

    @property
    def is_made(self) -> bool:
        return self.generation.status == Status.SUCCEEDED

    @property
    def stored(self) -> list[Picture]:
        pictures = [picture for picture in self.generation.pictures.all() if picture.is_stored]
        return sorted(pictures, key=lambda picture: picture.index)

    @property
    def frames(self) -> list[Picture | None]:
        """One for each picture asked for, in its place; None while it is not here."""
        at = {picture.index: picture for picture in self.stored}
        return [at.get(index) for index in range(max(self.generation.n, *(i + 1 for i in at), 1))]

    @property
    def missing(self) -> int:
        return self.generation.n - len(self.stored)

    @property
    def files(self) -> int:
        """How many the upstream listed; it may be fewer, or more, than asked for."""
        return len(self.generation.pictures.all())

    @property
    def next_file(self) -> int:
        return min(len(self.stored) + 1, self.files)

    @property
    def seconds(self) -> int:
        """Since it was sent; the page counts on from here."""
        since = self.generation.submitted_at or self.generation.status_at
        return max(0, int((timezone.now() - since).total_seconds()))

    @property
    def was_refused(self) -> bool:
        """Never accepted, so never charged. What failed later is for the ledger to say."""
        row = self.generation
        return row.status == Status.FAILED and not row.kling_task_id

    @property
    def columns(self) -> int:
        return self.generation.shape.columns[min(len(self.frames), 9) - 1]

    @property
    def phone_columns(self) -> int:
        return self.generation.shape.phone_columns[min(len(self.frames), 9) - 1]

    @property
    def rows(self) -> int:
        return -(-len(self.frames) // self.columns)

    @property
    def verbs(self) -> frozenset[str]:
        """What may be done to it now, by its owner or an admin."""
        if not self.may_act:
            return frozenset()
        if self.generation.has_files_to_fetch:
            return frozenset({"fetch-again"})
        return OFFERED.get(self.look, frozenset())

    @property
    def is_demo(self) -> bool:
        return settings.DEMO

    @property
    def history(self) -> Sequence[Move]:
        """Asked for by the page of one generation alone, as are the answers."""
        return list(self.generation.moves.select_related("by"))

    @property
    def answers(self) -> Sequence[Submission]:
        return list(self.generation.submissions.order_by("attempt")) if self.sees_answers else []

    @property
    def stamp(self) -> str:
        """Changes with whatever the card shows; `version` alone misses its place in line."""
        parts = [str(self.generation.version)]
        if self.generation.status == Status.QUEUED:
            parts += [str(self.place or 0), self.wait or "open"]
        return "-".join(parts)


def cards_of(generations: Iterable[Generation], viewer: Member) -> list[Card]:
    """In a constant number of queries."""
    rows = list(generations)
    prefetch_related_objects(rows, "pictures")
    waits = any(row.status == Status.QUEUED for row in rows)
    places = _places() if waits else {}
    wait = _wait(line_now()) if waits else ""
    return [
        Card(
            generation=row,
            may_act=viewer.is_admin or row.owner_id == viewer.pk,
            sees_answers=viewer.is_admin,
            place=places.get(row.pk),
            wait=wait,
        )
        for row in rows
    ]


def _places() -> dict[int, int]:
    waiting = Generation.objects.in_turn().values_list("pk", flat=True)[:MOST_PLACES]
    return {pk: place for place, pk in enumerate(waiting, start=1)}


def _wait(line: Line | None) -> str:
    if line is None:
        return ""
    if line.is_held:
        return "held"
    return "busy" if line.not_before and line.not_before > timezone.now() else ""


def line_now() -> Line | None:
    """As it stands; a page never creates the row."""
    return Line.objects.filter(pk=Line.ONLY).first()


# --- how a page keeps its cards fresh ---------------------------------------------------------


@dataclass(frozen=True)
class Poller:
    """Asks for all open cards of a page at once; without `seconds` it asks nothing."""

    seconds: int | None
    trouble: str = ""  # the banner the page shows

    @property
    def stamp(self) -> str:
        return f"{self.trouble or 'open'}.{self.seconds or 0}"


def poller_of(cards: Iterable[Card], line: Line | None) -> Poller:
    """Quick while something has moved in the last minute, calm after that."""
    moved = [card.generation.status_at for card in cards if card.generation.is_open]
    trouble = line.trouble if line else ""
    if not moved:
        return Poller(None, trouble)
    is_quick = timezone.now() - max(moved) < FIRST_MINUTE
    return Poller(QUICK_SECONDS if is_quick else CALM_SECONDS, trouble)


def count_open(member: Member) -> int:
    return Generation.objects.filter(owner=member, finished_at=None).count()


def count_today(member: Member) -> dict[str, int]:
    """Of one day, so it stays small; a figure over all days would grow without end."""
    today = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return Generation.objects.filter(owner=member, created_at__gte=today).aggregate(
        open=Count("pk", filter=Q(finished_at=None)),
        done=Count("pk", filter=Q(status=Status.SUCCEEDED)),
    )


@require_safe
@never_cache
def changes(request: MemberRequest) -> HttpResponse:
    """Only the cards that changed since the page saw them; 204 when none did."""
    seen = _read_stamps(request.GET.get("k", ""))
    rows = Generation.objects.visible_to(request.user).filter(pk__in=seen)
    is_whole = "whole" in request.GET  # the page of one generation shows more than a card
    cards = cards_of(rows.select_related("owner", "reference", "again_of"), request.user)
    line = line_now()
    poller = poller_of(cards, line)
    if any(card.generation.is_live for card in cards):
        tasks.enqueue_pump_if_stale()
    changed = [card for card in cards if card.stamp != seen[card.generation.pk]]
    if not changed and poller.stamp == request.GET.get("p"):
        return HttpResponse(status=204)
    return render(
        request,
        "cards/changes.html",
        {
            "cards": changed,
            "poller": poller,
            "line": line,
            "whole": is_whole,
            "open_count": count_open(request.user),
            "today": None if is_whole else count_today(request.user),
        },
    )


def _read_stamps(listed: str) -> dict[int, str]:
    """`12.3,15.1-2-open` -> {12: "3", 15: "1-2-open"}; what is not of that form is left out."""
    pairs = re.findall(r"(?:^|,)(\d{1,18})\.([\w-]{1,40})", listed)
    return {int(pk): stamp for pk, stamp in pairs[:MOST_CARDS]}
