"""Reconciliation: what the gateway billed beside the ledger, and what an admin decides about it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from generations.csv_cells import BYTE_ORDER_MARK, csv_lines
from generations.models import AuditAction, AuditEntry, Team
from generations.models.money import Comparison, GatewayLog
from generations.models.money.amounts import plain
from generations.models.money.price import current_upstream
from generations.permissions import Action
from generations.reconciliation import deciding, months
from generations.reconciliation.comparing import compare
from generations.reconciliation.deciding import Seen
from generations.requests import NotPossible
from generations.web.file_names import set_disposition
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, requires

from .gateway_logs import month_page
from .reconciliation_forms import AssignForm, ReasonForm
from .reconciliation_rows import Row, rows_of

Blocks, Decision = Comparison.Block, Comparison.Decision
PAGE_SIZE = 50
MAX_LOGS = 20
REPORT_BATCH = 500


@dataclass(frozen=True)
class Block:
    """One group of the page, from "costs most" to "fine"."""

    name: str
    title: str
    count: int
    text: str = ""
    rows: tuple[Row, ...] = ()
    next_key: str = ""
    is_folded: bool = False


@require_safe
@requires(Action.MANAGE_MONEY)
def reconciliation(request: MemberRequest) -> HttpResponse:
    return _page(request)


def _page(
    request: MemberRequest, form: ReasonForm | None = None, pk: int = 0, status: int = 200
) -> HttpResponse:
    """Render a month. `form` is the refused decision about the comparison `pk`."""
    zone = Team.objects.current().zone
    month = _month(request.GET.get("month") or request.POST.get("month", ""), zone)
    start, end = months.span(month, zone)
    previous, following = months.beside(month)
    figures = months.figures_of(month)
    blocks = _blocks(request, month, zone, figures) if figures else []
    group = request.GET.get("group", "")
    _open_form(request, blocks, form, pk)
    context = {
        "month": month,
        "month_key": f"{month:%Y-%m}",
        "previous_month": previous,
        "next_month": following,
        "figures": figures,
        "blocks": blocks,
        "group": group,
        "group_query": f"&group={quote(group)}" if group else "",
        "logs": _logs(start, end),
        "is_deciding": any(row.opened for block in blocks for row in block.rows),
    }
    return render(request, "admin/reconciliation.html", context, status=status)


def _month(text: str, zone: ZoneInfo) -> date:
    """The first day of `2026-11`; of the newest log's month for an empty text. Raises Http404."""
    if not text:
        logs = GatewayLog.objects.filter(upstream=current_upstream(), imported_at__isnull=False)
        newest = logs.order_by("-starts_at").values_list("ends_at", flat=True).first()
        return (newest or timezone.now()).astimezone(zone).date().replace(day=1)
    try:
        found = parse_date(f"{text}-01")
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year < 2200:
        raise Http404
    return found


def _logs(start: datetime, end: datetime) -> list[GatewayLog]:
    """The newest logs that cover a part of this time."""
    logs = GatewayLog.objects.filter(
        upstream=current_upstream(), imported_at__isnull=False, starts_at__lt=end
    )
    newest = logs.select_related("by").order_by("-starts_at", "-pk")[: 2 * MAX_LOGS]
    return [log for log in newest if log.ends_at and log.ends_at >= start][:MAX_LOGS]


# --- the blocks ----------------------------------------------------------------------------------


def _texts() -> dict[Comparison.Block, str]:
    """The blocks in their order, and what stands under their headings."""
    return {
        Blocks.UNKNOWN: _("Tasks that the gateway charged for and that no generation here has."),
        Blocks.MISSING: _("Charges recorded here that the log does not contain."),
        Blocks.DIFFERENT: _("The gateway billed another amount than is recorded here."),
        Blocks.WATCHED: _("They stay in the difference until a later log refunds them."),
        Blocks.PROGRESS: _("Billed, and charged here when the generation ends."),
        Blocks.DECIDED: "",
        Blocks.MATCHED: "",
    }


def _blocks(
    request: MemberRequest, month: date, zone: ZoneInfo, figures: months.Figures
) -> list[Block]:
    """The blocks that have rows. With `?group=`, that one alone, from the key on."""
    only, key = request.GET.get("group", ""), request.GET.get("before", "")
    blocks = []
    for name, text in _texts().items():
        count = figures.counts.get(name, 0)
        if not count or (only and name != only):
            continue
        block = Block(name.value, str(name.label), count, text)
        if name == Blocks.MATCHED and not only:
            block = replace(block, is_folded=True)
        else:
            rows = months.comparisons(month, zone).filter(block=name)
            found, next_key = _page_of(rows, key if only else "", PAGE_SIZE)
            block = replace(block, rows=tuple(rows_of(found)), next_key=next_key)
        blocks.append(block)
    return blocks


def _page_of(rows: QuerySet[Comparison], key: str, size: int) -> tuple[list[Comparison], str]:
    """The rows from the key on, newest first, and the key of the next page."""
    shown = rows.filter(before(key, "at")) if key else rows
    ordered = shown.select_related("decided_by").order_by("-at", "-pk")
    return keyset_page(ordered, lambda row: key_of(row, "at"), size)


