"""Audit entries in words: one sentence each, the values that changed, and a link to the object."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from generations.joining import join_facts
from generations.models import (
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Status,
    Team,
    UpstreamGate,
    audit_entry,
)
from generations.models.money import Limit, Window
from generations.permissions import Role
from generations.web.formats import format_datetime
from generations.web.model_names import engine_label, kind_label
from generations.web.money.formats import format_money

from .field_labels import FIELD_LABELS
from .hold_list import engine_of_gate

NOTHING = "–"
MAX_FACTS = 2  # changed values beside a sentence; the row shows all when it is opened
MAX_VALUE_CHARACTERS = 60  # of one value in a sentence

A = AuditAction
# `who` is a person or the system, `what` the object.
SENTENCES: dict[str, str | Promise] = {
    A.SIGNED_IN: gettext_lazy("%(who)s signed in"),
    A.SIGNED_OUT: gettext_lazy("%(who)s signed out"),
    A.PASSWORD_CHANGED: gettext_lazy("%(who)s changed the password of %(what)s"),
    A.RESET_LINK_CREATED: gettext_lazy("%(who)s created a password reset link for %(what)s"),
    A.SECOND_FACTOR_ADDED: gettext_lazy("%(who)s added a second factor to %(what)s"),
    A.SECOND_FACTOR_REMOVED: gettext_lazy("%(who)s removed a second factor of %(what)s"),
    A.SESSIONS_ENDED: gettext_lazy("%(who)s ended sessions of %(what)s"),
    A.INVITED: gettext_lazy("%(who)s invited %(what)s"),
    A.INVITATION_REVOKED: gettext_lazy("%(who)s revoked %(what)s"),
    A.JOINED: gettext_lazy("%(who)s added %(what)s to the team"),
    A.ROLE_CHANGED: gettext_lazy("%(who)s changed the role of %(what)s"),
    A.DISABLED: gettext_lazy("%(who)s disabled %(what)s"),
    A.ENABLED: gettext_lazy("%(who)s enabled %(what)s"),
    A.HANDED_OVER: gettext_lazy("%(who)s handed over the work of %(what)s"),
    A.PERSON_CHANGED: gettext_lazy("%(who)s changed the account of %(what)s"),
    A.LIMIT_CHANGED: gettext_lazy("%(who)s changed the limit of %(what)s"),
    A.PRICE_SET: gettext_lazy("%(who)s set the price of %(what)s"),
    A.GRANTED: gettext_lazy("%(who)s granted more to %(what)s"),
    A.DECLINED: gettext_lazy("%(who)s declined the request of %(what)s"),
    A.CORRECTED: gettext_lazy("%(who)s corrected the ledger: %(what)s"),
    A.RECONCILED: gettext_lazy("%(who)s imported the gateway log %(what)s"),
    A.DIFFERENCE_DECIDED: gettext_lazy("%(who)s decided a difference: %(what)s"),
    A.KEY_CHANGED: gettext_lazy("%(who)s changed a key: %(what)s"),
    A.HELD: gettext_lazy("%(who)s put %(what)s on hold"),
    A.HOLD_ENDED: gettext_lazy("%(who)s ended the hold of %(what)s"),
    A.PAUSED: gettext_lazy("%(who)s paused generation"),
    A.RESUMED: gettext_lazy("%(who)s resumed generation"),
    A.QUEUE_CHANGED: gettext_lazy("%(who)s changed the queue"),
    A.DISMISSED: gettext_lazy("%(who)s dismissed %(what)s"),
    A.RECHECKED: gettext_lazy("%(who)s checked %(what)s again"),
    A.SENT_AGAIN: gettext_lazy("%(who)s sent %(what)s again"),
    A.TASK_ID_ENTERED: gettext_lazy("%(who)s entered a task ID for %(what)s"),
    A.DELETED_PERMANENTLY: gettext_lazy("%(who)s deleted images permanently"),
    A.COMMENT_DELETED: gettext_lazy("%(who)s deleted a comment of %(what)s"),
    A.DOWNLOADED: gettext_lazy("%(who)s downloaded images"),
    A.EXPORTED: gettext_lazy("%(who)s exported %(what)s"),
    A.SETTING_CHANGED: gettext_lazy("%(who)s changed settings: %(what)s"),
    A.RETENTION_RUN: gettext_lazy("%(who)s ran the retention rules"),
    A.DEMO_CHANGED: gettext_lazy("%(who)s changed the demo data"),
}
# What people do to their own account.
OWN_SENTENCES: dict[str, str | Promise] = {
    A.PASSWORD_CHANGED: gettext_lazy("%(who)s changed their password"),
    A.SECOND_FACTOR_ADDED: gettext_lazy("%(who)s added a second factor"),
    A.SECOND_FACTOR_REMOVED: gettext_lazy("%(who)s removed a second factor"),
    A.SESSIONS_ENDED: gettext_lazy("%(who)s ended their sessions elsewhere"),
    A.JOINED: gettext_lazy("%(who)s joined the team"),
}
LABELS: dict[str, str | Promise] = {
    "money_e4": gettext_lazy("Money"),
    "price_e4": gettext_lazy("Price"),
    "images": gettext_lazy("Images"),
    "image_ids": gettext_lazy("Image IDs"),
    "last_four": gettext_lazy("Ends with"),
    "upstream_task_id": gettext_lazy("Task ID"),
    "valid_from": gettext_lazy("Valid from"),
}
# Values that name themselves, so that a sentence needs no label.
PLAIN = {
    "money_e4",
    "price_e4",
    "role",
    "status",
    "last_four",
    "kind",
    "images",
    "valid_from",
    "hold_reason",
    "value",
}
# The values that tell what changed; the others only say where.
FACTS: dict[str, tuple[str, ...]] = {
    A.LIMIT_CHANGED: ("money_e4", "images"),
    A.PRICE_SET: ("price_e4",),
    A.RETENTION_RUN: ("images",),
    A.HELD: ("hold_reason",),
    A.HOLD_ENDED: ("hold_reason",),
}
EXPORTED_USAGE, EXPORTED_RECONCILIATION = "Usage, ", "reconciliation of "
PROVIDER_NOTES = (audit_entry.NO_ROLE, audit_entry.BY_PROVIDER)
FACTORS = {audit_entry.APP, audit_entry.RECOVERY_CODES, audit_entry.PASSKEY}
CHOICES: dict[str, Any] = {
    "role": Role, "status": Status, "window": Window, "scope": Limit.Scope,
    "hold_reason": UpstreamGate.HoldReason,
}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One changed value; `before` and `after` are texts, en dashes where there is none."""

    label: str
    before: str
    after: str


