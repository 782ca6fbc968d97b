"""What a text becomes: the requests of a batch, what is wrong with it, and what it costs."""

import re
from collections.abc import Collection as AnyOf
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any

from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.utils.text import Truncator
from django.utils.translation import gettext as _

from generations.batches import BatchTotal, Fit, fit_of, max_rows, quotes_of
from generations.engines.registry import offer_for
from generations.joining import join_sentences
from generations.models import Collection, Member, Quote
from generations.requests import GenerationRequest, offered_fields
from generations.web.studio import similar
from generations.web.studio.forms import validate_reference_url
from generations.web.tiles import Tile

from .expansion import MAX_GROUPS, Fault, Template, TemplateError
from .lines import COLUMN_NAMES, Line, LineFault, Table, column_name, read

MAX_LINES = 2000  # of a text; more are refused before they are looked at
MAX_EXPANDED = 1000  # requests that are built, valid or not; more are only counted
MAX_COUNTED = 1_000_000  # of one line
MAX_LISTED_ERRORS = 50
MAX_ADDRESS_CHARACTERS = 2000  # as in the studio
MAX_SHOWN_CHARACTERS = 80  # of a line with an error
TRANSLATED_COLUMNS = (
    "prompt", "negative prompt", "aspect ratio", "images", "tags", "image address",
)  # fmt: skip
LEAVE_OUT = ("errors", "repeats", "made", "beyond")
_TAG_SEPARATOR = re.compile(r"[,;|，；、]")
_RATIO_SEPARATOR = re.compile(r"\s*[:x×/]\s*", re.IGNORECASE)


@dataclass(frozen=True)
class LineError:
    number: int
    text: str
    error: str


@dataclass(frozen=True)
class PlannedRow:
    """A request, the line that it comes from, and why it may not be needed."""

    line: int
    request: GenerationRequest
    repeats: int | None = None  # the number of the row with the same request
    made: Tile | None = None  # an image with the same words and settings


@dataclass
class Plan:
    """`rows` are all valid requests. `kept` are those that the batch has: see `leave_out`.

    `count` also counts those that were not built because there are too many. `names` are the
    variables without a column, which need `values`.
    """

    member: Member
    table: Table
    leave_out: AnyOf[str] = ()
    names: list[str] = field(default_factory=list)
    errors: list[LineError] = field(default_factory=list)
    rows: list[PlannedRow] = field(default_factory=list)
    count: int = 0
    built: int = 0  # with the invalid ones

    @cached_property
    def repeats(self) -> int:
        return sum(row.repeats is not None for row in self.rows)

    @cached_property
    def made(self) -> int:
        return sum(row.made is not None for row in self.rows)

    @cached_property
    def wanted(self) -> list[PlannedRow]:
        """The rows without those that are left out as repeated or made."""
        return [
            row
            for row in self.rows
            if not (row.repeats and "repeats" in self.leave_out)
            and not (row.made and "made" in self.leave_out)
        ]

    @cached_property
    def _quotes(self) -> list[Quote]:
        return quotes_of([row.request for row in self.wanted])

    @cached_property
    def fit(self) -> Fit:
        """What the limits of the member allow. Raises Unpriced."""
        return fit_of(self.member, self._quotes)

    @property
    def max_rows(self) -> int:
        return max_rows()

    @property
    def is_cut(self) -> bool:
        """There are so many that not all were built."""
        return self.count > len(self.rows)

    @property
    def is_too_long(self) -> bool:
        return self.is_cut or len(self.wanted) > self.max_rows

    @property
    def startable(self) -> int:
        """How many rows, from the first, may start."""
        return min(self.fit.rows, self.max_rows)

    @property
    def is_beyond(self) -> bool:
        return self.is_too_long or self.startable < len(self.wanted)

    @cached_property
    def kept(self) -> list[PlannedRow]:
        is_short = "beyond" in self.leave_out or len(self.wanted) <= self.startable
        return self.wanted[: self.startable] if is_short else self.wanted

    @property
    def total(self) -> BatchTotal:
        return BatchTotal.of(self._quotes[: len(self.kept)])

    @property
    def can_start(self) -> bool:
        has_errors = self.errors and "errors" not in self.leave_out
        is_beyond = self.is_beyond and "beyond" not in self.leave_out
        return bool(self.kept) and not has_errors and not is_beyond

    @property
    def unused_columns(self) -> list[str]:
        """Columns that fill no field and that no prompt names, as they are written."""
        used = {name for line in self.table.lines for name in _names_in(line.prompt)}
        return [text.strip() for name, text in self.table.variables.items() if name not in used]


