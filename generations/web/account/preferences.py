"""The settings page: profile, appearance, time zone, shortcuts and notifications of one member."""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from generations.models import Member
from generations.web.middleware.access import MemberRequest
from generations.web.middleware.time_zone import automatic_zone, known_zones, valid_zone
from generations.web.text_fields import VisibleTextField

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
    time_zone = forms.ChoiceField(
        required=False,
        error_messages={"invalid_choice": _("Choose a time zone from the list.")},
        help_text=_("For dates and times on pages and in downloads."),
    )
    single_key_shortcuts = forms.BooleanField(required=False)
    notification_sound = forms.BooleanField(required=False)
    browser_notifications = forms.BooleanField(required=False)

    def __init__(self, *args: Any, automatic_zone: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        automatic = gettext("Automatic (%(zone)s)") % {"zone": _label(automatic_zone)}
        time_zone = self.fields["time_zone"]
        assert isinstance(time_zone, forms.ChoiceField)
        time_zone.choices = [(AUTOMATIC, automatic), *zones_by_region(known_zones())]


@require_http_methods(["GET", "HEAD", "POST"])
def preferences(request: MemberRequest) -> HttpResponse:
    """Show the settings; POST saves them."""
    member = request.user
    is_post = request.method == "POST"
    form = PreferencesForm(
        request.POST if is_post else None,
        initial=_initial(member),
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


def zones_by_region(names: Iterable[str]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Choices grouped by the first part of the name: Africa, America, ..."""
    regions = groupby(sorted(names), key=lambda name: name.partition("/")[0])
    return [(region, [(name, _label(name)) for name in names]) for region, names in regions]


def _label(zone: str) -> str:
    return zone.replace("_", " ")
