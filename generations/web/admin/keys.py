"""Engines and keys: what the engines do, and the API keys of the gateway. Only owners change them.

A key that was entered is never shown again, also not in the form that was refused.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from generations.engines.registry import OFFERS
from generations.models import (
    ApiKey,
    Generation,
    KeyInOtherSlot,
    Status,
    Submission,
    UpstreamGate,
)
from generations.models.api_key import last_four_of
from generations.models.money import Price
from generations.permissions import Action, may
from generations.setup import api_key
from generations.web.cards.context import pause_id
from generations.web.middleware.access import MemberRequest, requires
from generations.worker import tasks

LAST_SUBMISSIONS = 500  # that the error rate looks at
SENT = (Status.SUBMITTING, Status.UNCONFIRMED, Status.RUNNING, Status.FETCHING)
FAILED = (Submission.Outcome.REFUSED, Submission.Outcome.UNANSWERED, Submission.Outcome.POSTPONED)


class KeyForm(forms.Form):
    api_key = forms.CharField(
        max_length=api_key.MAX_KEY_CHARACTERS,
        widget=forms.PasswordInput,
        error_messages={
            "required": _("Enter the API key."),
            "max_length": _("Use at most %(limit_value)d characters."),
        },
    )

    def clean_api_key(self) -> str:
        """Test it: one free query, for which the page waits."""
        key = str(self.cleaned_data["api_key"])
        try:
            api_key.check(key)
        except api_key.KeyProblem as problem:
            raise forms.ValidationError(str(problem)) from None
        return key


@dataclass(frozen=True)
class KeyLine:
    """One key on the page. `slot` is "" for one that was replaced or removed."""

    slot: str
    label: str
    row: ApiKey | None  # None: from the environment, or none
    gate: UpstreamGate | None
    in_progress: int
    is_used: bool = False  # for new images
    is_fixed: bool = False  # set in the environment
    form: KeyForm | None = None  # that was refused

    @property
    def exists(self) -> bool:
        return self.row is not None or self.is_fixed

    @property
    def last_four(self) -> str:
        if self.is_fixed:
            return last_four_of(settings.UPSTREAM_KEY)
        return self.row.last_four if self.row else ""

    @property
    def is_unreadable(self) -> bool:
        return self.row is not None and self.row.unreadable_at is not None

    @property
    def pause_id(self) -> str:
        return pause_id(self.gate) if self.gate else ""


@dataclass(frozen=True)
class EngineLine:
    label: str
    prices: int
    answered_at: datetime | None
    sent: int  # in the last hour, at most `LAST_SUBMISSIONS`
    failed: int


@require_safe
@requires(Action.OPEN_ADMIN)
@never_cache
def keys(request: MemberRequest) -> HttpResponse:
    return _show(request)


@require_POST
@requires(Action.MANAGE_KEYS)
@sensitive_post_parameters()
def put(request: MemberRequest, slot: str) -> HttpResponse:
    """Test the key and store it in this slot."""
    wanted = _changeable_slot(slot)
    form = KeyForm(request.POST)
    if form.is_valid():
        try:
            row = api_key.put(wanted, form.cleaned_data["api_key"], request.user)
        except KeyInOtherSlot:
            form.add_error("api_key", gettext("This key is already the other one of the two."))
        except api_key.STORAGE_ERRORS:
            form.add_error(
                "api_key",
                gettext(
                    "The key could not be stored, and nothing was changed. Check the server’s disk."
                ),
            )
        else:
            return _stored(request, row)
    return _show(request, wanted, form, status=422)


def _stored(request: MemberRequest, row: ApiKey) -> HttpResponse:
    if settings.DEMO:  # the first key: only a new process leaves the demo
        return HttpResponseRedirect(reverse("setup-restart"), status=303)
    tasks.enqueue_submit()
    tasks.enqueue_poll()
    text = gettext("The key ending in %(last_four)s is in use. No restart is needed.")
    if row.slot == ApiKey.Slot.RESERVE:
        text = gettext("The key ending in %(last_four)s is the reserve.")
    messages.success(request, text % {"last_four": row.last_four})
    return redirect("keys")


@require_POST
@requires(Action.MANAGE_KEYS)
def remove(request: MemberRequest, slot: str) -> HttpResponse:
    api_key.remove(_changeable_slot(slot), request.user)
    messages.success(request, gettext("The key was removed."))
    tasks.enqueue_submit()
    return redirect("keys")


@require_POST
@requires(Action.MANAGE_KEYS)
def test(request: MemberRequest, slot: str) -> HttpResponse:
    """Ask the gateway whether it accepts the key: one free query."""
    wanted = _slot(slot)
    try:
        if _is_fixed(wanted):
            api_key.check(settings.UPSTREAM_KEY)
            last_four = last_four_of(settings.UPSTREAM_KEY)
        else:
            row = ApiKey.objects.active().filter(slot=wanted).first()
            if row is None:
                raise Http404
            api_key.check_stored(row)
            last_four = row.last_four
    except api_key.KeyProblem as problem:
        messages.error(request, str(problem))
    else:
        text = gettext("The gateway accepts the key ending in %(last_four)s.")
        messages.success(request, text % {"last_four": last_four})
    return redirect("keys")


def _slot(slot: str) -> ApiKey.Slot:
    if slot not in ApiKey.Slot.values:
        raise Http404
    return ApiKey.Slot(slot)


def _changeable_slot(slot: str) -> ApiKey.Slot:
    """404 for the environment's key, and for the reserve of the demo, which has no first key."""
    wanted = _slot(slot)
    if _is_fixed(wanted) or (settings.DEMO and wanted == ApiKey.Slot.RESERVE):
        raise Http404
    return wanted


