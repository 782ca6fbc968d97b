"""What members may request and do. Pages and commands call this module.

Callers look rows up with `visible_to` and `changeable_by`; the rules of the offer, the
transactions and the wake-ups of the worker are here.
"""

import hashlib
import json
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings
from django.db import models, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.engines import address_guard
from generations.engines.offer import Field, Offer, PriceKey
from generations.engines.registry import engine_for, offer_for
from generations.invisible_text import is_blank
from generations.models import (
    DEFAULT_ENGINE,
    DEFAULT_MODEL,
    AuditAction,
    AuditEntry,
    Collection,
    Generation,
    Member,
    Quote,
    ReferenceImage,
    Status,
    Tag,
    TaskTaken,
    Team,
    house_rules,
    is_tag_name,
    team_settings,
)
from generations.models.lookups import can_look_up
from generations.models.money import Price, PriceTable, RefusedKind
from generations.offered_models import is_offered
from generations.permissions import Action, may
from generations.worker import tasks

MAX_TAGS = 20  # of a request
SENT = (Status.SUBMITTING, Status.RUNNING, Status.FETCHING)
ALREADY_SENT = gettext_lazy("This request was sent and can’t be canceled. Its images will be kept.")


class InvalidRequest(ValueError):
    """`errors` are those of `GenerationRequest.errors()`."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{name}: {error}" for name, error in errors.items()))
        self.errors = dict(errors)


class Unpriced(Exception):
    """No price is set for this kind of request, and the install refuses such requests."""

    def __init__(self, key: PriceKey, engine: str) -> None:
        self.kind = kind_name(key, engine)
        super().__init__(f"no price for {self.kind}")
        self.key = key
        self.engine = engine


class NotOffered(Unpriced):
    """The team does not offer this kind of request, whatever its price."""


class PriceChanged(Exception):
    """The price is not the one that the member saw. Nothing was written."""

    def __init__(self, quote: Quote) -> None:
        super().__init__("the price has changed")
        self.quote = quote


# Prices of an image that a page showed, in ten-thousandths; if it showed several, by option.
SeenPrices = Container[int] | Mapping[str, int]


class IdempotencyMismatch(ValueError):
    """The key belongs to a generation that another request created."""


class NotPossible(Exception):
    """The generation's state does not allow the action. `reason` is a sentence for the member."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotAllowed(Exception):
    """The member's role does not allow this."""


class TaskIdTaken(NotPossible):
    """The task ID belongs to another generation."""


# --- the offer -----------------------------------------------------------------------------------


def character_limit(limit: int | str) -> int:
    """Return a limit of the offer as a number; a string names a setting of the team."""
    if isinstance(limit, int):
        return limit
    number: int = getattr(team_settings.current(), limit)
    return number


def offered_fields(offer: Offer | None = None) -> tuple[Field, ...]:
    """Return the extra fields of a model that the upstream profile of this install has.

    Without the choices of kinds that the team does not offer.
    """
    offer, current = offer or offer_for(), team_settings.current()
    fields = offer.fields_for(current.upstream_profile)
    if not current.hidden_kinds:
        return fields
    return tuple(_without_hidden(each, offer, current.hidden_kinds) for each in fields)


def _without_hidden(each: Field, offer: Offer, hidden: Container[str]) -> Field:
    """The default stays: a request of it says that the team does not offer it."""
    choices = tuple(
        (value, label)
        for value, label in each.choices
        if value == each.default
        or kind_name(offer.price_key({each.name: value}, False), offer.engine) not in hidden
    )
    return replace(each, choices=choices)


def kind_name(key: PriceKey, engine: str) -> str:
    """Return "kling kling-v1 reference", as the setting `hidden_kinds` names it."""
    return " ".join(filter(None, (engine, key.model, key.option)))


def with_defaults(params: Mapping[str, Any], offer: Offer | None = None) -> dict[str, Any]:
    """Return the value of each offered field: from `params`, or its default if not a choice."""
    return {
        each.name: value if (value := params.get(each.name)) in each.values else each.default
        for each in offered_fields(offer)
    }


def not_offered(offer: Offer) -> str:
    """Why a request for this model is refused."""
    return _("Your team does not offer %(model)s. Choose another model.") % {
        "model": _(offer.label)
    }


