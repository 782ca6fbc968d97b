"""The form of the limits of any subject: the team, each person, a role, or one person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db import transaction
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.amount_field import AmountField
from generations.models import Member
from generations.models.money import Limit, Window
from generations.models.money.amounts import plain
from generations.models.money.limit import LimitValues

from .formats import format_money

MAX_LIMIT_IMAGES = 1_000_000_000
FIELDS = (
    ("day_money", Window.DAY, "money_e4", _("Money a day")),
    ("month_money", Window.MONTH, "money_e4", _("Money a month")),
    ("day_images", Window.DAY, "images", _("Images a day")),
    ("month_images", Window.MONTH, "images", _("Images a month")),
)
_UNREADABLE = -1  # what a page cannot have shown


@dataclass(frozen=True)
class Subject:
    """Whose limits they are."""

    scope: Limit.Scope
    role: str = ""
    member: Member | None = None

    @property
    def key(self) -> dict[str, Any]:
        return {"scope": self.scope, "role": self.role, "member": self.member}

    def stored(self, *, for_update: bool = False) -> dict[str, LimitValues]:
        """The limits by window. `for_update` locks them until the transaction ends."""
        rows = Limit.objects.filter(**self.key).order_by("pk")
        rows = rows.select_for_update() if for_update else rows
        return {row.window: row.values for row in rows}


class LimitsForm(forms.Form):
    """Four limits. It changes only the fields that differ from what the page showed (`seen-…`).

    A field that is not sent stays as it is. An empty field removes that limit. `stored` and
    `otherwise`, what applies without them, are by window.
    """

    def __init__(
        self,
        *args: Any,
        subject: Subject,
        stored: Mapping[str, LimitValues] | None = None,
        otherwise: Mapping[str, LimitValues] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.subject = subject
        self._set_initial(subject.stored() if stored is None else stored)
        for name, window, column, label in FIELDS:
            self.fields[name] = field = _limit_field(column)
            field.label = label
            field.help_text = _help_text(
                column, getattr((otherwise or {}).get(window), column, None)
            )

    @classmethod
    def of_member(cls, member: Member, data: Any = None) -> "LimitsForm":
        return cls(
            data,
            subject=Subject(Limit.Scope.MEMBER, member=member),
            otherwise=Limit.objects.without_own(member),
            auto_id=f"limit-{member.pk}-%s",
        )

    def clean(self) -> dict[str, Any]:
        self.changes = self._changed()
        self._refuse_stale()
        self._show_stored()
        return self.cleaned_data

    def save(self, by: Member) -> bool:
        """Write what was changed, all or nothing. False: there are errors now, and no change."""
        with transaction.atomic():
            self._set_initial(self.subject.stored(for_update=True))
            self._refuse_stale()
            if self.errors:
                return False
            for name, window, column, _label in FIELDS:
                if name in self.changes:
                    _seen, value = self.changes[name]
                    values: dict[str, Any] = {column: value}
                    Limit.objects.put(window=window, by=by, **self.subject.key, **values)
        return True

    @property
    def seen(self) -> Iterator[tuple[str, str]]:
        """Name and value of the hidden fields that say what this page shows as stored."""
        for name, _window, column, _label in FIELDS:
            is_mistyped = name in self.errors and not self._is_stale(name)
            stored = _as_text(column, self.initial[name])
            yield f"seen-{name}", self._sent_as_seen(name) if is_mistyped else stored

    def _set_initial(self, stored: Mapping[str, LimitValues]) -> None:
        for name, window, column, _label in FIELDS:
            self.initial[name] = getattr(stored.get(window), column, None)

    def _sent_as_seen(self, name: str) -> str:
        return str(self.data.get(f"seen-{name}", ""))

    def _seen_value(self, name: str) -> int | None:
        try:
            value: int | None = self.fields[name].clean(self._sent_as_seen(name))
        except forms.ValidationError:
            return _UNREADABLE
        return value

    def _changed(self) -> dict[str, tuple[int | None, int | None]]:
        """What the page showed and the valid new value, of each field that differs, by name."""
        pairs = {
            name: (self._seen_value(name), value)
            for name, value in self.cleaned_data.items()
            if name in self.data
        }
        return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}

    def _is_stale(self, name: str) -> bool:
        return self.has_error(name, "stale")

    def _refuse_stale(self) -> None:
        columns = {name: column for name, _window, column, _label in FIELDS}
        for name, known in self.changes.items():
            stored = self.initial[name]
            if stored not in known:
                text = gettext("Another admin changed this to %s. Check it and save again.")
                shown = gettext("no limit") if stored is None else _shown(columns[name], stored)
                self.add_error(name, forms.ValidationError(text % shown, code="stale"))

    def _show_stored(self) -> None:
        """Where nothing was typed, a page with errors shows what is stored now."""
        data = {name: str(value) for name, value in self.data.items()}
        for name, _window, column, _label in FIELDS:
            if name not in data or data[name] == self._sent_as_seen(name):
                data[name] = _as_text(column, self.initial[name])
                data[f"seen-{name}"] = data[name]
        self.data = data


def _as_text(column: str, value: int | None) -> str:
    if value is None:
        return ""
    return plain(value) if column == "money_e4" else str(value)


def _shown(column: str, value: int) -> str:
    return format_money(value) if column == "money_e4" else str(value)


def _limit_field(column: str) -> forms.Field:
    if column == "money_e4":
        field: forms.Field = AmountField(required=False)
    else:
        field = forms.IntegerField(
            required=False,
            min_value=0,
            max_value=MAX_LIMIT_IMAGES,
            widget=forms.TextInput,
            error_messages={
                "invalid": _("Enter a whole number."),
                "min_value": _("Enter a whole number."),
                "max_value": _("This number is too large."),
            },
        )
    field.widget.attrs |= {"inputmode": "decimal", "maxlength": 40, "autocomplete": "off"}
    return field


def _help_text(column: str, value: int | None) -> str:
    """What applies while the field is empty."""
    if value is None:
        return gettext("Empty: no limit")
    return gettext("Empty: %(limit)s") % {"limit": _shown(column, value)}
