"""Reserve, release, charge, correct and grant: the only code that writes counters and entries.

Two phases, as in a bank: a request reserves its price in the same transaction that creates it, and
its end charges or releases the reservation, exactly once. A reservation stays in the periods in
which it was made. `key` makes each step happen once, whichever loop, page or retry comes first:

    g7.r1.reserve   the first reservation of generation 7
    g7.r1.end       its charge or release
    g7.r1.late      a correction, when the outcome comes after a dismissal
    g7.r1.c1        a correction by a person
    m3              a grant: the third request for more
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import F, Sum
from django.utils import timezone

from generations.models.audit_entry import AuditAction, AuditEntry
from generations.models.member import Member
from generations.models.notification import Notification

from .budget_warning import BudgetWarning
from .ledger_entry import LedgerEntry
from .limit import Limit, LimitValues, Window
from .limit_request import LimitRequest
from .period import COUNTERS, Period

Kind = LedgerEntry.Kind


@dataclass(frozen=True)
class Quote:
    """The price of a request: `unit_e4` for each image, None if nothing is known or counted."""

    engine: str
    model: str
    option: str
    unit_e4: int | None
    n: int

    @property
    def total_e4(self) -> int:
        return (self.unit_e4 or 0) * self.n


@dataclass(frozen=True)
class Allowance:
    """What is left of one limit in the running period. None: no limit of that kind."""

    is_team: bool
    window: str
    left_e4: int | None
    left_images: int | None
    limit_e4: int | None
    used_e4: int
    limit_images: int | None
    used_images: int
    renews_at: datetime

    def fits(self, quote: Quote) -> int:
        """How many images of this price fit, at most `quote.n`."""
        fitting = quote.n
        if self.left_images is not None:
            fitting = min(fitting, self.left_images)
        if self.left_e4 is not None and quote.unit_e4:
            fitting = min(fitting, self.left_e4 // quote.unit_e4)
        return max(fitting, 0)


class LimitReached(Exception):
    """A limit does not allow the request. Nothing was written."""

    def __init__(self, allowance: Allowance, quote: Quote, fitting: int) -> None:
        super().__init__(f"limit of the {allowance.window} reached")
        self.allowance = allowance
        self.quote = quote
        self.fitting = fitting  # the largest number of images that all limits allow


def allowances(member: Member, at: datetime | None = None) -> list[Allowance]:
    """Return what is left of each limit of the team and of this member. Writes nothing."""
    limits = Limit.objects.in_force(member)
    return _allowances(member, limits, at or timezone.now()) if limits else []


def _allowances(
    member: Member, limits: Mapping[tuple[bool, str], LimitValues], at: datetime
) -> list[Allowance]:
    periods = Period.objects.current(member, at, create=False)
    _add_grants(member, [each for each in periods if each.is_new])
    return [allowance_of(each, limits[each.kind]) for each in periods if each.kind in limits]


def allowance_of(period: Period, limit: LimitValues) -> Allowance:
    """Return what is left of this limit in this period."""
    money = _raised(limit.money_e4, period.granted_e4)
    images = _raised(limit.images, period.granted_images)
    return Allowance(
        is_team=period.member_id is None,
        window=period.window,
        left_e4=None if money is None else max(money - period.used_e4, 0),
        left_images=None if images is None else max(images - period.used_images, 0),
        limit_e4=money,
        used_e4=period.used_e4,
        limit_images=images,
        used_images=period.used_images,
        renews_at=period.ends_at,
    )


def _raised(limit: int | None, granted: int) -> int | None:
    return None if limit is None else limit + granted


def _periods(member: Member, at: datetime) -> list[Period]:
    """The running periods. A new one of the member begins with what was granted before."""
    periods = Period.objects.current(member, at)
    for period, request in _add_grants(member, [each for each in periods if each.is_new]):
        _grant_to(period, request)
    return periods


def _add_grants(member: Member, new: Sequence[Period]) -> list[tuple[Period, LimitRequest]]:
    """Add grants in force to these objects of new periods, and return them with the periods."""
    own = [period for period in new if period.member_id is not None]
    if not own:
        return []
    first = min(period.starts_at for period in own)
    requests = list(LimitRequest.objects.granted_to(member, first))
    granted = [
        (period, request)
        for period in own
        for request in requests
        if request.until and request.until > period.starts_at
    ]
    for period, request in granted:
        period.granted_e4 += request.granted_e4
        period.granted_images += request.granted_images
    return granted


# --- the two phases of a request -----------------------------------------------------------------


def reserve(
    generation_id: int, reservation: int, member: Member, quote: Quote, by: Member | None = None
) -> None:
    """Reserve a request in all periods of the moment. Call it in the transaction of the request.

    Raises LimitReached, after which the transaction must be rolled back. The check is part of each
    UPDATE: of many requests at once, exactly as many pass as the limit allows.
    """
    reserve_all([(generation_id, quote)], reservation, member, by)


def reserve_all(
    requests: Sequence[tuple[int, Quote]],
    reservation: int,
    member: Member,
    by: Member | None = None,
) -> None:
    """Reserve several requests (keys of generations and prices), all or none, as `reserve` does.

    Each period is changed once, by their sum, so that others wait for it as for a single request.
    """
    at = timezone.now()
    limits = Limit.objects.in_force(member)
    periods = _periods(member, at)
    total = _sum([quote for _generation_id, quote in requests])
    if not _reserve_in(periods, limits, total):
        raise _limit_reached(_allowances(member, limits, at), total)
    _warn(periods, limits, total)
    _insert(
        [
            LedgerEntry(
                at=at,
                kind=Kind.RESERVE,
                key=f"g{generation_id}.r{reservation}.reserve",
                period=period,
                upstream=period.upstream,
                generation_id=generation_id,
                reservation=reservation,
                engine=quote.engine,
                model=quote.model,
                option=quote.option,
                person=member,
                by=by or member,
                unit_price_e4=quote.unit_e4,
                reserved_e4=quote.total_e4,
                reserved_images=quote.n,
            )
            for generation_id, quote in requests
            for period in periods
        ]
    )


@dataclass(frozen=True)
class _Total(Quote):
    """The sum of several prices. `unit_e4` is the highest of them."""

    sum_e4: int = 0

    @property
    def total_e4(self) -> int:
        return self.sum_e4


def _sum(quotes: Sequence[Quote]) -> Quote:
    if len(quotes) == 1:
        return quotes[0]
    first, n = quotes[0], sum(quote.n for quote in quotes)
    unit_e4 = max(quote.unit_e4 or 0 for quote in quotes)
    sum_e4 = sum(quote.total_e4 for quote in quotes)
    return _Total(first.engine, first.model, first.option, unit_e4, n, sum_e4)


def _reserve_in(
    periods: Sequence[Period], limits: Mapping[tuple[bool, str], LimitValues], quote: Quote
) -> bool:
    """Reserve in all of these periods. False, with nothing changed, if one has no room."""
    statements = [
        _reservation(period, limits.get(period.kind, LimitValues(None, None)), quote)
        for period in periods
    ]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(
            """UPDATE generations_period
               SET reserved_e4 = reserved_e4 + %s, reserved_images = reserved_images + %s
               WHERE id = %s
                   AND (%s = 0 OR charged_e4 + reserved_e4 + %s <= %s + granted_e4)
                   AND (%s = 0 OR charged_images + reserved_images + %s <= %s + granted_images)""",
            statements,
        )
        has_room: bool = cursor.rowcount == len(periods)
        if not has_room:
            transaction.set_rollback(True)
    return has_room


def _reservation(period: Period, limit: LimitValues, quote: Quote) -> list[int]:
    total, n = quote.total_e4, quote.n
    return [
        total, n, period.pk,
        int(limit.money_e4 is not None and total > 0), total, limit.money_e4 or 0,
        int(limit.images is not None), n, limit.images or 0,
    ]  # fmt: skip


def _warn(
    periods: Sequence[Period], limits: Mapping[tuple[bool, str], LimitValues], quote: Quote
) -> None:
    """Warn of the thresholds that this reservation crosses. `periods` are as read before it."""
    limited = [period for period in periods if period.kind in limits]
    if limited and connection.features.has_select_for_update:
        # Others may have reserved after they were read. Now the rows are locked.
        current = Period.objects.in_bulk([period.pk for period in limited])
        limited = [current[period.pk] for period in limited]
        for period in limited:
            period.reserved_e4 -= quote.total_e4
            period.reserved_images -= quote.n
    for period in limited:
        limit = limits[period.kind]
        if limit.money_e4:
            most, used = limit.money_e4 + period.granted_e4, period.used_e4
            BudgetWarning.objects.warn(period, before=used, after=used + quote.total_e4, most=most)
        if limit.images:
            most, used = limit.images + period.granted_images, period.used_images
            BudgetWarning.objects.warn(period, before=used, after=used + quote.n, most=most)


def _limit_reached(standing: list[Allowance], quote: Quote) -> LimitReached:
    """The first limit without room. On PostgreSQL others may have released some since."""
    fitting = [each.fits(quote) for each in standing]
    refused = next((i for i, n in enumerate(fitting) if n < quote.n), 0)
    return LimitReached(standing[refused], quote, min(fitting))


def end(generation_id: int, reservation: int, charged_images: int, reason: str = "") -> int:
    """Charge `charged_images` of a reservation and release the rest; 0 releases all.

    Return the charged amount. A second end of the same reservation changes nothing. Call it in the
    transaction of the transition, which holds the lock of the generation's row.
    """
    prefix = f"g{generation_id}.r{reservation}"
    ended = LedgerEntry.objects.filter(key=f"{prefix}.end").first()
    if ended:
        return ended.charged_e4
    reserved = _entries(f"{prefix}.reserve")
    first = reserved[0]
    images = min(charged_images, first.reserved_images)
    amount_e4 = (first.unit_price_e4 or 0) * images
    _append(
        reserved,
        Kind.CHARGE if images else Kind.RELEASE,
        f"{prefix}.end",
        reason,
        reserved_e4=-first.reserved_e4,
        reserved_images=-first.reserved_images,
        charged_e4=amount_e4,
        charged_images=images,
    )
    return amount_e4


def lock_periods(generation_ids: Sequence[int]) -> None:
    """Lock all periods in which these generations have reserved, before several steps change them.

    A single step locks its periods in that order anyway. Call it with the rows of the generations
    locked.
    """
    if connection.features.has_select_for_update:  # else there is one transaction at a time
        reserved = LedgerEntry.objects.filter(generation_id__in=generation_ids, kind=Kind.RESERVE)
        Period.objects.filter(pk__in=reserved.values("period")).lock()


def correct_late(generation_id: int, reservation: int, charged_images: int) -> int:
    """Correct the charge of a dismissed request whose outcome came later. Return the difference.

    A second call changes nothing, and a correction by a person stays.
    """
    prefix = f"g{generation_id}.r{reservation}"
    ended = _entries(f"{prefix}.end")
    corrections = LedgerEntry.objects.filter(
        generation_id=generation_id, reservation=reservation, kind=Kind.CORRECT
    )
    if not ended or corrections.exists():
        return 0
    images = charged_images - ended[0].charged_images
    amount_e4 = (ended[0].unit_price_e4 or 0) * images
    if images:
        reason = "the outcome came after the dismissal"
        _append(
            ended,
            Kind.CORRECT,
            f"{prefix}.late",
            reason,
            charged_e4=amount_e4,
            charged_images=images,
        )
    return amount_e4


def correct(generation_id: int, reservation: int, amount_e4: int, by: Member, reason: str) -> None:
    """Set what a request was charged to another amount, in the periods of its reservation.

    Raises ValueError if the amount is negative, or the request has no ended reservation.
    """
    if amount_e4 < 0:
        raise ValueError("a charge is never negative")
    rows = apps.get_model("generations", "Generation")._default_manager.filter(pk=generation_id)
    with transaction.atomic():
        rows.select_for_update().first()  # before the periods, as in every transition
        ended = _entries(f"g{generation_id}.r{reservation}.end")
        if not ended:
            raise ValueError("only a request that has ended can be corrected")
        of_first_period = LedgerEntry.objects.filter(
            period=ended[0].period, generation_id=generation_id
        )
        charged = sum(entry.charged_e4 for entry in of_first_period.filter(reservation=reservation))
        number = of_first_period.filter(kind=Kind.CORRECT).count() + 1
        _append(
            ended,
            Kind.CORRECT,
            f"g{generation_id}.r{reservation}.c{number}",
            reason,
            by=by,
            charged_e4=amount_e4 - charged,
        )
        if amount_e4 > charged:
            corrected = Period.objects.filter(pk__in=[entry.period_id for entry in ended])
            running = corrected.filter(ends_at__gt=timezone.now()).select_related("member")
            BudgetWarning.objects.warn_of_use(running)
        rows.update(charged_e4=F("charged_e4") + amount_e4 - charged)


def correct_charge(generation_id: int, amount_e4: int, by: Member, reason: str) -> int:
    """Set what a generation was charged, over all its reservations. Return the difference.

    The last reservation takes it; earlier ones only give back what the last one does not have.
    Nothing is written where the amount is right already. Raises ValueError as `correct` does.
    """
    rows = apps.get_model("generations", "Generation")._default_manager.filter(pk=generation_id)
    with transaction.atomic():
        row = rows.select_for_update().values("charged_e4", "reservations").first()
        if not row or row["charged_e4"] is None or not row["reservations"]:
            raise ValueError("only a request that has ended can be corrected")
        if amount_e4 < 0:
            raise ValueError("a charge is never negative")
        lock_periods([generation_id])
        difference = rest = amount_e4 - row["charged_e4"]
        for reservation in range(row["reservations"], 0, -1):
            if rest:
                charged = _charged(generation_id, reservation)
                corrected = max(charged + rest, 0)
                correct(generation_id, reservation, corrected, by, reason)
                rest -= corrected - charged
    return int(difference)


def _charged(generation_id: int, reservation: int) -> int:
    """What one reservation was charged, with its corrections."""
    entries = LedgerEntry.objects.filter(generation_id=generation_id, reservation=reservation)
    of_team = entries.filter(period__member=None, period__window=Window.MONTH)
    return of_team.aggregate(total=Sum("charged_e4"))["total"] or 0


def grant(
    request: LimitRequest,
    by: Member,
    until: datetime,
    *,
    amount_e4: int | None = None,
    images: int | None = None,
) -> bool:
    """Raise the limits of the person, in the running periods and those until `until`.

    By what was asked for, or else by `amount_e4` and `images`. False if it was decided before.
    """
    now = timezone.now()
    with transaction.atomic():
        periods = _periods(request.person, now)  # before the decision, which new periods include
        undecided = LimitRequest.objects.open().filter(pk=request.pk)
        if not undecided.update(
            decision=LimitRequest.Decision.GRANTED,
            granted_e4=F("amount_e4") if amount_e4 is None else amount_e4,
            granted_images=F("images") if images is None else images,
            decided_by=by,
            decided_at=now,
            until=until,
            was_read=False,
        ):
            return False
        request.refresh_from_db()
        for period in periods:
            if period.member_id is not None:
                _grant_to(period, request)
        granted = {"money_e4": request.granted_e4, "images": request.granted_images}
        until_text = until.isoformat(timespec="seconds")
        _record(AuditAction.GRANTED, request, by, granted | {"until": until_text})
    return True


def decline(request: LimitRequest, by: Member) -> bool:
    """False if somebody has decided before."""
    with transaction.atomic():
        undecided = LimitRequest.objects.open().filter(pk=request.pk)
        is_first = undecided.update(
            decision=LimitRequest.Decision.DECLINED,
            decided_by=by,
            decided_at=timezone.now(),
            was_read=False,
        )
        if is_first:
            _record(AuditAction.DECLINED, request, by, {})
    return bool(is_first)


def _record(action: AuditAction, request: LimitRequest, by: Member, after: dict[str, Any]) -> None:
    """Write the decision to the audit log, beside what was asked for. Notify the person."""
    asked = {"money_e4": request.amount_e4, "images": request.images}
    AuditEntry.objects.record(action, by, on=request.person, before=asked, after=after)
    Notification.objects.record_decision(request.pk, request.person_id, by)


def _grant_to(period: Period, request: LimitRequest) -> None:
    """Raise the limits of one period, once."""
    entry = LedgerEntry(
        kind=Kind.GRANT,
        key=f"m{request.pk}",
        period=period,
        upstream=period.upstream,
        person_id=period.member_id,
        by=request.decided_by,
        granted_e4=request.granted_e4,
        granted_images=request.granted_images,
        reason=request.reason,
    )
    Period.objects.select_for_update().filter(pk=period.pk).first()
    if not LedgerEntry.objects.filter(key=entry.key, period=period).exists():
        entry.save(force_insert=True)
        _move(period, granted_e4=entry.granted_e4, granted_images=entry.granted_images)


def _entries(key: str) -> list[LedgerEntry]:
    """The entries of one step, one for each period, in the order of the periods' locks."""
    return list(LedgerEntry.objects.filter(key=key).select_related("period").order_by("pk"))


