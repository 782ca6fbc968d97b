"""The page where members change their password."""

from typing import Any

from allauth.account.views import PasswordChangeView
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods


@method_decorator([never_cache, require_http_methods(["GET", "HEAD", "POST"])], name="dispatch")
class ChangePassword(PasswordChangeView):  # type: ignore[misc]
    """The library's view: it limits tries, ends all other sessions and keeps this one."""

    template_name = "settings/password.html"
    # Name, label and autocomplete attribute of each field.
    inputs = [
        ("oldpassword", _("Current password"), "current-password"),
        ("password1", _("New password"), "new-password"),
        ("password2", _("New password again"), "new-password"),
    ]

    def form_valid(self, form: Any) -> HttpResponse:
        super().form_valid(form)
        messages.success(
            self.request, gettext("Password changed. You are signed out everywhere else.")
        )
        return HttpResponseRedirect(reverse("settings"), status=303)

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)
        response.status_code = 422
        return response

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        form = context.get("form") or self.get_form()
        fields = [
            {"bound": form[name], "label": label, "autocomplete": autocomplete}
            for name, label, autocomplete in self.inputs
        ]
        full: dict[str, Any] = super().get_context_data(**context)
        return full | {"fields": fields}
