"""The page of one person, for owners and admins: role, details, limits, usage and access."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db import IntegrityError
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from generations import people
from generations.models import AccessError, Collection, Member
from generations.models.money.standing import standings
from generations.permissions import Action, Role
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.limit_forms import LimitsForm

from .forms import DetailsForm, RoleForm
from .people import month_facts
from .rows import left_of, person_rows


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
            return person_page(request, member, error=error.reason, status=422)
        else:
            label = Role(role).label
            text = gettext("%(name)s now has the role %(role)s.")
            return done(request, member, text % {"name": member.name, "role": label})
    return person_page(request, member, form=form, status=422 if form.errors else 200)


@require_POST
@requires(Action.MANAGE_PEOPLE)
def change_details(request: MemberRequest, pk: int) -> HttpResponse:
    member = get_object_or_404(Member, pk=pk)
    form = DetailsForm(request.POST, instance=Member.objects.get(pk=pk))
    if not form.is_valid():
        return person_page(request, member, details=form, status=422)
    try:
        people.change_details(member, request.user, **form.cleaned_data)
    except AccessError as error:
        return person_page(request, member, error=error.reason, status=422)
    except IntegrityError:  # another person took the name meanwhile
        form.add_error("username", gettext("This user name is taken. Choose another."))
        return person_page(request, member, details=form, status=422)
    return done(request, member, gettext("Saved."))


def done(request: MemberRequest, member: Member, message: str) -> HttpResponse:
    """Back to the page of the person, with a message."""
    messages.success(request, message)
    return HttpResponseRedirect(reverse("person", args=(member.pk,)), status=303)


def person_page(
    request: MemberRequest, member: Member, *, status: int = 200, **extra: Any
) -> HttpResponse:
    """`extra` is more context: a form with errors, or an error."""
    member.refresh_from_db()
    standing = standings([member]).by_member[member.pk]
    [row] = person_rows([(member, standing)], request.user)
    context = {
        "person": member,
        "row": row,
        "form": RoleForm(by=request.user, initial={"role": member.role}),
        "details": DetailsForm(instance=member),
        "limits": LimitsForm.of_member(member),
        "left": left_of(standing),
        "refusal": refusal(member, request.user),
        "has_work": _has_work(member),
        "has_second_factor": Authenticator.objects.filter(user=member).exists(),
        "sessions": UserSession.objects.filter(user=member).count(),
        "invitation": member.accepted_invitations.select_related("created_by").first(),
    }
    return render(request, "people/person.html", context | month_facts() | extra, status=status)


def refusal(member: Member, by: Member) -> str:
    """Why role and access of this person may not be changed; empty if they may."""
    try:
        member.check_can_be_changed_by(by)
    except AccessError as error:
        return error.reason
    return ""


def _has_work(member: Member) -> bool:
    has_collections = Collection.objects.filter(created_by=member).exists()
    return has_collections or member.generations.exists()
