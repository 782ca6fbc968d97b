"""What needs a decision of an admin, and the buttons that decide about a generation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import Count as CountRows
from django.db.models import Max, prefetch_related_objects
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_sentences
from generations.models import Generation, Member, Picture, Status, Submission
from generations.models.counting import count_up_to
from generations.models.generation_queryset import prefetch_pictures
from generations.models.money import CheckedLedger, LimitRequest, RefusedKind
from generations.models.team import Team
from generations.permissions import Action, may
from generations.web import model_names
from generations.web.cards.messages import ACTION_MESSAGES
from generations.web.cards.progress import Progress
from generations.web.cards.state import CardState
from generations.web.counts import MAX_COUNT, Count
from generations.web.money.formats import format_money

from . import doubtful
from .gate_state import ago
from .limit_requests import RequestDecision, request_decisions

MAX_LISTED = 10  # of each kind on the overview
# The safest first. Sending again costs money, so it is on the generation's own page.
ACTIONS = ("search", "recheck", "fetch-again", "dismiss")
TASK_ID = "enter-task-id"


@dataclass(frozen=True)
class Button:
    action: str
    label: str
    is_primary: bool = False


@dataclass(frozen=True)
class GenerationDecision:
    """One generation, as an admin sees it: of another's private one, nothing of its content."""

    pk: int
    version: int
    title: str
    who: str
    images: str
    prompt: str  # "" if it is private to somebody else
    facts: str
    buttons: tuple[Button, ...]
    can_enter_task_id: bool

    @property
    def is_private(self) -> bool:
        return not self.prompt

    @property
    def is_task_id_primary(self) -> bool:
        """Whether no button is safer than the task ID: this gateway can't be searched."""
        return not any(button.is_primary for button in self.buttons)


@dataclass(frozen=True)
class MissingKey:
    """An API key that is gone, and how many requests that were sent with it wait."""

    last_four: str
    requests: int


@dataclass(frozen=True)
class Decisions:
    """Everything that waits, each kind with its first rows. `count` is of all kinds."""

    count: Count
    ledger: CheckedLedger | None
    keys: list[MissingKey]
    generations: list[GenerationDecision]
    more_generations: bool
    requests: list[RequestDecision]
    more_requests: bool
    unpriced: list[RefusedKind]


def decisions_for(viewer: Member) -> Decisions:
    """Read what waits. Money is for those who may manage it."""
    may_pay = may(viewer, Action.MANAGE_MONEY)
    kinds = (
        doubtful.unconfirmed(),
        doubtful.lost(),
        doubtful.not_found(),
        doubtful.late_for_long(),
    )
    downloads = list(doubtful.without_files(MAX_LISTED + 1))
    open_requests = LimitRequest.objects.open().order_by("pk")
    counts = count_up_to(MAX_COUNT + 1, [*kinds, open_requests])
    filled = [kind for count, kind in zip(counts, kinds, strict=False) if count]
    rows = [row for kind in filled for row in kind.select_related("owner")[:MAX_LISTED]]
    requests = request_decisions(MAX_LISTED) if may_pay else []
    unpriced = RefusedKind.objects.without_price() if may_pay and _are_refused() else []
    checked = CheckedLedger.objects.with_differences() if may_pay else None
    keys = _missing_keys()
    total = sum(counts[:-1]) + len(downloads) + len(unpriced) + bool(checked) + len(keys)
    return Decisions(
        count=Count(total + (counts[-1] if may_pay else 0)),
        ledger=checked,
        keys=keys,
        generations=describe([*rows, *downloads[:MAX_LISTED]], viewer),
        more_generations=max(*counts[:-1], len(downloads)) > MAX_LISTED,
        requests=requests,
        more_requests=may_pay and counts[-1] > MAX_LISTED,
        unpriced=unpriced[:MAX_LISTED],
    )


def _missing_keys() -> list[MissingKey]:
    by_key = doubtful.key_missing().order_by().values_list("api_key", "api_key__last_four")
    counted = by_key.annotate(CountRows("pk"))
    return [MissingKey(last_four or "", count) for _key, last_four, count in counted]


