"""Invitation links as they are shown once, and their download as CSV."""

from dataclasses import dataclass

from django.conf import settings
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generations.models import AuditAction, AuditEntry, Invitation
from generations.permissions import Action
from generations.web.csv_response import csv_response
from generations.web.middleware.access import MemberRequest, requires

from .forms import MAX_PASTED


@dataclass(frozen=True)
class InvitationLink:
    """An invitation with its secret, which only the form that created it knows."""

    invitation: Invitation
    secret: str

    @property
    def url(self) -> str:
        return f"{settings.URL}{reverse('invitation', args=(self.secret,))}"


def link_of(invitation: Invitation, secret: str) -> InvitationLink:
    return InvitationLink(invitation, secret)


@never_cache
@require_POST
@requires(Action.MANAGE_PEOPLE)
def links_csv(request: MemberRequest) -> HttpResponseBase:
    """Return the links of these secrets, which the page of new links sends, as CSV.

    Secrets of other people's invitations, and unknown ones, are left out.
    """
    links = links_of(request, request.POST.getlist("secret")[:MAX_PASTED])
    AuditEntry.objects.record(
        AuditAction.EXPORTED,
        request.user,
        label=gettext_noop("Invitation links"),
        after={"lines": len(links)},
    )
    header = (_("For"), _("Link"), _("Role"), _("Expires"))
    return csv_response("invitations.csv", header, [_csv_cells(link) for link in links])


def _csv_cells(link: InvitationLink) -> tuple[str, ...]:
    invitation = link.invitation
    expires = timezone.localtime(invitation.expires_at).isoformat(sep=" ", timespec="minutes")
    return invitation.made_for, link.url, str(invitation.get_role_display()), expires


def links_of(request: MemberRequest, secrets: list[str]) -> list[InvitationLink]:
    """The links of these secrets, as far as this member created them."""
    own = Invitation.objects.filter(created_by=request.user)
    found = (link_of(row, secret) for secret in secrets for row in own.with_secret(secret))
    return list(found)