@dataclass(frozen=True)
class AuditText:
    """An entry for a page: "Lan Nguyen raised the limit of Yuki Sato", "$100.00 → $120.00"."""

    entry: AuditEntry
    sentence: str
    fact: str
    who: str
    what: str
    note: str
    url: str  # of the object; "" without a page
    values: list[Value]

    @property
    def day(self) -> date:
        """In the reader's time zone."""
        return timezone.localdate(self.entry.at)


def texts_of(entries: Sequence[AuditEntry]) -> list[AuditText]:
    """The entries in words. One query for all people, one for all generations; load `by`."""
    names, private = _names(entries), _private(entries)
    return [
        _text(entry, names, entry.target_type == "generation" and entry.target_id in private)
        for entry in entries
    ]


def _names(entries: Iterable[AuditEntry]) -> dict[str, str]:
    """The names of the members among the objects, by their key."""
    pks = {each.target_id for each in entries if each.target_type == "member"}
    found = Member.objects.filter(pk__in=[pk for pk in pks if pk.isdecimal()])
    return {str(member.pk): member.name for member in found}


def _private(entries: Iterable[AuditEntry]) -> set[str]:
    """The keys of the private generations among the objects."""
    pks = {each.target_id for each in entries if each.target_type == "generation"}
    if not pks:
        return set()
    found = Generation.objects.filter(pk__in=[pk for pk in pks if pk.isdecimal()], is_private=True)
    return {str(pk) for pk in found.values_list("pk", flat=True)}


