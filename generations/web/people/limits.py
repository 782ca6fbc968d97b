"""The limits of one person: a row in the list of people, or a page of its own without scripts."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from generations.models import Member
from generations.models.money.standing import standings
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.limit_forms import LimitsForm

from .rows import person_rows


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_MONEY)
def limits(request: MemberRequest, pk: int) -> HttpResponse:
    """The form; POST stores it. htmx gets the row of the list, with the form until it is saved.

    `?close=1` gets the row without the form.
    """
    member = get_object_or_404(Member, pk=pk)
    form = LimitsForm.of_member(member, request.POST if request.method == "POST" else None)
    is_saved = form.is_bound and form.is_valid() and form.save(request.user)
    if request.htmx:
        is_open = not is_saved and "close" not in request.GET
        return _row(request, member, form if is_open else None, is_saved=is_saved)
    if is_saved:
        text = gettext("Limits of %(name)s saved.") % {"name": member.name}
        messages.success(request, text)
        return HttpResponseRedirect(reverse("people"), status=303)
    context = {"person": member, "limits": form}
    return render(request, "people/limits.html", context, status=422 if form.errors else 200)


def _row(
    request: MemberRequest, member: Member, form: LimitsForm | None, *, is_saved: bool
) -> HttpResponse:
    standing = standings([member]).by_member[member.pk]
    [row] = person_rows([(member, standing)], request.user)
    context = {"row": row, "limits": form, "is_saved": is_saved, "is_swapped": True}
    status = 422 if form and form.errors else 200
    return render(request, "people/_row.html", context, status=status)
