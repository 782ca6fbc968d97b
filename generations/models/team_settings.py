"""What a team changes in the browser: one definition for each setting, and typed access to them.

`current().prompt_characters` is what applies now: the environment variable if it is set, else what
an admin has stored, else the default. A process reads the table again after `REFRESH_SECONDS`, so
web server and worker follow a change without a restart.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from generations.engines.registry import DEFAULT, all_offers, find_offer, offer_for

from . import house_rules
from .audit_entry import AuditAction, AuditEntry
from .member import Member
from .setting import Setting
from .team import Team

REFRESH_SECONDS = 2.0  # a change made by another process applies here at the latest after this
MAX_REFUSED_WORDS = 500
MAX_WORD_CHARACTERS = 80

Value = TypeVar("Value")
Text = str | Promise


@dataclass(frozen=True)
class Definition(Generic[Value]):
    """One setting. `variable` is the environment variable that overrides it, without KLINGWEB_.

    With a variable, the default is the value in the Django settings, of the same name. `column`:
    stored in this column of the team, where "" means that nothing was chosen.
    """

    label: Text
    help: Text = ""
    variable: str = ""
    fallback: Any = None  # the default of a setting without a variable
    column: str = ""
    name: str = field(default="", init=False)

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    @overload
    def __get__(self, instance: None, owner: type) -> "Definition[Value]": ...
    @overload
    def __get__(self, instance: "TeamSettings", owner: type) -> Value: ...
    def __get__(self, instance: "TeamSettings | None", owner: type) -> "Definition[Value] | Value":
        return self if instance is None else self.value_in(instance.stored)

    @property
    def environment_name(self) -> str:
        return f"KLINGWEB_{self.variable}"

    @property
    def is_set_in_environment(self) -> bool:
        return bool(self.variable) and self.environment_name in settings.VARIABLES_SET

    @property
    def default(self) -> Value:
        value: Value = getattr(settings, self.variable) if self.variable else self.fallback
        return value

    def value_in(self, stored: Mapping[str, Any]) -> Value:
        """The value that applies, with these values stored."""
        if self.name not in stored or self.is_set_in_environment:
            return self.default
        value: Value = stored[self.name]
        return value

    def parse(self, text: str) -> Value:
        """Read what a person has typed. Raises ValidationError."""
        raise NotImplementedError

    def format(self, value: Any) -> str:
        """The text that `parse` reads."""
        return str(value)


@dataclass(frozen=True)
class Number(Definition[float]):
    """A number from `minimum` to `maximum`, with fractions."""

    minimum: float = 0
    maximum: float = 0

    def parse(self, text: str) -> float:
        try:
            value = float(text.strip().replace(",", "."))
        except ValueError:
            raise self._error() from None
        if not self.minimum <= value <= self.maximum:  # also false for "nan"
            raise self._error()
        return value

    def format(self, value: Any) -> str:
        return f"{value:g}"

    def _error(self) -> ValidationError:
        return ValidationError(
            _("Enter a number from %(minimum)s to %(maximum)s.")
            % {"minimum": f"{self.minimum:,g}", "maximum": f"{self.maximum:,g}"}
        )


@dataclass(frozen=True)
class WholeNumber(Definition[int]):
    minimum: int = 0
    maximum: int = 0

    def parse(self, text: str) -> int:
        bare = text.strip().replace(",", "")
        if bare.isascii() and bare.isdecimal() and len(bare) < 12:
            value = int(bare)
            if self.minimum <= value <= self.maximum:
                return value
        raise ValidationError(
            _("Enter a whole number from %(minimum)s to %(maximum)s.")
            % {"minimum": f"{self.minimum:,}", "maximum": f"{self.maximum:,}"}
        )


@dataclass(frozen=True)
class Choice(Definition[str]):
    choices: tuple[tuple[str, Text], ...] = ()

    def parse(self, text: str) -> str:
        if text not in dict(self.choices):
            raise ValidationError(_("Choose one of the options."))
        return text


@dataclass(frozen=True)
class ShortText(Definition[str]):
    """Text of at most `max_characters`; without `is_multiline` it is one line."""

    fallback: Any = ""
    max_characters: int = 80
    is_multiline: bool = False
    is_required: bool = False

    def parse(self, text: str) -> str:
        lines = text.replace("\r\n", "\n").strip()
        value = lines if self.is_multiline else " ".join(lines.split())
        if "\0" in value:
            raise ValidationError(_("Null characters are not allowed."))
        if len(value) > self.max_characters:
            raise ValidationError(
                _("Use at most %(maximum)d characters.") % {"maximum": self.max_characters}
            )
        if self.is_required and not value:
            raise ValidationError(_("Enter a text."))
        return value


@dataclass(frozen=True)
class TimeZone(ShortText):
    def parse(self, text: str) -> str:
        name = super().parse(text)
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            message = _("There is no such time zone. Enter a name such as Europe/Berlin.")
            raise ValidationError(message) from None
        return name


@dataclass(frozen=True)
class Words(Definition[list[str]]):
    """Words or phrases, one a line."""

    fallback: Any = ()

    def parse(self, text: str) -> list[str]:
        if "\0" in text:
            raise ValidationError(_("Null characters are not allowed."))
        words = list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines()))
        words = [word for word in words if word]
        if len(words) > MAX_REFUSED_WORDS:
            raise ValidationError(
                _("Use at most %(maximum)d words or phrases.") % {"maximum": MAX_REFUSED_WORDS}
            )
        for word in words:
            if len(word) > MAX_WORD_CHARACTERS or not house_rules.is_word(word):
                raise ValidationError(
                    _("“%(word)s” is not a word: use letters or digits, at most %(maximum)d.")
                    % {"word": word[:MAX_WORD_CHARACTERS], "maximum": MAX_WORD_CHARACTERS}
                )
        return words

    def format(self, value: Any) -> str:
        return "\n".join(value)


@dataclass(frozen=True)
class ModelKeys(Definition[list[str]]):
    """Keys of offers, one a line: at least one. Stored in the order of the registry."""

    @property
    def options(self) -> list[tuple[str, str]]:
        """Key and label of each model."""
        return [(offer.key, _(offer.label)) for offer in all_offers()]

    @property
    def default(self) -> list[str]:
        """With a real key the default engine alone: the others cost money nobody asked to spend."""
        is_live = settings.UPSTREAM_MODE == "live"
        return [offer.key for offer in all_offers() if not is_live or offer.engine == DEFAULT]

    def value_in(self, stored: Mapping[str, Any]) -> list[str]:
        """Without models that this release no longer has."""
        keys = set(super().value_in(stored))
        return [offer.key for offer in all_offers() if offer.key in keys] or self.default

    def parse(self, text: str) -> list[str]:
        keys = text.split()
        if not keys:
            raise ValidationError(_("Choose at least one model."))
        if any(find_offer(key) is None for key in keys):
            raise ValidationError(_("Choose one of the options."))
        return [offer.key for offer in all_offers() if offer.key in keys]

    def format(self, value: Any) -> str:
        return "\n".join(value)


_CHARACTERS = 100_000
_DAY = 24 * 3600  # seconds


class TeamSettings:
    """All settings that are stored in the table. Attributes are the values that apply."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self.stored = stored

    prompt_characters = WholeNumber(
        gettext_lazy("Prompt length"),
        gettext_lazy("Characters, with the text that the team adds."),
        variable="PROMPT_CHARACTERS",
        minimum=1,
        maximum=_CHARACTERS,
    )
    negative_prompt_characters = WholeNumber(
        gettext_lazy("Negative prompt length"),
        gettext_lazy("Characters."),
        variable="NEGATIVE_PROMPT_CHARACTERS",
        minimum=1,
        maximum=_CHARACTERS,
    )
    prompt_prefix = ShortText(
        gettext_lazy("Text before every prompt"),
        gettext_lazy("Sent to the gateway. The gallery and the search show what people typed."),
        max_characters=400,
    )
    prompt_suffix = ShortText(
        gettext_lazy("Text after every prompt"),
        gettext_lazy("For example “, soft daylight”."),
        max_characters=400,
    )
    refused_words = Words(
        gettext_lazy("Refused words"),
        gettext_lazy(
            "One word or phrase a line. Whole words, in capitals or not, with accents or not. "
            "A negative prompt may name them: it says what must not be in the image."
        ),
    )
    batch_rows = WholeNumber(
        gettext_lazy("Prompts at once"),
        gettext_lazy("How many prompts one person can start together on “Many at once”."),
        fallback=200,
        minimum=2,
        maximum=500,
    )
    upstream_profile = Choice(
        gettext_lazy("Request fields"),
        gettext_lazy("Extended fields, such as the resolution, are not in the gateway’s list."),
        variable="UPSTREAM_PROFILE",
        choices=(
            ("documented", gettext_lazy("Documented")),
            ("extended", gettext_lazy("Extended")),
        ),
    )
    late_factor = Number(
        gettext_lazy("Late after"),
        gettext_lazy(
            "Times the time that nine of ten images take. A late task no longer counts "
            "towards the concurrency limit, and can be dismissed."
        ),
        variable="LATE_FACTOR",
        minimum=1,
        maximum=1000,
    )
    watch_seconds = WholeNumber(
        gettext_lazy("Lost after"),
        gettext_lazy("Seconds without a result. 86,400 seconds are a day."),
        variable="WATCH_SECONDS",
        minimum=60,
        maximum=30 * _DAY,
    )
    failed_is_charged = Choice(
        gettext_lazy("Failed tasks"),
        gettext_lazy("Whether the gateway charges a task that failed."),
        variable="FAILED_IS_CHARGED",
        choices=(
            ("unknown", gettext_lazy("Not known: count nothing")),
            ("no", gettext_lazy("Not charged")),
            ("yes", gettext_lazy("Charged")),
        ),
    )
    hidden_kinds = Words(
        gettext_lazy("Models not offered"),
        gettext_lazy(
            "One a line: engine, model and option, such as “kling kling-v1 reference”. Requests of "
            "these kinds are refused, whatever their price."
        ),
    )
    offered_models = ModelKeys(
        gettext_lazy("Models"),
        gettext_lazy(
            "Those that people can choose in the studio. Requests for others are refused."
        ),
    )
    default_model = Choice(
        gettext_lazy("Model for a start"),
        gettext_lazy("Chosen in the studio of a person who has not used another one yet."),
        fallback=offer_for().key,
        choices=tuple((offer.key, gettext_lazy(offer.label)) for offer in all_offers()),
    )
    session_days = WholeNumber(
        gettext_lazy("Sign in again after"),
        gettext_lazy("Days since the last sign-in. 0: no limit."),
        variable="SESSION_DAYS",
        minimum=0,
        maximum=3650,
    )
    session_idle_hours = Number(
        gettext_lazy("Sign out when idle for"),
        gettext_lazy("Hours without a page. 0: no limit. Both apply within five minutes."),
        variable="SESSION_IDLE_HOURS",
        minimum=0,
        maximum=8760,
    )
    trash_days = WholeNumber(
        gettext_lazy("Restore from the trash for"),
        gettext_lazy("Days. After them, only admins can restore an image."),
        fallback=30,
        minimum=1,
        maximum=3650,
    )
    sign_in_text = ShortText(
        gettext_lazy("Text on the sign-in page"),
        gettext_lazy("Everyone who can open the sign-in page can read it."),
        max_characters=500,
        is_multiline=True,
    )
    studio_text = ShortText(
        gettext_lazy("Text in the empty studio"),
        gettext_lazy("Shown to people who have no images yet."),
        max_characters=500,
        is_multiline=True,
    )


