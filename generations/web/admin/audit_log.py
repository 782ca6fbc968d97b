"""The audit log: who did what, when, from where, on what; with filters, and as CSV."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.http import require_POST, require_safe

from generations.models import AuditAction, AuditEntry
from generations.permissions import Action
from generations.web.csv_response import csv_response
from generations.web.middleware.access import MemberRequest, requires

from .audit_filter import GROUPS, AuditFilter, FilterForm
from .audit_text import AuditText, Value, texts_of

MAX_KEY_DIGITS = 18
CSV_BATCH = 200  # entries; each batch costs one query for the names


@require_safe
@requires(Action.OPEN_ADMIN)
def audit_log(request: MemberRequest) -> HttpResponse:
    """Show a page of entries, newest first. `before` is the key at which it starts."""
    form = FilterForm(request.GET)
    chosen = {name: request.GET[name] for name in form.fields if request.GET.get(name)}
    context: dict[str, Any] = {"form": form, "chosen": chosen, "groups": _chips(chosen)}
    if not form.is_valid():
        return render(request, "admin/audit_log.html", context, status=422)
    page = AuditFilter.of(form).page(_before(request.GET))
    older = "" if page.older is None else _query(chosen | {"before": page.older})
    context |= {
        "texts": texts_of(page.entries),
        "older": older,
        "looked_at": page.looked_at,
        "is_first": "before" not in request.GET,
    }
    return render(request, "admin/audit_log.html", context)


@require_POST
@requires(Action.OPEN_ADMIN)
def audit_log_csv(request: MemberRequest) -> HttpResponseBase:
    """All entries of the filter as CSV. The download is an entry itself, the first line."""
    form = FilterForm(request.POST)
    if not form.is_valid():
        return HttpResponse(_("This filter is not valid."), status=422, content_type="text/plain")
    chosen = {name: str(value) for name, value in form.cleaned_data.items() if value}
    AuditEntry.objects.record(
        AuditAction.EXPORTED, request.user, label=gettext_noop("Audit log"), after=chosen
    )
    name = f"audit-log-{timezone.localdate().isoformat()}.csv"
    return csv_response(name, _csv_header(), _csv_rows(AuditFilter.of(form).all()))


def _before(parameters: QueryDict) -> int | None:
    key = parameters.get("before")
    if key is None:
        return None
    if not (key.isascii() and key.isdecimal() and len(key) <= MAX_KEY_DIGITS):
        raise Http404
    return int(key)


def _query(values: dict[str, Any]) -> str:
    query = QueryDict(mutable=True)
    query.update(values)
    return f"?{query.urlencode()}"


def _chips(chosen: dict[str, str]) -> list[tuple[Any, str, bool]]:
    """Label, address and whether it is the current one, of each group; the other filters stay."""
    rest = {name: value for name, value in chosen.items() if name != "group"}
    current = chosen.get("group", "")
    chips = [(_("All"), _query(rest), not current)]
    for slug, (label, _actions) in GROUPS.items():
        chips.append((str(label), _query(rest | {"group": slug}), slug == current))
    return chips


# --- CSV -----------------------------------------------------------------------------------------


def _csv_header() -> tuple[str, ...]:
    return (
        _("Time"), _("Person"), _("User name"), _("Address"), _("Action"), _("Object"),
        _("Type"), _("ID"), _("Before"), _("After"), _("Note"),
    )  # fmt: skip


def _csv_rows(entries: Iterable[AuditEntry]) -> Iterator[tuple[str, ...]]:
    batch: list[AuditEntry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == CSV_BATCH:
            yield from map(_csv_row, texts_of(batch))
            batch.clear()
    yield from map(_csv_row, texts_of(batch))


def _csv_row(text: AuditText) -> tuple[str, ...]:
    entry = text.entry
    return (
        timezone.localtime(entry.at).isoformat(sep=" ", timespec="seconds"),
        text.who,
        entry.by_name,
        entry.address,
        str(entry.get_action_display()),
        text.what,
        entry.target_type,
        entry.target_id,
        _joined(text.values, "before", entry.before),
        _joined(text.values, "after", entry.after),
        text.note,
    )


def _joined(values: Iterable[Value], side: str, stored: dict[str, Any]) -> str:
    if not stored:
        return ""
    return "; ".join(f"{each.label}: {getattr(each, side)}" for each in values)