def reference_url_error(url: str) -> str:
    """Why the upstream must not be asked to load this address; empty if there is no reason.

    The upstream loads it, from its own network: a name that resolves to an internal address there
    cannot be known here, so only what the address itself says is checked, without DNS.
    """
    if not address_guard.is_internal_url(url):
        return ""
    return _("This address is inside a private network. Use one that is open to the internet.")


# --- house rules ---------------------------------------------------------------------------------


def sent_prompt(prompt: str) -> str:
    """The prompt with the texts that the team adds; "" if it adds none.

    Frozen in the row: a request and its retry send the same text.
    """
    rules = team_settings.current()
    if not (rules.prompt_prefix or rules.prompt_suffix):
        return ""
    return house_rules.add_texts(prompt, rules.prompt_prefix, rules.prompt_suffix)


def added_characters() -> int:
    """By how many characters the team's texts lengthen each prompt."""
    return len(sent_prompt(""))


def refused_word_error(prompt: str) -> str:
    """Why the team does not send this prompt; empty if it does."""
    word = house_rules.refused_word(prompt, team_settings.current().refused_words)
    if not word:
        return ""
    return _("Your team does not use “%(word)s” in prompts. Nothing was sent or charged.") % {
        "word": word
    }


# --- requests ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GenerationRequest:
    """A request for images. `params` are the extra fields of the offer; missing ones get defaults.

    A collection named in `new_collection` is created with the generation, and takes precedence over
    `collection`. `image_fidelity` is used only with a reference image.
    """

    prompt: str
    aspect_ratio: str
    n: int = 1
    negative_prompt: str = ""
    reference: ReferenceImage | None = None
    reference_url: str = ""
    image_fidelity: float | None = None
    remix_of: Generation | None = None
    collection: Collection | None = None
    new_collection: str = ""
    tags: tuple[str, ...] = ()
    is_private: bool = False
    params: Mapping[str, Any] = field(default_factory=dict)
    engine: str = DEFAULT_ENGINE
    model: str = DEFAULT_MODEL

    @property
    def offer(self) -> Offer:
        return offer_for(self.engine, self.model)

    @property
    def has_reference(self) -> bool:
        return self.reference is not None or bool(self.reference_url)

    def errors(self) -> dict[str, str]:
        """What the offer does not allow, by the name of the field."""
        offer = self.offer
        errors = self._text_errors(offer)
        if self.model != offer.model:
            errors["model"] = _("This model is no longer offered. Choose another.")
        elif not is_offered(offer):
            errors["model"] = not_offered(offer)
        if offer.aspect_ratio(self.aspect_ratio) is None:
            errors["aspect_ratio"] = _("Choose an aspect ratio.")
        if not 1 <= self.n <= offer.max_images:
            errors["n"] = _("Choose 1 to %(max)d images.") % {"max": offer.max_images}
        if self.reference and self.reference_url:
            errors["reference_url"] = _("Give an image or an address, not both.")
        elif error := reference_url_error(self.reference_url):
            errors["reference_url"] = error
        if self.has_reference and offer.reference is None:
            name = "reference_url" if self.reference_url else "reference"
            errors[name] = _("%(model)s takes no reference image. Remove it.") % {
                "model": _(offer.label)
            }
        fidelity = self.image_fidelity
        if fidelity is not None and not 0 <= fidelity <= 1:
            errors["image_fidelity"] = _("Similarity is a number from 0 to 1.")
        return errors | self._tag_errors() | self._param_errors()

    def _text_errors(self, offer: Offer) -> dict[str, str]:
        errors = {}
        limits = {"prompt": offer.prompt_limit, "negative_prompt": offer.negative_prompt_limit}
        added = {"prompt": added_characters()}
        for name, limit in limits.items():
            text, most = getattr(self, name), character_limit(limit)
            length = len(text) + added.get(name, 0)
            if "\0" in text:
                errors[name] = _("Null characters are not allowed.")
            if length > most:
                errors[name] = _("Too long: %(length)d of %(limit)d characters.") % {
                    "length": length,
                    "limit": most,
                }
        if is_blank(self.prompt):
            errors["prompt"] = _("Describe the image first.")
        elif error := refused_word_error(self.prompt):
            errors["prompt"] = error
        if self.negative_prompt and not offer.negative_prompt_limit:
            errors["negative_prompt"] = _("%(model)s takes no negative prompt. Remove it.") % {
                "model": _(offer.label)
            }
        elif self.negative_prompt and self.has_reference:
            errors["negative_prompt"] = _(
                "Not available with a reference image. Remove one of the two."
            )
        return errors

    def _tag_errors(self) -> dict[str, str]:
        if len(self.tags) > MAX_TAGS:
            return {"tags": _("Use at most %(n)d tags.") % {"n": MAX_TAGS}}
        for name in self.tags:
            if not is_tag_name(name):
                error = _("“%(tag)s” can’t be a tag: use 1 to %(n)d letters or digits.")
                return {"tags": error % {"tag": name[:60], "n": Tag.MAX_NAME_LENGTH}}
        return {}

    def _param_errors(self) -> dict[str, str]:
        fields = {each.name: each for each in offered_fields(self.offer)}
        errors = {name: _("Unknown field.") for name in self.params if name not in fields}
        for name, each in fields.items():
            if self.params.get(name, each.default) not in each.values:
                errors[name] = _("Choose one of the options.")
        return errors

    def columns(self) -> dict[str, Any]:
        """The columns of the row."""
        return {
            "engine": self.engine,
            "model": self.model,
            "prompt": self.prompt,
            "negative_prompt": self.negative_prompt,
            "aspect_ratio": self.aspect_ratio,
            "n": self.n,
            "reference": self.reference,
            "reference_url": self.reference_url,
            "image_fidelity": self.image_fidelity if self.has_reference else None,
            "remix_of": self.remix_of,
            "collection": self.collection,
            "tag_names": list(self.tags) or None,
            "is_private": self.is_private,
            "params": with_defaults(self.params, self.offer),
        }

    def canonical(self) -> str:
        """The request as text: equal requests give equal texts.

        Forms derive their keys from it, so it must not change between releases: `again_of` is the
        first release's name of `remix_of`, and values that equal the default are left out.
        """
        values = self.columns() | {"new_collection": self.new_collection}
        values["again_of"] = values.pop("remix_of")
        if (self.engine, self.model) == (DEFAULT_ENGINE, DEFAULT_MODEL):
            del values["engine"], values["model"]
        defaults = with_defaults({}, self.offer)
        values["params"] = {
            name: value
            for name, value in sorted((values["params"] | dict(self.params)).items())
            if value != defaults.get(name)
        }
        for name in ("params", "tag_names"):
            if not values[name]:
                del values[name]
        return json.dumps(values, sort_keys=True, default=_plain)

    def fingerprint(self) -> str:
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def key_from(self, nonce: UUID) -> str:
        """The key of a form: the same form sent twice gives the same key.

        A form changed after the Back button has the old nonce, but is a new request.
        """
        return str(uuid5(nonce, self.canonical()))