class TeamColumns:
    """Settings that are columns of the team. Only pages read them through a definition."""

    team_name = ShortText(gettext_lazy("Team name"), column="name")
    currency = ShortText(
        gettext_lazy("Currency"),
        gettext_lazy("A code such as USD or EUR, or a word of your own such as credits."),
        fallback="USD",
        column="currency",
        max_characters=12,
        is_required=True,
    )
    time_zone = TimeZone(
        gettext_lazy("Time zone"),
        gettext_lazy("Days and months of limits begin at midnight there."),
        fallback=settings.TIME_ZONE,
        column="time_zone",
        max_characters=40,
        is_required=True,
    )
    unpriced = Choice(
        gettext_lazy("Requests without a price"),
        gettext_lazy("What happens to a request of a kind that has no price."),
        variable="UNPRICED",
        column="unpriced",
        choices=tuple(Team.Unpriced.choices),
    )
    charged_images = Choice(
        gettext_lazy("Charged images"),
        gettext_lazy("What the gateway charges when it generates fewer images than requested."),
        fallback=Team.ChargedImages.LISTED.value,
        column="charged_images",
        choices=tuple(Team.ChargedImages.choices),
    )


PROMPT_LENGTHS = ("prompt_suffix", "prompt_prefix", "prompt_characters")  # these share the room

