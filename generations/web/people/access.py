"""Access of one person: disable, enable, hand over work, password, second factor, sessions."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from generations import people
from generations.models import AccessError, Generation, Invitation, Member, Status
from generations.permissions import PERMISSIONS, Action, Role
from generations.web.counts import counts_of
from generations.web.middleware.access import MemberRequest, requires

from .forms import HandOverForm
from .person import done, person_page, refusal

RESET_HOURS = settings.PASSWORD_RESET_TIMEOUT // 3600


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def disable(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask first, and say what happens. POST disables the person."""
    member = get_object_or_404(Member, pk=pk)
    if request.method != "POST":
        if not member.is_active or refusal(member, request.user):
            return person_page(request, member)
        queued = Generation.objects.filter(owner=member, status=Status.QUEUED, finished_at=None)
        links = Invitation.objects.usable().filter(created_by=member)
        counts = counts_of([queued, links])
        context = {"person": member, "queued": counts[0].number, "links": counts[1].number}
        return render(request, "people/disable.html", context)
    try:
        canceled = people.disable(member, request.user)
    except AccessError as error:
        return person_page(request, member, error=error.reason, status=422)
    text = ngettext(
        "%(name)s is disabled and signed out everywhere. %(n)d queued request was canceled.",
        "%(name)s is disabled and signed out everywhere. %(n)d queued requests were canceled.",
        canceled,
    )
    return done(request, member, text % {"name": member.name, "n": canceled})


@require_POST
@requires(Action.MANAGE_PEOPLE)
def enable(request: MemberRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(Member, pk=pk)
    try:
        people.enable(member, request.user)
    except AccessError as error:
        return person_page(request, member, error=error.reason, status=422)
    text = gettext("%(name)s can sign in again, with the same password.")
    return done(request, member, text % {"name": member.name})


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def hand_over(request: MemberRequest, pk: int) -> HttpResponse:
    """Say what happens and let choose a person. POST makes that person the owner."""
    member = get_object_or_404(Member, pk=pk)
    data = request.POST if request.method == "POST" else None
    form = HandOverForm(data, receivers=_receivers(member))
    if form.is_bound and form.is_valid():
        to = form.cleaned_data["to"]
        try:
            moved = people.hand_over(member, to, request.user)
        except AccessError as error:
            form.add_error(None, error)
        else:
            return done(request, member, _handed_over(moved, to))
    context = {"person": member, "form": form}
    return render(request, "people/hand_over.html", context, status=422 if form.errors else 200)


def _receivers(member: Member) -> Any:
    roles = [role for role in Role if Action.GENERATE in PERMISSIONS[role]]
    return Member.objects.filter(role__in=roles, is_active=True).exclude(pk=member.pk)


def _handed_over(moved: people.HandedOver, to: Member) -> str:
    text = gettext(
        "%(name)s is the new owner. Generations: %(generations)d, collections: %(collections)d."
    )
    values = {"generations": moved.generations, "collections": moved.collections}
    return text % (values | {"name": to.name})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def reset_link(request: MemberRequest, pk: int) -> HttpResponse:
    """POST creates a link to a new password and shows it, this once."""
    member = _account(request, pk)
    context: dict[str, Any] = {"person": member, "hours": RESET_HOURS}
    if request.method == "POST":
        try:
            path = people.create_reset_link(member, request.user)
        except AccessError as error:
            context["error"] = error.reason
        else:
            context["link"] = f"{settings.URL}{path}"
    status = 422 if "error" in context else 200
    return render(request, "people/reset_link.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def remove_second_factor(request: MemberRequest, pk: int) -> HttpResponse:
    """For people who have lost it and their recovery codes. Ask first."""
    member = _account(request, pk)
    if request.method != "POST":
        has_one = Authenticator.objects.filter(user=member).exists()
        context = {"person": member, "has_one": has_one}
        return render(request, "people/remove_second_factor.html", context)
    if people.remove_second_factor(member, request.user):
        text = gettext("%(name)s now signs in with the password alone.")
    else:
        text = gettext("%(name)s has no second factor. Nothing was changed.")
    return done(request, member, text % {"name": member.name})


@require_POST
@requires(Action.MANAGE_PEOPLE)
def end_sessions(request: MemberRequest, pk: int) -> HttpResponse:
    member = _account(request, pk)
    try:
        people.end_sessions(member, request.user)
    except AccessError as error:
        return person_page(request, member, error=error.reason, status=422)
    text = gettext("%(name)s is signed out everywhere, and can sign in again.")
    return done(request, member, text % {"name": member.name})


def _account(request: MemberRequest, pk: int) -> Member:
    """The person; 403 if the member may not give access to this account."""
    member = get_object_or_404(Member, pk=pk)
    try:
        request.user.check_may_give(member.role)
    except AccessError:
        raise PermissionDenied from None
    return member
