"""The price table: set, list, export and import. A price is never changed, only superseded."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from zoneinfo import ZoneInfo

from django.utils import timezone

from generations.engines.offer import Offer, PriceKey
from generations.engines.registry import ENGINES
from generations.models import Member, Team, team_settings
from generations.models.audit_entry import BY_COMMAND
from generations.models.money import Price
from generations.models.money.amounts import AmountError, parse_e4, plain
from generations.models.money.price import ANY, current_upstream

from .errors import OperationError
from .moments import formatted, parse_moment

MAX_CHARACTERS = 60  # of the columns model and option
_NAME = re.compile(r"[^\W_][\w.:/+ -]*")


@dataclass(frozen=True)
class NewPrice:
    """A valid price that is not stored yet. `valid_from` None: from now on."""

    engine: str
    model: str
    option: str
    amount_e4: int
    valid_from: datetime | None

    @property
    def kind(self) -> dict[str, str]:
        """The columns that name what the price is for."""
        return {
            "upstream": current_upstream(),
            "engine": self.engine,
            "model": self.model,
            "option": self.option,
        }

    def __str__(self) -> str:
        return " ".join(filter(None, (self.engine, self.model, self.option)))


def read(
    engine: str, model: str, amount: str, option: str, valid_from: str, zone: ZoneInfo
) -> NewPrice:
    """Check a price as typed. Raises OperationError with one sentence."""
    if engine not in ENGINES:
        known = ", ".join(ENGINES)
        raise OperationError(f"There is no engine “{engine}”. The engines are: {known}.")
    if model != ANY:
        _check_name("model", model)
    if option:
        _check_name("option", option)
    try:
        amount_e4 = parse_e4(amount)
    except AmountError as error:
        raise OperationError(str(error)) from None
    moment = parse_moment(valid_from, zone) if valid_from else None
    return NewPrice(engine, model, option, amount_e4, moment)


def _check_name(what: str, name: str) -> None:
    if len(name) > MAX_CHARACTERS:
        raise OperationError(f"The {what} has more than {MAX_CHARACTERS} characters.")
    if not _NAME.fullmatch(name):
        raise OperationError(
            f"The {what} “{name}” is not a name: it begins with a letter or a digit, and has only "
            "letters, digits, spaces and . : / + _ -"
        )


def put(new: NewPrice, now: datetime | None = None, by: Member | None = None) -> tuple[Price, bool]:
    """Store a price; False if the same one is stored. Raises OperationError.

    `by` is None for a command. Without `valid_from` a price that is in force already is not stored
    again.
    """
    now = now or timezone.now()
    if new.valid_from is None and (current := _in_force(new, now)):
        return current, False
    price, created = Price.objects.put(
        new.kind,
        new.amount_e4,
        by,
        valid_from=new.valid_from or now,
        note="" if by else BY_COMMAND,
    )
    if price.amount_e4 != new.amount_e4:
        since = formatted(price.valid_from, Team.objects.current().zone)
        raise OperationError(
            f"The price of {new} from {since} is already {plain(price.amount_e4)}. "
            "Prices are never changed: use a later time."
        )
    return price, created


def _in_force(new: NewPrice, now: datetime) -> Price | None:
    """The price of exactly this kind that is in force now, if it has this amount."""
    rows = Price.objects.filter(**new.kind, valid_from__lte=now)
    current = rows.order_by("-valid_from", "-pk").first()
    return current if current and current.amount_e4 == new.amount_e4 else None


def note_if_unused(new: NewPrice) -> str:
    """Return a sentence if no request of this install ever has this price; else ""."""
    keys = [key for key in _price_keys(new.engine) if new.model in (ANY, key.model)]
    if not keys:
        return f"No request to {new.engine} uses the model {new.model}. The price is stored anyway."
    if new.option and new.option not in {key.option for key in keys}:
        return (
            f"No request to {new.engine} has the option {new.option}. The price is stored anyway."
        )
    return ""


def _price_keys(engine: str) -> set[PriceKey]:
    """What the prices of all possible requests depend on."""
    profile = team_settings.current().upstream_profile
    keys = (_keys_of(offer, profile) for offer in ENGINES[engine].models)
    return set().union(*keys)


def _keys_of(offer: Offer, profile: str) -> set[PriceKey]:
    fields = offer.fields_for(profile)
    names = [field.name for field in fields]
    return {
        offer.price_key(dict(zip(names, values, strict=True)), has_reference)
        for values in product(*(field.values for field in fields))
        for has_reference in ((False, True) if offer.reference else (False,))
    }


def current_and_later() -> list[Price]:
    """The prices that are in force, and those that begin later."""
    now = timezone.now()
    later = Price.objects.filter(upstream=current_upstream(), valid_from__gt=now)
    key = ("engine", "model", "option", "valid_from")
    return sorted(
        [*Price.objects.in_force(now), *later],
        key=lambda price: tuple(getattr(price, name) for name in key),
    )


def history() -> Iterator[Price]:
    """All prices, also superseded ones, oldest first for each kind."""
    rows = Price.objects.filter(upstream=current_upstream())
    return rows.order_by("engine", "model", "option", "valid_from", "pk").iterator()