REGISTRY: dict[str, Definition[Any]] = {
    name: each
    for owner in (TeamSettings, TeamColumns)
    for name, each in vars(owner).items()
    if isinstance(each, Definition)
}


# --- reading -------------------------------------------------------------------------------------


class Cache:
    """Of this process. `loaded_at` is on the monotonic clock."""

    settings = TeamSettings({})
    loaded_at = float("-inf")


def current() -> TeamSettings:
    """What applies now. A query at most every `REFRESH_SECONDS`."""
    if time.monotonic() - Cache.loaded_at > REFRESH_SECONDS:
        stored = dict(Setting.objects.values_list("name", "value"))
        Cache.settings, Cache.loaded_at = TeamSettings(stored), time.monotonic()
    return Cache.settings


def forget() -> None:
    """Read the table again at the next use."""
    Cache.loaded_at = float("-inf")


def stored_values() -> dict[str, Any]:
    """What is stored now, also in the columns of the team, without the cache."""
    stored: dict[str, Any] = dict(Setting.objects.values_list("name", "value"))
    team = Team.objects.current()
    for name, definition in REGISTRY.items():
        if definition.column and (value := getattr(team, definition.column)):
            stored[name] = value
    return stored


# --- changing ------------------------------------------------------------------------------------


def conflicts(values: Mapping[str, Any]) -> dict[str, str]:
    """Why these values do not fit each other and the stored ones, by the name of the setting."""
    stored = stored_values()
    now = TeamSettings(stored | dict(values))
    if now.default_model not in now.offered_models and {"offered_models", "default_model"} & set(
        values
    ):
        name = "default_model" if "default_model" in values else "offered_models"
        return {name: _("The model for a start must be one of the models that are offered.")}
    added = len(house_rules.add_texts("", now.prompt_prefix, now.prompt_suffix))
    if added < now.prompt_characters:
        return {}
    name = next((each for each in PROMPT_LENGTHS if each in values), "")
    message = _("The added text and the prompt share %(limit)d characters: leave room for both.")
    return {name: message % {"limit": now.prompt_characters}} if name else {}


