"""Amounts of money: integers in ten-thousandths of the currency unit, named `…_e4`.

SQLite stores decimals as floats, so SQL adds and compares integers only. `Decimal` exists at the
edges: forms, commands, CSV and templates.
"""

import re
from decimal import Decimal

PLACES = 4
E4 = 10_000
# Far above any budget, and 1,000 times below what a 64-bit column holds.
MAX_E4 = 10**15

_AMOUNT = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]{1,20})(?:[.,](?P<fraction>[0-9]{1,20}))?")


class AmountError(ValueError):
    """The text is not an amount. The message is one sentence for the person who typed it."""


def to_e4(amount: Decimal) -> int:
    """Return an amount in ten-thousandths. Raises AmountError if it has more places."""
    return parse_e4(format(amount, "f"))


def from_e4(amount_e4: int) -> Decimal:
    return Decimal(amount_e4).scaleb(-PLACES)


def parse_e4(text: str) -> int:
    """Read `12`, `0.48` or `0,48`. Raises AmountError; thousands separators are ambiguous."""
    match = _AMOUNT.fullmatch(text.strip())
    if not match:
        raise AmountError("Enter an amount such as 0.05, without thousands separators.")
    fraction = (match["fraction"] or "").rstrip("0")
    if len(fraction) > PLACES:
        raise AmountError(f"Use at most {PLACES} decimal places.")
    amount_e4 = int(match["whole"]) * E4 + int(fraction.ljust(PLACES, "0"))
    if match["sign"] and amount_e4:
        raise AmountError("The amount can’t be negative.")
    if amount_e4 > MAX_E4:
        raise AmountError("The amount is too large.")
    return amount_e4


def plain(amount_e4: int) -> str:
    """Write an amount for machines: `0.48`, `12`, `-0.5`; `parse_e4` reads it."""
    text = format(from_e4(amount_e4), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
