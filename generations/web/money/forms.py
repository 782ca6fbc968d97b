"""Forms about requests for more: what a member asks for, and what an admin grants."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.amount_field import AmountField
from generations.web.text_fields import VisibleTextField

MAX_IMAGES = 100_000
UNTIL = (
    ("month", gettext_lazy("End of this month")),
    ("next-month", gettext_lazy("End of next month")),
)


class LimitRequestForm(forms.Form):
    amount = AmountField(required=False)
    images = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_IMAGES,
        error_messages={"invalid": gettext_lazy("Enter a whole number.")},
    )
    reason = VisibleTextField(
        max_length=300,
        error_messages={"required": gettext_lazy("Say what it is for: an admin decides by this.")},
    )

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        if not self.errors and not cleaned["amount"] and not cleaned["images"]:
            self.add_error("amount", _("Enter an amount or a number of images."))
        return cleaned


class DecisionForm(forms.Form):
    """How much is granted, and until when. Without an amount and images: what was asked for."""

    amount = AmountField(required=False)
    images = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=MAX_IMAGES,
        error_messages={"invalid": gettext_lazy("Enter a whole number.")},
    )
    until = forms.ChoiceField(choices=UNTIL, initial="month", required=False)

    @property
    def is_other(self) -> bool:
        """Whether another amount than the one asked for was entered."""
        return any(self.cleaned_data[name] is not None for name in ("amount", "images"))

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        is_nothing = not cleaned.get("amount") and not cleaned.get("images")
        if not self.errors and self.is_other and is_nothing:
            self.add_error("amount", _("Enter an amount or a number of images."))
        return cleaned
