"""The home page: the composer, in which a member writes a request, and the feed of their cards."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib import messages
from django.forms.utils import ErrorList
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget

from generations.engines.offer import Field
from generations.engines.registry import offer_for
from generations.models import (
    Collection,
    Generation,
    LimitReached,
    Picture,
    ReferenceImage,
    team_settings,
)
from generations.permissions import Action, may
from generations.requests import (
    PriceChanged,
    Unpriced,
    added_characters,
    character_limit,
    create,
    offered_fields,
    sent_prompt,
    with_defaults,
)
from generations.web.cards.card import Card
from generations.web.cards.context import page_context
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, require_role
from generations.web.money.allowance import left_line
from generations.web.money.notices import notices_of
from generations.web.money.prices import (
    WITH_REFERENCE,
    ButtonPrices,
    button_prices,
    generate_label,
)
from generations.web.money.refusals import limit_text, price_changed_text, unpriced_text
from generations.web.redirects import remix_url

from . import normalization, uploads
from .examples import EXAMPLES
from .forms import GenerationForm
from .ratio_choices import ratio_choices
from .reuse import form_values
from .similar import compared_fields

CARDS_A_PAGE = 10
MAX_COLLECTIONS = 50


@require_http_methods(["GET", "HEAD", "POST"])
def studio(request: MemberRequest) -> HttpResponse:
    if request.method == "POST":
        require_role(request.user, Action.GENERATE)
        return _create(request)
    if not may(request.user, Action.GENERATE):
        return redirect("gallery")
    if "again" in request.GET:
        return remix_url(request)
    rows_and_older = _rows(request)
    form = GenerationForm(member=request.user, initial=_initial(request, rows_and_older[0]))
    return _page(request, form, rows_and_older)


def _create(request: MemberRequest) -> HttpResponse:
    form = GenerationForm(request.POST, request.FILES, member=request.user)
    if not form.is_valid():
        return _invalid(request, form)
    try:
        generation = create(
            request.user,
            form.request(),
            form.idempotency_key(),
            seen_e4=form.cleaned_data["seen_prices"],
        )
    except LimitReached as refusal:
        form.add_error(None, limit_text(refusal))
        return _invalid(request, form, limit=refusal)
    except Unpriced as refusal:
        form.add_error(None, unpriced_text(refusal))
        return _invalid(request, form)
    except PriceChanged as refusal:
        form.add_error(None, price_changed_text(refusal))
        return _invalid(request, form)
    if not request.htmx:
        if form.reference_changes:
            messages.info(request, form.reference_changes)
        address = f"{reverse('studio')}#generation-{generation.pk}"
        return HttpResponseRedirect(address, status=303)
    return _created(request, generation, form)


def _created(request: MemberRequest, generation: Generation, form: GenerationForm) -> HttpResponse:
    """The card, with a new nonce for the form and what was changed of its image."""
    context = page_context(request, [generation])
    context |= {"nonce": uuid4(), "reference_changes": form.reference_changes, "is_oob": True}
    context["left"] = left_line(request.user)
    return render(request, "studio/created.html", context)


def _invalid(
    request: MemberRequest, form: GenerationForm, limit: LimitReached | None = None
) -> HttpResponse:
    """The form with its errors, everything typed and the chosen file.

    After a refusal by a limit it offers the largest number of images that fits.
    """
    fitting = _fitting(limit) if limit else {}
    if not request.htmx:
        return _page(request, form, _rows(request), status=422, **fitting)
    response = render(request, "studio/_composer.html", _composer(form) | fitting, status=422)
    return retarget(reswap(response, "outerHTML"), "#composer")


def _fitting(limit: LimitReached) -> dict[str, Any]:
    n = limit.fitting
    label = generate_label(n, limit.quote.unit_e4) if n else ""
    return {"limit_reached": True, "fitting": n, "fitting_label": label}


def _page(
    request: MemberRequest,
    form: GenerationForm,
    rows_and_older: tuple[list[Generation], str],
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    rows, older = rows_and_older
    context = page_context(request, rows) | _composer(form) | extra
    context |= {
        "days": _by_day(context["cards"]),
        "older": older,
        "examples": EXAMPLES,
        "is_demo": settings.DEMO,
        "studio_text": team_settings.current().studio_text,
        "notices": notices_of(request.user),
    }
    return render(request, "studio/studio.html", context, status=status)


# --- the composer --------------------------------------------------------------------------------


@dataclass(frozen=True)
class OfferChoice:
    """A field of the offer with the value that is selected."""

    field: Field
    value: str
    errors: ErrorList


def _composer(form: GenerationForm) -> dict[str, Any]:
    offer, prices = offer_for(), button_prices()
    price_key = _price_key(form, prices)
    return {
        "form": form,
        "prices": json.dumps(prices.as_json(), ensure_ascii=False),
        "seen_prices": prices.units[price_key],
        "generate_label": _generate_label(form, prices.labels[price_key]),
        "left": left_line(form.member),
        "aspect_ratios": ratio_choices(),
        "numbers": range(1, offer.max_images + 1),
        "offer_choices": [
            OfferChoice(field, form[field.name].value(), form[field.name].errors)
            for field in offered_fields()
        ],
        "reference_image": _shown_reference(form),
        "reference_picture": _shown_picture(form),
        "collections": Collection.objects.all()[:MAX_COLLECTIONS],
        "nonce": _nonce(form),
        "options_open": _has_options(form),
        "prompt_limit": character_limit(offer.prompt_limit),
        "added_characters": added_characters(),
        "prompt_as_sent": sent_prompt("…"),
        "reference_rules": offer.reference,
        "reference_changes": form.reference_changes,
        "accepted_files": normalization.ACCEPT,
        "max_upload_bytes": normalization.MAX_BYTES,
        # The script puts the file's name in.
        "reference_errors": {name: text("%n") for name, text in uploads.BROWSER_ERRORS.items()},
        "compared_fields": " ".join(compared_fields()),
    }


def _price_key(form: GenerationForm, prices: ButtonPrices) -> str:
    """The key of the choice that the form shows; the first one if a value is not offered."""
    reference = WITH_REFERENCE if _shown_reference(form) or _shown_picture(form) else ""
    key = "|".join((*(str(form[name].value()) for name in prices.fields), reference))
    return key if key in prices.labels else next(iter(prices.labels))


def _generate_label(form: GenerationForm, labels: list[str]) -> str:
    text = str(form["n"].value())
    n = int(text) if text.isascii() and text.isdecimal() and len(text) < 3 else 1
    return labels[n - 1] if 1 <= n <= len(labels) else labels[0]


def _has_options(form: GenerationForm) -> bool:
    """On a phone the options are collapsed unless one of them has a value or an error."""
    names = ("negative_prompt", "image", "reference", "picture", "image_url", "new_collection")
    fields = [form[name] for name in names]
    return bool(form.is_bound and form.reference_image) or any(
        field.errors or field.value() for field in fields
    )


def _nonce(form: GenerationForm) -> Any:
    """An invalid form keeps its nonce; only a broken nonce is replaced."""
    if form.is_bound and "nonce" in form.cleaned_data:
        return form.cleaned_data["nonce"]
    return uuid4()


def _shown_reference(form: GenerationForm) -> ReferenceImage | None:
    if form.is_bound:
        return form.reference_image
    reference: ReferenceImage | None = form.initial.get("reference")
    return reference


def _shown_picture(form: GenerationForm) -> Picture | None:
    """The picture chosen as reference, until a reference image has been made from it."""
    if form.is_bound:
        picture: Picture | None = form.cleaned_data.get("picture")
        return picture if picture and not form.reference_image else None
    return form.initial.get("picture")


def _initial(request: MemberRequest, newest: Sequence[Generation]) -> dict[str, Any]:
    """The initial values of the form.

    `?remix=12` reuses the settings of that generation, with `&n=1` for fewer images; `?use=34`
    takes a picture as the reference image. Otherwise the last settings are used.
    """
    query = request.GET
    if "remix" in query:
        initial = _remix(request, query["remix"], query.get("n", ""))
    else:
        initial = _last_settings(newest) | _example(query.get("example", ""))
    if "use" in query:
        if not query["use"].isdecimal():
            raise Http404
        visible = Picture.objects.visible_to(request.user).select_related("generation")
        picture = get_object_or_404(visible, pk=query["use"])
        initial |= {"picture": picture, "reference": None, "image_url": "", "negative_prompt": ""}
    return initial


def _last_settings(newest: Sequence[Generation]) -> dict[str, Any]:
    if not newest:
        return {}
    last = newest[0]
    settings_of_last = {
        "n": last.n,
        "collection": last.collection_id,
        "is_private": last.is_private,
    } | with_defaults(last.params)
    if offer_for().aspect_ratio(last.aspect_ratio):
        settings_of_last["aspect_ratio"] = last.aspect_ratio
    return settings_of_last


def _remix(request: MemberRequest, pk: str, n: str) -> dict[str, Any]:
    if not pk.isdecimal():
        raise Http404
    visible = Generation.objects.visible_to(request.user).select_related("reference")
    row = get_object_or_404(visible, pk=pk)
    is_fewer = n in [str(number) for number in range(1, row.n)]
    return form_values(row) | ({"n": n} if is_fewer else {})


def _example(number: str) -> dict[str, Any]:
    """`?example=2` fills the form with one of the prompts of the empty studio."""
    for example in EXAMPLES:
        if str(example.number) == number:
            return {"prompt": example.prompt, "aspect_ratio": example.aspect_ratio}
    return {}


# --- the feed ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Day:
    date: date
    cards: list[Card]

    @property
    def is_today(self) -> bool:
        return self.date == timezone.localdate()

    @property
    def title(self) -> str:
        """`9 March`, with the year unless it is the current one."""
        is_this_year = self.date.year == timezone.localdate().year
        return date_format(self.date, "j F" if is_this_year else "j F Y")


def _by_day(cards: Sequence[Card]) -> list[Day]:
    """Newest first. Today is always included: new cards are inserted into it."""
    days = [
        Day(date, list(group))
        for date, group in groupby(cards, key=lambda card: timezone.localdate(card.created_at))
    ]
    if not days or not days[0].is_today:
        days.insert(0, Day(timezone.localdate(), []))
    return days


def _rows(request: MemberRequest) -> tuple[list[Generation], str]:
    """One page of the member's generations, and the key of the next older page."""
    rows = Generation.objects.visible_to(request.user).filter(owner=request.user)
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"]))
    newest = rows.order_by("-created_at", "-pk").defer("last_response")
    return keyset_page(newest, key_of, CARDS_A_PAGE)
