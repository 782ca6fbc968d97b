"""A generation as one sees it: the card, in the look its state asks for."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.models import (
    Failure,
    Generation,
    Member,
    Picture,
    Status,
    Submission,
    Transition,
    TransitionReason,
    UpstreamGate,
    durations,
)
from generations.models.generation_queryset import prefetch_pictures
from generations.web.estimates import Estimate
from generations.web.layout import Layout, layout_of
from generations.web.offer_facts import offer_facts
from generations.web.picture_views import PictureView

EAGER_CARDS = 2
STEP_SECONDS = 30  # between two looks at how much longer one takes that is later than most
MAX_REMIXES = 5
MAX_QUEUE_POSITIONS = 500  # whoever waits behind so many is told "in line", without a figure

ACTIONS_BY_STATE: dict[str, frozenset[str]] = {
    "queued": frozenset({"cancel"}),
    "unconfirmed": frozenset({"send-again", "dismiss"}),
    "lost": frozenset({"recheck", "dismiss"}),
}
NEEDS_ATTENTION = frozenset({"unconfirmed", "failed", "lost", "abandoned", "canceled"})


@dataclass(frozen=True)
class Card:
    """One generation, as this viewer sees it now."""

    generation: Generation
    viewer: Member
    may_act: bool
    sees_answers: bool = False  # what went over the wire is for admins
    place: int | None = None  # in line, from 1
    is_eager: bool = False  # among the first of the page: its pictures are loaded at once
    wait: str = ""  # what all who wait wait for: the line is "paused" or "held", or Kling is "busy"
    paid_before: bool = False  # another sending of it was not refused: that one may be charged
    was_not_there: bool = False  # sent without an answer; Kling was asked, and does not have it

    @cached_property
    def id(self) -> str:
        return f"generation-{self.generation.pk}"

    @cached_property
    def url(self) -> str:
        return reverse("generation", args=(self.generation.pk,))

    @cached_property
    def remix_url(self) -> str:
        """The studio, with its form filled as it was for this one."""
        return f"{reverse('studio')}?remix={self.generation.pk}"

    @cached_property
    def display_state(self) -> str:
        """The status, or the mark that says more than the status does."""
        row = self.generation
        if row.is_lost:
            return "lost"
        if row.is_late:
            return "late"
        return "short" if row.status == Status.SUCCEEDED and self.missing > 0 else row.status

    @cached_property
    def needs_attention(self) -> bool:
        return self.display_state in NEEDS_ATTENTION

    @property
    def has_ended(self) -> bool:
        """What is not here now does not come any more."""
        return self.needs_attention or self.is_made

    @property
    def is_made(self) -> bool:
        return self.generation.status == Status.SUCCEEDED

    @property
    def is_static(self) -> bool:
        """Made, and with nothing to press that would need a form."""
        return self.is_made and not self.actions

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        """All that a settled card shows, but how long ago it was: equal ones are drawn alike."""
        row = self.generation
        pictures = (tuple(self.pictures), self.missing, self.trashed, self.lost_files)
        return (row.idempotency_key, row.version, *pictures, self.paid_before, self.is_eager)

    # --- its pictures --------------------------------------------------------------------------

    @cached_property
    def stored(self) -> list[PictureView]:
        return [frame for frame in self.pictures if frame.id]

    @cached_property
    def pictures(self) -> list[PictureView]:
        """One for each picture asked for, in its place; more if more came."""
        at = {row.index: row for row in self.generation.shown_pictures if row.is_available}
        n = max(self.generation.n, *(index + 1 for index in at), 1)
        words = Truncator(self.generation.prompt).chars(120)
        said = _("%(words)s, picture %(number)d of %(n)d")
        frames = []
        for index in range(n):
            number, picture = index + 1, at.get(index)
            alt = said % {"words": words, "number": number, "n": n}
            frames.append(
                PictureView.of(picture, number, alt) if picture else PictureView(number, alt)
            )
        return frames

    @cached_property
    def missing(self) -> int:
        """Never came. What came and was taken away since is in the trash, or deleted."""
        gone = (Picture.State.STORED, Picture.State.DELETED)
        came = sum(picture.state in gone for picture in self.generation.shown_pictures)
        return self.generation.n - came

    @property
    def trashed(self) -> int:
        return self.generation.n - self.missing - len(self.stored)

    @property
    def lost_files(self) -> int:
        """Made and paid, and not here: they may be asked for again."""
        pictures = self.generation.shown_pictures
        return sum(picture.state == Picture.State.LOST for picture in pictures)

    @property
    def files(self) -> int:
        """How many the upstream listed; it may be fewer, or more, than asked for."""
        return len(self.generation.shown_pictures)

    @property
    def next_file(self) -> int:
        return min(len(self.stored) + 1, self.files)

    @property
    def offer_facts(self) -> list[tuple[str, str]]:
        return offer_facts(self.generation)

    @cached_property
    def layout(self) -> Layout:
        return layout_of(self.generation)

    @cached_property
    def columns(self) -> int:
        return self.layout.columns_of(len(self.pictures))

    @property
    def phone_columns(self) -> int:
        return self.layout.phone_columns_of(len(self.pictures))

    @property
    def rows(self) -> int:
        return -(-len(self.pictures) // self.columns)

    # --- what is said of it ----------------------------------------------------------------------

    @property
    def seconds(self) -> int:
        """Since it was sent; the page counts on from here."""
        since = self.generation.submitted_at or self.generation.status_at
        return max(0, int((timezone.now() - since).total_seconds()))

    @cached_property
    def estimate(self) -> Estimate | None:
        """How long it takes as a rule: of one under way since it was sent, else from now on."""
        row = self.generation
        if row.status == Status.QUEUED:
            return Estimate.of(durations.queue_estimates().get(row.pk)) if not self.wait else None
        if row.status not in (Status.SUBMITTING, Status.RUNNING) or row.is_lost:
            return None
        known = durations.stats_for(row)
        # One look for all who are within the usual; who is beyond it is told anew now and then.
        beyond = self.seconds // STEP_SECONDS * STEP_SECONDS if self.seconds > known.p90 else 0
        left = known.left(beyond)
        return Estimate.of(durations.Range(left.low + beyond, left.high + beyond)) if left else None

    @property
    def failed_there(self) -> bool:
        """Accepted first, and ended by the upstream without a picture."""
        row = self.generation
        is_failed = row.status == Status.FAILED and not row.has_files_to_fetch
        return is_failed and bool(row.upstream_task_id)

    @property
    def was_refused(self) -> bool:
        """Never accepted, so never charged. What failed later is for the ledger to say."""
        row = self.generation
        return row.status == Status.FAILED and not row.upstream_task_id

    @cached_property
    def actions(self) -> frozenset[str]:
        """What may be done to it now, by its owner or an admin."""
        if not self.may_act:
            return frozenset()
        if self.generation.has_files_to_fetch or (self.is_made and self.lost_files):
            return frozenset({"fetch-again"})
        offered = ACTIONS_BY_STATE.get(self.display_state, frozenset())
        return offered | {"search"} if self.is_looked_for else offered

    @property
    def is_looked_for(self) -> bool:
        """The upstream can be asked for what never answered, and is."""
        row = self.generation
        return row.status == Status.UNCONFIRMED and bool(
            settings.UPSTREAM_LOOKUP and row.next_poll_at
        )

    @property
    def may_name_task(self) -> bool:
        """Only an admin sees the gateway's own log."""
        return self.sees_answers and self.display_state in ("unconfirmed", "lost")

    @property
    def charge(self) -> str:
        """What a member is told of the money: none, not for this, probably, and so on.

        Of this sending; what one before it cost is `paid_before`.
        """
        row = self.generation
        if row.status == Status.CANCELED or self.was_refused:
            return "" if self.paid_before else "none"
        if self.display_state in ("unconfirmed", "lost", "abandoned"):
            return "probably" if self.display_state == "unconfirmed" else "maybe"
        if row.has_files_to_fetch:
            return "paid"
        if self.failed_there:
            return {"yes": "spent", "no": "not"}.get(settings.FAILED_IS_CHARGED, "log")
        return ""

    @property
    def shows_reason(self) -> bool:
        """Its own words are for all where they say what to change; else they are for admins."""
        row = self.generation
        is_ours = row.failure == Failure.OURS and self.failed_there  # words that nobody knows yet
        is_clear = row.failure in (Failure.POLICY, Failure.INPUT, Failure.TIME)
        return row.status == Status.FAILED and (is_clear or is_ours) and bool(row.failure_message)

    @property
    def is_demo(self) -> bool:
        return settings.DEMO

    @property
    def history(self) -> Sequence[Transition]:
        """Asked for by the page of one generation alone, as are the answers."""
        return list(self.generation.transitions.select_related("by"))

    @property
    def made_again(self) -> Sequence[Generation]:
        """The first few that were made from it, by whomever, that this viewer may see."""
        seen = Generation.objects.visible_to(self.viewer)
        return list(seen.filter(remix_of=self.generation).order_by("pk")[:MAX_REMIXES])

    @property
    def made_before(self) -> Generation | None:
        """What it was made from, if this viewer may see that."""
        before = self.generation.remix_of_id
        seen = Generation.objects.visible_to(self.viewer)
        return seen.filter(pk=before).first() if before else None

    @property
    def answers(self) -> Sequence[Submission]:
        return list(self.generation.submissions.order_by("attempt")) if self.sees_answers else []

    @cached_property
    def stamp(self) -> str:
        """Changes with whatever the card shows; `version` alone misses its place in line."""
        parts = [str(self.generation.version)]
        if self.generation.status == Status.QUEUED:
            parts += [str(self.place or 0), self.wait or "open"]
        if self.estimate:
            parts += [str(self.estimate.low), str(self.estimate.high)]
        return "-".join(parts)