def make_plan(
    member: Member,
    text: str,
    base: GenerationRequest,
    values: Mapping[str, Sequence[str]],
    leave_out: AnyOf[str] = (),
) -> Plan:
    """Read a text and expand it. `base` has what the lines do not say.

    Does not look for images that exist already: see `find_made`.
    """
    table = read(text, _column_names())
    if len(table.lines) > MAX_LINES:
        return _refused(member, table)
    plan = Plan(member, table, leave_out)
    plan.names = list(
        dict.fromkeys(
            name
            for line in table.lines
            for name in _names_in(line.prompt)
            if name not in table.variables
        )
    )
    seen: dict[str, int] = {}
    for line in table.lines:
        for request in _requests_of(plan, line, base, values):
            canonical = request.canonical()
            plan.rows.append(PlannedRow(line.number, request, seen.get(canonical)))
            seen.setdefault(canonical, len(plan.rows))
    return plan


def _refused(member: Member, table: Table) -> Plan:
    """A plan of a text that is too long: nothing of it is expanded."""
    error = _("The text has %(n)s prompts. Up to %(max)s can be read at once: split it.")
    beyond, few = table.lines[MAX_LINES], replace(table, lines=table.lines[:1])
    plan = Plan(member, few)
    _add_error(plan, beyond, error % {"n": intcomma(len(table.lines)), "max": intcomma(MAX_LINES)})
    return plan


def find_made(plan: Plan) -> None:
    """Mark the rows whose images exist already."""
    requests = [row.request for row in plan.rows[: plan.max_rows]]
    for index, tile in similar.find_same(plan.member, requests).items():
        plan.rows[index] = replace(plan.rows[index], made=tile)


def _column_names() -> dict[str, str]:
    """The offer's own fields, by their name and label, and columns in the reader's language.

    "Try again" and the export of a batch write their columns in that language.
    """
    return {column_name(_(name)): COLUMN_NAMES[name] for name in TRANSLATED_COLUMNS} | {
        column_name(text): each.name
        for each in offered_fields()
        for text in (each.name, each.label, _(each.label))
    }


def _names_in(prompt: str) -> list[str]:
    try:
        return Template.parse(prompt).names
    except TemplateError:
        return []


def _requests_of(
    plan: Plan, line: Line, base: GenerationRequest, values: Mapping[str, Sequence[str]]
) -> Iterator[GenerationRequest]:
    """Yield the valid requests of a line, up to the maximum. Adds to the errors and the count."""
    try:
        if line.fault:
            raise _LineError(_line_fault_text(line.fault))
        template = Template.parse(line.prompt)
        own = {name: _values_of(name, plan.table, line, values) for name in template.names}
        changed = _with_cells(base, line)
    except TemplateError as error:
        return _add_error(plan, line, _template_fault_text(error.fault))
    except _LineError as error:
        return _add_error(plan, line, str(error))
    plan.count += min(template.count(own), MAX_COUNTED)
    # Also the invalid ones are limited: a few alternatives have billions of combinations.
    for prompt in islice(template.expand(own), MAX_EXPANDED - plan.built):
        plan.built += 1
        request = replace(changed, prompt=prompt)
        if errors := request.errors():
            plan.count -= 1
            _add_error(plan, line, join_sentences(dict.fromkeys(errors.values())))
        else:
            yield request


class _LineError(ValueError):
    """A sentence for the member."""


def _add_error(plan: Plan, line: Line, error: str) -> None:
    """Of the prompts of one line, the same error is listed once."""
    text = line.prompt or ", ".join(line.cells.values())
    added = LineError(line.number, Truncator(text).chars(MAX_SHOWN_CHARACTERS), error)
    if added not in plan.errors[-1:]:
        plan.errors.append(added)


