"""Notifications in words: a sentence, an image and a link for each, or for several alike.

All of it is read from the objects as they are now, and as the reader may see them.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generations.models import (
    Batch,
    Comment,
    Generation,
    Member,
    Notification,
    Picture,
    TransitionReason,
    batch_topic,
)
from generations.models.money import LimitRequest
from generations.permissions import Action, Role, may
from generations.web.batches.progress import BatchProgress, progress_of_batches
from generations.web.cards.messages import CHARGE_MESSAGES, EARLIER_ATTEMPT_CHARGED
from generations.web.cards.progress import Progress, current_gate
from generations.web.cards.state import CardState, states_of
from generations.web.money.notices import granted_text, request_text, until_text
from generations.web.picture_views import file_urls, picture_url
from generations.web.tiles import TILE_COLUMNS

MIN_GROUP = 3  # finished requests in a row that become one entry
MAX_QUOTE = 90  # characters of a prompt or a comment

Kind = Notification.Kind
DECISIONS: dict[str, Any] = {
    TransitionReason.SENT_AGAIN: gettext_lazy("{who} sent your request again"),
    TransitionReason.DISMISSED: gettext_lazy("{who} dismissed your request"),
    TransitionReason.CANCELED: gettext_lazy("{who} canceled your request"),
    TransitionReason.TASK_ID_ENTERED: gettext_lazy("{who} found your request at the gateway"),
    TransitionReason.RECHECKED: gettext_lazy("{who} had your request checked again"),
    TransitionReason.FETCHED_AGAIN: gettext_lazy("{who} started the download again"),
}


@dataclass(frozen=True)
class Thumbnail:
    url: str
    width: int
    height: int
    colour: str


@dataclass(frozen=True)
class Entry:
    """One row of the list. `fact` comes before the time, `note` after it."""

    url: str
    sentence: SafeString | str
    at: datetime
    is_unread: bool
    fact: str = ""
    note: str = ""
    thumbnail: Thumbnail | None = None
    icon: str = ""  # where there is no image: "money", "person", "collection" or "generation"
    ready_images: int = 0  # of a request that is done; such entries are grouped

    @property
    def group_key(self) -> tuple[bool, bool, date]:
        return self.ready_images > 0, self.is_unread, timezone.localdate(self.at)


def entries_of(rows: Sequence[Notification], reader: Member) -> list[Entry]:
    """The entries in the order of the rows, without those that the reader may not see now.

    Load `by`, `collection` and `limit_request` with the rows.
    """
    objects = Objects(rows, reader)
    shown = [entry for row in rows if (entry := objects.entry(row))]
    entries: list[Entry] = []
    for (is_ready, _is_unread, _day), group in groupby(shown, key=lambda each: each.group_key):
        alike = list(group)
        entries += [_joined(alike)] if is_ready and len(alike) >= MIN_GROUP else alike
    return entries


def _joined(entries: Sequence[Entry]) -> Entry:
    """One entry for several requests that are done."""
    newest, images = entries[0], sum(entry.ready_images for entry in entries)
    sentence = ngettext("{images} image is ready", "{images} images are ready", images)
    fact = ngettext("{n} request", "{n} requests", len(entries))
    return Entry(
        reverse("studio"),
        sentence.format(images=images),
        newest.at,
        newest.is_unread,
        fact.format(n=len(entries)),
        thumbnail=newest.thumbnail,
        icon=newest.icon,
    )


def quote(text: str) -> str:
    shortened = Truncator(" ".join(text.split())).chars(MAX_QUOTE)
    return _("“{text}”").format(text=shortened)


def sentence_about(who: str, sentence: Any, **values: Any) -> SafeString:
    """Insert the name in bold, and the other values as text."""
    return format_html(str(sentence), who=format_html("<b>{}</b>", who), **values)


class Objects:
    """What some notifications are about, as far as the reader may see it."""

    def __init__(self, rows: Sequence[Notification], reader: Member) -> None:
        self.reader = reader
        self.states = _states({row.generation_id for row in rows} - {None}, reader)
        self.batches = _batches({state.row.batch_id for state in self.states.values()}, reader)
        comments = Comment.objects.visible_to(reader).select_related("author")
        self.comments = comments.in_bulk({row.comment_id for row in rows} - {None})

    def entry(self, row: Notification) -> Entry | None:
        """None: hidden from this reader, or outdated."""
        match row.kind:
            case Kind.GENERATION | Kind.DECIDED:
                return self._generation(row)
            case Kind.COMMENTED | Kind.MENTIONED:
                return self._comment(row)
            case Kind.SHARED:
                return self._shared(row)
            case Kind.COLLECTED:
                return self._collected(row)
            case Kind.ASKED:
                return self._asked(row)
            case Kind.LIMIT_DECIDED:
                return self._limit_decided(row)
        return self._account(row)

    def _entry(self, row: Notification, url: str, sentence: str, **values: Any) -> Entry:
        return Entry(url, sentence, row.at, row.read_at is None, **values)

    def _generation(self, row: Notification) -> Entry | None:
        state = self.states.get(row.generation_id or 0)
        if state is None or state.row.owner_id != self.reader.pk:
            return None
        batch = self.batches.get(state.row.batch_id or 0)
        if batch and row.topic == batch_topic(batch.pk):
            return self._batch(row, state, batch)
        sentence: str = state.headline
        if row.kind == Kind.DECIDED:
            decision = DECISIONS[row.details["reason"]]
            sentence = sentence_about(_who(row), decision)
        elif state.name in ("unconfirmed", "lost"):
            sentence = _("Needs a decision: {state}").format(state=state.headline)
        return self._entry(
            row,
            reverse("generation", args=(state.row.pk,)),
            sentence,
            fact=quote(state.row.prompt),
            note=_charge(state),
            thumbnail=_thumbnail(state),
            icon="generation",
            ready_images=state.stored if state.is_done and row.kind == Kind.GENERATION else 0,
        )

    def _batch(self, row: Notification, state: CardState, batch: BatchProgress) -> Entry:
        """One entry for all requests of a batch."""
        return self._entry(
            row,
            batch.url,
            _("{title}: {counts}").format(title=batch.title, counts=batch.counts),
            thumbnail=_thumbnail(state),
            icon="generation",
        )

    def _comment(self, row: Notification) -> Entry | None:
        comment, state = (
            self.comments.get(row.comment_id or 0), self.states.get(row.generation_id or 0),
        )  # fmt: skip
        if comment is None or state is None:
            return None
        is_mention = row.kind == Kind.MENTIONED
        text = _("{who} mentioned you: {text}") if is_mention else _("{who} commented: {text}")
        return self._entry(
            row,
            f"{picture_url(comment.picture_id)}#comments",
            sentence_about(comment.author.name, text, text=quote(comment.text)),
            thumbnail=_thumbnail(state, comment.picture_id),
        )

    def _shared(self, row: Notification) -> Entry | None:
        state = self.states.get(row.generation_id or 0)
        thumbnail = _thumbnail(state, row.picture_id) if state else None
        if state is None or thumbnail is None or row.picture_id is None:
            return None
        return self._entry(
            row,
            picture_url(row.picture_id),
            sentence_about(_who(row), _("{who} shared an image with you")),
            fact=quote(state.row.prompt),
            thumbnail=thumbnail,
        )

    def _collected(self, row: Notification) -> Entry | None:
        if row.collection is None:
            return None
        text = ngettext(
            "{who} added {n} image to “{name}”", "{who} added {n} images to “{name}”", row.count
        )
        state = self.states.get(row.generation_id or 0)
        return self._entry(
            row,
            reverse("collection", args=(row.collection.pk,)),
            sentence_about(_who(row), text, n=row.count, name=row.collection.name),
            thumbnail=_thumbnail(state, row.picture_id) if state else None,
            icon="collection",
        )

    def _asked(self, row: Notification) -> Entry | None:
        if row.generation_id:
            return self._asked_to_check(row, row.generation_id)
        asked = row.limit_request
        if asked is None or asked.decision or not may(self.reader, Action.MANAGE_MONEY):
            return None
        return self._entry(
            row,
            reverse("requests"),
            sentence_about(_who(row), _("{who} asks for {amount}"), amount=request_text(asked)),
            fact=quote(asked.reason),
            icon="money",
        )

    def _asked_to_check(self, row: Notification, pk: int) -> Entry | None:
        """With the prompt only if the admin may see the generation."""
        if not may(self.reader, Action.OPEN_ADMIN):
            return None
        state = self.states.get(pk)
        return self._entry(
            row,
            f"{reverse('overview')}#decision-{pk}",
            sentence_about(_who(row), _("{who} asks you to check an unconfirmed request")),
            fact=quote(state.row.prompt) if state else "",
            icon="generation",
        )

    def _limit_decided(self, row: Notification) -> Entry | None:
        decided = row.limit_request
        if decided is None:
            return None
        text, until = _("{who} declined your request for more"), ""
        if decided.decision == LimitRequest.Decision.GRANTED:
            text = _("{who} granted you {amount}")
            until = _("until {date}").format(date=until_text(decided))
        sentence = sentence_about(_who(row), text, amount=granted_text(decided))
        return self._entry(row, reverse("usage"), sentence, fact=until, icon="money")

    def _account(self, row: Notification) -> Entry | None:
        if row.kind == Kind.HANDED_OVER:
            text, name = _("{who} handed over the work of {name} to you"), row.details["name"]
            sentence = sentence_about(_who(row), text, name=name)
            return self._entry(row, reverse("studio"), sentence, icon="person")
        role = Role(row.details["role"]).label
        sentence = sentence_about(_who(row), _("{who} changed your role to {role}"), role=role)
        return self._entry(row, reverse("settings"), sentence, icon="person")


def _charge(state: CardState) -> str:
    """What is known about the cost of a generation that is not done."""
    if state.is_done:
        return ""
    if state.charge:
        return str(CHARGE_MESSAGES[state.charge])
    return str(EARLIER_ATTEMPT_CHARGED) if state.paid_before else ""


def _who(row: Notification) -> str:
    return row.by.name if row.by else "klingweb"


def _states(pks: Any, reader: Member) -> dict[int, CardState]:
    """The state of each visible generation, with its pictures."""
    visible = Generation.objects.visible_to(reader).filter(pk__in=pks)
    pictures = Picture.objects.only(*TILE_COLUMNS).order_by("index")
    rows = list(visible.defer("last_response", "search_text").with_pictures_of(pictures))
    states = states_of(rows, reader, [Progress()] * len(rows)) if rows else []
    return {state.row.pk: state for state in states}


def _batches(pks: Set[int | None], reader: Member) -> dict[int, BatchProgress]:
    """How far each batch is, as far as the reader may see its requests."""
    keys = [pk for pk in pks if pk is not None]
    batches = Batch.objects.filter(pk__in=keys).select_related("owner") if keys else ()
    return {each.pk: each for each in progress_of_batches(batches, reader, current_gate())}


def _thumbnail(state: CardState, pk: int | None = None) -> Thumbnail | None:
    """Of that picture, or of the first one; None if it is not available."""
    for picture in state.row.shown_pictures:
        if picture.is_available and pk in (None, picture.pk):
            _original, _preview, thumbnail, _srcset = file_urls(picture.pk)
            size = picture.width or 1, picture.height or 1
            return Thumbnail(thumbnail, *size, picture.colour)
    return None
