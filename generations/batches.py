"""Many requests at once: what they cost together, start them, pause, resume and cancel them.

Each row is an ordinary request with a reservation of its own.
All rows are created in one transaction, so that a batch exists whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from django.db import transaction
from django.utils.translation import gettext as _

from generations.models import (
    DEFAULT_ENGINE,
    Batch,
    Generation,
    Member,
    Quote,
    Status,
    team_settings,
)
from generations.models.money import Allowance, Price, ledger
from generations.permissions import Action, may
from generations.requests import (
    GenerationRequest,
    InvalidRequest,
    NotAllowed,
    NotPossible,
    quote_for,
    row_columns,
    with_defaults,
)
from generations.worker import tasks


class TotalChanged(Exception):
    """The batch would not be what the member saw. Nothing was written."""


@dataclass(frozen=True)
class BatchTotal:
    """What a batch is: its rows, its images and their price; None if a row has no price."""

    rows: int
    images: int
    amount_e4: int | None

    @classmethod
    def of(cls, quotes: Sequence[Quote]) -> "BatchTotal":
        is_priced = all(quote.unit_e4 is not None for quote in quotes)
        amount_e4 = sum(quote.total_e4 for quote in quotes) if is_priced else None
        return cls(len(quotes), sum(quote.n for quote in quotes), amount_e4)

    @property
    def key(self) -> str:
        """For a form: what the member saw before the press."""
        return f"{self.rows}.{self.images}.{'' if self.amount_e4 is None else self.amount_e4}"


def max_rows() -> int:
    return team_settings.current().batch_rows


def quotes_of(rows: Sequence[GenerationRequest]) -> list[Quote]:
    """The current price of each row, in one query. Raises Unpriced where the install refuses."""
    table = Price.objects.table(DEFAULT_ENGINE)
    return [
        quote_for(
            row.n,
            with_defaults(row.params, row.offer),
            has_reference=row.has_reference,
            offer=row.offer,
            table=table,
        )
        for row in rows
    ]


@dataclass(frozen=True)
class Fit:
    """How many rows, from the first, the limits allow; and the limit that refuses the next one."""

    rows: int
    limit: Allowance | None = None


def fit_of(member: Member, quotes: Sequence[Quote]) -> Fit:
    """What the limits of the member and the team allow now. The start alone decides."""
    fits = [(_fitting(allowance, quotes), allowance) for allowance in ledger.allowances(member)]
    rows, limit = min(fits, key=lambda fit: fit[0], default=(len(quotes), None))
    return Fit(rows, limit) if rows < len(quotes) else Fit(len(quotes))


def _fitting(allowance: Allowance, quotes: Sequence[Quote]) -> int:
    images = amount_e4 = 0
    for number, quote in enumerate(quotes):
        images, amount_e4 = images + quote.n, amount_e4 + quote.total_e4
        if allowance.left_images is not None and images > allowance.left_images:
            return number
        # As in `ledger.reserve`: what is free needs no money.
        if allowance.left_e4 is not None and quote.total_e4 and amount_e4 > allowance.left_e4:
            return number
    return len(quotes)


def key_from(nonce: UUID, typed: str, rows: Sequence[GenerationRequest]) -> str:
    """The key of a form: the same form sent twice starts one batch.

    `typed`: what the form has besides the rows.
    """
    return str(uuid5(nonce, "\n".join((typed, *(row.canonical() for row in rows)))))


def start(
    member: Member,
    title: str,
    rows: Sequence[GenerationRequest],
    key: str,
    *,
    seen: str | None = None,
) -> Batch:
    """Create all rows, reserve the price of each, and wake up the worker.

    The same key again returns the same batch. `seen` is the `BatchTotal.key` that the page showed.
    All or nothing: raises NotAllowed, InvalidRequest, Unpriced, TotalChanged and LimitReached, and
    then writes nothing.
    """
    if not may(member, Action.GENERATE):
        raise NotAllowed(f"{member.role} may not {Action.GENERATE}")
    if existing := Batch.objects.filter(owner=member, idempotency_key=key).first():
        return existing
    _check(rows)
    quotes = quotes_of(rows)
    if seen is not None and seen != BatchTotal.of(quotes).key:
        raise TotalChanged
    with transaction.atomic():
        batch, created = Batch.objects.create_once(member, key, title[: Batch.MAX_TITLE_LENGTH])
        if created:
            numbered = enumerate(zip(rows, quotes, strict=True), start=1)
            Generation.objects.request_all(
                owner=member,
                rows=[
                    (
                        _key_of_row(key, number),
                        quote,
                        row_columns(member, row) | _place(batch, number),
                    )
                    for number, (row, quote) in numbered
                ],
            )
            tasks.enqueue_submit()
    return batch


def _check(rows: Sequence[GenerationRequest]) -> None:
    if not 1 <= len(rows) <= max_rows():
        raise InvalidRequest({"rows": f"{len(rows)} of at most {max_rows()}"})
    for row in rows:
        if errors := row.errors():
            raise InvalidRequest(errors)


def _key_of_row(key: str, number: int) -> str:
    return str(uuid5(UUID(key), str(number)))


def _place(batch: Batch, number: int) -> dict[str, Any]:
    return {"batch": batch, "batch_row": number}


# --- actions ------------------------------------------------------------------------------------


def pause(batch: Batch, by: Member) -> None:
    """Send no more of its requests. What is in progress goes on."""
    if not batch.pause(by):
        raise NotPossible(_("This batch is paused already."))


@transaction.atomic
def resume(batch: Batch, by: Member) -> None:
    if not batch.resume():
        raise NotPossible(_("This batch is not paused."))
    tasks.enqueue_submit()


@transaction.atomic
def cancel_rest(batch: Batch, by: Member) -> int:
    """Cancel its queued requests, which cost nothing. Return how many there were."""
    rows = Generation.objects.filter(batch=batch)
    queued = rows.filter(status=Status.QUEUED).order_by("pk").select_for_update()
    # All rows, and then all periods: whoever locks one row, and then its period, is waited for.
    ledger.lock_periods(list(queued.values_list("pk", flat=True)))
    return rows.cancel_queued(by)
