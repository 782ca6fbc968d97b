"""The page Invitations: the open ones, those used, expired or revoked, and the two forms."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import F, Prefetch
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from generations.models import AccessError, AlreadyInvited, Invitation, Member
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires

from .forms import MAX_PASTED, InvitationTermsForm, ManyLinksForm, OneLinkForm
from .links import InvitationLink, link_of
from .mail import with_address

FORMS: dict[str, type[InvitationTermsForm]] = {"one": OneLinkForm, "many": ManyLinksForm}
ON_A_PAGE = 50
MAX_JOINED = 5  # names of people who have used a link
FILTERS = (
    ("", pgettext_lazy("invitations", "Open")),
    ("used", _("Used")),
    ("ended", _("Expired or revoked")),
)


@require_safe
@requires(Action.MANAGE_PEOPLE)
def invitations(request: MemberRequest) -> HttpResponse:
    return _page(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def invite(request: MemberRequest, kind: str) -> HttpResponse:
    """Create links and show them once. A page reloaded by its address has none to show."""
    if request.method != "POST" or kind not in FORMS:
        return redirect("invitations")
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
        return HttpResponseRedirect(reverse("invitations"), status=303)
    return _links_page(request, [link_of(*each) for each in created])


@require_POST
@requires(Action.MANAGE_PEOPLE)
def revoke(request: MemberRequest, pk: int) -> HttpResponse:
    get_object_or_404(Invitation, pk=pk)
    if Invitation.objects.filter(pk=pk).revoke(request.user):
        messages.success(request, gettext("Invitation revoked. Its link no longer works."))
    else:
        messages.info(request, gettext("This link did not work any more. Nothing was changed."))
    url = reverse("people" if request.POST.get("next") == reverse("people") else "invitations")
    return HttpResponseRedirect(url, status=303)


def _links_page(request: MemberRequest, links: list[InvitationLink]) -> HttpResponse:
    context = {"links": links, "mailed": with_address(links) if settings.MAIL else []}
    return render(request, "people/links.html", context)


def _page(request: MemberRequest, *, status: int = 200, **bound: Any) -> HttpResponse:
    """`bound` has the form with errors, by its kind. `?open=one` opens a form."""
    opened = request.GET.get("open", "")
    forms = {
        kind: bound.get(kind) or form(by=request.user, auto_id=f"id_{kind}_%s")
        for kind, form in FORMS.items()
    }
    context = forms | {
        "opened": opened if opened in FORMS else next(iter(bound), ""),
        "max_pasted": MAX_PASTED,
        "max_uses": Invitation.MAX_USES,
    }
    return render(request, "people/invitations.html", context | _list(request), status=status)


def _list(request: MemberRequest) -> dict[str, Any]:
    """The chosen invitations, newest first, paged by their key."""
    shown, before = request.GET.get("show", ""), request.GET.get("before", "")
    if shown not in dict(FILTERS):
        shown = ""
    joined = Prefetch("members", Member.objects.order_by("pk")[:MAX_JOINED], to_attr="joined")
    rows = _shown(shown).select_related("created_by").prefetch_related(joined)
    if before.isascii() and before.isdigit() and len(before) < 19:
        rows = rows.filter(pk__lt=int(before))
    found = list(rows[: ON_A_PAGE + 1])
    page = found[:ON_A_PAGE]
    return {
        "invitations": page,
        "shown": shown,
        "filters": FILTERS,
        "now": timezone.now(),
        "next_key": page[-1].pk if len(found) > ON_A_PAGE else "",
    }


def _shown(shown: str) -> Any:
    if shown == "used":
        return Invitation.objects.filter(uses__gt=0)
    usable = Invitation.objects.usable()
    if shown == "ended":
        unused = Invitation.objects.filter(uses__lt=F("max_uses"))
        return unused.exclude(pk__in=usable.order_by().values("pk"))
    return usable
