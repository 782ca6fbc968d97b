"""Forms that name or choose a collection."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from generations.models import Collection
from generations.web.text_fields import VisibleTextField


class CollectionNameForm(forms.Form):
    name = VisibleTextField(
        max_length=Collection.MAX_NAME_LENGTH,
        error_messages={
            "required": _("Enter a name."),
            "max_length": _("Use at most %(limit_value)d characters. You entered %(show_value)d."),
        },
    )


class CollectionForm(CollectionNameForm):
    """Name and description of a collection."""

    description = VisibleTextField(
        required=False,
        max_length=Collection.MAX_DESCRIPTION_LENGTH,
        error_messages={
            "max_length": _("Use at most %(limit_value)d characters. You entered %(show_value)d."),
        },
    )


class CollectionChoiceForm(CollectionNameForm):
    """An existing collection, or the name of a new one."""

    collection = forms.ModelChoiceField(
        Collection.objects.all(),
        required=False,
        error_messages={"invalid_choice": _("This collection no longer exists.")},
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["name"].required = False

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if not (self.errors or values.get("collection") or values.get("name")):
            raise forms.ValidationError(_("Choose a collection or enter a name for a new one."))
        return values
