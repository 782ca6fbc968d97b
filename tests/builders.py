"""Members and generations for tests, in any state."""

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
    Quote,
    Status,
    Submission,
    TransitionReason,
)
from generations.models.status import ACCEPTED, FINAL
from generations.permissions import Role
from generations.worker import imaging, store

# What a request costs where the test is about something else.
UNPRICED = Quote("kling", "kling-v1", "", None, 1)
PASSWORD = "a long and quiet sentence"
_numbers = count(1)


def make_member(username: str = "", **columns: Any) -> Member:
    member = Member(username=username or f"member-{next(_numbers)}", **columns)
    member.set_password(PASSWORD)
    member.save()
    return member


def make_admin(username: str = "") -> Member:
    return make_member(username, role=Role.ADMIN)


def make_generation(
    status: Status = Status.QUEUED,
    *,
    owner: Member | None = None,
    n: int = 1,
    stored: int | None = None,
    image: Callable[[int], bytes] | None = None,
    **columns: Any,
) -> Generation:
    """A row with that status, version 1, and with all columns that the status requires.

    `stored` is the number of stored pictures: by default all if it succeeded, else none.
    """
    if columns.get("upstream_task_id"):
        columns.setdefault("accepted_at", timezone.now())
    row = Generation.objects.create(
        owner=owner or make_member(),
        n=n,
        status=status,
        **(_request_columns() | _status_columns(status, columns.get("failure")) | columns),
    )
    row.transitions.create(to_status=status, reason=TransitionReason.REQUESTED)
    stored_count = stored if stored is not None else n if status == Status.SUCCEEDED else 0
    if status in (Status.FETCHING, Status.SUCCEEDED) or row.has_files_to_fetch:
        _create_pictures(row, stored_count, image)
        Generation.objects.filter(pk=row.pk).update(version=row.version)
    return row


def _request_columns() -> dict[str, Any]:
    return {
        "idempotency_key": str(uuid4()),
        "prompt": "A pear on a dark ground",
        "aspect_ratio": "3:2",
    }


def _status_columns(status: Status, failure: Failure | None) -> dict[str, Any]:
    """The columns that constraints require for that status."""
    now = timezone.now()
    columns: dict[str, Any] = {}
    if status in FINAL:
        columns["finished_at"] = now
    if status in ACCEPTED or failure == Failure.FILES:
        task_id = f"task-{next(_numbers)}"
        columns |= {
            "upstream_task_id": task_id,
            "submitted_at": now,
            "accepted_at": now,
            "attempt": 1,
        }
    if status == Status.FAILED:
        columns["failure"] = Failure.POLICY
    return columns


def _create_pictures(row: Generation, stored: int, image: Callable[[int], bytes] | None) -> None:
    """The first `stored` are stored. The others are wanted, or lost if the row is final."""
    is_open = row.status == Status.FETCHING
    for index in range(row.n):
        picture = Picture.objects.create(
            generation=row,
            index=index,
            upstream_url=f"https://files.example/{row.pk}/{index}.png",
            state=Picture.State.WANTED if is_open or index < stored else Picture.State.LOST,
        )
        if index < stored:
            store_picture(picture, image(index) if image else None)


def picture_ids(*rows: Generation) -> list[int]:
    """Return the ids of all pictures, in the order of the rows and of their numbers."""
    return [
        pk for row in rows for pk in row.pictures.order_by("index").values_list("pk", flat=True)
    ]


def make_submission(generation: Generation, **columns: Any) -> Submission:
    now = timezone.now()
    values = {"attempt": generation.attempt, "deadline_at": now, "holder": "test:1:1"} | columns
    return generation.submissions.create(**values)


def store_picture(picture: Picture, content: bytes | None = None) -> None:
    """Store a file and its previews, as the worker does."""
    content = content or png_bytes(picture.generation.aspect_ratio)
    assert picture.mark_stored(**store.save(imaging.process(content)))


def png_bytes(ratio: str = "1:1", *, edge: int = 300, form: str = "PNG") -> bytes:
    """An image of one color, different each time; `edge` is its shorter side in pixels."""
    width, height = (int(part) for part in ratio.split(":"))
    size = (edge * width // min(width, height), edge * height // min(width, height))
    colour = (next(_numbers) * 37 % 256, 120, 160)
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, form)
    return buffer.getvalue()


def upload(content: bytes | None = None, name: str = "pear.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, png_bytes() if content is None else content)
