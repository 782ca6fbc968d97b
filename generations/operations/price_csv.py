"""The price table as CSV. Loading a file that `export` has written changes nothing."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from generations.csv_cells import csv_lines
from generations.models import Member, Team
from generations.models.money import Price
from generations.models.money.amounts import plain

from . import prices
from .errors import OperationError
from .moments import machine_readable

COLUMNS = ("engine", "model", "option", "amount", "valid_from")
REQUIRED = {"engine", "model", "amount"}
MAX_BYTES = 10_000_000
Cells = dict[str, str]  # by column


@dataclass
class Imported:
    added: int = 0
    unchanged: int = 0
    notes: dict[str, None] = field(default_factory=dict)  # each sentence once, in order


def cells(price: Price, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "engine": price.engine,
        "model": price.model,
        "option": price.option,
        "amount": plain(price.amount_e4),
        "valid_from": machine_readable(price.valid_from, zone),
    }


def rows() -> Iterator[dict[str, Any]]:
    zone = Team.objects.current().zone
    return (cells(price, zone) for price in prices.history())


def export() -> Iterator[str]:
    """Yield the lines of the file, the header first."""
    return csv_lines(COLUMNS, (row.values() for row in rows()))


def load(path: str) -> Imported:
    """Store the prices of a file: all of them, or none. Raises OperationError."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OperationError(f"{path} cannot be read: {error.strerror}.") from None
    return load_content(content, path)


def load_content(content: bytes, name: str, by: Member | None = None) -> Imported:
    """`load` the bytes of a file with this name. `by` is None for a command."""
    lines = list(_lines(_text(content, name)))
    loader = _Loader(timezone.now(), Team.objects.current().zone, by)
    with transaction.atomic():
        for number, cells in lines:
            loader.add(number, cells)
        if loader.errors:
            raise _refused(len(lines), loader.errors)
    return loader.imported


def _refused(lines: int, errors: list[tuple[int, str]]) -> OperationError:
    return OperationError(
        f"Nothing was imported: of {lines} lines with prices, {len(errors)} cannot be used.",
        lines=[f"Line {number}: {sentence}" for number, sentence in errors],
        details={"lines": [{"line": number, "error": sentence} for number, sentence in errors]},
    )


class _Loader:
    """Stores line after line, and collects the errors of those that cannot be used."""

    def __init__(self, now: datetime, zone: ZoneInfo, by: Member | None) -> None:
        self.now, self.zone, self.by = now, zone, by
        self.imported = Imported()
        self.errors: list[tuple[int, str]] = []
        self._seen: dict[tuple[Any, ...], tuple[int, int]] = {}  # line and amount of each price

    def add(self, number: int, cells: Cells | str) -> None:
        """`cells` is a sentence if the line could not be read."""
        try:
            if isinstance(cells, str):
                raise OperationError(cells)
            self._store(number, cells)
        except OperationError as error:
            self.errors.append((number, error.sentence))

    def _store(self, number: int, cells: Cells) -> None:
        new = prices.read(zone=self.zone, **cells)
        self._check_earlier_lines(number, new)
        _price, is_new = prices.put(new, self.now, self.by)
        self.imported.added += is_new
        self.imported.unchanged += not is_new
        if note := prices.note_if_unused(new):
            self.imported.notes[note] = None

    def _check_earlier_lines(self, number: int, new: prices.NewPrice) -> None:
        key = (new.engine, new.model, new.option, new.valid_from or self.now)
        line, amount_e4 = self._seen.setdefault(key, (number, new.amount_e4))
        if amount_e4 != new.amount_e4:
            raise OperationError(f"This is the price of line {line} with another amount.")


# --- reading the file ----------------------------------------------------------------------------


def _text(content: bytes, name: str) -> str:
    if len(content) > MAX_BYTES:
        raise OperationError(f"{name} has more than {MAX_BYTES // 1_000_000} MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OperationError(f"{name} is not text in UTF-8. Save it as “CSV UTF-8”.") from None


def _lines(text: str) -> Iterator[tuple[int, Cells | str]]:
    """Yield the number and the cells of each line with a price, or what is wrong with it."""
    numbered = _numbered_rows(text)
    _number, header = next(numbered, (0, []))
    columns = _columns(header)
    for number, row in numbered:
        if len(row) == len(columns):
            yield number, dict.fromkeys(COLUMNS, "") | dict(zip(columns, row, strict=True))
        else:
            yield number, _wrong_number_of_cells(len(row), len(columns))


def _wrong_number_of_cells(found: int, expected: int) -> str:
    sentence = f"The line has {found} cells, and the first line {expected}."
    if found > expected:
        sentence += " Put an amount with a comma in quotes, or semicolons between the cells."
    return sentence


def _numbered_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, each with the number of its first line."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    number = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield number, cells
            number = reader.line_num + 1
    except csv.Error as error:
        raise OperationError(f"Nothing was imported. Line {number}: {error}.") from None


def _delimiter(text: str) -> str:
    """Spreadsheets write semicolons where the comma is the decimal sign."""
    header = text.partition("\n")[0]
    return max(",;\t", key=header.count)


def _columns(header: list[str]) -> list[str]:
    columns = [name.lower().replace(" ", "_") for name in header]
    known = ", ".join(COLUMNS)
    if missing := sorted(REQUIRED - set(columns)):
        raise OperationError(
            f"Nothing was imported. Line 1 has no column {missing[0]}. The columns are: {known}."
        )
    for name in columns:
        if name not in COLUMNS:
            raise OperationError(
                f"Nothing was imported. Line 1 has a column “{name}”. The columns are: {known}."
            )
    if len(set(columns)) < len(columns):
        raise OperationError("Nothing was imported. Line 1 names a column twice.")
    return columns
