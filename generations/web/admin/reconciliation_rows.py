"""Comparisons as the page shows them: what they are about, and what can be decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.joining import join_facts
from generations.models import Generation, Picture
from generations.models.money import Comparison, WatchedTask
from generations.models.money.price import current_upstream
from generations.reconciliation import deciding
from generations.web.formats import format_datetime
from generations.web.money.formats import format_money

Group, Decision = Comparison.Group, Comparison.Decision


@dataclass(frozen=True)
class Choice:
    """A decision, and the label of its button."""

    decision: str
    label: str


@dataclass
class Row:
    comparison: Comparison
    what: str
    choices: list[Choice]
    suggestion: deciding.Suggestion | None = None
    opened: Choice | None = None  # its form asks for the reason
    form: Any = None
    watched: WatchedTask | None = None
    is_selected: bool = False

    @property
    def value(self) -> str:
        """The row and its amounts, for the form about several."""
        amounts = (self.comparison.billed_e4, self.comparison.recorded_e4)
        shown = ("" if each is None else str(each) for each in amounts)
        return ":".join((str(self.comparison.pk), *shown))

    @property
    def assignable(self) -> list[tuple[str, str]]:
        """Value and label of each generation that the task may belong to."""
        if not self.suggestion:
            return []
        suggestions = self.suggestion.alternatives or (self.suggestion,)
        return [
            (f"{each.generation.pk}:{each.generation.version}", _assignable_label(each))
            for each in suggestions
        ]

    @property
    def choose_text(self) -> str:
        """Why a person must choose; "" if only one generation fits."""
        if not self.suggestion or not self.suggestion.alternatives:
            return ""
        if self.suggestion.has_other_price:
            return _("None has this price. Sent within 30 minutes before, at another one")
        return _("Several fit: sent in the same second, at the same price")

    @property
    def outcome(self) -> str:
        """What the gateway said about a watched task."""
        return _outcome(self.watched) if self.watched else ""

    @property
    def task(self) -> str:
        """The ID of the task, shortened as `8829…4410`."""
        task = self.comparison.task_id
        return f"{task[:4]}…{task[-4:]}" if len(task) > 12 else task


def rows_of(comparisons: Sequence[Comparison]) -> list[Row]:
    """Build the rows with four queries, however many there are."""
    generations = _generations(comparisons)
    suggested = deciding.suggestions(comparisons)
    watched = _watched(comparisons)
    rows = []
    for each in comparisons:
        generation = generations.get(each.generation_id or 0)
        suggestion = suggested.get(each.pk)
        row = Row(each, _what(each, generation, suggestion), _choices(each, generation), suggestion)
        row.watched = watched.get(each.task_id)
        rows.append(row)
    return rows


def _watched(comparisons: Sequence[Comparison]) -> dict[str, WatchedTask]:
    tasks = [each.task_id for each in comparisons if each.decision == Decision.WATCHED]
    if not tasks:
        return {}
    found = WatchedTask.objects.filter(upstream=current_upstream(), task_id__in=tasks)
    return {row.task_id: row for row in found}


def _outcome(row: WatchedTask) -> str:
    outcome = row.get_outcome_display()
    if row.outcome == WatchedTask.Outcome.SUCCEEDED and row.images:
        images = ngettext("%(n)d image", "%(n)d images", row.images) % {"n": row.images}
        outcome = join_facts((outcome, images))
    parts = [_("Gateway: %(outcome)s") % {"outcome": outcome}]
    if row.message:
        parts.append(row.message)
    if row.next_check_at is None and row.outcome in (
        WatchedTask.Outcome.OPEN, WatchedTask.Outcome.RUNNING, WatchedTask.Outcome.NOT_FOUND,
    ):  # fmt: skip
        parts.append(_("not asked any more"))
    return "; ".join(parts)


def _generations(comparisons: Sequence[Comparison]) -> dict[int, Any]:
    pks = [each.generation_id for each in comparisons if each.generation_id]
    stored = Count("pictures", filter=Q(pictures__state=Picture.State.STORED))
    rows = Generation.objects.filter(pk__in=pks).select_related("owner").annotate(stored=stored)
    return {row.pk: row for row in rows}


def _what(row: Comparison, generation: Any, suggestion: deciding.Suggestion | None) -> str:
    """One line about the row, without the prompt: it may be private."""
    if suggestion and suggestion.has_other_price:
        count = len(suggestion.alternatives)
        return ngettext(
            "%(n)d unconfirmed request at another price",
            "%(n)d unconfirmed requests at another price",
            count,
        ) % {"n": count}
    if suggestion and suggestion.alternatives:
        return _("%(n)d unconfirmed requests, %(price)s each, sent %(time)s") % {
            "n": len(suggestion.alternatives),
            "price": format_money(suggestion.price_e4 or 0),
            "time": format_datetime(suggestion.sent_at, "TIME_FORMAT"),
        }
    if suggestion:
        images = ngettext("%d image", "%d images", suggestion.generation.n)
        return _("%(name)s: unconfirmed, %(images)s, %(price)s, sent %(time)s") % {
            "name": suggestion.generation.owner.name,
            "images": images % suggestion.generation.n,
            "price": format_money(suggestion.price_e4 or 0),
            "time": format_datetime(suggestion.sent_at, "TIME_FORMAT"),
        }
    if generation:
        return _about(generation)
    if row.generation_id:
        return _("deleted generation %(number)d") % {"number": row.generation_id}
    if (row.billed_e4 or 0) < 0:
        return _("refund without a charge")
    return _("no generation of that time and price") if row.billed_e4 else _("refunded in full")


def _about(generation: Any) -> str:
    parts = [
        generation.owner.name,
        ngettext("%(n)d image", "%(n)d images", generation.n) % {"n": generation.n},
    ]
    if generation.is_final and generation.n > generation.stored:
        parts.append(_("%(n)d missing") % {"n": generation.n - generation.stored})
    return join_facts(parts)


def _assignable_label(suggestion: deciding.Suggestion) -> str:
    generation = suggestion.generation
    label = f"{generation.pk}: {_about(generation)}"
    prompt = f"“{Truncator(generation.prompt).chars(40)}”"
    parts = [label, _("private") if generation.is_private else prompt]
    if suggestion.price_e4 is not None:
        parts.append(format_money(suggestion.price_e4))
    return join_facts([*parts, format_datetime(suggestion.sent_at, "TIME_FORMAT")])


def _choices(row: Comparison, generation: Any) -> list[Choice]:
    """What the buttons offer. Without a reservation there is no charge to correct."""
    found = list(deciding.choices(row)) if not row.decision else []
    if row.decision == Decision.WATCHED:
        found = list(deciding.choices(row))
    if not (generation and generation.reservations) and Decision.CORRECTED in found:
        found.remove(Decision.CORRECTED)
    return [Choice(each.value, _label(row, each)) for each in found]


def choices_for_several(block: Comparison.Block) -> tuple[Choice, ...]:
    """What all rows of a block can be decided as."""
    corrections = {
        Comparison.Block.MISSING: _("Refund all ticked"),
        Comparison.Block.DIFFERENT: _("Correct all ticked to what was billed"),
    }
    found = [Choice(Decision.CORRECTED.value, text) for text in [corrections.get(block)] if text]
    if found:
        found.append(Choice(Decision.KEPT.value, _("Keep all ticked")))
    elif block in (Comparison.Block.UNKNOWN, Comparison.Block.WATCHED):
        found.append(Choice(Decision.IGNORED.value, _("Ignore all ticked")))
    return tuple(found)


def _label(row: Comparison, decision: Comparison.Decision) -> str:
    if decision == Decision.CORRECTED:
        if row.group == Group.MISSING:
            return _("Refund %(amount)s") % {"amount": format_money(row.recorded_e4 or 0)}
        return _("Correct to %(amount)s") % {"amount": format_money(row.billed_e4 or 0)}
    labels = {
        Decision.WATCHED: _("Watch task"),
        Decision.IGNORED: _("Ignore"),
        Decision.KEPT: _("Keep"),
    }
    return labels[decision]
