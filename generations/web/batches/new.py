"""The page "Many at once": write or upload prompts, see what they become, and start them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from generations.batches import BatchTotal, TotalChanged, max_rows, start
from generations.joining import join_facts, join_sentences
from generations.models import Batch, LimitReached, SavedPrompt
from generations.models.money import Allowance
from generations.offered_models import is_offered, offered_models
from generations.permissions import Action
from generations.requests import Unpriced, not_offered
from generations.web.formats import format_datetime
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.allowance import left_line
from generations.web.money.formats import format_money
from generations.web.money.refusals import unpriced_text
from generations.web.studio.settings import settings_context

from .again import unfinished_as_text
from .forms import BatchForm
from .lines import append
from .plan import MAX_LISTED_ERRORS, Plan, find_made

MAX_SAVED_PROMPTS = 20
MAX_SHOWN_ROWS = 100
MAX_SHOWN_TILES = 3


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.GENERATE)
def new_batch(request: MemberRequest) -> HttpResponse:
    if request.method != "POST":
        return _page(request, BatchForm(member=request.user, initial=_initial(request)))
    form = BatchForm(_with_inserted(request), request.FILES, member=request.user)
    is_valid = form.is_valid()
    plan = form.plan()
    if "start" in request.POST:
        return _start(request, form, plan) if is_valid else _page(request, form, plan, status=422)
    if request.htmx:
        return render(request, "batches/_changes.html", _preview(form, plan) | _values(form, plan))
    return _page(request, form, plan, status=200 if is_valid else 422)


def _initial(request: MemberRequest) -> dict[str, Any]:
    """`?batch=7`: the prompts of that batch without images; `?prompt=56`: one of the library."""
    initial = unfinished_as_text(request.user, request.GET.get("batch", ""))
    pk = parse_id(request.GET.get("prompt", ""))
    if text := SavedPrompt.objects.text_of(request.user, pk):
        initial["text"] = append(str(initial.get("text", "")), text)
    return initial


def _with_inserted(request: MemberRequest) -> QueryDict:
    """The form, with a prompt of the library added to its text if its button was pressed."""
    pk = parse_id(request.POST.get("insert", ""))
    prompts = SavedPrompt.objects.visible_to(request.user)
    prompt = prompts.filter(pk=pk).first() if pk else None
    if prompt is None:
        return request.POST
    prompt.count_use()
    data = request.POST.copy()
    data["text"] = append(str(data.get("text", "")), prompt.text)
    return data


def _start(request: MemberRequest, form: BatchForm, plan: Plan) -> HttpResponse:
    """All or nothing. Whatever is not as the page showed it is shown again first."""
    key = form.idempotency_key(plan)
    try:
        if plan.can_start:
            batch = start(
                request.user,
                form.cleaned_data["title"],
                [row.request for row in plan.kept],
                key,
                seen=form.cleaned_data["seen"],
            )
            return _to(batch)
        refused = _refusal(plan)
    except TotalChanged:
        refused = _(
            "What you would start has changed since it was shown. Check it and press again. "
            "Nothing was sent or charged."
        )
    except LimitReached:
        plan = form.plan()
        refused = _("Your limit has changed since it was shown. Nothing was sent or charged.")
    except Unpriced as refusal:
        refused = unpriced_text(refusal)
    # A second press of the same form finds less left of the limit: by the batch of the first.
    if batch_of_first := Batch.objects.filter(owner=request.user, idempotency_key=key).first():
        return _to(batch_of_first)
    return _page(request, form, plan, status=422, refused=refused)


def _to(batch: Batch) -> HttpResponse:
    return HttpResponseRedirect(reverse("batch", args=(batch.pk,)), status=303)


def _refusal(plan: Plan) -> str:
    nothing = _("Nothing was sent or charged.")
    if not plan.table.lines:
        return _("Write or upload at least one prompt.") + " " + nothing
    if not plan.kept:
        return _("No prompt is left to start.") + " " + nothing
    return _("Change or leave out what is listed below first.") + " " + nothing


# --- the page ------------------------------------------------------------------------------------


def _page(
    request: MemberRequest,
    form: BatchForm,
    plan: Plan | None = None,
    status: int = 200,
    **extra: Any,
) -> HttpResponse:
    context = settings_context(form) | {
        "max_rows": max_rows(),
        "is_batch": True,
        "has_models": len(offered_models()) > 1,
        "not_offered": "" if is_offered(form.offer) else not_offered(form.offer),
        "model_label": _(form.offer.label),
        "saved_prompts": SavedPrompt.objects.visible_to(request.user).most_used_first()[
            :MAX_SAVED_PROMPTS
        ],
    }
    if plan:
        context |= _preview(form, plan) | _values(form, plan)
    return render(request, "batches/new.html", context | extra, status=status)


# --- the preview ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Option:
    """A checkbox that leaves some rows out, and why they may be left out."""

    name: str
    label: str
    reason: str = ""
    is_checked: bool = False
    tiles: Sequence[Any] = ()


@dataclass(frozen=True)
class ValuesField:
    """Where the values of a variable are typed, one a line."""

    name: str
    values: Sequence[str]


def _preview(form: BatchForm, plan: Plan) -> dict[str, Any]:
    find_made(plan)
    try:
        total = plan.total
    except Unpriced as refusal:
        return {"plan": plan, "unpriced": unpriced_text(refusal)}
    return {
        "plan": plan,
        "total": total,
        "total_text": total_text(total),
        "start_label": start_label(total),
        "errors": plan.errors[:MAX_LISTED_ERRORS],
        "more_errors": len(plan.errors[MAX_LISTED_ERRORS:]),
        "options": [option for option in _options(plan) if option],
        "shown_rows": plan.kept[:MAX_SHOWN_ROWS],
        "more_rows": len(plan.kept[MAX_SHOWN_ROWS:]),
        "left": left_line(form.member),
    }


def total_text(total: BatchTotal) -> str:
    """Return "48 prompts, 96 images, $11.52"."""
    parts = [
        ngettext("%(n)d prompt", "%(n)d prompts", total.rows) % {"n": total.rows},
        ngettext("%(n)d image", "%(n)d images", total.images) % {"n": total.images},
    ]
    if total.amount_e4 is not None:
        parts.append(format_money(total.amount_e4) if total.amount_e4 else _("free"))
    return join_facts(parts)


def start_label(total: BatchTotal) -> str:
    label = ngettext("Generate %(n)d image", "Generate %(n)d images", total.images)
    label %= {"n": total.images}
    if total.amount_e4 is None:
        return label
    price = format_money(total.amount_e4) if total.amount_e4 else _("free")
    return f"{label} · {price}"


def _options(plan: Plan) -> list[Option | None]:
    return [_errors(plan), _repeats(plan), _made(plan), _beyond(plan)]


def _errors(plan: Plan) -> Option | None:
    lines = len({error.number for error in plan.errors})
    if not lines or not plan.rows:
        return None
    label = ngettext("Leave out the line above", "Leave out the %(n)d lines above", lines)
    return Option("errors", label % {"n": lines}, is_checked="errors" in plan.leave_out)


def _repeats(plan: Plan) -> Option | None:
    n = plan.repeats
    label = ngettext(
        "Leave out %(n)d prompt that repeats an earlier one",
        "Leave out %(n)d prompts that repeat an earlier one",
        n,
    )
    return (
        Option("repeats", label % {"n": n}, is_checked="repeats" in plan.leave_out) if n else None
    )


def _made(plan: Plan) -> Option | None:
    n = plan.made
    if not n:
        return None
    label = ngettext(
        "Leave out %(n)d prompt that was already generated",
        "Leave out %(n)d prompts that were already generated",
        n,
    )
    tiles = [row.made for row in plan.rows if row.made]
    return Option(
        "made",
        label % {"n": n},
        is_checked="made" in plan.leave_out,
        tiles=tiles[:MAX_SHOWN_TILES],
    )


def _beyond(plan: Plan) -> Option | None:
    if not plan.is_beyond:
        return None
    label = _("Nothing can start now")
    if plan.startable:
        label = ngettext(
            "Start only the first %(n)d prompt",
            "Start only the first %(n)d prompts",
            plan.startable,
        ) % {"n": plan.startable}
    return Option("beyond", label, _beyond_reason(plan), "beyond" in plan.leave_out)


def _beyond_reason(plan: Plan) -> str:
    n = max(plan.count - (len(plan.rows) - len(plan.wanted)), len(plan.wanted))
    if plan.fit.limit and plan.fit.rows < min(plan.max_rows, n):
        return limit_reason(plan.fit.limit, plan.fit.rows, n)
    return _("These are %(n)d prompts. Up to %(max)d can start at once.") % {
        "n": n,
        "max": plan.max_rows,
    }


def limit_reason(limit: Allowance, fitting: int, n: int) -> str:
    """Which limit allows only a part, what is left of it, and when it renews."""
    texts = {
        (True, "month"): _("The team’s budget for this month allows %(fitting)d of %(n)d prompts."),
        (True, "day"): _("The team’s budget for today allows %(fitting)d of %(n)d prompts."),
        (False, "month"): _("Your limit for this month allows %(fitting)d of %(n)d prompts."),
        (False, "day"): _("Your limit for today allows %(fitting)d of %(n)d prompts."),
    }
    left = []
    if limit.left_e4 is not None:
        left.append(format_money(limit.left_e4))
    if limit.left_images is not None:
        left.append(ngettext("%d image", "%d images", limit.left_images) % limit.left_images)
    return join_sentences(
        (
            texts[limit.is_team, limit.window] % {"fitting": fitting, "n": n},
            _("%(left)s left.") % {"left": _(" and ").join(left)},
            _("The limit renews on %(date)s.") % {"date": format_datetime(limit.renews_at)},
        )
    )


def _values(form: BatchForm, plan: Plan) -> dict[str, Any]:
    """The fields of the variables; `same_values` if the page has them already."""
    values = form.values
    names = ",".join(plan.names)
    return {
        "value_fields": [ValuesField(name, values.get(name, ())) for name in plan.names],
        "value_names": names,
        "same_values": form.data.get("value_names", "") == names,
    }