def _values_of(
    name: str, table: Table, line: Line, values: Mapping[str, Sequence[str]]
) -> Sequence[str]:
    if name in table.variables:
        if name in line.variables:
            return [line.variables[name]]
        raise _LineError(
            _("The column “%(name)s” is empty here.") % {"name": table.variables[name].strip()}
        )
    if not values.get(name):
        raise _LineError(_("Enter values for {%(name)s} below.") % {"name": name})
    return values[name]


def _line_fault_text(fault: LineFault) -> str:
    if fault == LineFault.TOO_MANY_CELLS:
        return _("More cells than columns. Put text with a comma in quotation marks.")
    return _("From here on, a quotation mark is missing.")


def _template_fault_text(fault: Fault) -> str:
    texts = {
        Fault.UNCLOSED: _("A “{” has no “}”. For a plain brace, write “{{”."),
        Fault.NESTED: _("Braces inside braces can’t be used."),
        Fault.EMPTY: _("“{}” is empty. For plain braces, write “{{}}”."),
        Fault.LONG_NAME: _("The text in braces is too long for the name of a variable."),
        Fault.TOO_MANY: _("Use at most %(n)d pairs of braces in a prompt.") % {"n": MAX_GROUPS},
    }
    return texts[fault]


# --- the cells of a table ------------------------------------------------------------------------


def _with_cells(base: GenerationRequest, line: Line) -> GenerationRequest:
    """The common settings with those of the line. Raises _LineError."""
    changes: dict[str, Any] = {}
    for name, cell in line.cells.items():
        if name in _READERS:
            changes |= _READERS[name](cell)
    choices = {each.name: each for each in offered_fields() if each.name in line.cells}
    if choices:
        changes["params"] = dict(base.params) | {
            name: _choice(line.cells[name], each.choices) for name, each in choices.items()
        }
    return replace(base, **changes)


def _choice(cell: str, choices: Sequence[tuple[str, str]]) -> str:
    """The value of a choice, by its value or label. What is none is reported by the request."""
    for value, label in choices:
        if cell.casefold() in (value.casefold(), label.casefold(), _(label).casefold()):
            return value
    return cell


def _read_ratio(cell: str) -> dict[str, Any]:
    parts = _RATIO_SEPARATOR.split(cell.strip())
    for ratio in offer_for().aspect_ratios:
        if parts == [str(ratio.width), str(ratio.height)]:
            return {"aspect_ratio": ratio.value}
    raise _LineError(_("“%(cell)s” is not an aspect ratio on offer.") % {"cell": cell[:40]})


def _read_count(cell: str) -> dict[str, Any]:
    if not (cell.isascii() and cell.isdecimal() and len(cell) < 4):
        raise _LineError(_("“%(cell)s” is not a number of images.") % {"cell": cell[:40]})
    return {"n": int(cell)}


def _read_similarity(cell: str) -> dict[str, Any]:
    try:
        return {"image_fidelity": float(cell.replace(",", "."))}
    except ValueError:
        raise _LineError(_("Similarity is a number from 0 to 1.")) from None


def _read_address(cell: str) -> dict[str, Any]:
    if len(cell) > MAX_ADDRESS_CHARACTERS:
        raise _LineError(
            _("An image address can have at most %(n)d characters.") % {"n": MAX_ADDRESS_CHARACTERS}
        )
    try:
        validate_reference_url(cell)
    except ValidationError:
        raise _LineError(_("Enter an image address that begins with https://.")) from None
    return {"reference": None, "reference_url": cell}


def _read_collection(cell: str) -> dict[str, Any]:
    if len(cell) > Collection.MAX_NAME_LENGTH or "\0" in cell:
        raise _LineError(_("The name of the collection is too long."))
    return {"new_collection": cell, "collection": None}


def _read_tags(cell: str) -> dict[str, Any]:
    """Names in any order: what is equal but for case or spaces is one request."""
    names = (" ".join(name.split()) for name in _TAG_SEPARATOR.split(cell))
    return {"tags": tuple(sorted({name.casefold(): name for name in names if name}.values()))}


_READERS = {
    "negative_prompt": lambda cell: {"negative_prompt": cell},
    "aspect_ratio": _read_ratio,
    "n": _read_count,
    "image_url": _read_address,
    "image_fidelity": _read_similarity,
    "collection": _read_collection,
    "tags": _read_tags,
}
