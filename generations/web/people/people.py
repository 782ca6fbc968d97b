"""The page People: everyone on the team, the open invitations, and the forms that create them."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import Case, Value, When
from django.db.models.functions import Lower
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations.models import AccessError, AlreadyInvited, Invitation, Member
from generations.permissions import Action, Role
from generations.web.middleware.access import MemberRequest, requires

from .forms import MAX_PASTED, InvitationTermsForm, ManyLinksForm, OneLinkForm
from .links import InvitationLink, link_of
from .mail import with_address

FORMS: dict[str, type[InvitationTermsForm]] = {"one": OneLinkForm, "many": ManyLinksForm}
ROLE_ORDER = Case(*(When(role=role, then=Value(place)) for place, role in enumerate(Role)))


@require_safe
@requires(Action.MANAGE_PEOPLE)
def people(request: MemberRequest) -> HttpResponse:
    return _page(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def invite(request: MemberRequest, kind: str) -> HttpResponse:
    """Create links and show them once. A page reloaded by its address has none to show."""
    if request.method != "POST" or kind not in FORMS:
        return redirect("people")
    form = FORMS[kind](request.POST, by=request.user, auto_id=f"id_{kind}_%s")
    if not form.is_valid():
        return _page(request, status=422, **{kind: form})
    batch = form.cleaned_data["batch"]
    try:
        created = Invitation.objects.invite(request.user, form.terms(), form.names(), batch)
    except AccessError as error:
        form.add_error(None, error)
        return _page(request, status=422, **{kind: form})
    except AlreadyInvited:
        messages.info(request, gettext("This form was sent before. No new links were created."))
        return HttpResponseRedirect(reverse("people"), status=303)
    return _links_page(request, [link_of(*each) for each in created])


@require_POST
@requires(Action.MANAGE_PEOPLE)
def revoke(request: MemberRequest, pk: int) -> HttpResponse:
    get_object_or_404(Invitation, pk=pk)
    if Invitation.objects.filter(pk=pk).revoke():
        messages.success(request, gettext("Invitation revoked. Its link no longer works."))
    else:
        messages.info(request, gettext("This link did not work any more. Nothing was changed."))
    return HttpResponseRedirect(reverse("people"), status=303)


def _links_page(request: MemberRequest, links: list[InvitationLink]) -> HttpResponse:
    context = {"links": links, "mailed": with_address(links) if settings.MAIL else []}
    return render(request, "people/links.html", context)


def _page(request: MemberRequest, *, status: int = 200, **bound: Any) -> HttpResponse:
    forms = {
        kind: bound.get(kind) or form(by=request.user, auto_id=f"id_{kind}_%s")
        for kind, form in FORMS.items()
    }
    context = {
        "people": Member.objects.order_by("-is_active", ROLE_ORDER, Lower("username")),
        "invitations": (
            Invitation.objects.usable().select_related("created_by").prefetch_related("members")
        ),
        "one": forms["one"],
        "many": forms["many"],
        "max_pasted": MAX_PASTED,
        "max_uses": Invitation.MAX_USES,
    }
    return render(request, "people/people.html", context, status=status)
