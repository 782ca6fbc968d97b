"""Sends invitations by mail, where a mail server is configured."""

import logging
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parseaddr
from smtplib import SMTPRecipientsRefused

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from generations.models import Team
from generations.permissions import Action
from generations.web.middleware.access import MemberRequest, requires

from .forms import MAX_PASTED
from .links import InvitationLink, links_of

logger = logging.getLogger(__name__)


@never_cache
@require_POST
@requires(Action.MANAGE_PEOPLE)
def mail_links(request: MemberRequest) -> HttpResponse:
    """Send each of these links to the address it was made for. Other links are shown again."""
    if not settings.MAIL:
        raise Http404
    links = links_of(request, request.POST.getlist("secret")[:MAX_PASTED])
    sent = _send(with_address(links), request.user.name)
    messages.info(request, ngettext("%d e-mail sent.", "%d e-mails sent.", len(sent)) % len(sent))
    unsent = [link for link in links if link not in sent]
    if not unsent:
        return HttpResponseRedirect(reverse("invitations"), status=303)
    failed = with_address(unsent)
    if failed:
        messages.error(
            request, _("The mail server refused these addresses. Try again, or copy the links.")
        )
    context = {"links": unsent, "mailed": failed}
    return render(request, "people/links.html", context, status=502 if failed else 200)


def with_address(links: Sequence[InvitationLink]) -> list[InvitationLink]:
    """Those that were made for a mail address."""
    return [link for link in links if _is_address(link.invitation.made_for)]


def _is_address(made_for: str) -> bool:
    try:
        validate_email(address_of(made_for))
    except ValidationError:
        return False
    return True


def address_of(made_for: str) -> str:
    """Return the address of `Ada <ada@example.org>` or `ada@example.org`."""
    return parseaddr(made_for)[1]


def _send(links: Sequence[InvitationLink], sender: str) -> list[InvitationLink]:
    """Send over one connection, each in a mail of its own. Return those that were accepted."""
    sent = []
    try:
        with get_connection() as connection:
            for link in links:
                with suppress(SMTPRecipientsRefused):  # the next address may be right
                    if connection.send_messages([_mail(link, sender)]):
                        sent.append(link)
    except OSError as error:  # smtplib's errors are a kind of it
        logger.error("Invitations: %d of %d mails were sent: %s", len(sent), len(links), error)
    return sent


def _mail(link: InvitationLink, sender: str) -> EmailMessage:
    team = Team.objects.current().name or "klingweb"
    context = {"link": link, "sender": sender, "team": team}
    subject = _("%(sender)s invites you to %(team)s") % {"sender": sender, "team": team}
    return EmailMessage(
        " ".join(subject.split()),
        render_to_string("people/invitation_mail.txt", context),
        settings.DEFAULT_FROM_EMAIL,
        [address_of(link.invitation.made_for)],
    )
