"""Reconciliation: what the gateway billed beside the ledger, and what an admin decides about it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from generations.models import AccountKey, AuditAction, AuditEntry, Member, Team
from generations.models.money import ComparedDay, Comparison, GatewayLog
from generations.models.money.amounts import plain
from generations.models.money.price import current_upstream
from generations.permissions import Action
from generations.reconciliation import deciding, months
from generations.reconciliation.deciding import Seen
from generations.requests import NotPossible
from generations.web.csv_response import csv_response
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, requires
from generations.worker import tasks

from .gateway_logs import month_of, month_page
from .reconciliation_forms import AssignForm, ReasonForm, SeveralForm
from .reconciliation_rows import Choice, Row, choices_for_several, rows_of

Blocks, Decision = Comparison.Block, Comparison.Decision
PAGE_SIZE = 50  # of one group
FIRST_ROWS = 15  # of each group, where all are shown
MAX_LOGS = 20
REPORT_BATCH = 500
SAMPLE_PEOPLE = "sample-"  # operations/sample_data.py names them so


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
    choices: tuple[Choice, ...] = ()  # what several rows can be decided as


@require_safe
@requires(Action.MANAGE_MONEY)
def reconciliation(request: MemberRequest) -> HttpResponse:
    """The page; for htmx, what the worker does for this month."""
    if not request.htmx:
        return _page(request)
    month = month_of(request.GET.get("month", ""), Team.objects.current().zone)
    context = _progress(month) | {"was_due": True}
    return render(request, "admin/_reconciliation_progress.html", context)


def _progress(month: date) -> dict[str, Any]:
    return {
        "open_logs": GatewayLog.objects.here().open()[:MAX_LOGS],
        "days_due": months.days_due(month),
    }


def _page(
    request: MemberRequest,
    form: ReasonForm | None = None,
    pk: int = 0,
    several: SeveralForm | None = None,
    status: int = 200,
) -> HttpResponse:
    """Render a month. `form` is the refused decision about the comparison `pk`, or `several`."""
    zone = Team.objects.current().zone
    month = month_of(request.GET.get("month") or request.POST.get("month", ""), zone)
    start, end = months.span(month, zone)
    previous, following = months.beside(month)
    figures = months.figures_of(month)
    blocks = _blocks(request, month, zone, figures) if figures else []
    group = _parameter(request, "group")
    _open_form(request, blocks, form, pk)
    selects = request.GET.get("select", "") if group and not several else ""
    if several or selects:
        several = several or SeveralForm()
        _select(blocks, several, is_all=selects == "all")
    context = _progress(month) | {
        "month": month,
        "month_key": f"{month:%Y-%m}",
        "previous_month": previous,
        "next_month": following,
        "figures": figures,
        "blocks": blocks,
        "group": group,
        "group_query": f"&group={quote(group)}" if group else "",
        "logs": _logs(start, end),
        "several": several,
        "before": _parameter(request, "before"),
        "can_fetch": AccountKey.objects.exists_anywhere(),
        "has_sample_data": settings.DEMO and _has_sample_data(),
        "is_deciding": any(row.opened for block in blocks for row in block.rows),
    }
    return render(request, "admin/reconciliation.html", context, status=status)


def _logs(start: datetime, end: datetime) -> list[GatewayLog]:
    """The newest logs that cover a part of this time."""
    logs = GatewayLog.objects.here().imported().filter(starts_at__lt=end)
    newest = logs.select_related("by").order_by("-starts_at", "-pk")[: 2 * MAX_LOGS]
    return [log for log in newest if log.ends_at and log.ends_at >= start][:MAX_LOGS]


def _has_sample_data() -> bool:
    """By the names of its people, because generations have no index for it."""
    return bool(Member.objects.filter(username__startswith=SAMPLE_PEOPLE).exists())


def _parameter(request: MemberRequest, name: str) -> str:
    """Of the address, or of the form whose refusal is shown."""
    return request.GET.get(name) or request.POST.get(name, "")


# --- the blocks ----------------------------------------------------------------------------------


def _texts() -> dict[Comparison.Block, str]:
    """The blocks in their order, and what stands under their headings."""
    return {
        Blocks.UNKNOWN: _("Tasks that the gateway charged for and that no generation here has."),
        Blocks.MISSING: _("Charges recorded here that the log does not contain."),
        Blocks.DIFFERENT: _("The gateway billed another amount than is recorded here."),
        Blocks.WATCHED: _(
            "klingweb asks the gateway about these tasks. No generation here has them, so their "
            "images are not downloaded. They stay in the difference until a later log refunds them."
        ),
        Blocks.PROGRESS: _("Billed, and charged here when the generation ends."),
        Blocks.DECIDED: "",
        Blocks.MATCHED: "",
    }


def _blocks(
    request: MemberRequest, month: date, zone: ZoneInfo, figures: months.Figures
) -> list[Block]:
    """The blocks that have rows. With `?group=`, that one alone, from the key on."""
    only, key = _parameter(request, "group"), _parameter(request, "before")
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
            size = PAGE_SIZE if only else min(FIRST_ROWS, PAGE_SIZE)
            found, next_key = _page_of(rows, key if only else "", size)
            block = replace(block, rows=tuple(rows_of(found)), next_key=next_key)
            if count > 1:
                block = replace(block, choices=choices_for_several(name))
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


def _select(blocks: list[Block], form: SeveralForm, *, is_all: bool) -> None:
    """Mark the rows whose boxes are ticked."""
    ticked = set(form.selected_pks())
    for row in (row for block in blocks for row in block.rows):
        row.is_selected = is_all or row.comparison.pk in ticked


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
    else:
        if decision == Decision.WATCHED:
            text = _("klingweb asks the gateway about this task now, and shows the answer here.")
            messages.success(request, text)
    return month_page(row.at)


@require_POST
@requires(Action.MANAGE_MONEY)
def decide_several(request: MemberRequest) -> HttpResponse:
    """Decide about the ticked rows of one group, with one reason, until one has changed."""
    form = SeveralForm(request.POST)
    if not form.is_valid():
        return _page(request, several=form, status=422)
    values = form.cleaned_data
    rows = [(pk, Seen(billed, recorded)) for pk, billed, recorded in values["row"]]
    decision = Decision(values["decision"])
    done = deciding.decide_several(rows, decision, request.user, values["note"])
    text = ngettext("%(n)d difference was decided.", "%(n)d differences were decided.", done.count)
    messages.success(request, text % {"n": done.count})
    if done.reason:
        text = _("Stopped at %(row)s, and %(n)d were not decided. %(reason)s")
        label = (done.stopped_at and (done.stopped_at.task_id or str(done.stopped_at))) or "–"
        values = {"row": label, "n": len(rows) - done.count, "reason": done.reason}
        messages.warning(request, text % values)
    zone = Team.objects.current().zone
    return month_page(months.span(month_of(request.POST.get("month", ""), zone), zone)[0])


@require_POST
@requires(Action.MANAGE_MONEY)
def assign(request: MemberRequest, pk: int) -> HttpResponse:
    """Track the task of a row for the unconfirmed generation that the page suggested."""
    row = get_object_or_404(Comparison, pk=pk, upstream=current_upstream())
    form = AssignForm(request.POST)
    if not form.is_valid():
        messages.info(request, _("Choose the request that this task belongs to."))
        return month_page(row.at)
    values = form.cleaned_data
    try:
        deciding.assign(pk, request.user, _seen(values), *values["generation"])
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
    """Have the worker compare the month with the ledger as it is now."""
    zone = Team.objects.current().zone
    month = month_of(request.POST.get("month", ""), zone)
    with transaction.atomic():
        if ComparedDay.objects.of_month(month).update(is_due=True):
            tasks.enqueue_reconcile()
    return month_page(months.span(month, zone)[0])


# --- the report ----------------------------------------------------------------------------------


@require_POST
@requires(Action.MANAGE_MONEY)
def report(request: MemberRequest) -> HttpResponseBase:
    """All rows of the month as CSV."""
    zone = Team.objects.current().zone
    month = month_of(request.POST.get("month", ""), zone)
    label = f"reconciliation of {month:%Y-%m}"  # translated by audit_text.py
    AuditEntry.objects.record(AuditAction.EXPORTED, request.user, label=label)
    header = (
        _("Group"), _("Time"), _("Task ID"), _("Generation"), _("What"), _("Gateway"), _("Here"),
        _("Difference"), _("Matched"), _("Decision"), _("Decided by"), _("Decided at"), _("Reason"),
    )  # fmt: skip
    rows = _report_rows(months.comparisons(month, zone))
    return csv_response(
        f"reconciliation-{month:%Y-%m}.csv", header, (_cells(row, zone) for row in rows)
    )


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
