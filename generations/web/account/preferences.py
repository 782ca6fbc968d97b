"""The settings page of a member: profile, appearance, language, time, shortcuts, notifications."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import activate, gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from generations.models import Member, Notification
from generations.web.header import mark_seen
from generations.web.middleware.access import MemberRequest
from generations.web.middleware.language import automatic_language
from generations.web.middleware.time_zone import automatic_zone, known_zones, valid_zone
from generations.web.text_fields import VisibleTextField
from generations.web.zone_names import zone_label, zones_by_region

from .stages import has_second_factor

AUTOMATIC = ""
MAX_NAME_CHARACTERS = 150  # of the column


class PreferencesForm(forms.Form):
    name = VisibleTextField(
        required=False,
        max_length=MAX_NAME_CHARACTERS,
        error_messages={"max_length": _("Use at most %(limit_value)d characters.")},
    )
    color_scheme = forms.ChoiceField(
        choices=[("", _("System")), *Member.ColorScheme.choices],
        required=False,
        error_messages={"invalid_choice": _("Choose System, Light or Dark.")},
    )
    language = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": _("Choose a language from the list.")},
    )
    time_zone = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": _("Choose a time zone from the list.")},
        help_text=_("For dates and times on pages and in downloads."),
    )
    clock = forms.ChoiceField(
        choices=[("", _("As usual in the language")), *Member.Clock.choices],
        required=False,
        error_messages={"invalid_choice": _("Choose a time format from the list.")},
    )
    single_key_shortcuts = forms.BooleanField(required=False)
    notification_sound = forms.BooleanField(required=False)
    browser_notifications = forms.BooleanField(required=False)

    def __init__(
        self, *args: Any, automatic_language: str, automatic_zone: str, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        name = dict(settings.LANGUAGES)[automatic_language]
        automatic = gettext("Automatic (%(language)s)") % {"language": name}
        language = self.fields["language"]
        assert isinstance(language, forms.ChoiceField)
        language.choices = [(AUTOMATIC, automatic), *settings.LANGUAGES]
        automatic = gettext("Automatic (%(zone)s)") % {"zone": zone_label(automatic_zone)}
        time_zone = self.fields["time_zone"]
        assert isinstance(time_zone, forms.ChoiceField)
        time_zone.choices = [(AUTOMATIC, automatic), *zones_by_region(known_zones())]


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: MemberRequest) -> HttpResponse:
    """Show the settings; POST saves them."""
    member = request.user
    mark_seen(request, Q(kind=Notification.Kind.ROLE))
    is_post = request.method == "POST"
    form = PreferencesForm(
        request.POST if is_post else None,
        initial=_initial(member),
        automatic_language=automatic_language(request),
        automatic_zone=automatic_zone(request, member),
    )
    if not form.is_valid():
        context = {"form": form, **_account_context(member)}
        status = 422 if is_post else 200
        return render(request, "settings/settings.html", context, status=status)
    columns = form.cleaned_data
    columns["time_zone_is_automatic"] = columns["time_zone"] == AUTOMATIC
    if columns["time_zone_is_automatic"]:
        columns["time_zone"] = automatic_zone(request, member)
    name = columns.pop("name")
    if name != member.get_full_name():
        columns |= {"first_name": name, "last_name": ""}
    Member.objects.filter(pk=member.pk).update(**columns)
    activate(columns["language"] or automatic_language(request))  # of the message
    messages.success(request, gettext("Settings saved."))
    return HttpResponseRedirect(reverse("settings"), status=303)


def _initial(member: Member) -> dict[str, Any]:
    stored = {name: getattr(member, name) for name in PreferencesForm.base_fields}
    stored["name"] = member.get_full_name()
    is_automatic = member.time_zone_is_automatic
    return stored | {"time_zone": AUTOMATIC if is_automatic else valid_zone(member.time_zone)}


def _account_context(member: Member) -> dict[str, Any]:
    """What the sections below the form show."""
    return {
        "has_password": member.has_usable_password(),
        "has_second_factor_page": settings.SECOND_FACTOR,
        "has_second_factor": settings.SECOND_FACTOR and has_second_factor(member.pk),
        "has_sessions_page": settings.SESSION_LIST,
        "max_name_characters": MAX_NAME_CHARACTERS,
        "provider": settings.OIDC_NAME,
    }
