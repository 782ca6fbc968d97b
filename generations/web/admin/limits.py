"""Limits of the team, of each person and of roles, edited in place; and who has an own limit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from generations.joining import join_facts
from generations.models import Member
from generations.models.money import Limit, Period, Window
from generations.models.money.limit import LimitValues
from generations.permissions import Action, Role, roles_with
from generations.web.middleware.access import MemberRequest, requires
from generations.web.money.formats import format_money
from generations.web.money.limit_forms import LimitsForm, Subject

MAX_PEOPLE = 200  # the page People shows the others
Scope = Limit.Scope


@dataclass
class LimitRow:
    """The limits of one subject, and the form that changes them. `slug` names it in URLs."""

    slug: str
    title: str | Promise
    explanation: str | Promise
    form: LimitsForm
    applies: str = ""  # where the subject has no limit of its own
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
    """Save what was changed in one row. An empty field removes that limit."""
    form = LimitsForm(request.POST, subject=_subject(slug), auto_id=f"{slug}-%s")
    if not (form.is_valid() and form.save(request.user)):
        return _page(request, status=422, bound=(slug, form))
    messages.success(request, gettext("Limits saved. They apply from the next request on."))
    return HttpResponseRedirect(f"{reverse('limits')}#{slug}", status=303)


def _page(
    request: MemberRequest, *, status: int = 200, bound: tuple[str, LimitsForm] | None = None
) -> HttpResponse:
    rows = list(_rows())
    for row in rows:
        if bound and row.slug == bound[0]:
            row.form = bound[1]
    if bound and all(row.slug != bound[0] for row in rows):
        raise Http404
    people = [row for row in rows if row.slug.startswith("member-")]
    context = {"rows": [row for row in rows if row not in people], "people": people}
    return render(request, "admin/limits.html", context, status=status)


def _rows() -> Iterator[LimitRow]:
    found: dict[str, dict[str, LimitValues]] = {}
    members: dict[str, Member] = {}
    own = Limit.objects.select_related("member").order_by("member__username", "window")
    for limit in own[: MAX_PEOPLE * len(Window)]:
        slug = _slug(limit)
        found.setdefault(slug, {})[limit.window] = limit.values
        if limit.member:
            members[slug] = limit.member
    everyone = found.get(Scope.DEFAULT, {})
    team, default = Subject(Scope.TEAM), Subject(Scope.DEFAULT)
    row = _row("team", _("The whole team"), _("All people together."), team, found, {})
    row.used = Period.objects.team_month(timezone.now())
    yield row
    explanation: str | Promise = _("Where neither role nor person has a limit.")
    yield _row("default", _("Each person"), explanation, default, found, {})
    for role in roles_with(Action.GENERATE):
        slug, subject = f"role-{role}", Subject(Scope.ROLE, role=role)
        explanation = _("Instead of the limit of each person.") if slug in found else ""
        row = _row(slug, Role(role).label, explanation, subject, found, everyone)
        if row.applies:
            row.applies = gettext("As each person: %s") % row.applies
        yield row
    for slug, member in members.items():
        otherwise = everyone | found.get(f"role-{member.role}", {})
        subject = Subject(Scope.MEMBER, member=member)
        yield _row(slug, member.name, member.get_role_display(), subject, found, otherwise)


def _row(
    slug: str,
    title: str | Promise,
    explanation: str | Promise,
    subject: Subject,
    found: dict[str, dict[str, LimitValues]],
    otherwise: dict[str, LimitValues],
) -> LimitRow:
    stored = found.get(slug, {})
    form = LimitsForm(subject=subject, stored=stored, otherwise=otherwise, auto_id=f"{slug}-%s")
    return LimitRow(slug, title, explanation, form, "" if stored else _limits_text(otherwise))


def _limits_text(limits: dict[str, LimitValues]) -> str:
    """All limits in one line: "$120.00 a month, 40 images a day"."""
    money = {Window.DAY: gettext("%s a day"), Window.MONTH: gettext("%s a month")}
    images = {Window.DAY: gettext("%s images a day"), Window.MONTH: gettext("%s images a month")}
    parts = []
    for window in Window:
        values = limits.get(window, LimitValues(None, None))
        if values.money_e4 is not None:
            parts.append(money[window] % format_money(values.money_e4))
        if values.images is not None:
            parts.append(images[window] % values.images)
    return join_facts(parts) or gettext("no limit")


def _slug(limit: Limit) -> str:
    return {Scope.ROLE: f"role-{limit.role}", Scope.MEMBER: f"member-{limit.member_id}"}.get(
        Scope(limit.scope), limit.scope
    )


def _subject(slug: str) -> Subject:
    """Whose limits these are. Raises Http404."""
    kind, _dash, key = slug.partition("-")
    if slug in (Scope.TEAM, Scope.DEFAULT):
        return Subject(Scope(slug))
    if kind == Scope.ROLE and key in roles_with(Action.GENERATE):
        return Subject(Scope.ROLE, role=key)
    if kind == Scope.MEMBER and key.isascii() and key.isdigit() and len(key) < 18:
        member = Member.objects.filter(pk=key, limits__isnull=False).first()
        if member:
            return Subject(Scope.MEMBER, member=member)
    raise Http404