def _are_refused() -> bool:
    return Team.objects.current().unpriced_rule == Team.Unpriced.REFUSE


# --- generations ---------------------------------------------------------------------------------


def describe(generations: Iterable[Generation], viewer: Member) -> list[GenerationDecision]:
    """Return these generations in words, with the buttons that the viewer may press."""
    rows = list(generations)
    if not rows:
        return []
    prefetch_related_objects(rows, prefetch_pictures(Picture.objects.all()))
    keys = [row.pk for row in rows]
    amounts = doubtful.reserved_amounts([row.pk for row in rows if not row.is_final])
    last_sent = dict(
        Submission.objects.filter(generation__in=keys)
        .order_by()
        .values_list("generation_id")
        .annotate(Max("sent_at"))
    )
    states = [CardState(row, viewer, Progress()) for row in rows]
    return [_described(each, amounts, last_sent.get(each.row.pk)) for each in states]


def _described(
    state: CardState, amounts: dict[int, int], sent_at: datetime | None
) -> GenerationDecision:
    row = state.row
    is_hidden = row.is_private and row.owner_id != state.viewer.pk
    is_not_found = row.status == Status.RUNNING and row.first_not_found_at is not None
    possible = set(state.actions)
    if is_not_found and may(state.viewer, Action.CHANGE, row):
        possible.add("dismiss")
    offered = [each for each in ACTIONS if each in possible]
    has_doubtful_id = is_not_found or state.name in ("unconfirmed", "lost")
    can_enter = state.has_tasks and has_doubtful_id and may(state.viewer, Action.ENTER_TASK_ID)
    return GenerationDecision(
        pk=row.pk,
        version=row.version,
        title=_title(state),
        who=row.owner.name,
        images=ngettext("%d image", "%d images", row.n) % row.n,
        prompt="" if is_hidden else row.prompt,
        facts=_facts(state, amounts.get(row.pk, 0), sent_at),
        buttons=tuple(
            Button(each, str(ACTION_MESSAGES[each].label), is_primary=each != "dismiss")
            for each in offered
        ),
        can_enter_task_id=can_enter,
    )


def _title(state: CardState) -> str:
    if state.name == "running":
        return _("The gateway does not know this task ID")
    return state.headline


def _facts(state: CardState, amount_e4: int, sent_at: datetime | None) -> str:
    """When it was sent, what is known since, and the money."""
    if state.lost:
        return ngettext(
            "%(n)d image could not be downloaded. Downloading it again is free.",
            "%(n)d images could not be downloaded. Downloading them again is free.",
            state.lost,
        ) % {"n": state.lost}
    known = {
        "unconfirmed": _("Sent %(ago)s, no answer."),
        "lost": _("Sent %(ago)s, no result."),
        "running": _("Sent %(ago)s, not found so far. klingweb keeps checking."),
        "late": _("Sent %(ago)s, still in progress. klingweb keeps checking."),
        "key-missing": _("Sent %(ago)s. The API key that sent it is gone."),
    }
    name = "key-missing" if state.row.is_key_missing else state.name
    text = known[name] % {"ago": ago(sent_at or state.row.created_at)}
    if state.row.asked_at and state.name == "unconfirmed":
        names = {"who": state.row.owner.name, "ago": ago(state.row.asked_at)}
        text = join_sentences((text, _("%(who)s asked %(ago)s for a check.") % names))
    if not amount_e4:
        return join_sentences((text, _("It may have been charged.")))
    return join_sentences((text, _("%s may have been charged.") % format_money(amount_e4)))


# --- kinds without a price -----------------------------------------------------------------------


def kind_label(kind: RefusedKind) -> str:
    """Return the kind as people know it: engine, model and option."""
    return model_names.kind_label(kind.engine, kind.model, kind.option)


def price_query(kind: RefusedKind) -> str:
    """Return the query that fills in the form of a new price."""
    return urlencode({"engine": kind.engine, "model": kind.model, "option": kind.option})