def quote_for(
    n: int,
    params: Mapping[str, Any],
    *,
    has_reference: bool,
    offer: Offer | None = None,
    table: PriceTable | None = None,
) -> Quote:
    """The current price of a request.

    Raises Unpriced where the install refuses those, and NotOffered.

    `table` saves a query when several prices are asked for.
    """
    offer = offer or offer_for()
    engine, key = offer.engine, offer.price_key(params, has_reference)
    if kind_name(key, engine) in team_settings.current().hidden_kinds:
        raise NotOffered(key, engine)
    table = table or Price.objects.table(engine)
    unit_e4 = table.find(key.model, key.option)
    if unit_e4 is None and table.unpriced_rule == Team.Unpriced.REFUSE:
        raise Unpriced(key, engine)
    if unit_e4 is None and table.unpriced_rule == Team.Unpriced.FREE:
        unit_e4 = 0
    return Quote(engine, key.model, key.option, unit_e4, n)


def _plain(value: Any) -> Any:
    """Convert what JSON has no type for: rows and numbers."""
    if isinstance(value, ReferenceImage):
        return value.sha256
    if isinstance(value, models.Model):
        return value.pk
    return str(value)


def create(
    member: Member, request: GenerationRequest, key: str, *, seen_e4: SeenPrices | None = None
) -> Generation:
    """Create the generation, reserve its price and wake up the worker.

    The same key again returns the same row. `seen_e4` are the prices of an image that the page
    showed, perhaps none: PriceChanged if it is another one now. None: there was no page. Raises
    NotAllowed, InvalidRequest, Unpriced and LimitReached, and IdempotencyMismatch when another
    request has used the key.
    """
    _require_permission(member, Action.GENERATE)
    if errors := request.errors():
        raise InvalidRequest(errors)
    fingerprint = request.fingerprint()
    try:
        params = with_defaults(request.params, request.offer)
        quote = _accepted_quote(request.n, params, request.has_reference, seen_e4, request.offer)
    except (Unpriced, PriceChanged) as refusal:
        if existing := _existing(member, key, fingerprint):
            return existing
        _count_unpriced(refusal)
        raise
    with transaction.atomic():
        generation, created = insert(member, request, key, quote)
        if created:
            tasks.enqueue_submit()
        else:
            _require_same_request(generation, fingerprint)
    return generation


