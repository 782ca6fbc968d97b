"""Correct the charge of one generation: an amount with a reason, as a new entry of the ledger."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from generations.models import Generation
from generations.models.money import LedgerEntry, Window
from generations.permissions import Action
from generations.reconciliation import deciding
from generations.requests import NotPossible
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.formats import format_money

from .reconciliation_forms import CorrectionForm

MAX_ENTRIES = 50


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_MONEY)
def correct(request: MemberRequest, pk: int) -> HttpResponse:
    """Show what a generation was charged; POST sets another amount."""
    generation = get_object_or_404(Generation.objects.select_related("owner"), pk=pk)
    form = CorrectionForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid() and _correct(request, generation, form):
        return redirect("correct-charge", pk=pk)
    context = {
        "form": form,
        "generation": generation,
        "entries": _entries(pk),
        "is_possible": generation.charged_e4 is not None and generation.reservations > 0,
    }
    status = 422 if form.errors else 200
    return render(request, "admin/correct_charge.html", context, status=status)


def _correct(request: MemberRequest, generation: Generation, form: CorrectionForm) -> bool:
    """Write the correction. False: the form has an error."""
    amount_e4, seen_e4 = form.cleaned_data["amount"], form.cleaned_data["seen"]
    if amount_e4 == generation.charged_e4 == seen_e4:
        form.add_error("amount", _("This is the amount that is charged already."))
        return False
    note = form.cleaned_data["note"]
    try:
        deciding.correct(generation.pk, amount_e4, request.user, note, seen_e4)
    except NotPossible as error:
        messages.info(request, error.reason)
        return True
    before, after = format_money(seen_e4), format_money(amount_e4)
    text = _("Corrected from %(before)s to %(after)s.") % {"before": before, "after": after}
    messages.success(request, text)
    return True


def _entries(pk: int) -> list[LedgerEntry]:
    """The steps of a generation: the entries of the team's month, one for each."""
    entries = LedgerEntry.objects.filter(
        generation_id=pk, period__member=None, period__window=Window.MONTH
    )
    return list(entries.select_related("by").order_by("pk")[:MAX_ENTRIES])