def cards_of(
    generations: Iterable[Generation], viewer: Member, gate: UpstreamGate | None
) -> list[Card]:
    """In a constant number of queries."""
    rows = list(generations)
    prefetch_related_objects(rows, prefetch_pictures(Picture.objects.with_favourites_of(viewer)))
    paid_before, not_there = _paid_before(rows), _not_there(rows)
    return [
        replace(
            card,
            paid_before=card.generation.pk in paid_before - not_there,
            was_not_there=card.generation.pk in not_there,
        )
        for card in bare_cards_of(rows, viewer, gate)
    ]


def _paid_before(rows: Sequence[Generation]) -> set[int]:
    """Those with a sending, besides the one they ended with, that may have been charged."""
    own = {
        row.pk: int(bool(row.upstream_task_id) or row.status == Status.ABANDONED)
        for row in rows
        if row.is_final
    }
    more = [row.pk for row in rows if row.is_final and row.attempt > own[row.pk]]
    never = (Submission.Outcome.REFUSED, Submission.Outcome.POSTPONED)
    sent = Submission.objects.filter(generation__in=more).exclude(outcome__in=never)
    counted = Counter(sent.values_list("generation_id", flat=True)) if more else Counter()
    return {pk for pk, count in counted.items() if count > own[pk]}