def _text(entry: AuditEntry, names: Mapping[str, str], is_private: bool) -> AuditText:
    who = entry.by.name if entry.by else entry.by_name or _("System")
    what = entry.target_label
    if entry.target_type == "member":
        what = names.get(entry.target_id, what)
    elif entry.action == A.LIMIT_CHANGED:
        what = _owner_of_limit(entry) or what
    elif entry.action == A.PRICE_SET:
        what = _kind_of_price(what)
    elif entry.target_type == "invitation" and _is_unnamed_invitation(entry):
        what = _("unnamed")
    elif entry.action in (A.HELD, A.HOLD_ENDED):
        what = engine_label(engine_of_gate(what))
    elif entry.target_type == "upstreamgate":
        what = _gate(what)
    elif entry.target_type in ("apikey", "accountkey"):
        what = _key(what)
    elif entry.action == A.EXPORTED or _is_own_label(entry):
        what = _export(what)
    elif entry.target_type == "gatewaylog":
        what = what.partition(": ")[2] or what  # without its number
    return AuditText(
        entry=entry,
        sentence=_sentence(entry, who, what),
        fact=_fact(entry),
        who=who,
        what=what,
        note=_note(entry),
        url=_url(entry, is_private),
        values=_values(entry),
    )


# --- sentences -----------------------------------------------------------------------------------


def _sentence(entry: AuditEntry, who: str, what: str) -> str:
    if entry.action == A.SIGN_IN_FAILED:
        return _("Sign-in failed: %(what)s") % {"what": what or _("unknown name")}
    is_own = entry.target_type == "member" and entry.target_id == str(entry.by_id)
    template = OWN_SENTENCES.get(entry.action) if is_own else None
    if special := _SPECIAL_SENTENCES.get(entry.action):
        template = special(entry)
    # The name of the action is a sentence, too: for one that a later release has recorded.
    template = template or SENTENCES.get(entry.action) or f"%(who)s: {entry.get_action_display()}"
    return str(template) % {"who": who, "what": what or _("unnamed")}


def _limit_sentence(entry: AuditEntry) -> str | None:
    """Say the direction where it is clear: a limit that did not exist was unlimited."""
    names = FACTS[A.LIMIT_CHANGED]
    before = {name: value for name in names if (value := entry.before.get(name)) is not None}
    after = {name: value for name in names if (value := entry.after.get(name)) is not None}
    if not after:
        return _("%(who)s removed the limit of %(what)s")
    if not before:
        return _("%(who)s set a limit for %(what)s")
    if before.keys() != after.keys():
        return None
    if all(after[name] >= before[name] for name in after):
        return _("%(who)s raised the limit of %(what)s")
    if all(after[name] <= before[name] for name in after):
        return _("%(who)s lowered the limit of %(what)s")
    return None


def _invited_sentence(entry: AuditEntry) -> str | None:
    """Links for nobody in particular are named by their number, which says nothing."""
    if not _is_unnamed_invitation(entry):
        return None
    count = entry.after.get("invitations", 1)
    text = ngettext(
        "%%(who)s created an invitation", "%%(who)s created %(count)d invitations", count
    )
    return text % {"count": count}


def _revoked_sentence(entry: AuditEntry) -> str:
    if _is_unnamed_invitation(entry):
        return _("%(who)s revoked an invitation")
    return _("%(who)s revoked the invitation of %(what)s")


def _is_unnamed_invitation(entry: AuditEntry) -> bool:
    return entry.target_label in ("", f"invitation {entry.target_id}")


def _import_sentence(entry: AuditEntry) -> str | None:
    is_pasted = entry.target_label.endswith(": pasted")
    return _("%(who)s imported a pasted gateway log") if is_pasted else None


def _key_sentence(entry: AuditEntry) -> str | None:
    """Changing the encryption key changes no API key."""
    return None if entry.target_type else _("%(who)s changed the encryption key")


