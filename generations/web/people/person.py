"""The page of one person, for owners and admins: role, access, and the work of who has left."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from generations import people
from generations.models import AccessError, Collection, Generation, Invitation, Member, Status
from generations.permissions import PERMISSIONS, Action, Role
from generations.web.counts import counts_of
from generations.web.middleware.access import MemberRequest, requires

from .forms import HandOverForm, RoleForm


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def person(request: MemberRequest, pk: int) -> HttpResponse:
    """Show a person. POST changes the role."""
    member = get_object_or_404(Member, pk=pk)
    data = request.POST if request.method == "POST" else None
    form = RoleForm(data, by=request.user, initial={"role": member.role})
    if form.is_bound and form.is_valid():
        role = form.cleaned_data["role"]
        try:
            people.change_role(member, role, request.user)
        except AccessError as error:
            return _page(request, member, error=error.reason, status=422)
        else:
            label = Role(role).label
            text = gettext("%(name)s now has the role %(role)s.")
            return _done(request, member, text % {"name": member.name, "role": label})
    return _page(request, member, form=form, status=422 if form.errors else 200)


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def disable(request: MemberRequest, pk: int) -> HttpResponse:
    """Ask first, and say what happens. POST disables the person."""
    member = get_object_or_404(Member, pk=pk)
    if request.method != "POST":
        if not member.is_active or _refusal(member, request.user):
            return _page(request, member)
        queued = Generation.objects.filter(owner=member, status=Status.QUEUED, finished_at=None)
        links = Invitation.objects.usable().filter(created_by=member)
        counts = counts_of([queued, links])
        context = {"person": member, "queued": counts[0].number, "links": counts[1].number}
        return render(request, "people/disable.html", context)
    try:
        canceled = people.disable(member, request.user)
    except AccessError as error:
        return _page(request, member, error=error.reason, status=422)
    text = ngettext(
        "%(name)s is disabled and signed out everywhere. %(n)d queued request was canceled.",
        "%(name)s is disabled and signed out everywhere. %(n)d queued requests were canceled.",
        canceled,
    )
    return _done(request, member, text % {"name": member.name, "n": canceled})


@require_POST
@requires(Action.MANAGE_PEOPLE)
def enable(request: MemberRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(Member, pk=pk)
    try:
        people.enable(member, request.user)
    except AccessError as error:
        return _page(request, member, error=error.reason, status=422)
    text = gettext("%(name)s can sign in again, with the same password.")
    return _done(request, member, text % {"name": member.name})


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
            return _done(request, member, _handed_over(moved, to))
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


def _done(request: MemberRequest, member: Member, message: str) -> HttpResponse:
    messages.success(request, message)
    return HttpResponseRedirect(reverse("person", args=(member.pk,)), status=303)


def _page(
    request: MemberRequest, member: Member, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """`extra` is more context: a form, or an error."""
    member.refresh_from_db()
    context = {
        "person": member,
        "form": RoleForm(by=request.user, initial={"role": member.role}),
        "refusal": _refusal(member, request.user),
        "has_work": _has_work(member),
        "invitation": member.accepted_invitations.select_related("created_by").first(),
    }
    return render(request, "people/person.html", context | extra, status=status)


def _refusal(member: Member, by: Member) -> str:
    """Why this person may not be changed; empty if it is possible."""
    try:
        member.check_can_be_changed_by(by)
    except AccessError as error:
        return error.reason
    return ""


def _has_work(member: Member) -> bool:
    has_collections = Collection.objects.filter(created_by=member).exists()
    return has_collections or member.generations.exists()
