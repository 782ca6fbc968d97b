"""The rows of a batch that gave no images, as the text of a new one."""

import csv
import io
from typing import Any

from django.utils.translation import gettext as _

from generations.engines.registry import offer_for
from generations.models import Batch, Generation, Member, Status
from generations.requests import with_defaults
from generations.web.ids import parse_id

UNFINISHED = (Status.FAILED, Status.CANCELED)
MAX_ROWS = 500


def unfinished_as_text(member: Member, batch_id: str) -> dict[str, Any]:
    """The initial values of the form; none without such a batch of the member."""
    pk = parse_id(batch_id)
    batch = Batch.objects.filter(owner=member, pk=pk).first() if pk else None
    if batch is None:
        return {}
    rows = list(batch.rows.filter(owner=member, status__in=UNFINISHED).order_by("batch_row"))
    if not rows:
        return {}
    return {"title": batch.title, "text": _as_text(rows[:MAX_ROWS])} | _common(rows)


def _common(rows: list[Generation]) -> dict[str, Any]:
    """What all rows have, or else the first one."""
    row = rows[0]
    has_one_reference = len({(each.reference_id, each.reference_url) for each in rows}) == 1
    values = {
        "n": row.n,
        "collection": row.collection_id,
        "is_private": row.is_private,
        "reference": row.reference if has_one_reference else None,
        "image_url": row.reference_url if has_one_reference else "",
        "image_fidelity": row.image_fidelity,
        "negative_prompt": "",
    } | with_defaults(row.params)
    if offer_for().aspect_ratio(row.aspect_ratio):
        values["aspect_ratio"] = row.aspect_ratio
    return values


def _as_text(rows: list[Generation]) -> str:
    """A prompt a line; a table if the rows differ in more than their prompt."""
    columns = {
        _("negative prompt"): [row.negative_prompt for row in rows],
        _("aspect ratio"): [row.aspect_ratio for row in rows],
        _("images"): [str(row.n) for row in rows],
        _("tags"): [", ".join(row.tag_names or ()) for row in rows],
        _("image address"): [row.reference_url for row in rows],
    }
    not_in_form = (_("negative prompt"), _("tags"))  # the form has no such setting, or it is empty
    needed = {
        name: cells
        for name, cells in columns.items()
        if len(set(cells)) > 1 or (cells[0] and name in not_in_form)
    }
    prompts = [_escaped(row.prompt) for row in rows]
    if not needed and not any("\n" in prompt for prompt in prompts):
        return "\n".join(prompts)
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    for line in (["prompt", *needed], *zip(prompts, *needed.values(), strict=True)):
        write(line)
    return text.getvalue()


def _escaped(prompt: str) -> str:
    """Braces of a prompt that was expanded already are plain."""
    return prompt.replace("{", "{{").replace("}", "}}")
