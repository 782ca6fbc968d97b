"""Cells and lines of CSV files that people open in a spreadsheet."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

BYTE_ORDER_MARK = "\ufeff"  # without it Excel does not read the file as UTF-8
# A spreadsheet runs a cell that starts like this. The wide forms come from East Asian keyboards.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def escape(cell: Any) -> Any:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe."""
    is_formula = isinstance(cell, str) and cell.startswith(FORMULA_STARTS)
    return f"'{cell}" if is_formula else cell


class _Line:
    """A file for `csv.writer`, which returns what `write` returns."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a file of any length, one by one."""
    write = csv.writer(_Line(), lineterminator="\n").writerow
    yield write(header)
    for row in rows:
        yield write([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """A negative amount is a number and no formula."""
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    return value if is_number else escape(value)
