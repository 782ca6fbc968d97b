"""Retention: the rule, what a run of it would move to the trash now, and the runs."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from generations.models import Member, Picture, RetentionRule, RetentionRun, team_settings
from generations.models.retention import RuleChanged, RunInProgress, candidates
from generations.permissions import Action
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, requires
from generations.web.tiles import Tile
from generations.worker import tasks

MAX_COUNTED = 5000  # images; more are "more than 5,000"
MAX_PREVIEWS = 12
MAX_RUNS = 20
MAX_DAYS = 36_500


class RuleForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = RetentionRule
        fields = RetentionRule.FIELDS
        labels = {
            "days": gettext_lazy("Move images to the trash after"),
            "keeps_favourites": gettext_lazy("Favourites of anyone"),
            "keeps_collections": gettext_lazy("Images in a collection"),
            "keeps_private": gettext_lazy("Private images"),
            "is_daily": gettext_lazy("Run every day"),
            "delete_after_days": gettext_lazy("Delete from the trash for ever after"),
        }

    version = forms.IntegerField(widget=forms.HiddenInput)

    def clean_days(self) -> int:
        return _checked_days(self.cleaned_data["days"], minimum=1)

    def clean_delete_after_days(self) -> int:
        """Not before people could restore them."""
        days: int = self.cleaned_data["delete_after_days"]
        return _checked_days(days, minimum=team_settings.current().trash_days) if days else 0


def _checked_days(days: int, minimum: int) -> int:
    if minimum <= days <= MAX_DAYS:
        return days
    raise ValidationError(
        _("Enter a number of days from %(minimum)s to %(maximum)s.")
        % {"minimum": f"{minimum:,}", "maximum": f"{MAX_DAYS:,}"}
    )


@dataclass
class PersonShare:
    name: str
    images: int = 0
    size_bytes: int = 0


@dataclass
class DryRun:
    """What a run would move now. Counted up to `MAX_COUNTED`, the oldest first."""

    images: int = 0
    size_bytes: int = 0
    hidden: int = 0  # private images of others: counted, not shown
    is_more: bool = False
    oldest: Any = None
    people: list[PersonShare] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)


def dry_run(rule: RetentionRule, viewer: Member) -> DryRun:
    """Sum up the candidates, in a bounded number of rows. Writes nothing."""
    found = candidates(rule, timezone.now())
    columns = (
        "pk", "size_bytes", "generation__owner_id", "generation__is_private", "stored_at",
    )  # fmt: skip
    rows = list(found.values_list(*columns)[: MAX_COUNTED + 1])
    result = DryRun(is_more=len(rows) > MAX_COUNTED)
    shares: dict[int, PersonShare] = defaultdict(lambda: PersonShare(""))
    shown: list[int] = []
    for pk, size, owner, is_private, _at in rows[:MAX_COUNTED]:
        result.images += 1
        result.size_bytes += size or 0
        if is_private and owner != viewer.pk:
            result.hidden += 1
        elif len(shown) < MAX_PREVIEWS:
            shown.append(pk)
        shares[owner].images += 1
        shares[owner].size_bytes += size or 0
    result.oldest = rows[0][-1] if rows else None
    for member in Member.objects.filter(pk__in=shares):
        shares[member.pk].name = member.name
    result.people = sorted(shares.values(), key=lambda share: (-share.images, share.name))
    pictures = Picture.objects.visible_to(viewer).filter(pk__in=shown).order_by("stored_at", "pk")
    result.tiles = [
        Tile.of(picture, picture.generation, viewer)
        for picture in pictures.select_related("generation__owner")
    ]
    return result


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.CHANGE_SETTINGS)
def retention(request: MemberRequest) -> HttpResponse:
    """Show the rule and its dry run; POST saves the rule. Nothing moves before a run."""
    if request.method != "POST":
        return _page(request, _form(RetentionRule.objects.current()))
    form = RuleForm(request.POST, instance=RetentionRule())
    if not form.is_valid():
        return _page(request, form, status=422)
    try:
        RetentionRule.change(request.user, form.cleaned_data["version"], form.cleaned_data)
    except RuleChanged:
        messages.error(request, _changed())
    else:
        messages.success(request, _("Saved. Nothing moves or is deleted before tomorrow."))
    return redirect("retention")


@require_POST
@requires(Action.DELETE_PERMANENTLY)
def run_retention(request: MemberRequest) -> HttpResponse:
    """Start a run of the rule that the page showed."""
    version = request.POST.get("version", "")
    try:
        with transaction.atomic():
            RetentionRun.objects.start(request.user, parse_id(version) or 0)
            tasks.enqueue_retention()
    except RuleChanged:
        messages.error(request, _changed())
    except RunInProgress:
        messages.info(request, _("A run is in progress already."))
    else:
        messages.success(request, _("The run has started. Images move to the trash."))
    return redirect("retention")


def _changed() -> str:
    return _("Somebody else has changed the rule. Nothing was done. Here is the current rule.")


def _form(rule: RetentionRule) -> RuleForm:
    return RuleForm(instance=rule, initial={"version": rule.version})


def _page(request: MemberRequest, form: RuleForm, status: int = 200) -> HttpResponse:
    rule = RetentionRule.objects.current()
    context = {
        "form": form,
        "rule": rule,
        "dry_run": dry_run(rule, request.user),
        "max_counted": MAX_COUNTED,
        "trash_days": team_settings.current().trash_days,
        "runs": RetentionRun.objects.select_related("by")[:MAX_RUNS],
        "open_run": RetentionRun.objects.open(),
    }
    return render(request, "admin/retention.html", context, status=status)
