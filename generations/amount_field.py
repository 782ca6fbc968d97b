"""The form field of an amount of money."""

from typing import Any

from django import forms

from generations.models.money.amounts import AmountError, parse_e4, plain

MAX_CHARACTERS = 40


class AmountField(forms.CharField):
    """An amount as it is typed. Its value is in ten-thousandths, and None for an empty field."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"max_length": MAX_CHARACTERS, **options})

    def prepare_value(self, value: Any) -> Any:
        return plain(value) if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        try:
            return parse_e4(text) if text else None
        except AmountError as error:
            raise forms.ValidationError(str(error), code="invalid") from None
