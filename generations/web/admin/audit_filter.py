"""Filters of the audit log. A page costs the same at any size of the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.models import AuditAction, AuditEntry, Member
from generations.models.counting import newest_keys

A = AuditAction
GROUPS: dict[str, tuple[str | Promise, frozenset[AuditAction]]] = {
    "people": (
        _("People"),
        frozenset(
            {
                A.INVITED, A.INVITATION_REVOKED, A.JOINED, A.ROLE_CHANGED, A.DISABLED, A.ENABLED,
                A.HANDED_OVER, A.PERSON_CHANGED,
            }
        ),
    ),
    "sign-ins": (
        _("Sign-ins"),
        frozenset(
            {
                A.SIGNED_IN, A.SIGN_IN_FAILED, A.SIGNED_OUT, A.PASSWORD_CHANGED,
                A.RESET_LINK_CREATED, A.SECOND_FACTOR_ADDED, A.SECOND_FACTOR_REMOVED,
                A.SESSIONS_ENDED,
            }
        ),
    ),
    "money": (
        _("Money"),
        frozenset(
            {
                A.LIMIT_CHANGED, A.PRICE_SET, A.GRANTED, A.DECLINED, A.CORRECTED, A.RECONCILED,
                A.DIFFERENCE_DECIDED,
            }
        ),
    ),
    "generation": (
        _("Generation"),
        frozenset(
            {
                A.HELD, A.HOLD_ENDED, A.PAUSED, A.RESUMED, A.QUEUE_CHANGED, A.DISMISSED,
                A.RECHECKED, A.SENT_AGAIN, A.TASK_ID_ENTERED,
            }
        ),
    ),
    "settings": (
        _("Keys and settings"),
        frozenset(
            {A.KEY_CHANGED, A.SETTING_CHANGED, A.RETENTION_RUN, A.DEMO_CHANGED}
        ),
    ),
    "files": (
        _("Files"),
        frozenset({A.DELETED_PERMANENTLY, A.COMMENT_DELETED, A.DOWNLOADED, A.EXPORTED}),
    ),
}  # fmt: skip

ENTRIES_A_PAGE = 50
MAX_LOOKED_AT = 5000  # entries that one page compares with filters that no index serves
MAX_TEXT_CHARACTERS = 100
YEARS = range(2000, 2200)
SYSTEM = "system"
# Entries are stored in the order of their keys, except those of transactions at the same time.
MAX_OUT_OF_ORDER = 20


class DayField(forms.DateField):
    """A day that every time zone can express as a moment."""

    default_error_messages = {"invalid": _("Enter a date from 2000 to 2199, such as 2026-11-28.")}

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and value.year not in YEARS:
            raise ValidationError(self.error_messages["invalid"], code="invalid")


class FilterForm(forms.Form):
    group = forms.ChoiceField(
        choices=[(slug, label) for slug, (label, _actions) in GROUPS.items()], required=False
    )
    person = forms.ChoiceField(required=False)
    since = DayField(required=False)
    until = DayField(required=False)
    text = forms.CharField(max_length=MAX_TEXT_CHARACTERS, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = Member.objects.order_by("username")
        person = self.fields["person"]
        assert isinstance(person, forms.ChoiceField)
        person.choices = [
            ("", gettext("Everyone")),
            (SYSTEM, gettext("System")),
            *((str(each.pk), each.name) for each in people),
        ]


@dataclass(frozen=True)
class Page:
    """`older` is the key at which the next page starts; None on the last one.

    `looked_at` is set if the page ended before it was full: so many entries were compared.
    """

    entries: list[AuditEntry]
    older: int | None
    looked_at: int | None = None


@dataclass(frozen=True)
class AuditFilter:
    """Empty values filter nothing. `since` and `until` are moments; `until` is excluded."""

    group: str = ""
    person: str = ""
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""

    @classmethod
    def of(cls, form: FilterForm) -> "AuditFilter":
        """The filter of a valid form. Days are those of the reader's time zone."""
        values = form.cleaned_data
        since, until = values["since"], values["until"]
        return cls(
            group=values["group"],
            person=values["person"],
            since=since and timezone.make_aware(datetime.combine(since, time.min)),
            until=until and timezone.make_aware(datetime.combine(until, time.max)),
            text=values["text"].strip(),
        )

    @property
    def actions(self) -> frozenset[AuditAction]:
        """Empty: all."""
        return GROUPS[self.group][1] if self.group else frozenset()

    def page(self, before: int | None = None, size: int = ENTRIES_A_PAGE) -> Page:
        """The newest matching entries with a key below `before`, with the persons."""
        if not (self.text or (self.person and self.group)):
            keys, has_more = self._newest(before, size)
            return Page(self._entries(keys), keys[-1] if has_more else None)
        looked_at, has_more = self._newest(before, MAX_LOOKED_AT)
        matching = self._matching(looked_at)
        keys = matching[:size]
        if len(matching) > size:
            return Page(self._entries(keys), keys[-1])
        if has_more:
            return Page(self._entries(keys), looked_at[-1], MAX_LOOKED_AT)
        return Page(self._entries(keys), None)

    def _newest(self, before: int | None, size: int) -> tuple[list[int], bool]:
        """Up to `size` keys of what an index can filter, and whether there are more."""
        found = newest_keys(self._streams(before), size + 1)
        lowest = self._lowest_key()
        keys = [pk for pk in found if lowest is not None and pk >= lowest]
        return keys[:size], len(keys) > size

    def _matching(self, keys: list[int]) -> list[int]:
        """Those of these keys that match the filters without an index, in the same order."""
        rows = AuditEntry.objects.filter(pk__in=keys).values_list("pk", "action", "target_label")
        text = self.text.casefold()
        matching = {
            pk
            for pk, action, label in rows
            if (not self.actions or action in self.actions) and text in label.casefold()
        }
        return [pk for pk in keys if pk in matching]

    def all(self, size: int = 500) -> Iterator[AuditEntry]:
        """All matching entries, newest first; few are in memory."""
        page = self.page(size=size)
        yield from page.entries
        while page.older is not None:
            page = self.page(page.older, size)
            yield from page.entries

    def _streams(self, before: int | None) -> list[QuerySet[AuditEntry]]:
        """Querysets that an index serves in the order of the keys; their union is looked at."""
        entries = AuditEntry.objects.filter(self._below(before))
        if self.person == SYSTEM:
            return [entries.filter(by=None)]
        if self.person:
            is_target = Q(target_type="member", target_id=self.person)
            return [entries.filter(by=int(self.person)), entries.filter(is_target)]
        if self.actions:
            return [entries.filter(action=action) for action in sorted(self.actions)]
        return [entries]

    # A range of moments becomes one of keys, because the entries are read in their order.

    def _below(self, before: int | None) -> Q:
        below = Q() if before is None else Q(pk__lt=before)
        if self.until and (end := _first_key(Q(at__gt=self.until))):
            below &= Q(pk__lt=end + MAX_OUT_OF_ORDER)
        return below

    def _lowest_key(self) -> int | None:
        """None: no entry is new enough. Compared here, so that the query has one way to go."""
        if not self.since:
            return 0
        first = _first_key(Q(at__gte=self.since))
        return None if first is None else first - MAX_OUT_OF_ORDER

    def _entries(self, keys: list[int]) -> list[AuditEntry]:
        found = AuditEntry.objects.select_related("by").in_bulk(keys)
        return [found[pk] for pk in keys if self._is_in_range(found[pk].at)]

    def _is_in_range(self, at: datetime) -> bool:
        return (not self.since or at >= self.since) and (not self.until or at <= self.until)


def _first_key(condition: Q) -> int | None:
    by_time = AuditEntry.objects.order_by("at").values_list("pk", flat=True)
    return by_time.filter(condition).first()
