"""Upload or paste a gateway's log, say which column holds what, and import it."""

from datetime import datetime, timedelta
from uuid import uuid4

from django.contrib import messages
from django.core.files.base import ContentFile
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from generations.models import Team
from generations.models.money import GatewayLog
from generations.models.money.price import current_upstream
from generations.permissions import Action
from generations.reconciliation import columns
from generations.reconciliation.columns import ColumnMapping
from generations.reconciliation.importing import import_log
from generations.reconciliation.parsing import Problem, Table, read_table
from generations.web.middleware.access import MemberRequest, requires

from .reconciliation_forms import MAX_PASTED, LogForm, MappingForm, problem_text

DRAFT_AGE = timedelta(days=1)  # a draft that was never imported
MAX_REMOVED = 20
REMEMBERED = 20  # logs whose mapping may fit the next one
EXAMPLES, MAX_EXAMPLE = 3, 40


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
    log.file.save(f"gateway-log-{uuid4()}.csv", ContentFile(form.content))
    return redirect("map-log", pk=log.pk)


def _remove_old_drafts() -> None:
    """Logs that were uploaded and never imported."""
    old = GatewayLog.objects.filter(imported_at=None, created_at__lt=timezone.now() - DRAFT_AGE)
    for draft in old.filter(gateway_lines=None).order_by("pk")[:MAX_REMOVED]:
        draft.file.delete(save=False)
        draft.delete()


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_MONEY)
def map_columns(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask what the columns of a draft hold; POST imports it."""
    log = get_object_or_404(GatewayLog, pk=pk, upstream=current_upstream())
    if log.imported_at and log.ends_at:
        return month_page(log.ends_at)
    try:
        table = read_table(_content(log))
    except (OSError, ValueError) as error:
        text = problem_text(error) if isinstance(error, Problem) else ""
        messages.error(request, text or _("The file is gone. Upload the log again."))
        return redirect("upload-log")
    team, is_sent = Team.objects.current(), request.method == "POST"
    form = MappingForm(
        request.POST if is_sent else None,
        table=table,
        currency=team.currency,
        initial=_known_mapping(table, team).as_json(),
    )
    if not form.is_valid():
        context = {"form": form, "log": log, "columns": _examples(table)}
        return render(request, "admin/map_log.html", context, status=422 if is_sent else 200)
    imported = import_log(log, form.parsed, form.mapping, request.user)
    messages.success(request, _report(imported.lines, imported.new_lines, form))
    return month_page(max(line.at for line in form.parsed.lines))


def _content(log: GatewayLog) -> bytes:
    """The file of a draft. Raises OSError or ValueError if there is none any more."""
    with log.file.open("rb") as file:
        content: bytes = file.read()
    return content


def _known_mapping(table: Table, team: Team) -> ColumnMapping:
    """The mapping of the newest log with these columns, or else a guess."""
    logs = GatewayLog.objects.filter(imported_at__isnull=False).order_by("-pk")
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


def _report(lines: int, new: int, form: MappingForm) -> str:
    parts = [
        _("%(lines)s lines were read, %(new)s of them are new.")
        % {"lines": number_format(lines), "new": number_format(new)}
    ]
    if form.parsed.skipped:
        text = _("%(count)s lines without a charge were left out.")
        parts.append(text % {"count": number_format(form.parsed.skipped)})
    if form.parsed.repeated:
        text = _("%(count)s lines repeat a request ID and were left out.")
        parts.append(text % {"count": number_format(form.parsed.repeated)})
    return " ".join(parts)


def month_page(at: datetime) -> HttpResponseRedirect:
    """Go to the month of this moment."""
    local = at.astimezone(Team.objects.current().zone)
    return HttpResponseRedirect(f"{reverse('reconciliation')}?month={local:%Y-%m}")
