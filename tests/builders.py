"""People and generations for tests, standing where the test wants them."""

import io
from collections.abc import Callable
from itertools import count
from typing import Any
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image

from generations.models import (
    Failure,
    Generation,
    Member,
    Picture,
    Status,
    Submission,
    TransitionReason,
)
from generations.models.status import FINAL, WITH_TASK
from generations.worker import imaging, store

PASSWORD = "a long and quiet sentence"
_numbers = count(1)


def make_member(username: str = "", **columns: Any) -> Member:
    member = Member(username=username or f"member-{next(_numbers)}", **columns)
    member.set_password(PASSWORD)
    member.save()
    return member


def make_admin(username: str = "") -> Member:
    return make_member(username, role=Member.Role.ADMIN)


def make_generation(
    status: Status = Status.QUEUED,
    *,
    owner: Member | None = None,
    n: int = 1,
    stored: int | None = None,
    image: Callable[[int], bytes] | None = None,
    **columns: Any,
) -> Generation:
    """A row as it stands in that status, version 1, with what such a row must have.

    `stored` is how many of its pictures are here: all of a succeeded one, else none.
    """
    row = Generation.objects.create(
        owner=owner or make_member(),
        n=n,
        status=status,
        **(_wish() | _standing(status, columns.get("failure")) | columns),
    )
    row.transitions.create(to_status=status, reason=TransitionReason.REQUESTED)
    here = stored if stored is not None else n if status == Status.SUCCEEDED else 0
    if status in (Status.FETCHING, Status.SUCCEEDED) or row.has_files_to_fetch:
        _list_pictures(row, here, image)
        Generation.objects.filter(pk=row.pk).update(version=row.version)
    return row


def _wish() -> dict[str, Any]:
    return {
        "idempotency_key": str(uuid4()),
        "prompt": "A pear on a dark ground",
        "aspect_ratio": "3:2",
    }


def _standing(status: Status, failure: Failure | None) -> dict[str, Any]:
    """The columns without which the database does not take a row of that status."""
    now = timezone.now()
    columns: dict[str, Any] = {}
    if status in FINAL:
        columns["finished_at"] = now
    if status in WITH_TASK or failure == Failure.FILES:
        columns |= {"upstream_task_id": f"task-{next(_numbers)}", "submitted_at": now, "attempt": 1}
    if status == Status.FAILED:
        columns["failure"] = Failure.POLICY
    return columns


def _list_pictures(row: Generation, here: int, image: Callable[[int], bytes] | None) -> None:
    """As the upstream listed them; of a finished row, what is not here is lost."""
    is_open = row.status == Status.FETCHING
    for index in range(row.n):
        picture = Picture.objects.create(
            generation=row,
            index=index,
            upstream_url=f"https://files.example/{row.pk}/{index}.png",
            state=Picture.State.WANTED if is_open or index < here else Picture.State.LOST,
        )
        if index < here:
            store_picture(picture, image(index) if image else None)


def make_submission(generation: Generation, **columns: Any) -> Submission:
    now = timezone.now()
    facts = {"attempt": generation.attempt, "deadline_at": now, "holder": "test:1:1"} | columns
    return generation.submissions.create(**facts)


def store_picture(picture: Picture, content: bytes | None = None) -> None:
    """Its bytes and previews, as the worker keeps them."""
    content = content or png_bytes(picture.generation.aspect_ratio)
    assert picture.mark_stored(**store.save(imaging.process(content)))


def png_bytes(ratio: str = "1:1", *, edge: int = 300, form: str = "PNG") -> bytes:
    """A flat picture, no two alike; `edge` is its shorter side in pixels."""
    across, down = (int(part) for part in ratio.split(":"))
    size = (edge * across // min(across, down), edge * down // min(across, down))
    colour = (next(_numbers) * 37 % 256, 120, 160)
    kept = io.BytesIO()
    Image.new("RGB", size, colour).save(kept, form)
    return kept.getvalue()


def upload(content: bytes | None = None, name: str = "pear.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png_bytes() if content is None else content)
