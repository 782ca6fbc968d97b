"""Limits of the team, of each person and of roles, edited in place; and who has an own limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from generations.amount_field import AmountField
from generations.models import Member
from generations.models.money import Limit, Period, Window
from generations.models.money.price import current_upstream
from generations.permissions import Action, Role, roles_with
from generations.web.middleware.access import MemberRequest, requires

MAX_IMAGES = 1_000_000_000
MAX_PEOPLE = 200  # the page People shows the others
Scope = Limit.Scope


class LimitForm(forms.Form):
    """What may be spent in a day and in a month. An empty field: no limit of that kind."""

    day_money = AmountField(label=_("Money a day"), required=False)
    month_money = AmountField(label=_("Money a month"), required=False)
    day_images = forms.IntegerField(
        label=_("Images a day"), required=False, min_value=0, max_value=MAX_IMAGES
    )
    month_images = forms.IntegerField(
        label=_("Images a month"), required=False, min_value=0, max_value=MAX_IMAGES
    )


@dataclass
class LimitRow:
    """The limits of one subject, and the form that changes them. `slug` names it in URLs."""

    slug: str
    title: str | Promise
    explanation: str | Promise
    limits: dict[str, Limit]
    form: LimitForm
    used: Period | None = None  # of the running month

    @property
    def values(self) -> list[tuple[Any, int | None, bool]]:
        """Label, value and whether it is money, of each field."""
        return [
            (self.form.fields[name].label, self.form.initial.get(name), name.endswith("money"))
            for name in self.form.fields
        ]

    @property
    def is_open(self) -> bool:
        return bool(self.form.errors)


@require_safe
@requires(Action.MANAGE_MONEY)
def limits(request: MemberRequest) -> HttpResponse:
    return _page(request)


@require_POST
@requires(Action.MANAGE_MONEY)
def set_limit(request: MemberRequest, slug: str) -> HttpResponse:
    """Save the limits of one row. All four fields are sent: an empty one removes that limit."""
    whose = _whose(slug)
    form = LimitForm(request.POST, auto_id=f"{slug}-%s")
    if not form.is_valid():
        return _page(request, status=422, bound=(slug, form))
    values = form.cleaned_data
    with transaction.atomic():
        for window in Window:
            money_e4, images = values[f"{window}_money"], values[f"{window}_images"]
            Limit.objects.put(
                window=window, money_e4=money_e4, images=images, by=request.user, **whose
            )
    messages.success(request, gettext("Limits saved. They apply from the next request on."))
    return HttpResponseRedirect(f"{reverse('limits')}#{slug}", status=303)


def _page(
    request: MemberRequest, *, status: int = 200, bound: tuple[str, LimitForm] | None = None
) -> HttpResponse:
    rows = list(_rows())
    for row in rows:
        if bound and row.slug == bound[0]:
            bound[1].initial, row.form = row.form.initial, bound[1]
    if bound and all(row.slug != bound[0] for row in rows):
        raise Http404
    people = [row for row in rows if row.slug.startswith("member-")]
    context = {"rows": [row for row in rows if row not in people], "people": people}
    return render(request, "admin/limits.html", context, status=status)


def _rows() -> Iterator[LimitRow]:
    found: dict[str, dict[str, Limit]] = {}
    members: dict[str, Member] = {}
    own = Limit.objects.select_related("member").order_by("member__username", "window")
    for limit in own[: MAX_PEOPLE * len(Window)]:
        slug = _slug(limit)
        found.setdefault(slug, {})[limit.window] = limit
        if limit.member:
            members[slug] = limit.member
    yield _row("team", _("The whole team"), _("All people together."), found, used=_team_month())
    yield _row("default", _("Each person"), _("Where neither role nor person has a limit."), found)
    for role in roles_with(Action.GENERATE):
        explanation = gettext_lazy("Instead of the limit of each person.")
        yield _row(f"role-{role}", Role(role).label, explanation, found)
    for slug, member in members.items():
        yield _row(slug, member.name, member.get_role_display(), found)


def _row(
    slug: str,
    title: str | Promise,
    explanation: str | Promise,
    found: dict[str, dict[str, Limit]],
    used: Period | None = None,
) -> LimitRow:
    limits = found.get(slug, {})
    initial: dict[str, int | None] = {}
    for window, limit in limits.items():
        initial |= {f"{window}_money": limit.money_e4, f"{window}_images": limit.images}
    form = LimitForm(initial=initial, auto_id=f"{slug}-%s")
    return LimitRow(slug, title, explanation, limits, form, used)


def _slug(limit: Limit) -> str:
    return {Scope.ROLE: f"role-{limit.role}", Scope.MEMBER: f"member-{limit.member_id}"}.get(
        Scope(limit.scope), limit.scope
    )


def _whose(slug: str) -> dict[str, Any]:
    """The columns that name whose limit it is. Raises Http404."""
    kind, _dash, key = slug.partition("-")
    if slug in (Scope.TEAM, Scope.DEFAULT):
        return {"scope": Scope(slug)}
    if kind == Scope.ROLE and key in roles_with(Action.GENERATE):
        return {"scope": Scope.ROLE, "role": key}
    if kind == Scope.MEMBER and key.isascii() and key.isdigit() and len(key) < 18:
        member = Member.objects.filter(pk=key, limits__isnull=False).first()
        if member:
            return {"scope": Scope.MEMBER, "member": member}
    raise Http404


def _team_month() -> Period | None:
    now = timezone.now()
    months = Period.objects.filter(
        upstream=current_upstream(), member=None, window=Window.MONTH, starts_at__lte=now
    )
    return months.filter(ends_at__gt=now).first()