def _append(
    like: Sequence[LedgerEntry],
    kind: LedgerEntry.Kind,
    key: str,
    reason: str,
    by: Member | None = None,
    **changes: int,
) -> None:
    """Write an entry for the period of each of these, and move its counters."""
    at = timezone.now()
    for entry in like:
        _move(entry.period, **changes)
    _insert(
        [
            LedgerEntry(
                at=at,
                kind=kind,
                key=key,
                period=entry.period,
                upstream=entry.upstream,
                generation_id=entry.generation_id,
                reservation=entry.reservation,
                engine=entry.engine,
                model=entry.model,
                option=entry.option,
                person_id=entry.person_id,
                by=by,
                unit_price_e4=entry.unit_price_e4,
                reason=reason[:300],
                **changes,
            )
            for entry in like
        ]
    )


def _insert(entries: Sequence[LedgerEntry]) -> None:
    """Insert these entries. Raw, because `bulk_create` takes a third of the time of a press."""
    fields = [field for field in LedgerEntry._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO generations_ledgerentry ({columns}) VALUES ({places})",  # noqa: S608
            [
                [
                    field.get_db_prep_save(getattr(entry, field.attname), connection)
                    for field in fields
                ]
                for entry in entries
            ],
        )


def _move(period: Period, **changes: int) -> None:
    Period.objects.filter(pk=period.pk).update(
        **{name: F(name) + change for name, change in changes.items() if change}
    )


# --- sums ----------------------------------------------------------------------------------------


def sums() -> dict[int, dict[str, int]]:
    """What the counters of each period must be: the sums of its entries, by the period's key."""
    rows = LedgerEntry.objects.order_by().values_list("period")
    totals = rows.annotate(*(Sum(name) for name in COUNTERS))
    return {period: dict(zip(COUNTERS, values, strict=True)) for period, *values in totals}


def rebuild() -> int:
    """Set all counters to the sums of the entries. Return how many periods changed."""
    changed = 0
    with transaction.atomic():
        periods = Period.objects.lock()
        expected = sums()
        for period in periods:
            values = expected.get(period.pk, dict.fromkeys(COUNTERS, 0))
            if any(getattr(period, name) != value for name, value in values.items()):
                changed += Period.objects.filter(pk=period.pk).update(**values)
    return changed
