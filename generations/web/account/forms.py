"""What the pages of an account have in common."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse

View = TypeVar("View", bound=Callable[..., HttpResponse])


class UnprocessableForm:
    """A view with a form: 422 for invalid input, as on all pages."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        response.status_code = 422
        return response


def only_with(setting: str) -> Callable[[View], View]:
    """Decorate a view: 404 while this setting is off or empty."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not getattr(settings, setting):
                raise Http404
            return view(request, *args, **kwargs)

        return checked  # type: ignore[return-value]

    return decorate
