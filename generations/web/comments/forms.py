"""The form of a comment."""

from django import forms
from django.utils.translation import gettext_lazy as _

from generations.models import Comment
from generations.web.text_fields import VisibleTextField


class CommentForm(forms.Form):
    text = VisibleTextField(
        max_length=Comment.MAX_CHARACTERS,
        error_messages={
            "required": _("Write a comment first."),
            "max_length": _("Use at most %(limit_value)d characters. You entered %(show_value)d."),
        },
    )

    @property
    def limit(self) -> int:
        return Comment.MAX_CHARACTERS
