"""One's own earlier prompts, newest first, to find one again and go on from there."""

from dataclasses import dataclass, field

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generations.models import Generation, Picture
from generations.search import MAX_SEARCH_LENGTH, search
from generations.web.keyset import before, key_of
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import SHOWN, Tile, tiles_of

ROWS_A_PAGE = 40
MAX_TILES = 5


@dataclass
class Prompt:
    """What was asked for several times in a row is told once, with all that came."""

    row: Generation
    tiles: list[Tile] = field(default_factory=list)
    times: int = 0


@require_safe
def prompt_history(request: MemberRequest) -> HttpResponse:
    words = request.GET.get("q", "")[:MAX_SEARCH_LENGTH].replace("\0", "")
    rows = search(Generation.objects.filter(owner=request.user), words)
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"]))
    pictures = Picture.objects.available().only(*SHOWN).order_by("index")
    found = list(
        rows.order_by("-created_at", "-pk")
        .only("prompt", "n", "owner", "created_at", "is_private")
        .with_pictures_of(pictures)[: ROWS_A_PAGE + 1]
    )
    page = found[:ROWS_A_PAGE]
    context = {
        "q": words,
        "prompts": _prompts(request, page),
        "older": key_of(page[-1]) if len(found) > ROWS_A_PAGE else "",
    }
    return render(request, "prompt_history/prompt_history.html", context)


def _prompts(request: MemberRequest, rows: list[Generation]) -> list[Prompt]:
    prompts: list[Prompt] = []
    for row in rows:
        if not prompts or prompts[-1].row.prompt != row.prompt:
            prompts.append(Prompt(row))
        prompt = prompts[-1]
        prompt.times += 1
        prompt.tiles = (prompt.tiles + tiles_of([row], request.user))[:MAX_TILES]
    return prompts
