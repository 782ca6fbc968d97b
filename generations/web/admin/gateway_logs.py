"""Import a gateway's log: upload or paste it, say which column holds what, and see its progress."""

import time
from datetime import date, datetime, timedelta
from uuid import uuid4
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.files.base import ContentFile
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.joining import join_sentences
from generations.models import AccountKey, Lease, Team
from generations.models.money import GatewayLog
from generations.models.money.month import Month
from generations.models.money.price import current_upstream
from generations.permissions import Action
from generations.reconciliation import columns, importing
from generations.reconciliation.columns import ColumnMapping
from generations.reconciliation.parsing import Problem, Table
from generations.web.middleware.access import MemberRequest, requires
from generations.worker import tasks

from .reconciliation_forms import MAX_PASTED, LogForm, MappingForm, problem_text

DRAFT_AGE = timedelta(days=1)  # a draft that was never imported
MAX_REMOVED = 20
REMEMBERED = 20  # logs whose mapping may fit the next one
EXAMPLES, MAX_EXAMPLE = 3, 40
REFRESH_SECONDS = 2  # while an import is in progress
SMALL_LOG_SECONDS = 3.0  # then the worker goes on
WORKER_ANSWERS_WITHIN = timedelta(seconds=60)
State = GatewayLog.State


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_MONEY)
def upload(request: MemberRequest) -> HttpResponse:
    """Store a log as a draft; its columns are asked for on the next page."""
    is_sent = request.method == "POST"
    form = LogForm(request.POST, request.FILES) if is_sent else LogForm()
    if not is_sent or not form.is_valid():
        context = {"form": form, "max_pasted": MAX_PASTED}
        return render(request, "admin/upload_log.html", context, status=422 if is_sent else 200)
    _remove_old_drafts()
    file = form.cleaned_data["file"]
    log = GatewayLog(name=(file.name or "")[:200] if file else "", by=request.user)
    log.total_lines = max(form.content.rstrip().count("\n"), 1)
    log.file.save(f"gateway-log-{uuid4()}.csv", ContentFile(form.content.encode()))
    return redirect("gateway-log", pk=log.pk)


def _remove_old_drafts() -> None:
    """Logs that were uploaded and never imported."""
    old = GatewayLog.objects.filter(
        state=State.DRAFT, created_at__lt=timezone.now() - DRAFT_AGE, gateway_lines=None
    )
    for draft in old.order_by("pk")[:MAX_REMOVED]:
        draft.file.delete(save=False)
        draft.delete()


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_MONEY)
def gateway_log(request: MemberRequest, pk: int) -> HttpResponse:
    """A draft: what do its columns hold? POST imports it. After that: the progress."""
    log = get_object_or_404(GatewayLog, pk=pk, upstream=current_upstream())
    if log.state != State.DRAFT:
        return _progress(request, log)
    try:
        table = importing.table_of(log)
    except (OSError, ValueError) as error:
        text = problem_text(error) if isinstance(error, Problem) else ""
        messages.error(request, text or _("The file is gone. Upload the log again."))
        return redirect("upload-log")
    team, is_sent = Team.objects.current(), request.method == "POST"
    data = request.POST if is_sent else log.mapping if log.problem else None
    initial = _known_mapping(table, team).as_json()
    form = MappingForm(data, table=table, currency=team.currency, initial=initial)
    if is_sent and form.is_valid():
        return _import(request, log, form.mapping)
    if not is_sent and log.problem:
        form.add_problem(log.problem)
    context = {"form": form, "log": log, "columns": _examples(table)}
    return render(request, "admin/map_log.html", context, status=422 if is_sent else 200)


def _import(request: MemberRequest, log: GatewayLog, mapping: ColumnMapping) -> HttpResponse:
    """Have the worker import the log; a small one is imported here, in the same steps."""
    with transaction.atomic():
        if importing.start(log, mapping, request.user):
            tasks.enqueue_reconcile()
    # After older imports: the lines that both have would be lost if the older one was canceled.
    is_next = importing.next_log() == log and log.total_lines <= importing.SMALL_LINES
    if is_next and Lease.acquire("reconcile"):
        ends_at = time.monotonic() + SMALL_LOG_SECONDS
        try:
            importing.run(log, lambda: time.monotonic() < ends_at)
        finally:
            Lease.give_back("reconcile")
    log.refresh_from_db()
    if log.state == State.DONE and log.ends_at:
        messages.success(request, report(log))
        return month_page(log.ends_at)
    return redirect("gateway-log", pk=log.pk)


