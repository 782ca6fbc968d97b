"""Forms about people: invitations, roles, details, limits, handing over, and new accounts."""

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.utils import timezone
from django.utils.functional import lazy
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from generations.amount_field import AmountField
from generations.invisible_text import is_blank
from generations.models import Invitation, InvitationTerms, Member, Team
from generations.permissions import Action, Role
from generations.web.text_fields import VisibleTextField

MAX_PASTED = 100  # names or addresses
MAX_PASTED_CHARACTERS = 30_000
VALID_DAYS = ((1, _("1 day")), (7, _("7 days")), (30, _("30 days")))
ROLE_ERROR = {"required": _("Choose a role."), "invalid_choice": _("Choose a role.")}
_ENDS_OF_NAMES = re.compile(r"[\r\n;\t\v\f\u2028\u2029]+")


def roles_given_by(member: Member) -> list[tuple[str, str]]:
    """The roles that this member may give, as choices."""
    given = [role for role in Role if role != Role.OWNER or member.may(Action.MANAGE_OWNERS)]
    return [(role.value, str(role.label)) for role in given]


def _max_uses_error() -> str:
    return gettext("Enter a number from 1 to %(max)d.") % {"max": Invitation.MAX_USES}


class RoleForm(forms.Form):
    """The page says what it showed, so that only a role that was chosen there is changed."""

    role = forms.ChoiceField(error_messages=ROLE_ERROR, show_hidden_initial=True)

    def __init__(self, *args: Any, by: Member, **options: Any) -> None:
        super().__init__(*args, **options)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        role.choices = roles_given_by(by)


class InvitationTermsForm(RoleForm):
    """What a link allows. `batch` is the id of the form: sent twice, it creates nothing new."""

    days = forms.TypedChoiceField(
        choices=VALID_DAYS, coerce=int, error_messages={"invalid_choice": _("Choose a time.")}
    )
    month_limit = AmountField(required=False)
    batch = forms.UUIDField(
        widget=forms.HiddenInput, error_messages={"invalid": _("Reload the page and try again.")}
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        fresh = {"role": Role.MEMBER, "days": 7, "batch": str(uuid4())}
        self.initial = fresh | dict(self.initial)

    @property
    def currency(self) -> str:
        return Team.objects.current().currency

    def terms(self) -> InvitationTerms:
        values = self.cleaned_data
        return InvitationTerms(
            role=values["role"],
            expires_at=timezone.now() + timedelta(days=values["days"]),
            max_uses=values.get("max_uses", 1),
            month_money_e4=values["month_limit"],
        )

    def names(self) -> list[str]:
        """Whom each link is for; "" for a link without a name."""
        raise NotImplementedError


class OneLinkForm(InvitationTermsForm):
    made_for = VisibleTextField(
        max_length=Invitation.MAX_NAME_LENGTH,
        required=False,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    max_uses = forms.IntegerField(
        initial=1,
        min_value=1,
        max_value=Invitation.MAX_USES,
        error_messages={
            name: lazy(_max_uses_error, str)()
            for name in ("required", "invalid", "min_value", "max_value")
        },
    )

    def names(self) -> list[str]:
        return [self.cleaned_data["made_for"]]


class ManyLinksForm(InvitationTermsForm):
    pasted = VisibleTextField(
        max_length=MAX_PASTED_CHARACTERS,
        widget=forms.Textarea,
        error_messages={
            "required": _("Paste names or e-mail addresses first."),
            "max_length": _("Too long: paste at most 100 names or addresses."),
        },
    )

    def clean_pasted(self) -> list[str]:
        found = split_names(self.cleaned_data["pasted"])
        if not found:
            raise forms.ValidationError(_("Paste names or e-mail addresses first."))
        if len(found) > MAX_PASTED:
            text = gettext("Paste at most %(max)d. You pasted %(number)d; no link was created.")
            raise forms.ValidationError(text % {"max": MAX_PASTED, "number": len(found)})
        if too_long := [name for name in found if len(name) > Invitation.MAX_NAME_LENGTH]:
            text = ngettext(
                "%(n)d line is too long: “%(start)s…”. Put each name on its own line.",
                "%(n)d lines are too long, first “%(start)s…”. Put each name on its own line.",
                len(too_long),
            )
            raise forms.ValidationError(text % {"n": len(too_long), "start": too_long[0][:40]})
        return found

    def names(self) -> list[str]:
        names: list[str] = self.cleaned_data["pasted"]
        return names


def split_names(text: str) -> list[str]:
    """Split at line ends and semicolons, and at commas between addresses. Each name once."""
    found: dict[str, str] = {}
    for line in _ENDS_OF_NAMES.split(text):
        parts = [part.strip() for part in line.split(",") if part.strip()]
        are_addresses = all("@" in part for part in parts)
        for name in parts if are_addresses else [line.strip(" ,")]:
            if not is_blank(name):
                found.setdefault(name.casefold(), name)
    return list(found.values())


class DetailsForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, user name and e-mail address of a person. The page says what it showed."""

    class Meta:
        model = Member
        fields = ("first_name", "last_name", "username", "email")
        labels = {
            "first_name": _("First name"),
            "last_name": _("Last name"),
            "username": _("User name"),
            "email": _("E-mail address"),
        }
        help_texts = {"username": _("For the sign-in.")}
        widgets = {"email": forms.TextInput(attrs={"inputmode": "email"})}
        error_messages = {"email": {"invalid": _("Enter an e-mail address, or leave it empty.")}}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for field in self.fields.values():
            field.widget.attrs |= {"autocomplete": "off"}
            field.widget.attrs.pop("autofocus", None)
            field.show_hidden_initial = True

    def clean_username(self) -> str:
        """Names that differ only in case are the same, as on the page of an invitation."""
        name: str = self.cleaned_data["username"]
        others = Member.objects.exclude(pk=self.instance.pk)
        if others.filter(username__iexact=name).exists():
            raise forms.ValidationError(gettext("This user name is taken. Choose another."))
        return name


class HandOverForm(forms.Form):
    to = forms.ModelChoiceField(
        Member.objects.none(),
        empty_label=_("Choose a person"),
        error_messages={
            "required": _("Choose a person."),
            "invalid_choice": _("This person is not active any more. Choose another."),
        },
    )

    def __init__(self, *args: Any, receivers: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        to = self.fields["to"]
        assert isinstance(to, forms.ModelChoiceField)
        to.queryset = receivers


class NewAccountForm(UserCreationForm):  # type: ignore[type-arg]
    """User name and password of the invited person, checked by Django's validators."""

    class Meta(UserCreationForm.Meta):
        model = Member
