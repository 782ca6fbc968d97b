"""The form of "Many at once": the text, what all its requests have in common, and the values."""

from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.batches import key_from
from generations.models import Batch
from generations.reconciliation.parsing import Problem, decode
from generations.requests import GenerationRequest
from generations.web.studio.forms import SettingsForm, TextField
from generations.web.text_fields import VisibleTextField

from .plan import LEAVE_OUT, Plan, find_made, make_plan

MAX_CHARACTERS = 200_000
MAX_FILE_BYTES = 1_000_000
MAX_VALUES = 200  # of a variable
VALUE_FIELD = "value:{}"  # with the name of the variable


class BatchForm(SettingsForm):
    text = TextField(
        required=False,
        max_length=MAX_CHARACTERS,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    file = forms.FileField(required=False, allow_empty_file=True)
    title = VisibleTextField(
        required=False,
        max_length=Batch.MAX_TITLE_LENGTH,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    leave_out = forms.MultipleChoiceField(
        choices=[(name, name) for name in LEAVE_OUT], required=False
    )
    seen = forms.CharField(required=False, max_length=60)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.replaced_text = ""  # by the text of the file

    def clean(self) -> dict[str, Any]:
        """Take the text of the file, and check the common settings with a prompt of their own."""
        if file := self.cleaned_data.get("file"):
            self._take(file)
        self.reference_image = self._store_reference()
        self.add_request_errors(self.base())
        return self.cleaned_data

    def _take(self, file: Any) -> None:
        try:
            if file.size > MAX_FILE_BYTES:
                raise Problem("size")
            text = decode(file.read()).replace("\r\n", "\n")
        except Problem:
            error = gettext("%(name)s could not be read. Choose a text or CSV file of up to 1 MB.")
            self.add_error("file", error % {"name": file.name})
            return
        if len(text) > MAX_CHARACTERS:
            error = gettext("%(name)s has too many characters.")
            self.add_error("file", error % {"name": file.name})
            return
        if self.cleaned_data.get("text") and self.cleaned_data["text"] != text:
            self.replaced_text = self.cleaned_data["text"]
        self.cleaned_data["text"] = text

    @property
    def shown_text(self) -> str:
        """The text in the field: that of a file, once it was read."""
        cleaned = getattr(self, "cleaned_data", {})
        return str(cleaned.get("text") or self["text"].value() or "")

    def base(self) -> GenerationRequest:
        """What all requests have in common, with a placeholder as the prompt."""
        return self.request("x")

    @property
    def values(self) -> dict[str, list[str]]:
        """The values of each variable, one a line, by its name."""
        prefix = VALUE_FIELD.format("")
        return {
            name.removeprefix(prefix): [
                line.strip() for line in str(text).splitlines() if line.strip()
            ][:MAX_VALUES]
            for name, text in self.data.items()
            if name.startswith(prefix)
        }

    def plan(self) -> Plan:
        """What the form becomes. Call it after validation; invalid settings have placeholders."""
        cleaned = self.cleaned_data
        plan = make_plan(
            self.member,
            cleaned.get("text", ""),
            self.base(),
            self.values,
            cleaned.get("leave_out", ()),
        )
        if "made" in plan.leave_out:  # decides what is started, not only what is shown
            find_made(plan)
        return plan

    def idempotency_key(self, plan: Plan) -> str:
        """From what was typed alone: limits and images that exist change with the first press."""
        nonce: UUID = self.cleaned_data["nonce"]
        typed = "\n".join((self.cleaned_data.get("title", ""), *sorted(plan.leave_out)))
        return key_from(nonce, typed, [row.request for row in plan.rows])
