"""Reads a gateway's log from CSV, line by line. Pure: no database, no settings, bounded memory."""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from .cells import CellError, Kind, plain_text, read_amount, read_kind, read_moment
from .columns import ColumnMapping, unique_labels

MAX_BYTES = 20 * 1024 * 1024
MAX_LINES = 200_000
MAX_COLUMNS = 100
MAX_ROW_CHARACTERS = 1_000_000
MAX_ERRORS = 10
MAX_ID_CHARACTERS = 200
MAX_MODEL_CHARACTERS = 60
PREVIEW_LINES = 5
_SAMPLE_CHARACTERS = 4000
_DELIMITERS = ",;\t"
# A text has none of these; cp1252 decodes almost any file.
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f]")
_EXCEL_SEPARATOR = re.compile(r"sep=(.)\r?\n")


class Problem(ValueError):
    """The log cannot be imported. `code` names why, `number` a line or a count.

    `day` and `text` belong to a fetched log: which day, and what the gateway said.
    """

    def __init__(self, code: str, number: int = 0, day: str = "", text: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.number = number
        self.day = day
        self.text = text

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Problem":
        known = ("code", "number", "day", "text")
        return cls(**{name: values[name] for name in known if name in values})


@dataclass(frozen=True, slots=True)
class LogLine:
    """One charge or refund of the gateway; a refund is negative. `key` is unique in all logs."""

    key: str
    at: datetime
    amount_e4: int
    task_id: str = ""
    model: str = ""
    request_id: str = ""

    @property
    def texts(self) -> tuple[str, str, str]:
        return self.task_id, self.model, self.request_id


@dataclass(frozen=True)
class LineError:
    number: int  # of the line in the file
    column: str
    cell: str


@dataclass
class Tally:
    """What was read so far. `skipped` are lines without a charge, such as top-ups."""

    rows: int = 0
    lines: int = 0
    failed: int = 0
    skipped: int = 0
    repeated: int = 0
    errors: list[LineError] = field(default_factory=list)  # the first ones


@dataclass(frozen=True)
class Table:
    """A log with its columns and its first rows. `open_text` opens it from its beginning."""

    open_text: Callable[[], TextIO]
    delimiter: str
    labels: list[str]
    first_rows: list[list[str]]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line, and its cells. Raises Problem."""
        with self.open_text() as text:
            _skip_separator(text)
            reader = _reader(text, self.delimiter)
            next(_filled(reader), None)
            for count, (number, row) in enumerate(_filled(reader)):
                if count >= MAX_LINES:
                    raise Problem("lines")
                yield number, row


def read_text(content: bytes) -> str:
    """Decode an uploaded log, and look at its columns. Raises Problem."""
    if len(content) > MAX_BYTES:
        raise Problem("size")
    text = decode(content)
    if not text.strip():
        raise Problem("empty")
    read_table(lambda: io.StringIO(text[: 2 * MAX_ROW_CHARACTERS], newline=""))
    return text


def read_table(open_text: Callable[[], TextIO]) -> Table:
    """Find the columns of a log, from its first lines. Raises Problem."""
    with open_text() as text:
        stated = _skip_separator(text)
        header = _first_line(text)
        delimiter = stated if stated and stated in _DELIMITERS else _delimiter(header)
    with open_text() as text:
        _skip_separator(text)
        filled = _filled(_reader(text, delimiter))
        rows = [row for _number, row in islice(filled, PREVIEW_LINES + 1)]
    if not rows or len(rows[0]) < 2:
        raise Problem("columns")
    if len(rows[0]) > MAX_COLUMNS:
        raise Problem("too-many-columns")
    if len(rows) == 1:
        raise Problem("no-lines")
    return Table(open_text, delimiter, unique_labels(rows[0]), rows[1:])


def _skip_separator(text: TextIO) -> str:
    """Skip the line `sep=;` that Excel writes, and return its separator; "" without it."""
    stated = _EXCEL_SEPARATOR.fullmatch(text.readline(_SAMPLE_CHARACTERS))
    if not stated:
        text.seek(0)
        return ""
    return stated[1]


def _first_line(text: TextIO) -> str:
    """The first line that is not blank, or its beginning."""
    while line := text.readline(_SAMPLE_CHARACTERS):
        if line.strip():
            return line
    return ""


def decode(content: bytes) -> str:
    """Decode UTF-8, UTF-16 with a byte order mark, or Windows-1252. Raises Problem."""
    is_utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if is_utf_16 else ("utf-8-sig", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        if not _CONTROL.search(text):
            return text
    raise Problem("binary")


def parse(table: Table, mapping: ColumnMapping, zone: ZoneInfo, tally: Tally) -> Iterator[LogLine]:
    """Yield the lines with a charge or refund, and count in `tally`.

    A line that cannot be read is counted, and the first are listed. Reading a log again gives the
    same lines in the same order. Raises Problem for a table that cannot be read to its end.
    """
    indexes = {
        name: table.labels.index(label) for name, label in mapping.columns().items() if label
    }
    seen = _Seen()
    for number, row in table.rows():
        tally.rows += 1
        cells = {name: row[i] if i < len(row) else "" for name, i in indexes.items()}
        try:
            values = _values(cells, mapping, zone)
        except CellError as error:
            tally.failed += 1
            if len(tally.errors) < MAX_ERRORS:
                name = str(error)
                label = table.labels[indexes[name]]
                tally.errors.append(LineError(number, label, cells[name].strip()[:60]))
            continue
        if values is None:
            tally.skipped += 1
            continue
        key = seen.key_of(values)
        if key:
            tally.lines += 1
            yield LogLine(key, *values)
        else:
            tally.repeated += 1


_Values = tuple[datetime, int, str, str, str]


def _values(cells: dict[str, str], mapping: ColumnMapping, zone: ZoneInfo) -> _Values | None:
    """Time, amount, task, model and request ID of a line; None if it is about no charge."""
    kind = read_kind(cells.get("kind", ""))
    if kind == Kind.OTHER:
        return None
    amount_e4 = read_amount(cells["amount"], mapping.unit, mapping.decimal_mark)
    if mapping.charges_are_negative:
        amount_e4 = -amount_e4
    if kind == Kind.REFUND:
        amount_e4 = -abs(amount_e4)
    at = read_moment(cells["at"], zone)
    if not amount_e4:
        return None
    texts = (plain_text(cells.get(name, "")) for name in ("task_id", "model", "request_id"))
    task_id, model, request_id = texts
    return (
        at,
        amount_e4,
        task_id[:MAX_ID_CHARACTERS],
        model[:MAX_MODEL_CHARACTERS],
        request_id[:MAX_ID_CHARACTERS],
    )


class _Seen:
    """Gives each line the key under which it is stored once."""

    def __init__(self) -> None:
        self._requests: set[bytes] = set()
        self._equal: Counter[bytes] = Counter()

    def key_of(self, values: _Values) -> str:
        """The key of a line; empty for a second line of one request and direction.

        A request may be charged and later refunded, so the direction belongs to its key. Without a
        request ID, equal lines are told apart by their order: an overlapping log has them again.
        """
        at, amount_e4, task_id, model, request_id = values
        if request_id:
            key = _digest("refund" if amount_e4 < 0 else "charge", request_id)
            if key in self._requests:
                return ""
            self._requests.add(key)
            return key.hex()
        content = _digest(at.isoformat(), str(amount_e4), task_id, model)
        self._equal[content] += 1
        return _digest(content.hex(), str(self._equal[content])).hex()


def _digest(*parts: str) -> bytes:
    return hashlib.sha256("\x1f".join(parts).encode()).digest()


def _delimiter(header: str) -> str:
    """The most frequent delimiter of the header, outside of quotation marks."""
    return max(_DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)


def _reader(text: TextIO, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line and its cells. Raises Problem."""
    feed = _Feed(text)
    reader = csv.reader(feed, delimiter=delimiter)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:  # a cell of more than 131,072 characters: a missing quotation mark
            raise Problem("cell", reader.line_num) from None
        feed.characters = 0
        yield reader.line_num, row


class _Feed:
    """The lines of a text. Ends a row that would fill the memory with cells."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self.characters = 0  # of the row that is being read

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW_CHARACTERS + 1)
        self.characters += len(line)
        if self.characters > MAX_ROW_CHARACTERS:
            raise csv.Error
        if not line:
            raise StopIteration
        return line


def _filled(rows: Iterator[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, list[str]]]:
    return ((number, list(row)) for number, row in rows if any(cell.strip() for cell in row))
