"""Limits: set and list. The rules are those of `Limit`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from generations.models import Member
from generations.models.money import Limit, Window
from generations.models.money.amounts import AmountError, parse_e4

from .errors import OperationError

NONE = "none"  # removes a limit
MAX_IMAGES = 1_000_000_000
Scope = Limit.Scope


@dataclass(frozen=True)
class Whose:
    """Whom limits apply to."""

    scope: Limit.Scope
    role: str = ""
    member: Member | None = None


@dataclass(frozen=True)
class Change:
    """A new value of one column of a limit; None removes it."""

    window: Window
    column: str  # money_e4 or images
    value: int | None


Limits = dict[str, Limit]  # by window


def read_money(text: str) -> int | None:
    """Read an amount, or none. Raises OperationError."""
    if text.strip().lower() == NONE:
        return None
    try:
        return parse_e4(text)
    except AmountError as error:
        raise OperationError(f"{error} “none” removes the limit.") from None


def read_images(text: str) -> int | None:
    """Read a number of images, or none. Raises OperationError."""
    text = text.strip()
    if text.lower() == NONE:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(MAX_IMAGES))):
        raise OperationError("Enter a number of images such as 50. “none” removes the limit.")
    if int(text) > MAX_IMAGES:
        raise OperationError("The number of images is too large.")
    return int(text)


def change(whose: Whose, changes: Iterable[Change]) -> Limits:
    """Set these values, all or none; other values stay. Return the limits after that."""
    with transaction.atomic():
        for each in changes:
            values: dict[str, Any] = {each.column: each.value}
            Limit.objects.put(
                whose.scope, each.window, role=whose.role, member=whose.member, **values
            )
    rows = Limit.objects.filter(scope=whose.scope, role=whose.role, member=whose.member)
    return {row.window: row for row in rows}


def by_scope() -> list[tuple[Whose, Limits]]:
    """All limits: of the team, of each person, of roles and of members."""
    found: dict[Whose, Limits] = {}
    order = Scope.values
    rows = Limit.objects.select_related("member")
    for row in sorted(rows, key=lambda row: (order.index(row.scope), row.role, str(row.member))):
        whose = Whose(Scope(row.scope), row.role, row.member)
        found.setdefault(whose, {})[row.window] = row
    return list(found.items())
