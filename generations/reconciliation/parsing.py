"""Reads a gateway's log from CSV. Pure: no database, no settings, bounded memory and time."""

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
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
    """The file cannot be used as a log. `code` names why, `number` the line if there is one."""

    def __init__(self, code: str, number: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.number = number


@dataclass(frozen=True, slots=True)
class LogLine:
    """One charge or refund of the gateway; a refund is negative. `key` is unique in all logs."""

    key: str
    at: datetime
    amount_e4: int
    task_id: str = ""
    model: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class LineError:
    number: int  # of the line in the file
    column: str
    cell: str


@dataclass
class Parsed:
    """The lines of a log. `skipped` are lines without a charge, such as top-ups."""

    lines: list[LogLine] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)
    failed: int = 0
    skipped: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class Table:
    """The text of a log, with its columns and its first rows."""

    text: str
    delimiter: str
    labels: list[str]
    first_rows: list[list[str]]

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the number of the line, and its cells. Raises Problem."""
        reader = _reader(self.text, self.delimiter)
        next(_filled(reader), None)
        for count, (number, row) in enumerate(_filled(reader)):
            if count >= MAX_LINES:
                raise Problem("lines")
            yield number, row


def read_table(content: bytes) -> Table:
    """Decode a log and find its columns. Raises Problem."""
    if len(content) > MAX_BYTES:
        raise Problem("size")
    text = decode(content)
    if not text.strip():
        raise Problem("empty")
    stated = _EXCEL_SEPARATOR.match(text)
    if stated:
        text = text[stated.end() :]
    delimiter = stated[1] if stated and stated[1] in _DELIMITERS else _delimiter(text)
    rows = [row for _number, row in islice(_filled(_reader(text, delimiter)), PREVIEW_LINES + 1)]
    if not rows or len(rows[0]) < 2:
        raise Problem("columns")
    if len(rows[0]) > MAX_COLUMNS:
        raise Problem("too-many-columns")
    if len(rows) == 1:
        raise Problem("no-lines")
    return Table(text, delimiter, unique_labels(rows[0]), rows[1:])


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


def parse(table: Table, mapping: ColumnMapping, zone: ZoneInfo) -> Parsed:
    """Read all lines. A line that cannot be read is counted, and the first are listed.

    Raises Problem for a table that cannot be read to its end.
    """
    indexes = {
        name: table.labels.index(label) for name, label in mapping.columns().items() if label
    }
    parsed, seen = Parsed(), _Seen()
    for number, row in table.rows():
        cells = {name: row[i] if i < len(row) else "" for name, i in indexes.items()}
        try:
            values = _values(cells, mapping, zone)
        except CellError as error:
            parsed.failed += 1
            if len(parsed.errors) < MAX_ERRORS:
                name = str(error)
                parsed.errors.append(
                    LineError(number, table.labels[indexes[name]], cells[name].strip()[:60])
                )
            continue
        if values is None:
            parsed.skipped += 1
            continue
        key = seen.key_of(values)
        if key:
            parsed.lines.append(LogLine(key, *values))
        else:
            parsed.repeated += 1
    return parsed


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
        self._requests: set[str] = set()
        self._equal: Counter[str] = Counter()

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
            return key
        content = _digest(at.isoformat(), str(amount_e4), task_id, model)
        self._equal[content] += 1
        return _digest(content, str(self._equal[content]))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _delimiter(text: str) -> str:
    """The most frequent delimiter of the header, outside of quotation marks."""
    header = re.sub(r'"[^"]*"', "", text.lstrip()[:_SAMPLE_CHARACTERS].split("\n")[0])
    return max(_DELIMITERS, key=header.count)


def _reader(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
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

    def __init__(self, text: str) -> None:
        self._lines = io.StringIO(text, newline="")
        self.characters = 0  # of the row that is being read

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.characters += len(line)
        if self.characters > MAX_ROW_CHARACTERS:
            raise csv.Error
        return line


def _filled(rows: Iterator[tuple[int, Sequence[str]]]) -> Iterator[tuple[int, list[str]]]:
    return ((number, list(row)) for number, row in rows if any(cell.strip() for cell in row))
