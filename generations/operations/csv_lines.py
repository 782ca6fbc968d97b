"""Lines of CSV, one by one, for files of any length."""

import csv
import re
from collections.abc import Iterable, Iterator
from typing import Any

from generations.csv_cells import escape

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class _Line:
    """A file for `csv.writer`, which returns what `write` returns."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    write = csv.writer(_Line(), lineterminator="\n").writerow
    yield write(header)
    for row in rows:
        yield write([_cell(value) for value in row])


def _cell(value: Any) -> Any:
    """A negative amount is a number and no formula."""
    is_number = isinstance(value, str) and _NUMBER.fullmatch(value)
    return value if is_number else escape(value)
