"""Which column of a log holds what: the mapping, and a guess from the names and the cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .cells import CENTS, COMMA, CURRENCY, POINT, QUOTA

REQUIRED = ("at", "amount")
FIELDS = (*REQUIRED, "task_id", "model", "request_id", "kind")
NONE = ""  # the log has no such column

# Words of a header, letters and digits only. The first word that a header has wins.
_NAMES: dict[str, tuple[str, ...]] = {
    "at": ("time", "createdat", "created", "timestamp", "date", "submittime", "时间"),
    "amount": ("amount", "cost", "quota", "price", "charge", "fee", "usd", "cents", "花费", "额度"),
    "task_id": ("taskid", "task", "任务id"),
    "model": ("modelname", "model", "模型"),
    "request_id": ("requestid", "logid", "id"),
    "kind": ("type", "kind", "status", "类型"),
}
_IN_QUOTA, _IN_CENTS = ("quota", "额度"), ("cents",)
_DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+")


@dataclass(frozen=True)
class ColumnMapping:
    """Columns by their labels, which are unique in a file, and how their cells are written."""

    at: str = NONE
    amount: str = NONE
    task_id: str = NONE
    model: str = NONE
    request_id: str = NONE
    kind: str = NONE
    unit: str = CURRENCY
    decimal_mark: str = POINT
    time_zone: str = ""
    charges_are_negative: bool = False

    def columns(self) -> dict[str, str]:
        return {field: getattr(self, field) for field in FIELDS}

    def fits(self, labels: Sequence[str]) -> bool:
        """Whether a file with these columns can be read by it."""
        used = [label for label in self.columns().values() if label]
        return all(getattr(self, field) for field in REQUIRED) and set(used) <= set(labels)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "ColumnMapping":
        known = cls.__dataclass_fields__
        return cls(**{name: value for name, value in values.items() if name in known})


def unique_labels(header: Sequence[str]) -> list[str]:
    """Name the columns: a second "Amount" is "Amount (2)", and one without a name "Column 3"."""
    labels: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = " ".join(cell.split())[:80] or f"Column {number}"
        label, copy = name, 2
        while label in labels:
            label, copy = f"{name} ({copy})", copy + 1
        labels.append(label)
    return labels


def guess(
    labels: Sequence[str], first_rows: Sequence[Sequence[str]], time_zone: str
) -> ColumnMapping:
    """Guess the mapping; a field without a likely column stays empty."""
    found: dict[str, str] = {}
    for field, names in _NAMES.items():
        free = [label for label in labels if label not in found.values()]
        found[field] = _likely(names, free)
    amount = found["amount"]
    cells = [
        row[labels.index(amount)]
        for row in first_rows
        if amount and labels.index(amount) < len(row)
    ]
    has_commas = any(_DECIMAL_COMMA.fullmatch(cell.strip()) for cell in cells)
    negative = sum(cell.strip().startswith(("-", "(", "−")) for cell in cells)
    return ColumnMapping(
        **found,
        unit=_unit(amount, cells),
        decimal_mark=COMMA if has_commas and not any("." in each for each in cells) else POINT,
        time_zone=time_zone,
        charges_are_negative=2 * negative > len(cells),
    )


def _likely(names: Sequence[str], labels: Sequence[str]) -> str:
    """The label that is one of the names, or else begins or ends with one."""
    plain = {label: re.sub(r"[\W_]", "", label.casefold()) for label in labels}
    for name in names:
        exact = [label for label, word in plain.items() if word == name]
        if exact:
            return exact[0]
    for name in names:
        part = [label for label, word in plain.items() if _has_part(word, name)]
        if part:
            return part[0]
    return NONE


def _has_part(word: str, name: str) -> bool:
    """Short names such as "id" must be the whole word: "paid" is no ID."""
    return len(name) > 2 and (word.startswith(name) or word.endswith(name))


def _unit(amount: str, cells: Sequence[str]) -> str:
    label = amount.casefold()
    if any(word in label for word in _IN_CENTS):
        return CENTS
    is_whole = all(cell.strip().lstrip("-").isdecimal() for cell in cells)
    return QUOTA if is_whole and any(word in label for word in _IN_QUOTA) else CURRENCY
