"""Settings that a team changes in the browser: sections of one page, saved together."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import AuditAction, AuditEntry, Setting, house_rules, team_settings
from generations.models.team_settings import REGISTRY, Change, Definition, SettingConflict
from generations.permissions import Action, may
from generations.web.middleware.access import MemberRequest, requires
from generations.web.middleware.time_zone import known_zones
from generations.web.zone_names import zone_label, zones_by_region

MAX_HISTORY = 10  # of one setting on the page; the audit log has all
MAX_HISTORY_READ = 500  # of all settings
MAX_SHOWN_CHARACTERS = 80  # of a value in the history
OWNERS_ONLY = ("team_name", "currency", "time_zone")


@dataclass(frozen=True)
class Section:
    slug: str
    title: str | Promise
    names: tuple[str, ...]


SECTIONS = (
    Section("team", gettext_lazy("Team"), OWNERS_ONLY),
    Section(
        "prompts",
        gettext_lazy("Prompts"),
        ("prompt_characters", "negative_prompt_characters", "batch_rows"),
    ),
    Section(
        "house-rules",
        gettext_lazy("House rules"),
        ("prompt_prefix", "prompt_suffix", "refused_words"),
    ),
    Section(
        "gateway", gettext_lazy("Gateway"), ("upstream_profile", "late_factor", "watch_seconds")
    ),
    Section(
        "money",
        gettext_lazy("Money"),
        ("unpriced", "hidden_kinds", "failed_is_charged", "charged_images"),
    ),
    Section("models", gettext_lazy("Models"), ("offered_models", "default_model")),
    Section("sign-in", gettext_lazy("Sign-in"), ("session_days", "session_idle_hours")),
    Section("trash", gettext_lazy("Trash"), ("trash_days",)),
    Section("texts", gettext_lazy("Texts"), ("sign_in_text", "studio_text")),
)


@dataclass(frozen=True)
class HistoryLine:
    entry: AuditEntry
    before: str
    after: str


@dataclass
class FieldView:
    """One setting on the page. `text` is what the field shows, `seen` what is stored."""

    definition: Definition[Any]
    text: str
    seen: str
    is_for_owners: bool = False  # and the reader is none
    error: str = ""
    history: list[HistoryLine] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def is_read_only(self) -> bool:
        return self.definition.is_set_in_environment or self.is_for_owners

    @property
    def kind(self) -> str:
        match self.definition:
            case team_settings.TimeZone():
                return "zone"
            case team_settings.Choice():
                return "choice"
            case team_settings.ModelKeys():
                return "models"
            case team_settings.Words():
                return "text"
            case team_settings.ShortText(is_multiline=True):
                return "text"
            case team_settings.ShortText():
                return "line"
        return "number"

    @property
    def options(self) -> list[tuple[str, str, bool]]:
        """Value, label and whether it is chosen, of a setting with checkboxes."""
        chosen = self.text.split()
        return [(value, label, value in chosen) for value, label in self.definition.options]  # type: ignore[attr-defined]

    @property
    def shown(self) -> str:
        """The value as a reader sees it."""
        return _shown(self.definition, self.definition.parse(self.seen))

    @property
    def default(self) -> str:
        return _shown(self.definition, self.definition.default)


def _shown(definition: Definition[Any], value: Any) -> str:
    if isinstance(definition, team_settings.Choice):
        return str(dict(definition.choices).get(value, value))
    if isinstance(definition, team_settings.TimeZone):
        return zone_label(value)
    if isinstance(definition, team_settings.ModelKeys):
        labels = dict(definition.options)
        return ", ".join(labels.get(key, key) for key in value)
    if isinstance(definition, team_settings.Words):
        return ", ".join(value)
    return f"{value:,}" if isinstance(value, int) else definition.format(value)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.CHANGE_SETTINGS)
def settings_page(request: MemberRequest) -> HttpResponse:
    """Show all settings; POST saves those that were changed on the page."""
    if request.method != "POST":
        return _page(request)
    changes, typed, errors = _read(request)
    if not errors:
        try:
            changed = team_settings.change(changes, request.user)
        except SettingConflict as conflict:
            value = _shown(REGISTRY[conflict.name], conflict.value)
            errors[conflict.name] = _(
                "Somebody else has changed this to “%(value)s”. Check it and save again."
            ) % {"value": Truncator(value).chars(MAX_SHOWN_CHARACTERS)}
        else:
            messages.success(request, _("Saved.") if changed else _("Nothing has changed."))
            return HttpResponseRedirect(reverse("team-settings"), status=303)
    return _page(request, typed, errors, status=422)


@require_POST
@requires(Action.CHANGE_SETTINGS)
def test_prompt(request: MemberRequest) -> HttpResponse:
    """Say what the rules on the page, saved or not, do to a prompt. Nothing is stored or sent.

    The page keeps everything that was typed into it.
    """
    changes, typed, errors = _read(request)
    values = team_settings.stored_values() | {each.name: each.value for each in changes}
    rules = team_settings.TeamSettings(values)
    prompt = request.POST.get("test", "")[: rules.prompt_characters]
    result = {
        "word": house_rules.refused_word(prompt, rules.refused_words),
        "sent": house_rules.add_texts(prompt, rules.prompt_prefix, rules.prompt_suffix),
    }
    return _page(request, typed, errors, tested=prompt, result=result, first_error="")


def _read(request: MemberRequest) -> tuple[list[Change], dict[str, str], dict[str, str]]:
    """The changes, what was typed instead of what the page showed, and the errors, by name.

    A field that nobody touched is left out: another admin may have changed it meanwhile.
    """
    changes, typed, errors = [], {}, {}
    for name in (name for section in SECTIONS for name in section.names):
        if name not in request.POST or _is_read_only(request, name):
            continue
        # Several values of checkboxes, with an empty one that is always sent.
        text, definition = "\n".join(request.POST.getlist(name)), REGISTRY[name]
        try:
            seen = definition.parse(request.POST.get(f"seen-{name}", ""))
        except ValidationError:
            seen = None
        try:
            value = definition.parse(text)
        except ValidationError as error:
            typed[name], errors[name] = text, error.messages[0]
            continue
        if value != seen:
            typed[name] = text
            changes.append(Change(name, seen, value))
    return (
        changes,
        typed,
        errors | team_settings.conflicts({each.name: each.value for each in changes}),
    )


def _is_read_only(request: MemberRequest, name: str) -> bool:
    is_for_others = name in OWNERS_ONLY and not may(request.user, Action.SET_UP_TEAM)
    return is_for_others or REGISTRY[name].is_set_in_environment


def _page(
    request: MemberRequest,
    typed: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    stored, history = team_settings.stored_values(), _history()
    is_owner = may(request.user, Action.SET_UP_TEAM)
    fields = {
        name: _field(name, stored, typed or {}, errors or {}, history[name], is_owner)
        for section in SECTIONS
        for name in section.names
    }
    context = {
        "sections": [(each, [fields[name] for name in each.names]) for each in SECTIONS],
        "zones": zones_by_region(known_zones() | {fields["time_zone"].text}),
        "first_error": next(iter(errors or ()), ""),
    } | extra
    return render(request, "admin/settings.html", context, status=status)


def _field(
    name: str,
    stored: Mapping[str, Any],
    typed: Mapping[str, str],
    errors: Mapping[str, str],
    history: list[HistoryLine],
    is_owner: bool,
) -> FieldView:
    definition = REGISTRY[name]
    seen = definition.format(definition.value_in(stored))
    return FieldView(
        definition,
        text=typed.get(name, seen),
        seen=seen,
        is_for_owners=name in OWNERS_ONLY and not is_owner,
        error=errors.get(name, ""),
        history=history,
    )


def _history() -> dict[str, list[HistoryLine]]:
    """The latest changes of each setting, newest first, from the audit log."""
    entries = AuditEntry.objects.filter(
        action=AuditAction.SETTING_CHANGED, target_type=Setting._meta.model_name
    )
    lines: dict[str, list[HistoryLine]] = defaultdict(list)
    for name, line in _lines(entries.order_by("-pk")[:MAX_HISTORY_READ]):
        if len(lines[name]) < MAX_HISTORY:
            lines[name].append(line)
    return lines


def _lines(entries: Any) -> Iterator[tuple[str, HistoryLine]]:
    for entry in entries:
        definition = REGISTRY.get(entry.target_id)
        if definition:
            before, after = (
                Truncator(_shown(definition, values.get("value", ""))).chars(MAX_SHOWN_CHARACTERS)
                for values in (entry.before, entry.after)
            )
            yield definition.name, HistoryLine(entry, before, after)
