"""The prompt library: search, save, use, share and delete prompts."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST

from generations.engines.registry import offer_for
from generations.joining import join_sentences
from generations.models import Generation, Member, SavedPrompt
from generations.models.saved_prompt import SavedPromptQuerySet
from generations.permissions import Action, may
from generations.requests import character_limit
from generations.web.ids import parse_id
from generations.web.middleware.access import MemberRequest, require, requires
from generations.web.return_url import return_url
from generations.web.studio.forms import TextField

MAX_SHOWN = 100
UNDO_KEY = "deleted_prompt"  # in the session: what the last press has deleted
SHOW = ("", "own", "team")


@dataclass(frozen=True)
class PromptView:
    """A prompt as its viewer sees it. `share_action` is what the button does."""

    pk: int
    text: str
    owner: str
    is_own: bool
    is_shared: bool
    uses: int
    may_change: bool

    @classmethod
    def of(cls, prompt: SavedPrompt, viewer: Member) -> "PromptView":
        return cls(
            prompt.pk,
            prompt.text,
            prompt.owner.name,
            prompt.owner_id == viewer.pk,
            prompt.is_shared,
            prompt.uses,
            may(viewer, Action.CHANGE, prompt),
        )

    @property
    def share_action(self) -> str:
        return "unshare" if self.is_shared else "share"


class PromptForm(forms.Form):
    prompt = TextField(error_messages={"required": _("Write a prompt first.")})
    is_shared = forms.BooleanField(required=False)

    def clean_prompt(self) -> str:
        prompt: str = self.cleaned_data["prompt"]
        limit = character_limit(offer_for().prompt_limit)
        if len(prompt) > limit:
            text = gettext("Too long: %(length)d of %(limit)d characters.")
            raise forms.ValidationError(text % {"length": len(prompt), "limit": limit})
        if "\0" in prompt:
            raise forms.ValidationError(gettext("Null characters are not allowed."))
        return prompt


@require_http_methods(["GET", "HEAD", "POST"])
@requires(Action.GENERATE)
def library(request: MemberRequest) -> HttpResponse:
    if request.method == "POST":
        return _save(request)
    return _page(request, PromptForm())


def _page(request: MemberRequest, form: PromptForm, status: int = 200) -> HttpResponse:
    show, query = request.GET.get("show", ""), request.GET.get("q", "").replace("\0", "")
    if show not in SHOW:
        raise Http404
    prompts = _shown(request.user, show).containing(query)
    found = [
        PromptView.of(prompt, request.user) for prompt in prompts.most_used_first()[: MAX_SHOWN + 1]
    ]
    context = {
        "form": form,
        "show": show,
        "tabs": [
            ("", gettext("All")),
            ("own", gettext("Mine")),
            ("team", gettext("Team")),
        ],
        "q": query,
        "prompts": found[:MAX_SHOWN],
        "is_cut": len(found) > MAX_SHOWN,
        "deleted": request.session.pop(UNDO_KEY, None) if status == 200 else None,
    }
    return render(request, "prompts/library.html", context, status=status)


def _shown(member: Member, show: str) -> SavedPromptQuerySet:
    prompts = SavedPrompt.objects.visible_to(member).select_related("owner")
    if show == "own":
        return prompts.filter(owner=member)
    return prompts.filter(is_shared=True) if show == "team" else prompts


# --- saving --------------------------------------------------------------------------------------


def _save(request: MemberRequest) -> HttpResponse:
    """Save the typed prompt, or that of a generation that the member may see."""
    data = request.POST.copy()
    if "generation" in data:
        visible = Generation.objects.visible_to(request.user)
        row = get_object_or_404(visible, pk=parse_id(str(data["generation"])))
        data["prompt"] = row.prompt
    form = PromptForm(data)
    text = _put(request.user, form)
    if request.htmx:
        return HttpResponse(escape(text))
    if form.errors and "from" not in data:
        return _page(request, form, status=422)
    messages.info(request, text)
    if data.get("from") == "studio":  # without scripts: the form gets its prompt back
        saved = SavedPrompt.objects.filter(owner=request.user, text=form.cleaned_data.get("prompt"))
        return redirect(studio_with(saved.first()))
    return redirect(return_url(request, reverse("prompts")))


def studio_with(prompt: SavedPrompt | None) -> str:
    """The address of the studio with this prompt in its form."""
    return reverse("studio") + (f"?prompt={prompt.pk}" if prompt else "")


def _put(member: Member, form: PromptForm) -> str:
    """Save it, and return a sentence for the member."""
    if not form.is_valid():
        return join_sentences(error for errors in form.errors.values() for error in errors)
    if SavedPrompt.objects.filter(owner=member).count() >= SavedPrompt.MAX_PER_OWNER:
        form.add_error(
            None, gettext("Your library is full. Delete prompts that you no longer use.")
        )
        return str(form.non_field_errors()[0])
    _prompt, is_new = SavedPrompt.objects.put(
        member, form.cleaned_data["prompt"], is_shared=form.cleaned_data["is_shared"]
    )
    if is_new:
        return gettext("Saved to your prompt library.")
    return gettext("This prompt is in your library already.")


# --- one prompt ----------------------------------------------------------------------------------


@require_POST
@requires(Action.GENERATE)
def use_prompt(request: MemberRequest, pk: int) -> HttpResponse:
    """Count the use and open the studio, or "Many at once", with the prompt."""
    prompt = get_object_or_404(SavedPrompt.objects.visible_to(request.user), pk=pk)
    prompt.count_use()
    page = "new-batch" if request.POST.get("in") == "batch" else "studio"
    return redirect(f"{reverse(page)}?prompt={prompt.pk}")


@require_POST
@requires(Action.CHANGE)
def change_prompt(request: MemberRequest, pk: int, action: str) -> HttpResponse:
    """Share it with the team, keep it for oneself, or delete it."""
    prompt = get_object_or_404(SavedPrompt.objects.visible_to(request.user), pk=pk)
    require(request.user, Action.CHANGE, prompt)
    if action not in _ACTIONS:
        raise Http404
    _ACTIONS[action](request, prompt)
    return redirect(return_url(request, reverse("prompts")))


def _share(_request: MemberRequest, prompt: SavedPrompt) -> None:
    SavedPrompt.objects.filter(pk=prompt.pk).update(is_shared=True)


def _unshare(_request: MemberRequest, prompt: SavedPrompt) -> None:
    SavedPrompt.objects.filter(pk=prompt.pk).update(is_shared=False)


@transaction.atomic
def _delete(request: MemberRequest, prompt: SavedPrompt) -> None:
    """The next page offers to undo it, to the owner."""
    is_own = prompt.owner_id == request.user.pk
    values = {"text": prompt.text, "is_shared": prompt.is_shared, "is_own": is_own}
    prompt.delete()
    request.session[UNDO_KEY] = values


_ACTIONS: dict[str, Callable[[MemberRequest, SavedPrompt], None]] = {
    "share": _share,
    "unshare": _unshare,
    "delete": _delete,
}