def insert(
    member: Member, request: GenerationRequest, key: str, quote: Quote
) -> tuple[Generation, bool]:
    """Create the row and reserve its price, or return the row that has the key, and False.

    Call it in the transaction that also wakes up the submit loop. Raises LimitReached.
    """
    return Generation.objects.request(
        owner=member, key=key, quote=quote, **row_columns(member, request)
    )


def row_columns(member: Member, request: GenerationRequest) -> dict[str, Any]:
    """All columns of the row but its owner, key and price. Creates a new collection it names."""
    columns = request.columns() | {"sent_prompt": sent_prompt(request.prompt)}
    if request.new_collection:
        columns["collection"] = Collection.named(request.new_collection, member)
    return columns | {"request_fingerprint": request.fingerprint()}


def _accepted_quote(
    n: int,
    params: Mapping[str, Any],
    has_reference: bool,
    seen_e4: SeenPrices | None,
    offer: Offer,
) -> Quote:
    """The current price, if the member has seen it. Raises Unpriced and PriceChanged."""
    quote = quote_for(n, params, has_reference=has_reference, offer=offer)
    if seen_e4 is not None and quote.unit_e4 is not None and not _has_seen(seen_e4, quote):
        raise PriceChanged(quote)
    return quote


def _has_seen(seen_e4: SeenPrices, quote: Quote) -> bool:
    if isinstance(seen_e4, Mapping):
        return seen_e4.get(quote.option) == quote.unit_e4
    return quote.unit_e4 in seen_e4


def _count_unpriced(refusal: Unpriced | PriceChanged) -> None:
    """Let the admins see which kind needs a price."""
    if isinstance(refusal, Unpriced) and not isinstance(refusal, NotOffered):
        RefusedKind.objects.count_refusal(refusal.engine, refusal.key.model, refusal.key.option)


def _existing(member: Member, key: str, fingerprint: str) -> Generation | None:
    """The row of an earlier press with this key: it has its price already."""
    row = Generation.objects.filter(owner=member, idempotency_key=key).first()
    if row:
        _require_same_request(row, fingerprint)
    return row


def _require_same_request(row: Generation, fingerprint: str) -> None:
    # Rows of the first release have no fingerprint.
    if row.request_fingerprint not in ("", fingerprint):
        raise IdempotencyMismatch(f"key {row.idempotency_key} was used for another request")


def _require_permission(member: Member, action: Action, on: Generation | None = None) -> None:
    """Pages check this before; here it holds on every road."""
    if not may(member, action, on):
        raise NotAllowed(f"{member.role} may not {action}")


# --- actions -------------------------------------------------------------------------------------
# Each action is one transaction with its wake-up. `version` is the one that the member saw: a row
# that has changed since raises NotPossible.


@transaction.atomic
def cancel(generation: Generation, by: Member, version: int) -> None:
    if generation.cancel(by, version):
        return
    if Generation.objects.filter(pk=generation.pk, status__in=SENT).exists():
        raise NotPossible(str(ALREADY_SENT))
    raise NotPossible(_changed())


