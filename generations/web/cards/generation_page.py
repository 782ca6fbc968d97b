"""The page of one generation: its large images and everything known about it."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from generations.models import Generation
from generations.web.middleware.access import MemberRequest
from generations.web.origin import Origin, origin_of

from .context import page_context, with_details


@require_safe
def generation(request: MemberRequest, pk: int) -> HttpResponse:
    return page(request, pk)


def page(request: MemberRequest, pk: int, *, status: int = 200, **extra: Any) -> HttpResponse:
    """Render the page; `extra` is more context, such as a form with errors."""
    row = get_object_or_404(with_details(Generation.objects.visible_to(request.user)), pk=pk)
    context = page_context(request, [row], full_page=True)
    context["back"] = origin_of(request, Origin(reverse("studio"), _("Studio")))
    return render(request, "generation/generation.html", context | extra, status=status)
