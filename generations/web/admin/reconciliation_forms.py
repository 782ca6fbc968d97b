"""Forms of reconciliation: a log, its columns, a decision and a correction."""

import re
from collections.abc import Sequence
from typing import Any, TypeAlias

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.amount_field import AmountField
from generations.joining import join_sentences
from generations.models.money import Comparison
from generations.reconciliation import cells
from generations.reconciliation.columns import FIELDS, ColumnMapping
from generations.reconciliation.parsing import (
    MAX_BYTES,
    MAX_COLUMNS,
    MAX_LINES,
    Problem,
    Table,
    read_text,
)
from generations.web.ids import parse_row
from generations.web.middleware.time_zone import known_zones
from generations.web.text_fields import VisibleTextField
from generations.web.zone_names import zones_by_region

Upload: TypeAlias = "UploadedFile[bytes]"
MAX_SEVERAL = 100  # rows of one decision: more than a page has
_ROW = re.compile(r"([0-9]{1,18}):(-?[0-9]{1,18})?:(-?[0-9]{1,18})?")
MAX_PASTED = 300_000  # characters: below DATA_UPLOAD_MAX_MEMORY_SIZE in any encoding


def problem_text(problem: Problem) -> str:
    texts = {
        "size": _("The log is too large. Maximum %(limit)s: export a shorter time.")
        % {"limit": filesizeformat(MAX_BYTES)},
        "lines": _("The log has more than %(limit)s lines: export a shorter time.")
        % {"limit": number_format(MAX_LINES)},
        "empty": _("The log is empty."),
        "binary": _("This is not a CSV file. Export the log as CSV, in UTF-8 or UTF-16."),
        "columns": _("The first line must name the columns, separated by , or ; or tabs."),
        "too-many-columns": _("The log has more than %(limit)d columns.") % {"limit": MAX_COLUMNS},
        "no-lines": _("The log has a first line with names, but no lines after it."),
        "cell": _("Line %(number)d is too long: a quotation mark may be missing.")
        % {"number": problem.number},
        "account-no-key": _("There is no account key. Enter it under Engines and keys."),
        "account-unreadable": _(
            "The account key cannot be read: the encryption key does not fit. Put it back, or "
            "enter the account key again under Engines and keys."
        ),
        "account-key": _(
            "The gateway refused the account key. Enter the current one under Engines and keys."
        ),
        "account-busy": _("The gateway is busy. Try again in some minutes."),
        "account-away": _(
            "The account API did not answer. Check the network of this server and "
            "KLINGWEB_ACCOUNT_URL, or upload the log as CSV."
        ),
        "account-refused": _("The gateway refused to send its log. Upload it as CSV instead."),
        "account-part": _(
            "The gateway sent only a part of the log of %(day)s. Upload the log as CSV instead."
        )
        % {"day": problem.day},
        "account-currency": _(
            "The gateway’s log is in US dollars, and the team counts in another currency. Upload "
            "it as CSV, in the team’s currency."
        ),
        "gone": _("The file is gone. Upload the log again."),
        "no-amounts": _("No line of this log has an amount. Nothing was imported."),
        "cells": _("%(count)s lines cannot be read. Nothing was imported.")
        % {"count": number_format(problem.number)},
    }
    text = texts[problem.code]
    if problem.text:
        return join_sentences((text, _("It said: %(text)s") % {"text": problem.text}))
    return text


class LogForm(forms.Form):
    """A file or a pasted text. `content` is set when it is valid."""

    file = forms.FileField(required=False, allow_empty_file=True)
    text = forms.CharField(required=False, strip=False, max_length=MAX_PASTED)

    content = ""

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        upload: Upload | None = cleaned.get("file")
        text = cleaned.get("text") or ""
        if self.errors:
            return cleaned
        if not upload and not text.strip():
            self.add_error("file", _("Choose a file, or paste the lines below."))
            return cleaned
        try:
            self.content = read_text(_content(upload) if upload else text.encode())
        except Problem as problem:
            self.add_error("file" if upload else "text", problem_text(problem))
        return cleaned


def _content(upload: Upload) -> bytes:
    """Read the file, unless it is too large: then the upload handler has cut it off."""
    if (upload.size or 0) > MAX_BYTES:
        raise Problem("size")
    content: bytes = upload.read()
    return content


