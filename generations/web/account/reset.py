"""Resetting a password: by a link of an admin, or by a link in a mail."""

import logging
from threading import Thread
from typing import Any

from allauth.core import ratelimit
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.views import PasswordResetConfirmView
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, gettext, override
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from generations.models import AuditAction, AuditEntry, Member, audit_entry, password_reset

from .forms import UnprocessableForm, only_with

logger = logging.getLogger(__name__)


class NewPasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    def save(self, commit: bool = True) -> Member:
        """Write this column only, and sign the member out everywhere."""
        member: Member = self.user
        member.set_password(self.cleaned_data["new_password1"])
        with transaction.atomic():
            member.save(update_fields=["password"])
            password_reset.end_sessions(member)
            AuditEntry.objects.record(
                AuditAction.PASSWORD_CHANGED, member, on=member, note=audit_entry.WITH_RESET_LINK
            )
        return member


class ResetPassword(UnprocessableForm, PasswordResetConfirmView):
    """Django's view: it moves the token from the URL to the session, so that no page links it."""

    template_name = "account/reset_password.html"
    form_class = NewPasswordForm
    token_generator = password_reset.token_generator

    def get_user(self, uidb64: str) -> Member | None:
        member = super().get_user(uidb64)
        return member if isinstance(member, Member) and member.is_active else None

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        messages.success(self.request, gettext("Password changed. Sign in with the new one."))
        return HttpResponseRedirect(reverse("account_login"), status=303)

    def get_success_url(self) -> str:
        return reverse("account_login")

    def render_to_response(self, context: dict[str, Any], **options: Any) -> HttpResponse:
        """410 for a link that no longer works."""
        status = 200 if context["validlink"] else 410
        return super().render_to_response(context, **{"status": status} | options)


class ForgottenForm(forms.Form):
    name = forms.CharField(max_length=254, error_messages={"required": ""})


@login_not_required
@only_with("MAIL")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def forgotten(request: HttpRequest) -> HttpResponse:
    """Ask for a user name or an address; POST mails a link. Every name gets the same answer."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        status = 422 if request.method == "POST" else 200
        return render(request, "account/forgotten.html", {"form": form}, status=status)
    name = form.cleaned_data["name"]
    refused: HttpResponse | None = ratelimit.consume_or_429(request, action="reset_password")
    if refused:
        return refused
    for member in _members(name):
        if ratelimit.consume(request, action="reset_mail", key=f"member {member.pk}"):
            _mail(request, member)
    return render(request, "account/forgotten.html", {"is_sent": True})


def _members(name: str) -> list[Member]:
    """Active members with a password and an address; several may share one."""
    found = Member.objects.filter(Q(username=name) | Q(email__iexact=name), is_active=True)
    return [each for each in found.exclude(email="")[:5] if each.has_usable_password()]


def _mail(request: HttpRequest, member: Member) -> None:
    """Send in a thread: the time of the answer must not tell whether the name exists."""
    link = f"{settings.URL}{password_reset.create_link(member, None)}"
    with override(member.language or get_language()):  # whoever has asked for it
        text = render_to_string("account/reset_mail.txt", {"member": member, "link": link})
        subject = gettext("Reset your klingweb password")
    mail = EmailMessage(subject, text, settings.DEFAULT_FROM_EMAIL, [member.email])
    Thread(target=_send, args=(mail, member.pk), daemon=True).start()


def _send(mail: EmailMessage, member_id: int) -> None:
    try:
        mail.send()
    except OSError as error:  # smtplib's errors are a kind of it
        logger.error("The mail to member %d was not sent: %s", member_id, error)
