"""A generation as one sees it: the card, in the look its state asks for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from django.conf import settings
from django.db.models import prefetch_related_objects
from django.urls import reverse
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.models import Generation, Line, Member, Move, Picture, Status, Submission

EARLY_CARDS = 2
MOST_PLACES = 500  # whoever waits behind so many is told "in line", without a figure

OFFERED: dict[str, frozenset[str]] = {
    "queued": frozenset({"cancel"}),
    "unconfirmed": frozenset({"send-again", "give-up"}),
    "lost": frozenset({"look-again", "give-up"}),
}
TROUBLES = frozenset({"unconfirmed", "failed", "lost", "abandoned", "canceled"})


@dataclass(frozen=True)
class Frame:
    """One picture that was asked for, as the page needs it; without an id it is not here."""

    number: int
    alt: str
    id: str = ""
    original: str = ""
    preview: str = ""
    thumbnail: str = ""
    width: int = 0
    height: int = 0
    colour: str = ""

    @classmethod
    def of(cls, picture: Picture, number: int, alt: str) -> "Frame":
        original, preview, thumbnail = file_addresses(picture.pk)
        return cls(
            number=number,
            alt=alt,
            id=f"picture-{picture.pk}",
            original=original,
            preview=preview,
            thumbnail=thumbnail,
            width=picture.width or 0,
            height=picture.height or 0,
            colour=picture.colour,
        )


@lru_cache(maxsize=4096)
def file_addresses(pk: int) -> tuple[str, str, str]:
    """Asked for by the dozen on every page; an address never changes."""
    return (
        reverse("file", args=(pk, "original")),
        reverse("file", args=(pk, "preview")),
        reverse("file", args=(pk, "thumbnail")),
    )


@dataclass(frozen=True)
class Card:
    """One generation, as this viewer sees it now."""

    generation: Generation
    may_act: bool
    sees_answers: bool = False  # what went over the wire is for admins
    place: int | None = None  # in line, from 1
    is_early: bool = False  # among the first of the page: its pictures are loaded at once
    wait: str = ""  # what all who wait wait for: the line is "held", or Kling is "busy"

    @cached_property
    def id(self) -> str:
        return f"generation-{self.generation.pk}"

    @cached_property
    def address(self) -> str:
        return reverse("generation", args=(self.generation.pk,))

    @cached_property
    def again(self) -> str:
        """The studio, with its form filled as it was for this one."""
        return f"{reverse('studio')}?again={self.generation.pk}"

    @cached_property
    def look(self) -> str:
        """The status, or the mark that says more than the status does."""
        row = self.generation
        if row.is_lost:
            return "lost"
        if row.is_late:
            return "late"
        return "short" if row.status == Status.SUCCEEDED and self.missing > 0 else row.status

    @cached_property
    def is_trouble(self) -> bool:
        return self.look in TROUBLES

    @property
    def has_ended(self) -> bool:
        """What is not here now does not come any more."""
        return self.is_trouble or self.is_made

    @property
    def is_made(self) -> bool:
        return self.generation.status == Status.SUCCEEDED

    # --- its pictures --------------------------------------------------------------------------

    @cached_property
    def stored(self) -> list[Frame]:
        return [frame for frame in self.frames if frame.id]

    @cached_property
    def frames(self) -> list[Frame]:
        """One for each picture asked for, in its place; more if more came."""
        at = {row.index: row for row in self.generation.pictures.all() if row.is_stored}
        n = max(self.generation.n, *(index + 1 for index in at), 1)
        words = Truncator(self.generation.prompt).chars(120)
        said = _("%(words)s, picture %(number)d of %(n)d")
        frames = []
        for index in range(n):
            number, picture = index + 1, at.get(index)
            alt = said % {"words": words, "number": number, "n": n}
            frames.append(Frame.of(picture, number, alt) if picture else Frame(number, alt))
        return frames

    @cached_property
    def missing(self) -> int:
        return self.generation.n - len(self.stored)

    @property
    def lost_files(self) -> int:
        """Made and paid, and not here: they may be asked for again."""
        pictures = self.generation.pictures.all()
        return sum(picture.state == Picture.State.LOST for picture in pictures)

    @property
    def files(self) -> int:
        """How many the upstream listed; it may be fewer, or more, than asked for."""
        return len(self.generation.pictures.all())

    @property
    def next_file(self) -> int:
        return min(len(self.stored) + 1, self.files)

    @cached_property
    def columns(self) -> int:
        return self.generation.shape.columns[min(len(self.frames), 9) - 1]

    @property
    def phone_columns(self) -> int:
        return self.generation.shape.phone_columns[min(len(self.frames), 9) - 1]

    @property
    def rows(self) -> int:
        return -(-len(self.frames) // self.columns)

    # --- what is said of it ----------------------------------------------------------------------

    @property
    def seconds(self) -> int:
        """Since it was sent; the page counts on from here."""
        since = self.generation.submitted_at or self.generation.status_at
        return max(0, int((timezone.now() - since).total_seconds()))

    @property
    def failed_there(self) -> bool:
        """Accepted first, and ended by the upstream without a picture."""
        row = self.generation
        is_failed = row.status == Status.FAILED and not row.has_files_to_fetch
        return is_failed and bool(row.kling_task_id)

    @property
    def was_refused(self) -> bool:
        """Never accepted, so never charged. What failed later is for the ledger to say."""
        row = self.generation
        return row.status == Status.FAILED and not row.kling_task_id

    @cached_property
    def verbs(self) -> frozenset[str]:
        """What may be done to it now, by its owner or an admin."""
        if not self.may_act:
            return frozenset()
        if self.generation.has_files_to_fetch or (self.is_made and self.lost_files):
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

    @cached_property
    def stamp(self) -> str:
        """Changes with whatever the card shows; `version` alone misses its place in line."""
        parts = [str(self.generation.version)]
        if self.generation.status == Status.QUEUED:
            parts += [str(self.place or 0), self.wait or "open"]
        return "-".join(parts)


def cards_of(generations: Iterable[Generation], viewer: Member, line: Line | None) -> list[Card]:
    """In a constant number of queries."""
    rows = list(generations)
    prefetch_related_objects(rows, "pictures")
    return bare_cards_of(rows, viewer, line)


def bare_cards_of(rows: Sequence[Generation], viewer: Member, line: Line | None) -> list[Card]:
    """Enough to tell whether they changed; their pictures are not asked for."""
    places = _places() if any(row.status == Status.QUEUED for row in rows) else {}
    wait = _wait(line)
    return [
        Card(
            generation=row,
            may_act=viewer.is_admin or row.owner_id == viewer.pk,
            sees_answers=viewer.is_admin,
            place=places.get(row.pk),
            is_early=index < EARLY_CARDS,
            wait=wait,
        )
        for index, row in enumerate(rows)
    ]


def _places() -> dict[int, int]:
    waiting = Generation.objects.in_turn().values_list("pk", flat=True)[:MOST_PLACES]
    return {pk: place for place, pk in enumerate(waiting, start=1)}


def _wait(line: Line | None) -> str:
    if line is None:
        return ""
    if line.is_held:
        return "held"
    waits = [until for until in (line.not_before, line.quiet_until) if until]
    return "busy" if any(until > timezone.now() for until in waits) else ""


def line_now() -> Line | None:
    """As it stands; a page never creates the row."""
    return Line.objects.filter(pk=Line.ONLY).first()