class MappingForm(forms.Form):
    """Which column holds what."""

    at = forms.ChoiceField(label=gettext_lazy("Time"))
    amount = forms.ChoiceField(label=gettext_lazy("Amount"))
    task_id = forms.ChoiceField(label=gettext_lazy("Task ID"), required=False)
    request_id = forms.ChoiceField(label=gettext_lazy("Request ID"), required=False)
    model = forms.ChoiceField(label=gettext_lazy("Model"), required=False)
    kind = forms.ChoiceField(label=gettext_lazy("Type"), required=False)
    unit = forms.ChoiceField(label=gettext_lazy("Unit of the amount"))
    decimal_mark = forms.ChoiceField(
        label=gettext_lazy("Decimal mark"),
        choices=(
            (cells.POINT, gettext_lazy("Point: 0.48")),
            (cells.COMMA, gettext_lazy("Comma: 0,48")),
        ),
    )
    charges_are_negative = forms.BooleanField(
        label=gettext_lazy("Charges are negative, refunds positive"), required=False
    )
    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone of times without one"))

    def __init__(self, *args: Any, table: Table, currency: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table, self.currency = table, currency
        columns = [(label, label) for label in table.labels]
        for name in FIELDS:
            self._choices(name, [("", _("None")), *columns])
        units = [
            (cells.CURRENCY, currency),
            (cells.CENTS, _("Hundredths of %(currency)s") % {"currency": currency}),
            (cells.QUOTA, _("Quota units: 500,000 are 1 USD")),
        ]
        self._choices("unit", units)
        self._choices("time_zone", zones_by_region(known_zones()))

    def _choices(self, name: str, choices: Sequence[Any]) -> None:
        field = self.fields[name]
        assert isinstance(field, forms.ChoiceField)
        field.choices = choices
        field.error_messages["required"] = _("Choose a column.")
        field.error_messages["invalid_choice"] = _("Choose one of the list.")

    @property
    def mapping(self) -> ColumnMapping:
        return ColumnMapping.from_json(self.cleaned_data)

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if cleaned.get("unit") == cells.QUOTA and self.currency != "USD":
            text = _("Quota units are US dollars, and the team counts in %(currency)s.")
            self.add_error("unit", text % {"currency": self.currency})
        self._check_columns_are_different(cleaned)
        return cleaned

    def _check_columns_are_different(self, cleaned: dict[str, Any]) -> None:
        used = dict[str, str]()
        for name in FIELDS:
            label = cleaned.get(name)
            if label and used.setdefault(label, name) != name:
                self.add_error(name, _("This column is used above. Choose another one."))

    def add_problem(self, problem: dict[str, Any]) -> None:
        """Show what an import with these values has found, beside the field that it is about."""
        self.full_clean()
        sentence = _("Line %(number)d: “%(cell)s” in %(column)s cannot be read.")
        for number, column, cell in problem.get("errors", ()):
            field = "at" if column == self.data["at"] else "amount"
            values = {"number": number, "cell": cell, "column": column}
            self.add_error(field, sentence % values)
        self.add_error(None, problem_text(Problem.from_json(problem)))


class ReasonForm(forms.Form):
    """A decision with its reason, and the amounts that the page showed."""

    decision = forms.ChoiceField(choices=Comparison.Decision.choices)
    note = VisibleTextField(
        max_length=300,
        error_messages={"required": gettext_lazy("Enter a reason. The audit log keeps it.")},
    )
    billed = forms.IntegerField(required=False)
    recorded = forms.IntegerField(required=False)


class SeveralForm(forms.Form):
    """One decision and reason about several rows: key, billed and recorded amount of each."""

    decision = forms.ChoiceField(
        choices=Comparison.Decision.choices,
        error_messages={"required": gettext_lazy("Choose what to do.")},
    )
    note = VisibleTextField(
        max_length=300,
        error_messages={"required": gettext_lazy("Enter a reason. The audit log keeps it.")},
    )
    row = forms.Field(required=False)

    def selected_pks(self) -> list[int]:
        return [pk for pk, _billed, _recorded in self._rows()]

    def _rows(self) -> list[tuple[int, int | None, int | None]]:
        """The ticked rows, without what is not one."""
        texts = self.data.getlist("row") if isinstance(self.data, QueryDict) else []
        matches = (_ROW.fullmatch(text) for text in texts[:MAX_SEVERAL])
        return [
            (int(found[1]), *(int(each) if each else None for each in found.groups()[1:]))  # type: ignore[misc]
            for found in matches
            if found
        ]

    def clean_row(self) -> list[tuple[int, int | None, int | None]]:
        rows = self._rows()
        if not rows:
            raise forms.ValidationError(_("Tick at least one line."))
        return rows


class AssignForm(forms.Form):
    """The generation that was chosen, as its key and the version that the page showed."""

    generation = forms.CharField()
    billed = forms.IntegerField(required=False)
    recorded = forms.IntegerField(required=False)

    def clean_generation(self) -> tuple[int, int]:
        row = parse_row(self.cleaned_data["generation"])
        if row is None:
            raise forms.ValidationError(_("Choose one of the options."))
        return row


class CorrectionForm(forms.Form):
    amount = AmountField(
        error_messages={"required": gettext_lazy("Enter the amount to be charged.")}
    )
    note = VisibleTextField(
        max_length=300,
        error_messages={"required": gettext_lazy("Enter a reason. The ledger keeps it.")},
    )
    seen = forms.IntegerField()
