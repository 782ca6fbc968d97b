"""Reads what was typed, pasted or uploaded: a prompt a line, or a table with a header. Pure.

A text is a table if one of the columns in its first line is named "prompt". Columns that are not
known are variables: `{product}` takes the cell of the column "product".
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from .expansion import variable_name

DELIMITERS = ",;\t"
MAX_COLUMNS = 50
_EXCEL_SEPARATOR = re.compile(r"\ufeff?sep=(.)\r?\n", re.IGNORECASE)
# The names of columns in lower case, with spaces for "_" and "-", and the field that each fills.
COLUMN_NAMES: dict[str, str] = {
    **dict.fromkeys(("prompt", "prompts"), "prompt"),
    **dict.fromkeys(("negative prompt", "negative", "exclude", "without"), "negative_prompt"),
    **dict.fromkeys(("aspect ratio", "ratio", "aspect", "format"), "aspect_ratio"),
    **dict.fromkeys(("images", "image count", "number of images", "number", "count", "n"), "n"),
    **dict.fromkeys(("collection",), "collection"),
    **dict.fromkeys(("tags", "tag"), "tags"),
    **dict.fromkeys(("image address", "image url", "reference image", "reference"), "image_url"),
    **dict.fromkeys(("similarity", "image fidelity"), "image_fidelity"),
}


class LineFault(Enum):
    """Why a line of a table cannot be read."""

    TOO_MANY_CELLS = "too-many-cells"
    QUOTES = "quotes"


@dataclass(frozen=True)
class Line:
    """A line with its number in the text. `cells` by field, `variables` by their name."""

    number: int
    cells: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    fault: LineFault | None = None

    @property
    def prompt(self) -> str:
        return self.cells.get("prompt", "")


@dataclass(frozen=True)
class Table:
    """The lines of a text. `columns` are those that it names, none if it has a prompt a line.

    `variables` are the columns that fill no field.
    """

    lines: list[Line]
    columns: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)  # as written, by name

    @property
    def has_columns(self) -> bool:
        return bool(self.columns)


def column_name(header: str) -> str:
    """The name of a column as it is compared: "Negative_Prompt" is "negative prompt"."""
    return variable_name(re.sub(r"[_\-]", " ", header.strip("\ufeff*: ")))


def read(text: str, fields: Mapping[str, str]) -> Table:
    """Read a text. `fields` are the names of more columns, such as the offer's own fields."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    stated = _EXCEL_SEPARATOR.match(text)
    offset = 0
    if stated:
        text, offset = text[stated.end() :], 1
    names = COLUMN_NAMES | dict(fields)
    delimiter = stated[1] if stated and stated[1] in DELIMITERS else _delimiter(text)
    header = _first_row(text, delimiter)
    if not any(names.get(column_name(cell)) == "prompt" for cell in header):
        return Table([*_plain_lines(text, offset)])
    return _table(text, delimiter, offset, header, names)


def append(text: str, prompt: str) -> str:
    """Add a prompt as the last line: in a table, in the column of the prompts."""
    text = text.replace("\r\n", "\n").rstrip("\n")
    if not text.strip():
        return " ".join(prompt.split("\n"))
    delimiter = _delimiter(text)
    names = [COLUMN_NAMES.get(column_name(cell)) for cell in _first_row(text, delimiter)]
    line = " ".join(prompt.split("\n"))
    if "prompt" in names:
        cells = [""] * len(names)
        cells[names.index("prompt")] = line
        buffer = io.StringIO()
        csv.writer(buffer, delimiter=delimiter, lineterminator="").writerow(cells)
        line = buffer.getvalue()
    return f"{text}\n{line}"


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(DELIMITERS, key=first.count)


def _first_row(text: str, delimiter: str) -> list[str]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    try:
        return next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error:
        return []


def _plain_lines(text: str, offset: int) -> Iterator[Line]:
    for number, line in enumerate(text.split("\n"), start=1 + offset):
        if line.strip():
            yield Line(number, {"prompt": line.strip()})


def _table(
    text: str, delimiter: str, offset: int, header: Sequence[str], names: Mapping[str, str]
) -> Table:
    fields, variables = _columns(header, names)
    columns = [cell.strip() for cell in header if cell.strip()]
    lines = []
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    is_header = True
    number = 1
    while True:
        try:
            cells = next(reader, None)
        except csv.Error:  # a cell of more than 131,072 characters: a missing quotation mark
            lines.append(Line(number + offset, {}, fault=LineFault.QUOTES))
            break
        if cells is None:
            break
        if any(cell.strip() for cell in cells):
            if not is_header:
                lines.append(_line(number + offset, cells, header, fields, variables))
            is_header = False
        number = reader.line_num + 1
    return Table(lines, columns, {name: header[index] for index, name in variables.items()})


def _columns(
    header: Sequence[str], names: Mapping[str, str]
) -> tuple[dict[int, str], dict[int, str]]:
    """The fields and the variables by the place of their column; the first of equal ones counts."""
    fields: dict[int, str] = {}
    variables: dict[int, str] = {}
    for index, cell in enumerate(header[:MAX_COLUMNS]):
        name = column_name(cell)
        known = names.get(name)
        if known and known not in fields.values():
            fields[index] = known
        elif name and not known and variable_name(cell) not in variables.values():
            variables[index] = variable_name(cell)
    return fields, variables


def _line(
    number: int,
    cells: Sequence[str],
    header: Sequence[str],
    fields: Mapping[int, str],
    variables: Mapping[int, str],
) -> Line:
    def filled(places: Mapping[int, str]) -> dict[str, str]:
        return {
            name: cells[index].strip()
            for index, name in places.items()
            if index < len(cells) and cells[index].strip()
        }

    has_too_many = any(cell.strip() for cell in cells[len(header) :])
    fault = LineFault.TOO_MANY_CELLS if has_too_many else None
    return Line(number, filled(fields), filled(variables), fault)