def _demo_sentence(entry: AuditEntry) -> str | None:
    """A drill is recorded on its generation, and once more when it has killed a worker."""
    if entry.target_type != "generation":
        return None
    if entry.note:
        return _("%(who)s killed a worker in a fault drill")
    return _("%(who)s started the fault drill %(what)s")


# The sentences that depend on the values. None: the usual one.
_SPECIAL_SENTENCES: dict[str, Callable[[AuditEntry], str | None]] = {
    A.LIMIT_CHANGED: _limit_sentence,
    A.INVITED: _invited_sentence,
    A.INVITATION_REVOKED: _revoked_sentence,
    A.RECONCILED: _import_sentence,
    A.DEMO_CHANGED: _demo_sentence,
    A.KEY_CHANGED: _key_sentence,
}


def _kind_of_price(label: str) -> str:
    """Return "kling *" as "any model of Kling", others with their names, too."""
    engine, _space, rest = label.partition(" ")
    model, _space, option = rest.partition(" ")
    return kind_label(engine, model, option)


# What is recorded is in English, whoever recorded it. These are the texts that can be translated.


def _gate(label: str) -> str:
    """Translate "queue", and the state after a gate's name: "kling (simulator): open"."""
    name, colon, state = label.rpartition(": ")
    return f"{name}{colon}{_(state)}" if state else ""


def _key(label: str) -> str:
    """Translate the name before the last four characters: "First key …1234"."""
    name, dots, last_four = label.rpartition(" …")
    return f"{_(name)}{dots}{last_four}" if name else label


def _is_own_label(entry: AuditEntry) -> bool:
    """Whether the label is a word of klingweb: the counters of the ledger, or a fault drill."""
    return entry.action == A.DEMO_CHANGED or (entry.action == A.CORRECTED and not entry.target_type)


def _export(label: str) -> str:
    """Translate "price table" and the like."""
    if label.startswith(EXPORTED_USAGE):
        return _("Usage, %s") % label.removeprefix(EXPORTED_USAGE)
    if label.startswith(EXPORTED_RECONCILIATION):
        month = label.removeprefix(EXPORTED_RECONCILIATION)
        return _("reconciliation of %(month)s") % {"month": month}
    return _(label) if label else ""


def _note(entry: AuditEntry) -> str:
    """Translate the notes of klingweb itself; others are what people wrote."""
    provider = {"provider": settings.OIDC_NAME}
    for note in PROVIDER_NOTES:
        if entry.note == note % provider:
            return _(note) % provider
    return _(entry.note) if entry.note in audit_entry.NOTES else entry.note


def _owner_of_limit(entry: AuditEntry) -> str:
    values = entry.before | entry.after
    if member := values.get("member"):
        return str(member)
    if role := values.get("role"):
        return _choice("role", role)
    if values.get("scope") == Limit.Scope.TEAM:
        return _("the team")
    return _("each person") if values.get("scope") == Limit.Scope.DEFAULT else ""


# --- values --------------------------------------------------------------------------------------


def _fact(entry: AuditEntry) -> str:
    """The most telling changed values in one line; else the note."""
    if entry.action in (A.GRANTED, A.DECLINED):
        return _decision(entry)
    changed = [
        name for name in {**entry.before, **entry.after}
        if entry.before.get(name) != entry.after.get(name)
    ]  # fmt: skip
    if names := FACTS.get(entry.action):
        changed = [name for name in names if name in changed or entry.action == A.PRICE_SET]
    shown = join_facts(_change(entry, name) for name in changed[:MAX_FACTS])
    return _truncate(shown or _note(entry), 2 * MAX_VALUE_CHARACTERS)


