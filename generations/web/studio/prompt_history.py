"""The member's own prompts, newest first, to search and use again."""

from dataclasses import dataclass, field

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from generations.models import Generation, Picture
from generations.search import for_member, narrow
from generations.web.keyset import before, key_of, keyset_page
from generations.web.middleware.access import MemberRequest
from generations.web.tiles import TILE_COLUMNS, Tile, tiles_of

ROWS_A_PAGE = 40
MAX_TILES = 5


@dataclass
class Prompt:
    """One prompt with its images; the same prompt several times in a row is listed once."""

    row: Generation
    tiles: list[Tile] = field(default_factory=list)
    uses: int = 0


@require_safe
def prompt_history(request: MemberRequest) -> HttpResponse:
    text = request.GET.get("q", "").replace("\0", "")
    query = for_member(text, request.user)
    rows = Generation.objects.filter(owner=request.user)
    if text.strip():
        rows = narrow(rows, query)
    if "before" in request.GET:
        rows = rows.filter(before(request.GET["before"]))
    pictures = Picture.objects.available().only(*TILE_COLUMNS).order_by("index")
    newest = (
        rows.order_by("-created_at", "-pk")
        .only("prompt", "n", "owner", "created_at", "is_private")
        .with_pictures_of(pictures)
    )
    page, older = keyset_page(newest, key_of, ROWS_A_PAGE)
    context = {
        "q": text,
        "ignored": query.ignored,
        "is_corrected": query.is_corrected,
        "prompts": _prompts(request, page),
        "older": older,
    }
    return render(request, "prompt_history/prompt_history.html", context)


def _prompts(request: MemberRequest, rows: list[Generation]) -> list[Prompt]:
    prompts: list[Prompt] = []
    for row in rows:
        if not prompts or prompts[-1].row.prompt != row.prompt:
            prompts.append(Prompt(row))
        prompt = prompts[-1]
        prompt.uses += 1
        prompt.tiles = (prompt.tiles + tiles_of([row], request.user))[:MAX_TILES]
    return prompts
