"""Forms of the usage page."""

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.models.money.amounts import AmountError, parse_e4
from generations.web.text_fields import VisibleTextField

MAX_IMAGES = 100_000
UNTIL = (
    ("day", gettext_lazy("End of today")),
    ("month", gettext_lazy("End of this month")),
    ("next-month", gettext_lazy("End of next month")),
)


class AmountField(forms.CharField):
    """An amount of money. Its value is an integer in ten-thousandths."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=40, **options)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return 0
        try:
            return parse_e4(text)
        except AmountError as error:
            raise forms.ValidationError(str(error), code="invalid") from error


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
    """Until when the limits of a person are raised."""

    until = forms.ChoiceField(choices=UNTIL, initial="month")
