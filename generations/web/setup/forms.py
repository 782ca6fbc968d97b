"""The set-up form: the team and its API key, and the first owner."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import UsernameField
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from generations.amount_field import AmountField
from generations.models import Member
from generations.setup import api_key
from generations.setup.team import TeamSetup
from generations.web.middleware.time_zone import known_zones
from generations.web.text_fields import VisibleTextField
from generations.web.zone_names import zones_by_region

CURRENCIES = ("USD", "EUR", "CNY", "VND", "credits")  # suggestions only
MAX_PASSWORD_CHARACTERS = 4096
TOO_LONG = _("Use at most %(limit_value)d characters.")


class TeamForm(forms.Form):
    """Team, time zone, API key and budget. The key is asked for while there is none."""

    team_name = VisibleTextField(
        max_length=80,
        error_messages={"required": _("Enter a name for the team."), "max_length": TOO_LONG},
    )
    time_zone = forms.ChoiceField(
        error_messages={
            "required": _("Choose a time zone."),
            "invalid_choice": _("Choose a time zone from the list."),
        },
    )
    api_key = forms.CharField(
        required=False,
        max_length=api_key.MAX_KEY_CHARACTERS,
        widget=forms.PasswordInput,
        error_messages={"max_length": TOO_LONG},
    )
    without_key = forms.BooleanField(required=False)
    currency = VisibleTextField(
        max_length=12,
        error_messages={
            "required": _("Enter a currency, such as USD, or a word such as credits."),
            "max_length": TOO_LONG,
        },
    )
    price = AmountField(required=False, error_messages={"max_length": TOO_LONG})
    budget = AmountField(required=False, error_messages={"max_length": TOO_LONG})

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        time_zone = self.fields["time_zone"]
        assert isinstance(time_zone, forms.ChoiceField)
        time_zone.choices = zones_by_region(known_zones())
        if not settings.DEMO:  # a key is configured
            del self.fields["api_key"], self.fields["without_key"]

    def clean(self) -> dict[str, Any]:
        """Test the key last: only if all else is right, because it costs seconds."""
        values = super().clean() or {}
        if "api_key" not in self.fields or "api_key" in self.errors:
            return values
        if values.get("without_key"):
            values["api_key"] = ""
        elif not values["api_key"]:
            self.add_error("api_key", _("Enter the API key, or choose “Try without a key”."))
        elif not self.errors:
            self._check_key(values["api_key"])
        return values

    def _check_key(self, key: str) -> None:
        """The one place where a page waits for the upstream; see `generations/setup/api_key.py`."""
        try:
            api_key.check(key)
        except api_key.KeyProblem as problem:
            self.add_error("api_key", str(problem))

    def setup(self) -> TeamSetup:
        """What the valid form says."""
        values = self.cleaned_data
        return TeamSetup(
            name=values["team_name"],
            time_zone=values["time_zone"],
            currency=values["currency"],
            month_money_e4=values["budget"],
            price_e4=values["price"],
            api_key=values.get("api_key", ""),
        )


class FirstStartForm(TeamForm):
    """`code_error`: what the view, which counts wrong codes, says about the code; "" if right."""

    username = UsernameField(
        max_length=150,
        validators=[UnicodeUsernameValidator()],
        error_messages={"required": _("Enter a user name."), "max_length": TOO_LONG},
    )
    password = forms.CharField(
        strip=False,
        max_length=MAX_PASSWORD_CHARACTERS,
        widget=forms.PasswordInput,
        error_messages={"required": _("Enter a password."), "max_length": TOO_LONG},
    )
    code = forms.CharField(
        max_length=100,
        error_messages={
            "required": _("Enter the code that klingweb printed at its start."),
            "max_length": _("This is not the code."),
        },
    )
    field_order = ("code", "username", "password")

    def __init__(self, *args: Any, code_error: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        self.code_error = code_error

    def clean_code(self) -> str:
        if self.code_error:
            raise ValidationError(self.code_error)
        return str(self.cleaned_data["code"])

    def clean(self) -> dict[str, Any]:
        values = self.cleaned_data
        if "password" in values:
            try:
                validate_password(values["password"], Member(username=values.get("username", "")))
            except ValidationError as error:
                self.add_error("password", error)
        return super().clean()

    def owner(self) -> Member:
        """The first person, not saved. Hashes the password, which is slow."""
        member = Member(username=self.cleaned_data["username"])
        member.set_password(self.cleaned_data["password"])
        return member
