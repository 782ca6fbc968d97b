"""The home page: the composer, in which a member writes a request, and the feed of their cards."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any
from uuid import uuid4

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods
from django_htmx.http import reswap, retarget

from generations.engines.registry import find_offer, offer_for
from generations.models import (
    Generation,
    LimitReached,
    Member,
    Notification,
    Picture,
    SavedPrompt,
    Status,
    team_settings,
)
from generations.offered_models import find_offered, is_offered, offered_models, starting_model
from generations.permissions import Action, may
from generations.requests import (
    PriceChanged,
    Unpriced,
    added_characters,
    character_limit,
    create,
    sent_prompt,
    with_defaults,
)
from generations.web.batches.feed import BatchCard, batch_cards
from generations.web.cards.card import Card
from generations.web.cards.context import page_context
from generations.web.demo import fault_prompt
from generations.web.formats import format_day
from generations.web.header import mark_seen
from generations.web.ids import parse_id
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest, require_role
from generations.web.money.allowance import left_line
from generations.web.money.notices import notices_of
from generations.web.money.prices import (
    WITH_REFERENCE,
    ButtonPrices,
    PriceTables,
    button_prices,
    generate_label,
)
from generations.web.money.refusals import limit_text, price_changed_text, unpriced_text
from generations.web.redirects import remix_url

from .examples import EXAMPLES
from .forms import GenerationForm
from .model_picker import MIN_SEARCHED, model_choices, refusal_of, without_reference
from .reuse import form_values
from .settings import settings_context, shown_picture, shown_reference
from .similar import compared_fields

CARDS_A_PAGE = 10
TOAST = "toast"  # HX-Target of requests that are answered by a toast alone


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
    is_valid = form.is_valid()
    if request.htmx.target != TOAST and _needs_other_fields(request, form):
        return _with_other_model(request, form)
    if not is_valid:
        return _invalid(request, form)
    try:
        generation = create(
            request.user,
            form.typed_request(),
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
    """The card, with a new nonce for the form and what was changed of its image.

    A variation from another page gets a toast alone, and one from a card both: they undo it.
    """
    if request.htmx.target == TOAST:
        return render(request, "studio/_created_toast.html", {"generation": generation})
    context = page_context(request, [generation])
    context |= {"nonce": uuid4(), "reference_changes": form.reference_changes, "is_oob": True}
    context |= {"generation": generation, "is_variation": "variation" in request.POST}
    context["left"] = left_line(request.user)
    context["takes_reference"] = form.offer.reference is not None
    return render(request, "studio/created.html", context)


def _invalid(
    request: MemberRequest, form: GenerationForm, limit: LimitReached | None = None
) -> HttpResponse:
    """The form with its errors, everything typed and the chosen file.

    After a refusal by a limit it offers the largest number of images that fits.
    """
    if request.htmx.target == TOAST:
        [first, *_others] = [error for errors in form.errors.values() for error in errors]
        toast = {"message": first, "limit_reached": limit is not None}
        return render(request, "_toast.html", toast, status=422)
    fitting = _fitting(limit) if limit else {}
    if not request.htmx:
        return _page(request, form, _rows(request), status=422, **fitting)
    response = render(request, "studio/_composer.html", _composer(form) | fitting, status=422)
    return retarget(reswap(response, "outerHTML"), "#composer")


def _needs_other_fields(request: MemberRequest, form: GenerationForm) -> bool:
    """Whether the model was changed, or is not offered, so that the fields are not its own."""
    is_other = form.shown_offer.key != form.offer.key
    return "switch_model" in request.POST or is_other or "model" in form.errors


def _with_other_model(request: MemberRequest, form: GenerationForm) -> HttpResponse:
    """The composer with the fields of the chosen model; or as it was, with the reason.

    A request whose fields nobody has seen is not sent.
    """
    offer, tables = find_offered(form.cleaned_data.get("model", "")), PriceTables()
    if offer is None:
        error = " ".join(str(each) for each in form.errors.get("model", ()))
    else:
        error = without_reference(_has_reference(form), offer) or refusal_of(offer, tables)
    if error:
        offer = form.shown_offer if is_offered(form.shown_offer) else starting_model()
    elif "switch_model" not in request.POST:
        error = _("The model was changed. Check the settings, then generate.")
    assert offer
    shown, status = form.for_model(offer), 422 if error else 200
    if not request.htmx:
        return _page(request, shown, _rows(request), status=status, model_error=error)
    context = _composer(shown) | {"model_error": error}
    response = render(request, "studio/_composer.html", context, status=status)
    return retarget(reswap(response, "outerHTML"), "#composer")


def _has_reference(form: GenerationForm) -> bool:
    """Of a form that was sent: also an address that is not valid counts."""
    return bool(form.reference_image or form.data.get("image_url", "").strip())


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
    batches = batch_cards([row for row in rows if row.batch_id], request.user)
    single = [row for row in rows if not row.batch_id]
    context = page_context(request, single, batches=[each.progress for each in batches])
    context |= _composer(form) | extra
    if "before" not in request.GET:
        # The feed shows the newest ones; of the others it is known now that they are done.
        mark_seen(
            request, Q(kind=Notification.Kind.GENERATION, generation__status=Status.SUCCEEDED)
        )
    context |= {
        "days": _by_day([*context["cards"], *batches]),
        "older": older,
        "examples": EXAMPLES,
        "studio_text": team_settings.current().studio_text,
        "notices": notices_of(request.user),
    }
    return render(request, "studio/studio.html", context, status=status)


# --- the composer --------------------------------------------------------------------------------


def _composer(form: GenerationForm) -> dict[str, Any]:
    offer, tables = form.offer, PriceTables.of([form.offer, *offered_models()])
    prices = button_prices(offer, tables)
    price_key = _price_key(form, prices)
    return settings_context(form) | {
        "models": model_choices(offer, tables),
        "min_searched": MIN_SEARCHED,
        "model_notes": [
            note for name, note in form.notes.items() if name not in ("aspect_ratio", "n")
        ],
        "prices": json.dumps(prices.as_json(), ensure_ascii=False),
        "seen_prices": prices.units[price_key],
        "generate_label": _generate_label(form, prices.labels[price_key]),
        "left": left_line(form.member),
        "options_open": _has_options(form),
        "prompt_limit": character_limit(offer.prompt_limit),
        "added_characters": added_characters(),
        "prompt_as_sent": sent_prompt("…"),
        "compared_fields": " ".join(compared_fields()),
    }


def _price_key(form: GenerationForm, prices: ButtonPrices) -> str:
    """The key of the choice that the form shows; the first one if a value is not offered."""
    reference = WITH_REFERENCE if shown_reference(form) or shown_picture(form) else ""
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


def _initial(request: MemberRequest, newest: Sequence[Generation]) -> dict[str, Any]:
    """The initial values of the form.

    `?remix=12` reuses the settings of that generation, with `&n=1` for fewer images; `?use=34`
    takes a picture as the reference image, `?prompt=56` a prompt of the library. Otherwise the last
    settings are used, with `?text=` as the prompt.
    """
    query = request.GET
    if "remix" in query:
        initial = _remix(request, query["remix"], query.get("n", ""))
    else:
        initial = _last_settings(request.user, newest) | _example(query.get("example", ""))
        typed = query.get("text", "").replace("\0", "")
        if prompt := fault_prompt(query.get("fault", "")) or typed:
            initial["prompt"] = prompt
    if "prompt" in query:
        initial["prompt"] = SavedPrompt.objects.text_of(request.user, parse_id(query["prompt"]))
    if "use" in query:
        if not query["use"].isdecimal():
            raise Http404
        visible = Picture.objects.visible_to(request.user).select_related("generation")
        picture = get_object_or_404(visible, pk=query["use"])
        initial |= {"picture": picture, "reference": None, "image_url": "", "negative_prompt": ""}
        initial = _with_reference_model(initial)
    return initial


def _last_settings(member: Member, newest: Sequence[Generation]) -> dict[str, Any]:
    """Those of the last single request: batches have settings and a model of their own."""
    last = next((row for row in newest if row.batch_id is None), None)
    if last is None and newest:
        own = Generation.objects.visible_to(member).filter(owner=member, batch=None)
        last = own.order_by("-created_at", "-pk").defer("last_response").first()
    if last is None:
        return {"model": starting_model().key}
    offer = offer_for(last.engine, last.model)
    return {
        "model": (offer if is_offered(offer) else starting_model()).key,
        "n": last.n,
        "aspect_ratio": last.aspect_ratio,
        "collection": last.collection_id,
        "is_private": last.is_private,
    } | with_defaults(last.params, offer)


def _with_reference_model(initial: dict[str, Any]) -> dict[str, Any]:
    """For an image as the reference: the model stays if it takes one, else the first that does."""
    chosen = find_offer(initial.get("model", ""))
    offers = [chosen, starting_model(), *offered_models()]
    offer = next((each for each in offers if each and each.reference), None)
    return initial | ({"model": offer.key} if offer else {})


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
    cards: list[Card | BatchCard]

    @property
    def is_today(self) -> bool:
        return self.date == timezone.localdate()

    @property
    def title(self) -> str:
        return format_day(self.date)


def _by_day(cards: Sequence[Card | BatchCard]) -> list[Day]:
    """Newest first. Today is always included: new cards are inserted into it."""
    newest_first = sorted(cards, key=lambda card: (card.created_at, card.pk), reverse=True)
    days = [
        Day(date, list(group))
        for date, group in groupby(
            newest_first, key=lambda card: timezone.localdate(card.created_at)
        )
    ]
    if not days or not days[0].is_today:
        days.insert(0, Day(timezone.localdate(), []))
    return days


def _rows(request: MemberRequest) -> tuple[list[Generation], str]:
    """One page of the member's generations, and the key of the next older page.

    The first row of a batch stands for all of them.
    """
    rows = Generation.objects.visible_to(request.user).filter(
        Q(batch_row=None) | Q(batch_row=1), owner=request.user
    )
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"]))
    newest = rows.in_studio().order_by("-created_at", "-pk").defer("last_response")
    return keyset_page(newest, key_of, CARDS_A_PAGE)
