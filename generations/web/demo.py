"""The demo: what it is, its faults by prompt, and the removal of the demo data."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from generations.joining import join_facts
from generations.operations import demo_data
from generations.permissions import Action

from .middleware.access import MemberRequest, requires


@dataclass(frozen=True)
class Fault:
    """A prompt that the simulator answers with a fault."""

    slug: str
    label: Promise

    @property
    def prompt(self) -> str:
        return f"simulate: {self.slug.replace('-', ' ')}"


FAULTS = (
    Fault(
        "cut-after-accept",
        gettext_lazy("The connection is lost before the answer. The request is unconfirmed."),
    ),
    Fault("answer-late", gettext_lazy("The answer takes two minutes.")),
    Fault(
        "html-502",
        gettext_lazy("The gateway answers with an error page. The request is unconfirmed."),
    ),
    Fault("too-fast", gettext_lazy("The gateway is busy three times, then accepts the request.")),
    Fault(
        "pack-empty",
        gettext_lazy(
            "The account is empty. Generation is on hold for everyone for up to a minute."
        ),
    ),
    Fault(
        "content-refused", gettext_lazy("The content check rejects the prompt. Nothing is charged.")
    ),
    Fault(
        "failed-pixel", gettext_lazy("The engine accepts the request, but fails after two seconds.")
    ),
    Fault("slow-tail", gettext_lazy("The image takes 3 to 12 minutes.")),
    Fault(
        "image-fewer", gettext_lazy("One image fewer than requested arrives. Request two or more.")
    ),
    Fault("file-404", gettext_lazy("The image is ready, but its download fails.")),
)


def fault_prompt(slug: str) -> str:
    """Return the prompt of a fault, or "" outside the demo."""
    faults = FAULTS if settings.DEMO else ()
    return next((fault.prompt for fault in faults if fault.slug == slug), "")


@require_safe
def demo(request: MemberRequest) -> HttpResponse:
    if not settings.DEMO:
        raise Http404
    return render(request, "demo.html", {"faults": FAULTS, "has_data": demo_data.exists()})


@require_POST
@requires(Action.DELETE_PERMANENTLY)
def remove_data(request: MemberRequest) -> HttpResponse:
    if not settings.DEMO:
        raise Http404
    kept = demo_data.remove(request.user)
    messages.success(request, _("Demo data removed."))
    if kept:
        text = _("%(names)s stay, because they own other images or are in the ledger.")
        messages.info(request, text % {"names": join_facts(person.name for person in kept)})
    return redirect("demo")
