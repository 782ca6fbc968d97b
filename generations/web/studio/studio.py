"""The home page: the console in which one asks, and the stream of what one asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget

from generations import catalog
from generations.models import Collection, Generation, Picture, ReferenceImage
from generations.web.cards.card import Card
from generations.web.cards.context import page_context
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest
from generations.worker import tasks

from .forms import GenerationForm
from .reuse import form_values

CARDS_A_PAGE = 10
MAX_COLLECTIONS = 50


@require_http_methods(["GET", "HEAD", "POST"])
def studio(request: MemberRequest) -> HttpResponse:
    if request.method == "POST":
        return create(request)
    rows_and_older = _rows(request)
    form = GenerationForm(member=request.user, initial=_initial(request, rows_and_older[0]))
    return _page(request, form, rows_and_older)


def create(request: MemberRequest) -> HttpResponse:
    form = GenerationForm(request.POST, request.FILES, member=request.user)
    if not form.is_valid():
        return _refuse(request, form)
    with transaction.atomic():
        params = form.params()
        params["collection"] = form.make_collection() or params["collection"]
        generation, created = Generation.objects.request(
            owner=request.user, idempotency_key=form.idempotency_key(), **params
        )
        if created:
            tasks.enqueue_submit()
    if not request.htmx:
        address = f"{reverse('studio')}#generation-{generation.pk}"
        return HttpResponseRedirect(address, status=303)
    return _answer_with_card(request, generation)


def _answer_with_card(request: MemberRequest, generation: Generation) -> HttpResponse:
    context = page_context(request, [generation]) | {"nonce": uuid4()}
    return render(request, "studio/created.html", context)


def _refuse(request: MemberRequest, form: GenerationForm) -> HttpResponse:
    """The form again, with all that was typed and the file that was chosen."""
    if not request.htmx:
        return _page(request, form, _rows(request), status=422)
    response = render(request, "studio/_composer.html", _composer(form), status=422)
    return retarget(reswap(response, "outerHTML"), "#composer")


def _page(
    request: MemberRequest,
    form: GenerationForm,
    rows_and_older: tuple[list[Generation], str],
    status: int = 200,
) -> HttpResponse:
    rows, older = rows_and_older
    context = page_context(request, rows) | _composer(form)
    context |= {
        "days": _by_day(context["cards"]),
        "older": older,
        "examples": catalog.EXAMPLES,
        "is_demo": settings.DEMO,
    }
    return render(request, "studio/studio.html", context, status=status)


# --- the console ---------------------------------------------------------------------------------


def _composer(form: GenerationForm) -> dict[str, Any]:
    return {
        "form": form,
        "aspect_ratios": catalog.ASPECT_RATIOS,
        "numbers": range(1, catalog.MAX_IMAGES + 1),
        "reference_image": _shown_reference(form),
        "reference_picture": _shown_picture(form),
        "collections": Collection.objects.all()[:MAX_COLLECTIONS],
        "nonce": _nonce(form),
        "rows_open": _has_options(form),
        "prompt_limit": settings.PROMPT_CHARACTERS,
    }


def _has_options(form: GenerationForm) -> bool:
    """On a phone the quiet rows are folded away, unless they hold something."""
    names = ("negative_prompt", "image", "reference", "picture", "image_url", "new_collection")
    fields = [form[name] for name in names]
    return bool(form.is_bound and form.reference_image) or any(
        field.errors or field.value() for field in fields
    )


def _nonce(form: GenerationForm) -> Any:
    """A form that was refused is still the same press; only a broken nonce is renewed."""
    if form.is_bound and "nonce" in form.cleaned_data:
        return form.cleaned_data["nonce"]
    return uuid4()


def _shown_reference(form: GenerationForm) -> ReferenceImage | None:
    if form.is_bound:
        return form.reference_image
    reference: ReferenceImage | None = form.initial.get("reference")
    return reference


def _shown_picture(form: GenerationForm) -> Picture | None:
    """One of ours that is to be the reference, until it has been made one."""
    if form.is_bound:
        picture: Picture | None = form.cleaned_data.get("picture")
        return picture if picture and not form.reference_image else None
    return form.initial.get("picture")


def _initial(request: MemberRequest, newest: Sequence[Generation]) -> dict[str, Any]:
    """`?remix=12` fills the form as it was for that generation, `&n=1` asks for fewer; `?use=34`
    takes a picture of ours as the reference. Else it is set as it was the last time."""
    asked = request.GET
    if "remix" in asked:
        initial = _remix(request, asked["remix"], asked.get("n", ""))
    else:
        initial = _last_settings(newest) | _example(asked.get("example", ""))
    if "use" in asked:
        if not asked["use"].isdecimal():
            raise Http404
        seen = Picture.objects.visible_to(request.user).select_related("generation")
        picture = get_object_or_404(seen, pk=asked["use"])
        initial |= {"picture": picture, "reference": None, "image_url": "", "negative_prompt": ""}
    return initial


def _last_settings(newest: Sequence[Generation]) -> dict[str, Any]:
    if not newest:
        return {}
    last = newest[0]
    return {
        "aspect_ratio": last.aspect_ratio,
        "n": last.n,
        "collection": last.collection_id,
        "is_private": last.is_private,
    }


def _remix(request: MemberRequest, pk: str, n: str) -> dict[str, Any]:
    if not pk.isdecimal():
        raise Http404
    seen = Generation.objects.visible_to(request.user).select_related("reference")
    before = get_object_or_404(seen, pk=pk)
    fewer = n in [str(number) for number in range(1, before.n)]
    return form_values(before) | ({"n": n} if fewer else {})


def _example(number: str) -> dict[str, Any]:
    """`?example=2` fills the form with one of the prompts of the empty studio."""
    for example in catalog.EXAMPLES:
        if str(example.number) == number:
            return {"prompt": example.prompt, "aspect_ratio": example.shape.ratio}
    return {}


# --- the stream ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    date: date
    cards: list[Card]

    @property
    def is_today(self) -> bool:
        return self.date == timezone.localdate()


def _by_day(cards: Sequence[Card]) -> list[Day]:
    """Newest first. Today is always there: new cards are put into it."""
    days = [
        Day(date, list(group))
        for date, group in groupby(cards, key=lambda card: timezone.localdate(card.created_at))
    ]
    if not days or not days[0].is_today:
        days.insert(0, Day(timezone.localdate(), []))
    return days


def _rows(request: MemberRequest) -> tuple[list[Generation], str]:
    """One page of one's own, and the key of the next older page: never an offset, never a count."""
    rows = Generation.objects.visible_to(request.user).filter(owner=request.user)
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"]))
    newest = rows.order_by("-created_at", "-pk").defer("last_response")
    return keyset_page(newest, key_of, CARDS_A_PAGE)
