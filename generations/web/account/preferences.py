"""What a member chose for themselves: colours, single keys, and how they hear of an end."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from generations.models import Member
from generations.web.middleware.access import MemberRequest


class PreferencesForm(forms.Form):
    color_scheme = forms.ChoiceField(
        choices=[("", _("As the system")), *Member.ColorScheme.choices],
        required=False,
        error_messages={"invalid_choice": _("Choose one of the three.")},
    )
    single_key_shortcuts = forms.BooleanField(required=False)
    notification_sound = forms.BooleanField(required=False)
    browser_notifications = forms.BooleanField(required=False)


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: MemberRequest) -> HttpResponse:
    is_sent = request.method == "POST"
    kept = {name: getattr(request.user, name) for name in PreferencesForm.base_fields}
    form = PreferencesForm(request.POST if is_sent else None, initial=kept)
    if not form.is_valid():
        context = {"form": form}
        status = 422 if is_sent else 200
        return render(request, "settings/settings.html", context, status=status)
    Member.objects.filter(pk=request.user.pk).update(**form.cleaned_data)
    messages.success(request, gettext("Saved."))
    return HttpResponseRedirect(reverse("settings"), status=303)
