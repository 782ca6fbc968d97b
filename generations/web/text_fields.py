"""Form fields for text that people type or paste."""

from typing import Any

from django import forms

from generations.invisible_text import is_blank


class VisibleTextField(forms.CharField):
    """Text; characters that show nothing, alone, count as empty."""

    def to_python(self, value: Any) -> str:
        text = str(super().to_python(value))
        return "" if is_blank(text) else text
