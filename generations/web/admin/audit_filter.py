"""Filters of the audit log. A page costs the same at any size of the log."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from generations.models import AuditAction, AuditEntry, Member
from generations.models.counting import newest_rows

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
            {A.LIMIT_CHANGED, A.PRICE_SET, A.GRANTED, A.DECLINED, A.CORRECTED, A.RECONCILED}
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
            {A.KEY_CHANGED, A.SETTING_CHANGED, A.RETENTION_RUN, A.TOKEN_CHANGED, A.DEMO_CHANGED}
        ),
    ),
    "files": (_("Files"), frozenset({A.DELETED_PERMANENTLY, A.DOWNLOADED, A.EXPORTED})),
}  # fmt: skip

ENTRIES_A_PAGE = 50
MAX_LOOKED_AT = 5000  # entries that one page compares with filters that no index serves
MAX_TEXT_CHARACTERS = 100
SYSTEM = "system"
# Entries are stored in the order of their keys, except those of transactions at the same time.
MAX_OUT_OF_ORDER = 20


class FilterForm(forms.Form):
    group = forms.ChoiceField(
        choices=[(slug, label) for slug, (label, _actions) in GROUPS.items()], required=False
    )
    person = forms.ChoiceField(required=False)
    since = forms.DateField(
        required=False, error_messages={"invalid": _("Enter a date such as 2026-11-28.")}
    )
    until = forms.DateField(
        required=False, error_messages={"invalid": _("Enter a date such as 2026-11-28.")}
    )
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
        streams = self._streams(before)
        if not (self.text or (self.person and self.group)):
            rows = newest_rows(streams, [], size + 1)
            keys, has_more = [pk for (pk,) in rows[:size]], len(rows) > size
            return Page(self._entries(keys), keys[-1] if has_more else None)
        rows = newest_rows(streams, ["action", "target_label"], MAX_LOOKED_AT + 1)
        matching = [row[0] for row in rows[:MAX_LOOKED_AT] if self._matches(*row[1:])]
        keys = matching[:size]
        if len(matching) > size:
            return Page(self._entries(keys), keys[-1])
        if len(rows) > MAX_LOOKED_AT:
            return Page(self._entries(keys), rows[MAX_LOOKED_AT - 1][0], MAX_LOOKED_AT)
        return Page(self._entries(keys), None)

    def all(self, size: int = 500) -> Iterator[AuditEntry]:
        """All matching entries, newest first; few are in memory."""
        page = self.page(size=size)
        yield from page.entries
        while page.older is not None:
            page = self.page(page.older, size)
            yield from page.entries

    def _streams(self, before: int | None) -> list[QuerySet[AuditEntry]]:
        """Querysets that an index serves in the order of the keys; their union is looked at."""
        entries = AuditEntry.objects.filter(self._keys(before))
        if self.person == SYSTEM:
            return [entries.filter(by=None)]
        if self.person:
            is_target = Q(target_type="member", target_id=self.person)
            return [entries.filter(by=int(self.person)), entries.filter(is_target)]
        if self.actions:
            return [entries.filter(action=action) for action in sorted(self.actions)]
        return [entries]

    def _keys(self, before: int | None) -> Q:
        """The range of keys: a range of moments would need another order than that of the keys."""
        by_time = AuditEntry.objects.order_by("at").values_list("pk", flat=True)
        keys = Q() if before is None else Q(pk__lt=before)
        if self.since:
            first = by_time.filter(at__gte=self.since).first()
            keys &= Q(pk__in=()) if first is None else Q(pk__gt=first - MAX_OUT_OF_ORDER)
        if self.until:
            end = by_time.filter(at__gt=self.until).first()
            keys &= Q() if end is None else Q(pk__lt=end + MAX_OUT_OF_ORDER)
        return keys

    def _matches(self, action: str, label: str) -> bool:
        is_action = not self.actions or action in self.actions
        return is_action and self.text.casefold() in label.casefold()

    def _entries(self, keys: list[int]) -> list[AuditEntry]:
        found = AuditEntry.objects.select_related("by").in_bulk(keys)
        return [found[pk] for pk in keys if self._is_in_range(found[pk].at)]

    def _is_in_range(self, at: datetime) -> bool:
        return (not self.since or at >= self.since) and (not self.until or at <= self.until)
