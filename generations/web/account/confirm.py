"""The page that asks for the password before the second factor is changed."""

from allauth.account.views import ReauthenticateView
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from .forms import UnprocessableForm


@method_decorator(never_cache, name="dispatch")
class Confirm(UnprocessableForm, ReauthenticateView):  # type: ignore[misc]
    """The library's view: it limits tries, and then continues with the page that needed it."""

    template_name = "settings/confirm.html"
