"""Comparisons as the page shows them: what they are about, and what can be decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generations.models import Generation, Picture
from generations.models.money import Comparison
from generations.reconciliation import deciding
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

    @property
    def task(self) -> str:
        """The ID of the task, shortened as `8829…4410`."""
        task = self.comparison.task_id
        return f"{task[:4]}…{task[-4:]}" if len(task) > 12 else task


def rows_of(comparisons: Sequence[Comparison]) -> list[Row]:
    """Build the rows with three queries, however many there are."""
    generations = _generations(comparisons)
    suggested = deciding.suggestions(comparisons)
    rows = []
    for each in comparisons:
        generation = generations.get(each.generation_id or 0)
        suggestion = suggested.get(each.pk)
        rows.append(
            Row(each, _what(each, generation, suggestion), _choices(each, generation), suggestion)
        )
    return rows


def _generations(comparisons: Sequence[Comparison]) -> dict[int, Any]:
    pks = [each.generation_id for each in comparisons if each.generation_id]
    stored = Count("pictures", filter=Q(pictures__state=Picture.State.STORED))
    rows = Generation.objects.filter(pk__in=pks).select_related("owner").annotate(stored=stored)
    return {row.pk: row for row in rows}


def _what(row: Comparison, generation: Any, suggestion: deciding.Suggestion | None) -> str:
    """One line about the row, without the prompt: it may be private."""
    if suggestion:
        images = ngettext("%d image", "%d images", suggestion.generation.n)
        return _("%(name)s: unconfirmed, %(images)s, %(price)s, sent %(time)s") % {
            "name": suggestion.generation.owner.name,
            "images": images % suggestion.generation.n,
            "price": format_money(suggestion.price_e4 or 0),
            "time": date_format(localtime(suggestion.sent_at), "H:i"),
        }
    if generation:
        return _about(generation)
    if row.generation_id:
        return _("deleted generation %(number)d") % {"number": row.generation_id}
    if (row.billed_e4 or 0) < 0:
        return _("refund without a charge")
    return _("no generation of that time") if row.billed_e4 else _("refunded in full")


def _about(generation: Any) -> str:
    parts = [
        generation.owner.name,
        ngettext("%(n)d image", "%(n)d images", generation.n) % {"n": generation.n},
    ]
    missing = generation.n - generation.stored
    if generation.is_final and missing > 0:
        parts.append(_("%(n)d missing") % {"n": missing})
    return ", ".join(parts)


def _choices(row: Comparison, generation: Any) -> list[Choice]:
    """What the buttons offer. Without a reservation there is no charge to correct."""
    found = list(deciding.choices(row)) if not row.decision else []
    if row.decision == Decision.WATCHED:
        found = list(deciding.choices(row))
    if not (generation and generation.reservations) and Decision.CORRECTED in found:
        found.remove(Decision.CORRECTED)
    return [Choice(each.value, _label(row, each)) for each in found]


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