def _is_fixed(slot: ApiKey.Slot) -> bool:
    return slot == ApiKey.Slot.FIRST and bool(settings.UPSTREAM_KEY)


# --- the page ------------------------------------------------------------------------------------


def _show(
    request: MemberRequest,
    slot: ApiKey.Slot | None = None,
    form: KeyForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    gate = UpstreamGate.current_or_none()
    context = {
        "gate": gate,
        "engines": _engines(gate),
        "keys": _keys(gate, {slot: form} if slot else {}),
        "is_demo": settings.DEMO,
        "may_change": may(request.user, Action.MANAGE_KEYS),
    }
    return render(request, "admin/keys/keys.html", context, status=status)


def _engines(gate: UpstreamGate | None) -> list[EngineLine]:
    priced = [price.engine for price in Price.objects.in_force()]
    hour_ago = timezone.now() - timedelta(hours=1)
    last = Submission.objects.order_by("-pk").values_list(
        "sent_at", "outcome", "generation__upstream", "generation__engine"
    )[:LAST_SUBMISSIONS]
    recent = [
        (engine, outcome)
        for sent_at, outcome, upstream, engine in last
        if sent_at > hour_ago and upstream == settings.UPSTREAM_MODE
    ]
    return [
        EngineLine(
            offer.label,
            priced.count(offer.slug),
            gate.answered_at if gate and gate.engine == offer.slug else None,
            sum(engine == offer.slug for engine, _outcome in recent),
            sum(engine == offer.slug and outcome in FAILED for engine, outcome in recent),
        )
        for offer in OFFERS.values()
    ]


def _keys(gate: UpstreamGate | None, forms_of: dict[ApiKey.Slot, KeyForm | None]) -> list[KeyLine]:
    """The two keys, and those that are kept for what was sent with them."""
    gates = {each.api_key_id: each for each in UpstreamGate.of_engine()}
    sent = _count_in_progress()
    active = {row.slot: row for row in ApiKey.objects.active().select_related("added_by")}
    used = gate.api_key_id if gate and gate.hold_reason != gate.HoldReason.NO_KEY else -1
    lines = []
    for slot in ApiKey.Slot:
        row, is_fixed = active.get(slot), _is_fixed(slot)
        key = row.pk if row and not is_fixed else None
        exists = row is not None or is_fixed
        lines.append(
            KeyLine(
                slot.value,
                str(slot.label),
                None if is_fixed else row,
                gates.get(key) if exists else None,
                sent.get(key, 0) if exists else 0,
                is_used=exists and not settings.DEMO and used == key,
                is_fixed=is_fixed,
                form=forms_of.get(slot),
            )
        )
    unused = active.get(ApiKey.Slot.FIRST) if _is_fixed(ApiKey.Slot.FIRST) else None
    if unused:
        label = gettext("Key entered in the browser")
        lines.append(KeyLine("", label, unused, None, sent.get(unused.pk, 0)))
    replaced = ApiKey.objects.filter(pk__in=[key for key in sent if key]).exclude(removed_at=None)
    lines += [
        KeyLine("", gettext("Replaced key"), row, gates.get(row.pk), sent[row.pk])
        for row in replaced.order_by("-removed_at")
    ]
    return lines


def _count_in_progress() -> dict[int | None, int]:
    rows = Generation.objects.for_engine().filter(status__in=SENT, finished_at=None)
    return dict(rows.order_by().values_list("api_key").annotate(rows=Count("pk")))
