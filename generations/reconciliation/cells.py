"""Cells of a log: moments, amounts and kinds of lines, in the ways that logs write them."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

from generations.models.money.amounts import E4, MAX_E4

CURRENCY, QUOTA, CENTS = "currency", "quota", "cents"  # units of an amount
POINT, COMMA = ".", ","  # decimal marks
QUOTA_PER_DOLLAR = 500_000
_E4_PER_UNIT = {
    CURRENCY: Decimal(E4),
    CENTS: Decimal(E4) / 100,
    QUOTA: Decimal(E4) / QUOTA_PER_DOLLAR,
}
_FIRST_YEAR, _LAST_YEAR = 2000, 2200

_UNIX = re.compile(r"(?P<whole>[0-9]{9,10}|[0-9]{12,13})(?:\.[0-9]{1,9})?")
_NUMBER = re.compile(
    r"(?P<sign>[-+]?)(?P<number>[0-9]{1,20}(?:\.[0-9]{1,30})?(?:[eE][-+]?[0-9]{1,2})?)"
)
_GROUPED = {
    POINT: re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?"),
    COMMA: re.compile(r"[-+]?[0-9]{1,3}(\.[0-9]{3})+(,[0-9]+)?"),
}
_AROUND_A_NUMBER = re.compile(r"[\s$€£¥￥]|[A-Z]{3}(?![0-9])|(?<=[0-9])[A-Z]{3}")
_QUOTED_FORMULA = re.compile(r'="([^"]*)"')


class Kind(StrEnum):
    CHARGE = "charge"
    REFUND = "refund"
    OTHER = "other"  # a top-up, a sign-in, an error: no line about a task


# new-api numbers its kinds: 1 top-up, 2 consumption, 3 management, 4 system, 5 error, 6 refund.
_REFUNDS = ("6", "refund", "退款", "return", "reversal", "credit")
_OTHERS = ("1", "3", "4", "5", "topup", "recharge", "充值", "manage", "system", "error", "login")


class CellError(ValueError):
    """The cell cannot be read. The message is the name of its field."""


def plain_text(cell: str) -> str:
    """The text of a cell; `="8829"` is how a spreadsheet is kept from changing a long number."""
    text = cell.strip()
    match = _QUOTED_FORMULA.fullmatch(text) if text.startswith("=") else None
    return match[1].strip() if match else text


def read_moment(cell: str, zone: ZoneInfo) -> datetime:
    """Read ISO, `2026-11-24 16:02:11`, or Unix seconds or milliseconds. Raises CellError.

    A time without an offset is in `zone`; of a time that the clock shows twice, the first.
    """
    text = plain_text(cell)
    try:
        if unix := _UNIX.fullmatch(text):
            seconds = float(text) / (1000 if len(unix["whole"]) > 10 else 1)
            moment = datetime.fromtimestamp(seconds, UTC)
        elif text.isdecimal():
            raise CellError("at")  # fromisoformat would read 20261124 and the like
        else:
            moment = datetime.fromisoformat(re.sub(r"^([0-9]{4})/([0-9]{2})/", r"\1-\2-", text))
    except (ValueError, OverflowError, OSError):
        raise CellError("at") from None
    if not _FIRST_YEAR <= moment.year < _LAST_YEAR:
        raise CellError("at")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


@lru_cache(maxsize=1024)
def read_amount(cell: str, unit: str, decimal_mark: str) -> int:
    """Read an amount with a sign, in ten-thousandths, rounded half to even. Raises CellError."""
    text = plain_text(cell).replace("−", "-")
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    text = _AROUND_A_NUMBER.sub("", text)
    other = COMMA if decimal_mark == POINT else POINT
    if _GROUPED[decimal_mark].fullmatch(text):
        text = text.replace(other, "")
    if other in text:
        raise CellError("amount")
    match = _NUMBER.fullmatch(text.replace(COMMA, POINT))
    if not match:
        raise CellError("amount")
    size = Decimal(match["number"]) * _E4_PER_UNIT[unit]
    if size > MAX_E4:
        raise CellError("amount")
    amount_e4 = int(size.to_integral_value(ROUND_HALF_EVEN))
    return -amount_e4 if match["sign"] == "-" else amount_e4


@lru_cache(maxsize=256)
def read_kind(cell: str) -> Kind:
    """The kind of a line; a word that is unknown, such as a status, is a charge."""
    word = re.sub(r"[\W_]", "", plain_text(cell).casefold())
    if any(word == each or (len(each) > 1 and each in word) for each in _REFUNDS):
        return Kind.REFUND
    if any(word == each or (len(each) > 1 and word.startswith(each)) for each in _OTHERS):
        return Kind.OTHER
    return Kind.CHARGE
