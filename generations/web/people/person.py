"""The page of one person, for owners and admins: role, details, limits, usage and access."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from generations import people
from generations.models import AccessError, Collection, Member
from generations.models.money.standing import standings
from generations.permissions import Action, Role, may
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.limit_forms import LimitsForm

from .forms import DetailsForm, RoleForm
from .people import month_facts
from .rows import left_of, person_rows


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.MANAGE_PEOPLE)
def person(request: MemberRequest, pk: int) -> HttpResponse:
    """Show a person. POST changes limits, role and details together, or nothing."""
    member = get_object_or_404(Member, pk=pk)
    if request.method != "POST":
        return person_page(request, member)
    forms, old_role, error = _sent_forms(request, member), member.role, ""
    if all(form.is_valid() for form in forms.values()):
        try:
            with transaction.atomic():
                _save(forms, member, request.user)
        except AccessError as refused:
            error = refused.reason
        except IntegrityError:  # another person took the name meanwhile
            taken = gettext("This user name is taken. Choose another.")
            forms["details"].add_error("username", taken)
        except StaleLimits:
            pass  # the form has the error
        else:
            return done(request, member, _saved_text(member, old_role))
    return person_page(request, member, error=error, status=422, **forms)


class StaleLimits(Exception):
    """Another admin has changed a limit since the page was opened."""


def _sent_forms(request: MemberRequest, member: Member) -> dict[str, Any]:
    """The forms of the page whose fields were sent, by their names in the context."""
    data = request.POST
    forms: dict[str, Any] = {}
    if "role" in data:
        forms["form"] = RoleForm(data, by=request.user)
    if "username" in data:
        forms["details"] = DetailsForm(data, instance=Member.objects.get(pk=member.pk))
    if may(request.user, Action.MANAGE_MONEY):
        forms["limits"] = LimitsForm.of_member(member, data)
    return forms


def _save(forms: dict[str, Any], member: Member, by: Member) -> None:
    """Store what differs from what the page showed. Raises AccessError and StaleLimits."""
    form, details, limits = (forms.get(name) for name in ("form", "details", "limits"))
    if form and form.has_changed():
        people.change_role(member, form.cleaned_data["role"], by)
    if details and details.has_changed():
        values = {name: details.cleaned_data[name] for name in details.changed_data}
        people.change_details(member, by, **values)
    if limits and not limits.save(by):
        raise StaleLimits


def _saved_text(member: Member, old_role: str) -> str:
    if member.role == old_role:
        return gettext("Saved.")
    text = gettext("%(name)s now has the role %(role)s.")
    return text % {"name": member.name, "role": Role(member.role).label}


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
