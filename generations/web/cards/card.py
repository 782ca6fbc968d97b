"""A card: one generation as its viewer sees it."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from django.db.models import prefetch_related_objects
from django.urls import reverse
from django.utils.text import Truncator

from generations.engines.registry import offer_for
from generations.estimates import Estimate
from generations.models import Generation, Member, Picture, Status, UpstreamGate
from generations.models.generation_queryset import prefetch_pictures
from generations.offered_models import offered_models
from generations.permissions import Action, may
from generations.requests import ALREADY_SENT
from generations.web.layout import layout_of
from generations.web.model_names import model_label
from generations.web.money.prices import PriceTables, unit_price, with_price
from generations.web.picture_views import PictureView, alt_text

from . import messages
from .facts import cost_text
from .messages import ACTION_MESSAGES, Charge, Severity, fill
from .progress import Progress, progress_of, seconds_since_submit, stamp_of
from .state import CANNOT_CANCEL, NEEDS_ATTENTION, CardState, states_of

EAGER_CARDS = 2
MAX_ANNOUNCED_CHARACTERS = 60


@dataclass(frozen=True)
class Grid:
    """How the frames of a card are laid out; the style sheet has a class for each value."""

    ratio: str  # as in the class `ratio-16-9`
    is_tall: bool
    columns: int
    phone_columns: int
    rows: int

    @classmethod
    def of(cls, row: Generation, frames: int) -> "Grid":
        layout = layout_of(row)
        columns = layout.columns_of(frames)
        rows = -(-frames // columns)
        return cls(layout.slug, layout.is_tall, columns, layout.phone_columns_of(frames), rows)

    @property
    def sizes(self) -> str:
        """The `sizes` attribute of the images in the studio."""
        width = "560px, 100vw" if self.columns == 1 else "300px, 50vw"
        return f"(min-width: 700px) {width}"

    @property
    def classes(self) -> str:
        size = f"columns-{self.columns} rows-{self.rows} phone-columns-{self.phone_columns}"
        return f"ratio-{self.ratio} {size}{' tall' if self.is_tall else ''}"


@dataclass(frozen=True)
class Button:
    action: str
    label: str
    style: str
    seen_price: str = ""  # of an image, in ten-thousandths: what the label was made of


@dataclass(frozen=True)
class Card:
    """Everything that templates/cards shows of one generation.

    Plain values only, never a model: equal cards have equal HTML, which `cache_key` relies on.
    """

    pk: int
    status: str
    display_state: str  # the status, or "late", "lost", "short"
    version: int
    stamp: str  # changes whenever the card does
    is_open: bool
    is_done: bool
    is_eager: bool  # among the first of the page: its images are loaded at once

    prompt: str
    created_at: datetime
    model: str  # its name; "" if it is the only one of the team
    aspect_ratio: str
    has_reference: bool
    cost: str  # as in the facts
    took_seconds: int | None

    grid: Grid
    pictures: tuple[PictureView, ...]  # one per image requested, in order
    missing: int  # never arrived
    trashed: int  # in the trash or deleted

    headline: str
    reason: str
    severity: Severity
    charge: Charge | None
    notes: tuple[str, ...]

    waiting: str
    seconds: int | None  # since the submit, while it runs; the page counts on from here
    usual_duration: str
    estimate: Estimate | None

    buttons: tuple[Button, ...]
    retry_label: str
    can_generate: bool  # this viewer may spend
    can_enter_task_id: bool

    @property
    def id(self) -> str:
        return f"generation-{self.pk}"

    @property
    def url(self) -> str:
        return reverse("generation", args=(self.pk,))

    @property
    def remix_url(self) -> str:
        """The studio, with its form filled from this generation."""
        return f"{reverse('studio')}?remix={self.pk}"

    @property
    def stored(self) -> list[PictureView]:
        return [picture for picture in self.pictures if picture.id]

    @property
    def is_queued(self) -> bool:
        return self.status == Status.QUEUED

    @property
    def needs_attention(self) -> bool:
        return self.display_state in NEEDS_ATTENTION

    @property
    def has_ended(self) -> bool:
        """No more images arrive by themselves."""
        return self.needs_attention or self.is_done

    @property
    def is_static(self) -> bool:
        """Without a form, so that its HTML can be cached."""
        return self.is_done and not self.buttons

    @property
    def is_retry_primary(self) -> bool:
        return self.display_state == "failed" and not self.buttons

    @property
    def generate_missing_label(self) -> str:
        return fill(messages.GENERATE_MISSING, {"missing": self.missing})

    @property
    def cannot_cancel(self) -> str:
        is_sent = self.display_state in CANNOT_CANCEL
        return str(ALREADY_SENT) if is_sent else ""

    @property
    def announcement(self) -> str:
        """The text for screen readers when the card reaches this state."""
        if not (self.severity or self.is_done):
            return ""
        return f"{self.headline}: {Truncator(self.prompt).chars(MAX_ANNOUNCED_CHARACTERS)}"

    @property
    def cache_key(self) -> tuple[Hashable, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))


def cards_of(
    generations: Iterable[Generation],
    viewer: Member,
    gate: UpstreamGate | None,
    progress: Sequence[Progress] | None = None,
) -> list[Card]:
    """Return the cards of these rows, in a constant number of queries.

    `progress` is what `progress_of` has returned for them, if the caller needs it too.
    """
    rows = list(generations)
    _prefetch_pictures(rows, viewer)
    states = states_of(rows, viewer, progress or progress_of(rows, gate))
    tables = PriceTables()
    return [_card_of(state, index < EAGER_CARDS, tables) for index, state in enumerate(states)]


def _prefetch_pictures(rows: Sequence[Generation], viewer: Member) -> None:
    """Without a query for queued rows, which have no pictures yet: the answer to each press."""
    with_pictures = []
    for row in rows:
        if row.status == Status.QUEUED:
            row.shown_pictures = []
        else:
            with_pictures.append(row)
    if with_pictures:
        pictures = Picture.objects.with_favourites_of(viewer)
        prefetch_related_objects(with_pictures, prefetch_pictures(pictures))


def _card_of(state: CardState, is_eager: bool, tables: PriceTables) -> Card:
    row, progress = state.row, state.progress
    pictures = _pictures_of(row)
    is_counting = state.name in ("submitting", "running", "late")
    return Card(
        pk=row.pk,
        status=row.status,
        display_state=state.name,
        version=row.version,
        stamp=stamp_of(row, progress),
        is_open=row.is_open,
        is_done=state.is_done,
        is_eager=is_eager,
        prompt=row.prompt,
        created_at=row.created_at,
        model=_model_of(row),
        aspect_ratio=row.aspect_ratio,
        has_reference=row.has_reference,
        cost=cost_text(row),
        took_seconds=row.took_seconds,
        grid=Grid.of(row, len(pictures)),
        pictures=pictures,
        missing=max(state.missing, 0),
        trashed=max(row.n - state.missing - state.stored, 0),
        headline=state.headline,
        reason=state.reason,
        severity=state.message.severity,
        charge=state.charge,
        notes=state.notes,
        waiting=state.waiting,
        seconds=seconds_since_submit(row) if is_counting else None,
        usual_duration=state.usual_duration,
        estimate=progress.estimate if is_counting else None,
        buttons=_buttons_of(state, tables),
        retry_label=state.retry_label,
        can_generate=may(state.viewer, Action.GENERATE),
        can_enter_task_id=may(state.viewer, Action.ENTER_TASK_ID)
        and state.has_tasks
        and state.name in ("unconfirmed", "lost"),
    )


def _model_of(row: Generation) -> str:
    """Named unless nobody can choose another."""
    is_only = [(row.engine, row.model)] == [(each.engine, each.model) for each in offered_models()]
    return "" if is_only else model_label(row.engine, row.model)


def _pictures_of(row: Generation) -> tuple[PictureView, ...]:
    """One for each image requested, stored or not; more if the engine listed more."""
    by_index = {row.index: row for row in row.shown_pictures if row.is_available}
    n = max(row.n, *(index + 1 for index in by_index), 1)
    views = []
    for number in range(1, n + 1):
        alt, picture = alt_text(row.prompt, number, n), by_index.get(number - 1)
        views.append(PictureView.of(picture, number, alt) if picture else PictureView(number, alt))
    return tuple(views)


def _buttons_of(state: CardState, tables: PriceTables) -> tuple[Button, ...]:
    return tuple(_button_of(action, state, tables) for action in state.actions)


def _button_of(action: str, state: CardState, tables: PriceTables) -> Button:
    """The only action that spends has its price in its label."""
    message, row = ACTION_MESSAGES[action], state.row
    style = "" if state.is_done else message.style
    if action != "send-again":
        is_dismissed = action == "hide" and state.name == "abandoned"
        label = str(messages.HIDE_DISMISSED if is_dismissed else message.label)
        return Button(action, label, style)
    offer = offer_for(row.engine, row.model)
    unit_e4 = unit_price(offer, row.params, row.has_reference, tables[row.engine])
    label = with_price(str(message.label), row.n, unit_e4)
    return Button(action, label, style, "" if unit_e4 is None else str(unit_e4))