def _open_form(
    request: MemberRequest, blocks: list[Block], form: ReasonForm | None, pk: int
) -> None:
    """Ask for the reason in the row that was chosen."""
    wanted, decision = request.GET.get("decide", ""), request.GET.get("as", "")
    if form:
        wanted, decision = str(pk), form.data.get("decision", "")
    for row in (row for block in blocks for row in block.rows):
        if str(row.comparison.pk) == wanted:
            chosen = [each for each in row.choices if each.decision == decision]
            row.opened, row.form = next(iter(chosen), None), form or ReasonForm()


# --- decisions -----------------------------------------------------------------------------------


@require_POST
@requires(Action.MANAGE_MONEY)
def decide(request: MemberRequest, pk: int) -> HttpResponse:
    """Decide about one difference, with a reason; watching a task needs none."""
    row = get_object_or_404(Comparison, pk=pk, upstream=current_upstream())
    data = request.POST.copy()
    if data.get("decision") == Decision.WATCHED:
        data["note"] = data.get("note") or "-"
    form = ReasonForm(data)
    if not form.is_valid():
        return _page(request, form, pk, status=422)
    values = form.cleaned_data
    decision = Decision(values["decision"])
    note = "" if decision == Decision.WATCHED else values["note"]
    try:
        deciding.decide(pk, decision, request.user, note, _seen(values))
    except NotPossible as error:
        messages.info(request, error.reason)
    return month_page(row.at)


@require_POST
@requires(Action.MANAGE_MONEY)
def assign(request: MemberRequest, pk: int) -> HttpResponse:
    """Track the task of a row for the unconfirmed generation that the page suggested."""
    row = get_object_or_404(Comparison, pk=pk, upstream=current_upstream())
    form = AssignForm(request.POST)
    if not form.is_valid():
        raise Http404
    values = form.cleaned_data
    try:
        deciding.assign(pk, request.user, _seen(values), values["generation"], values["version"])
    except NotPossible as error:
        messages.info(request, error.reason)
    else:
        text = _("The task is tracked now. Its images are downloaded when it is done.")
        messages.success(request, text)
    return month_page(row.at)


def _seen(values: dict[str, Any]) -> Seen:
    return Seen(values["billed"], values["recorded"])


@require_POST
@requires(Action.MANAGE_MONEY)
def match_again(request: MemberRequest) -> HttpResponse:
    """Compare the month with the ledger as it is now."""
    zone = Team.objects.current().zone
    month = _month(request.POST.get("month", ""), zone)
    start, end = months.span(month, zone)
    compare(start, end)
    return month_page(start)


# --- the report ----------------------------------------------------------------------------------


@require_POST
@requires(Action.MANAGE_MONEY)
def report(request: MemberRequest) -> HttpResponseBase:
    """All rows of the month as CSV."""
    zone = Team.objects.current().zone
    month = _month(request.POST.get("month", ""), zone)
    label = _("reconciliation of %(month)s") % {"month": f"{month:%Y-%m}"}
    AuditEntry.objects.record(AuditAction.EXPORTED, request.user, label=label)
    name = f"reconciliation-{month:%Y-%m}.csv"
    response = StreamingHttpResponse(
        _report_lines(months.comparisons(month, zone), zone),
        content_type="text/csv; charset=utf-8",
        headers={"Cache-Control": "private, no-store"},
    )
    set_disposition(response, name, as_attachment=True)
    return response


def _report_lines(rows: QuerySet[Comparison], zone: ZoneInfo) -> Iterator[str]:
    header = (
        _("Group"), _("Time"), _("Task ID"), _("Generation"), _("What"), _("Gateway"), _("Here"),
        _("Difference"), _("Matched"), _("Decision"), _("Decided by"), _("Decided at"), _("Reason"),
    )  # fmt: skip
    yield BYTE_ORDER_MARK
    yield from csv_lines(header, (_cells(row, zone) for row in _report_rows(rows)))


def _report_rows(rows: QuerySet[Comparison]) -> Iterator[Row]:
    """Page by page, newest first, so that a large month needs little memory."""
    key = ""
    while True:
        found, key = _page_of(rows, key, REPORT_BATCH)
        yield from rows_of(found)
        if not key:
            return


def _cells(row: Row, zone: ZoneInfo) -> tuple[Any, ...]:
    each = row.comparison
    return (
        each.get_group_display(),
        _moment(each.at, zone),
        each.task_id,
        each.generation_id or "",
        row.what,
        "" if each.billed_e4 is None else plain(each.billed_e4),
        "" if each.recorded_e4 is None else plain(each.recorded_e4),
        plain(each.difference_e4),
        each.get_matched_display() if each.matched else "",
        each.get_decision_display() if each.decision else "",
        each.decided_by.name if each.decided_by else "",
        _moment(each.decided_at, zone) if each.decided_at else "",
        each.note,
    )


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(sep=" ", timespec="seconds")
