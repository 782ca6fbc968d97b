"""Cells and lines of CSV files that people open in a spreadsheet."""

import csv
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

BYTE_ORDER_MARK = "\ufeff"  # without it Excel does not read the file as UTF-8
# A spreadsheet runs a cell that starts like this. The wide forms come from East Asian keyboards.
FORMULA_STARTS = tuple("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class _Line:
    """A file for `csv.writer`, which returns what `write` returns."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """Yield the lines of a file of any length, one by one."""
    # With "\n" as its end of a line, the writer would not quote a cell that has a "\r".
    write = csv.writer(_Line(), lineterminator="\r\n").writerow
    for row in chain([header], rows):
        yield write([_cell(value) for value in row]).removesuffix("\r\n") + "\n"


def _cell(value: Any) -> Any:
    """Prefix text that a spreadsheet would run as a formula with an apostrophe.

    A negative amount is a number and no formula.
    """
    if not isinstance(value, str) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