class SettingConflict(Exception):
    """Somebody else has changed this setting since the page was opened. Nothing was stored."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name)
        self.name = name
        self.value = value


@dataclass(frozen=True)
class Change:
    """A new value, and the one that its author saw."""

    name: str
    seen: Any
    value: Any


def change(changes: Iterable[Change], by: Member) -> list[str]:
    """Store the changes, each with an entry of the audit log. Return the names that changed.

    Raises SettingConflict, and ValueError for a setting that the environment sets. Then nothing is
    stored. A value that equals the default is not stored, so that it follows the default.
    """
    changed = []
    with transaction.atomic():
        Team.objects.get_or_create(pk=1)
        team = Team.objects.select_for_update().get(pk=1)  # one change at a time
        stored = stored_values()
        for each in changes:
            definition = REGISTRY[each.name]
            if definition.is_set_in_environment:
                raise ValueError(f"{definition.environment_name} is set in the environment")
            before = definition.value_in(stored)
            if _same(before, each.value):
                continue
            if not _same(before, each.seen):
                raise SettingConflict(each.name, before)
            _store(definition, each.value, team, by)
            record(each.name, before, each.value, by)
            changed.append(each.name)
        transaction.on_commit(forget)  # if this was a part of a larger transaction
    forget()
    return changed


def record(name: str, before: Any, after: Any, by: Member) -> None:
    """Append a change to the audit log, which is the history of the setting."""
    AuditEntry.objects.record(
        AuditAction.SETTING_CHANGED,
        by,
        on=Setting(name=name),
        label=str(REGISTRY[name].label),
        before={"value": before},
        after={"value": after},
    )


def _same(one: Any, other: Any) -> bool:
    """An empty default of a list is a tuple, and JSON has only lists."""
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return list(one) == list(other)
    return bool(one == other)


def _store(definition: Definition[Any], value: Any, team: Team, by: Member) -> None:
    if definition.column:
        setattr(team, definition.column, value)
        team.save(update_fields=[definition.column])
    elif _same(value, definition.default):
        Setting.objects.filter(pk=definition.name).delete()
    else:
        Setting.objects.update_or_create(
            name=definition.name, defaults={"value": value, "by": by, "at": timezone.now()}
        )