@require_POST
@requires(Action.MANAGE_MONEY)
def fetch(request: MemberRequest) -> HttpResponse:
    """Have the worker fetch the log of a month from the gateway, and import it."""
    month = month_of(request.POST.get("month", ""), Team.objects.current().zone)
    if not AccountKey.objects.exists_anywhere():
        messages.error(request, _("Enter the account key first."))
        return redirect("keys")
    with transaction.atomic():
        log = importing.start_fetch(month, request.user)
        tasks.enqueue_reconcile()
    return redirect("gateway-log", pk=log.pk)


@require_POST
@requires(Action.MANAGE_MONEY)
def cancel(request: MemberRequest, pk: int) -> HttpResponse:
    """Stop an import. Its lines are removed."""
    log = get_object_or_404(GatewayLog, pk=pk, upstream=current_upstream())
    with transaction.atomic():
        if importing.cancel(log):
            tasks.enqueue_reconcile()
        elif log.state != State.CANCELING:
            messages.info(request, _("All lines are stored already. Nothing was canceled."))
    return redirect("gateway-log", pk=pk)


# --- progress ------------------------------------------------------------------------------------


def _progress(request: MemberRequest, log: GatewayLog) -> HttpResponse:
    days, due = len(importing.covered_days(log)), 0
    if log.state == State.MATCHING:
        due = importing.days_due(log)
    is_stuck = log.is_open and not Lease.was_active_within("worker", WORKER_ANSWERS_WITHIN)
    context = {
        "log": log,
        "days": days,
        "matched_days": days - due,
        "report": report(log) if log.state == State.DONE else "",
        "problem": problem_text(Problem.from_json(log.problem)) if log.problem else "",
        "refresh_seconds": REFRESH_SECONDS if log.is_open else 0,
        "is_stuck": is_stuck,
    }
    if log.ends_at:
        context["month"] = log.ends_at.astimezone(Team.objects.current().zone)
    template = "admin/_log_progress.html" if request.htmx else "admin/gateway_log.html"
    return render(request, template, context)


def _known_mapping(table: Table, team: Team) -> ColumnMapping:
    """The mapping of the newest log with these columns, or else a guess."""
    logs = GatewayLog.objects.imported().filter(month=None).order_by("-pk")
    for values in logs.values_list("mapping", flat=True)[:REMEMBERED]:
        mapping = ColumnMapping.from_json(values)
        if mapping.fits(table.labels):
            return mapping
    return columns.guess(table.labels, table.first_rows, team.time_zone)


def _examples(table: Table) -> list[tuple[str, list[str]]]:
    """Each column with its cells of the first lines."""
    return [
        (label, [row[i][:MAX_EXAMPLE] for row in table.first_rows[:EXAMPLES] if i < len(row)])
        for i, label in enumerate(table.labels)
    ]


def report(log: GatewayLog) -> str:
    """What an import has read."""
    parts = [
        _("%(lines)s lines were read, %(new)s of them are new.")
        % {
            "lines": _number(log.lines),
            "new": _number(log.new_lines),
        }
    ]
    if log.skipped_lines:
        text = _("%(count)s lines without a charge were left out.")
        parts.append(text % {"count": _number(log.skipped_lines)})
    if log.repeated_lines:
        text = _("%(count)s lines repeat a request ID and were left out.")
        parts.append(text % {"count": _number(log.repeated_lines)})
    return join_sentences(parts)


def _number(count: int) -> str:
    return str(number_format(count, force_grouping=True))


def month_of(text: str, zone: ZoneInfo) -> date:
    """The first day of `2026-11`; of the newest log's month for an empty text. Raises Http404."""
    if not text:
        newest = GatewayLog.objects.here().imported().order_by("-starts_at").first()
        at = (newest and newest.ends_at) or timezone.now()
        return at.astimezone(zone).date().replace(day=1)
    try:
        return Month.parse(text, zone).first_day
    except ValueError:
        raise Http404 from None


def month_page(at: datetime) -> HttpResponseRedirect:
    """Go to the month of this moment."""
    local = at.astimezone(Team.objects.current().zone)
    return HttpResponseRedirect(f"{reverse('reconciliation')}?month={local:%Y-%m}")