def send_again(
    generation: Generation, by: Member, version: int, seen_e4: SeenPrices | None = None
) -> None:
    """Reserve a second time and queue the request again.

    `seen_e4` as in `create`. Raises LimitReached, Unpriced and PriceChanged.
    """
    _require_permission(by, Action.GENERATE)
    if not may(generation.owner, Action.GENERATE):
        raise NotPossible(_("Its owner can’t generate images. Hand the work over first."))
    if error := refused_word_error(generation.prompt):
        raise NotPossible(error)
    offer = offer_for(generation.engine, generation.model)
    if not is_offered(offer):
        raise NotPossible(not_offered(offer))
    if generation.upstream != settings.UPSTREAM_MODE:
        raise NotPossible(_("This request belongs to another gateway and can’t be sent now."))
    try:
        quote = _accepted_quote(
            generation.n,
            generation.params,
            generation.has_reference,
            seen_e4,
            offer,
        )
    except Unpriced as refusal:
        _count_unpriced(refusal)
        raise
    with transaction.atomic():
        _require(generation.send_again(by, version, quote))
        _record(AuditAction.SENT_AGAIN, generation, by, after={"price_e4": quote.total_e4})
        tasks.enqueue_submit()


@transaction.atomic
def dismiss(generation: Generation, by: Member, version: int) -> None:
    _require(generation.abandon(by, version))
    _record(
        AuditAction.DISMISSED,
        generation,
        by,
        before={"status": generation.status},
        after={"status": Status.ABANDONED.value},
    )


def ask_admin(generation: Generation, by: Member, version: int) -> None:
    """Ask the admins to check an unconfirmed request: a notification, and on the overview."""
    _require(generation.ask_admin(by, version))


def hide(generation: Generation, by: Member, version: int) -> None:
    """Remove a card without images from the studio. The gallery keeps it under its state."""
    if not generation.hide():
        raise NotPossible(_changed())


def unhide(generation: Generation, by: Member, version: int) -> None:
    """Undo `hide`."""
    if not generation.unhide():
        raise NotPossible(_changed())


@transaction.atomic
def search(generation: Generation, by: Member, version: int) -> None:
    """Ask the upstream whether it has an unconfirmed request."""
    if not can_look_up(generation.engine):
        raise NotPossible(_("This gateway can’t be searched."))
    _require(generation.search_upstream(by, version))
    _record(AuditAction.RECHECKED, generation, by)
    tasks.enqueue_lookup()


@transaction.atomic
def recheck(generation: Generation, by: Member, version: int) -> None:
    """Poll a lost task again."""
    _require(generation.recheck(by, version))
    _record(AuditAction.RECHECKED, generation, by)
    tasks.enqueue_poll()


@transaction.atomic
def fetch_again(generation: Generation, by: Member, version: int) -> None:
    _require(generation.fetch_again(by, version))
    _record(AuditAction.RECHECKED, generation, by, after={"status": Status.FETCHING.value})
    tasks.enqueue_fetch()


def has_space(task_id: str) -> bool:
    """Whether there is white space in an ID, which no gateway gives out."""
    return any(character.isspace() for character in task_id)


@transaction.atomic
def enter_task_id(generation: Generation, by: Member, version: int, task_id: str) -> None:
    """Track an unconfirmed or lost request under the task ID from the gateway's log. Admins only.

    Raises TaskIdTaken when the task belongs to another generation, and NotPossible for an ID with
    white space.
    """
    if not engine_for(generation.engine).has_tasks:
        raise NotPossible(
            _("%(engine)s has no tasks, so there is no task ID.")
            % {"engine": _(engine_for(generation.engine).label)}
        )
    task_id = task_id.strip()
    if has_space(task_id):
        raise NotPossible(_("A task ID has no spaces."))
    before = {"upstream_task_id": generation.upstream_task_id}
    try:
        _require(generation.set_task_id(by, version, task_id))
    except TaskTaken:
        raise TaskIdTaken(_("Another generation already has this task.")) from None
    after = {"upstream_task_id": task_id}
    _record(AuditAction.TASK_ID_ENTERED, generation, by, before=before, after=after)
    tasks.enqueue_poll()


ACTIONS: dict[str, Callable[..., None]] = {
    "cancel": cancel,
    "send-again": send_again,
    "dismiss": dismiss,
    "ask-admin": ask_admin,
    "hide": hide,
    "unhide": unhide,
    "search": search,
    "recheck": recheck,
    "fetch-again": fetch_again,
    "enter-task-id": enter_task_id,
}


def _record(
    action: AuditAction, generation: Generation, by: Member, **values: Mapping[str, Any]
) -> None:
    """Record a decision in the audit log."""
    AuditEntry.objects.record(action, by, on=generation, **values)  # type: ignore[arg-type]


def _require(done: bool) -> None:
    if not done:
        raise NotPossible(_changed())


def _changed() -> str:
    return _("This generation has changed. Here is its current state.")