def _decision(entry: AuditEntry) -> str:
    """Return "$15.00 of $20.00, until 30 November"; of a refusal what was asked for."""
    parts = []
    for name in ("money_e4", "images"):
        asked, granted = entry.before.get(name), entry.after.get(name)
        if granted is None and asked is not None and entry.action == A.DECLINED:
            parts.append(_formatted(name, asked))
        elif granted is not None and asked in (None, granted):
            parts.append(_formatted(name, granted))
        elif granted is not None:
            values = {"granted": _formatted(name, granted), "asked": _formatted(name, asked)}
            parts.append(_("%(granted)s of %(asked)s") % values)
    if until := entry.after.get("until"):
        parts.append(_("until %(day)s") % {"day": _last_day(until)})
    return join_facts(parts) or _note(entry)


def _change(entry: AuditEntry, name: str) -> str:
    before, after = entry.before.get(name), entry.after.get(name)
    text = _truncate(_formatted(name, before if after is None else after))
    if before is not None:
        text = f"{_truncate(_formatted(name, before))} → {_truncate(_formatted(name, after))}"
    window = (entry.before | entry.after).get("window")
    if name == "money_e4" and window and after is not None:
        per = {Window.DAY: _("%(amount)s a day"), Window.MONTH: _("%(amount)s a month")}
        text = per.get(window, "%(amount)s") % {"amount": text}
    return text if name in PLAIN or name.endswith("_e4") else f"{_label(name)}: {text}"


def _values(entry: AuditEntry) -> list[Value]:
    return [
        Value(
            _label(name),
            _formatted(name, entry.before.get(name)),
            _formatted(name, entry.after.get(name)),
        )
        for name in {**entry.before, **entry.after}
        if (entry.before.get(name), entry.after.get(name)) != (None, None)
    ]


def _label(name: str) -> str:
    known = LABELS.get(name) or FIELD_LABELS.get(name)
    return capfirst(str(known or name.removesuffix("_e4").replace("_", " ")))


def _formatted(name: str, value: Any) -> str:
    """A stored value as people read it."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if name.endswith("_e4") and isinstance(value, int):
        return format_money(value)
    if name == "images" and isinstance(value, int):
        return ngettext("%d image", "%d images", value) % value
    if isinstance(value, list | tuple):
        return join_facts(_formatted(name, each) for each in value) or NOTHING
    if isinstance(value, Mapping):
        return join_facts(f"{_label(key)}: {_formatted(key, each)}" for key, each in value.items())
    if name in CHOICES:
        return _choice(name, value)
    if name == "kind" and value in FACTORS:
        return _(value)
    if name == "until":
        return _last_day(value)
    return _moment(value) if name.endswith(("_at", "_from", "_until")) else str(value)


def _choice(name: str, value: Any) -> str:
    try:
        return str(CHOICES[name](value).label)
    except ValueError:
        return str(value)


def _moment(value: Any) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
        return format_datetime(moment) if moment.tzinfo else str(value)
    except ValueError:
        return str(value)


def _last_day(value: Any) -> str:
    """The last day before this moment, in the team's time zone, in which limits renew."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return str(value)
    if not moment.tzinfo:
        return str(value)
    last = (moment - timedelta(seconds=1)).astimezone(Team.objects.current().zone)
    return date_format(last, "MONTH_DAY_FORMAT")


def _truncate(text: str, limit: int = MAX_VALUE_CHARACTERS) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# --- links ---------------------------------------------------------------------------------------


# The pages of one object, by its key.
_PAGES = {"member": "person", "generation": "generation", "picture": "picture"}
# A limit or a price may be gone or superseded: the list has what holds now.
_LISTS = {
    "invitation": "invitations",
    "upstreamgate": "queue",
    "team": "team-settings",
    "setting": "team-settings",
    "retentionrule": "retention",
    "retentionrun": "retention",
    "limit": "limits",
    "price": "admin:generations_price_changelist",
}


def _url(entry: AuditEntry, is_private: bool) -> str:
    """Of a private generation, the admin's page: it masks what the reader may not see."""
    if name := _LISTS.get(entry.target_type):
        return reverse(name)
    name = _PAGES.get(entry.target_type)
    if not name or not entry.target_id.isdecimal():
        return ""
    if is_private:
        name = "admin:generations_generation_change"
    return reverse(name, args=(entry.target_id,))