def _not_there(rows: Sequence[Generation]) -> set[int]:
    ours = [
        row.pk
        for row in rows
        if row.failure == Failure.OURS and row.attempt and not row.upstream_task_id
    ]
    denied = Transition.objects.filter(generation__in=ours, reason=TransitionReason.NOT_THERE)
    return set(denied.values_list("generation_id", flat=True)) if ours else set()


def bare_cards_of(
    rows: Sequence[Generation], viewer: Member, gate: UpstreamGate | None
) -> list[Card]:
    """Enough to tell whether they changed; their pictures are not asked for."""
    places = _places() if any(row.status == Status.QUEUED for row in rows) else {}
    wait = _wait(gate)
    return [
        Card(
            generation=row,
            viewer=viewer,
            may_act=viewer.is_admin or row.owner_id == viewer.pk,
            sees_answers=viewer.is_admin,
            place=places.get(row.pk),
            is_eager=index < EAGER_CARDS,
            wait=wait,
        )
        for index, row in enumerate(rows)
    ]


def _places() -> dict[int, int]:
    waiting = Generation.objects.in_queue_order().values_list("pk", flat=True)[:MAX_QUEUE_POSITIONS]
    return {pk: place for place, pk in enumerate(waiting, start=1)}


def _wait(gate: UpstreamGate | None) -> str:
    if gate is None:
        return ""
    if gate.is_paused:
        return "paused"
    if gate.is_held:
        return "held"
    waits = [until for until in (gate.submit_not_before, gate.silent_until) if until]
    return "busy" if any(until > timezone.now() for until in waits) else ""


def current_gate() -> UpstreamGate | None:
    """As it stands; a page never creates the row."""
    return UpstreamGate.objects.select_related("paused_by").filter(pk=UpstreamGate.ONLY).first()
