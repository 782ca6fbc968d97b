"""Engines and keys: what the engines do, and the API keys of the gateway. Only owners change them.

A key that was entered is never shown again, also not in the form that was refused.
"""

from dataclasses import dataclass
from datetime import datetime

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Max
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from generations.engines.registry import ENGINES
from generations.models import (
    ApiKey,
    Generation,
    KeyInOtherSlot,
    UpstreamGate,
)
from generations.models.api_key import KeyUses, last_four_of
from generations.models.money import Price
from generations.models.status import SENT
from generations.offered_models import is_offered
from generations.permissions import Action, may
from generations.setup import api_key
from generations.web.cards.context import pause_id
from generations.web.hold_messages import HOLD_MESSAGES
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.worker import tasks

from . import account_key
from .errors import ErrorCount, errors_of_hour


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
    row: ApiKey | None  # None: the environment's, which the page does not change, or none
    gate: UpstreamGate | None
    in_progress: int
    uses: KeyUses | None = None  # of one that is not used for new images
    is_missing: bool = False  # its tasks cannot be queried
    stand_in: ApiKey | None = None  # whose owner may say that it is of the same account
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
    hold: str  # why it is on hold; "" while it is not
    is_offered: bool  # at least one of its models
    prices: int
    answered_at: datetime | None
    errors: ErrorCount


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
        except api_key.STORAGE_ERRORS as error:
            form.add_error("api_key", api_key.storage_problem(error))
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
    if ApiKey.objects.unreadable().exists():
        messages.warning(
            request,
            gettext(
                "Earlier keys cannot be read. They are kept as they are: put the encryption key "
                "back from a backup, and the tasks that were sent with them go on."
            ),
        )
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
        text = gettext("The gateway accepts the key.")  # a short key has no last four characters
        if last_four:
            text = gettext("The gateway accepts the key ending in %(last_four)s.")
            text %= {"last_four": last_four}
        messages.success(request, text)
    return redirect("keys")


@require_POST
@requires(Action.MANAGE_KEYS)
def same_account(request: MemberRequest, missing: int) -> HttpResponse:
    """Ask the key that the page showed for the tasks of a missing one, as an owner has decided."""
    row = get_object_or_404(ApiKey, pk=missing)
    other = get_object_or_404(ApiKey, pk=parse_id(request.POST.get("key", "")))
    try:
        api_key.use_instead(row, other, request.user)
    except api_key.KeyProblem as problem:
        messages.error(request, str(problem))
    else:
        tasks.enqueue_poll()
        text = gettext("The key ending in %(last_four)s is asked for these requests from now on.")
        messages.success(request, text % {"last_four": other.last_four})
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
        "engines": _engines(),
        "keys": _keys(gate, {slot: form} if slot else {}),
        "account_key": account_key.line(),
        "is_demo": settings.DEMO,
        "may_change": may(request.user, Action.MANAGE_KEYS),
    }
    return render(request, "admin/keys/keys.html", context, status=status)


def _engines() -> list[EngineLine]:
    priced, now = [price.engine for price in Price.objects.in_force()], timezone.now()
    gates = UpstreamGate.of_all_engines().order_by().values_list("engine")
    answered = dict(gates.annotate(last=Max("answered_at")))
    return [
        EngineLine(
            engine.label,
            _hold_of(engine.slug),
            any(is_offered(offer) for offer in engine.models),
            priced.count(engine.slug),
            answered.get(engine.slug),
            errors_of_hour(now, engine.slug),
        )
        for engine in ENGINES.values()
    ]


def _hold_of(engine: str) -> str:
    gate = UpstreamGate.current_or_none(engine)
    return str(HOLD_MESSAGES[gate.hold_reason].named(engine).alone) if gate and gate.is_held else ""


def _keys(gate: UpstreamGate | None, forms_of: dict[ApiKey.Slot, KeyForm | None]) -> list[KeyLine]:
    """The two keys, and those with which something may still be fetched."""
    gates = {each.api_key_id: each for each in UpstreamGate.of_engine()}
    sent, fixed = _count_in_progress(), ApiKey.objects.environment()
    active = {row.slot: row for row in ApiKey.objects.active().select_related("added_by")}
    used = gate.api_key_id if gate and gate.hold_reason != gate.HoldReason.NO_KEY else -1
    lines, shown = [], set()
    for slot in ApiKey.Slot:
        is_fixed = _is_fixed(slot)
        row = fixed if is_fixed else active.get(slot)
        key = row.pk if row else None
        shown.add(key)
        lines.append(
            KeyLine(
                slot.value,
                str(slot.label),
                None if is_fixed else row,
                gates.get(key) if row else None,
                sent.get(key, 0) if row else 0,
                is_used=row is not None and not settings.DEMO and used == key,
                is_fixed=is_fixed,
                form=forms_of.get(slot),
            )
        )
    return lines + _kept_keys(shown, gates, sent)


def _kept_keys(
    shown: set[int | None],
    gates: dict[int | None, UpstreamGate],
    sent: dict[int | None, int],
) -> list[KeyLine]:
    """Those that are not used for new images, but for what was sent with them."""
    uses, missing = ApiKey.objects.uses(), ApiKey.objects.missing()
    first = next((pk for pk in ApiKey.objects.in_order() if pk is not None), None)
    stand_in = ApiKey.objects.filter(pk=first or 0).first()
    lines = []
    for row in ApiKey.objects.order_by("-removed_at", "-pk"):
        if row.pk in shown or not (row.is_active or uses[row.pk].is_needed):
            continue
        is_missing = row.pk in missing
        label = gettext("Key entered in the browser") if row.is_active else gettext("Replaced key")
        if is_missing:
            label = gettext("Missing key")
        lines.append(
            KeyLine(
                "",
                label,
                row,
                None if row.is_active else gates.get(row.pk),
                sent.get(row.pk, 0),
                uses=uses[row.pk],
                is_missing=is_missing,
                stand_in=stand_in if is_missing else None,
            )
        )
    return lines


def _count_in_progress() -> dict[int | None, int]:
    rows = Generation.objects.for_current_upstream().filter(status__in=SENT, finished_at=None)
    return dict(rows.order_by().values_list("api_key").annotate(rows=Count("pk")))
