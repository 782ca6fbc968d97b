"""Answers of engines without tasks. They are paid, and nobody can ask for them again.

An answer is on this machine's disk before it is read, and stays there until it is recorded. So the
next heartbeat records what a killed worker, or a database that was away, has left behind.
"""

import logging
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from generations.engines import embedded_images
from generations.engines.base import (
    Engine,
    EngineError,
    Finished,
    ImageRequest,
    ImmediateEngine,
    RequestRefused,
    Task,
)
from generations.models import Failure, Generation, Picture, Status, Submission, is_dead
from generations.models.file_names import random_file_name

from . import store
from .upstream import Clients

logger = logging.getLogger(__name__)

UNREAD_SECONDS = 30 * 24 * 3600.0  # how long an answer is kept that could not be read
_NAME = re.compile(r"(?P<generation>\d+)-(?P<attempt>\d+)")


@dataclass(frozen=True)
class Received:
    """An answer whose images are in the storage. `images`: the URL or the file name of each."""

    images: tuple[tuple[str, str], ...]
    prompt: str
    response: str

    def discard(self, generation: int) -> None:
        """Delete the files of an answer that another process has recorded.

        Those that a picture names stay: the database may have failed after a first commit.
        """
        pictures = Picture.objects.filter(generation=generation)
        kept = set(pictures.values_list("received_file", flat=True))
        _delete([name for _url, name in self.images if name and name not in kept])


def _delete(names: Iterable[str]) -> None:
    for name in names:
        default_storage.delete(name)


def folder() -> Path:
    return Path(settings.DATA_DIR) / "answers"


def answer_file(generation: int, attempt: int) -> Path:
    """Where the answer to this attempt is stored until it is recorded."""
    return folder() / f"{generation}-{attempt}"


def send(client: Engine, request: ImageRequest) -> Task | Received:
    """Send one request, in a thread. The images of an answer are in the storage afterwards.

    A storage that is full keeps the answer: it is stored by a later heartbeat.
    """
    if request.answer_file is not None:
        request.answer_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    answer = client.submit(request)
    return _store(answer) if isinstance(answer, Finished) else answer


def _store(answer: Finished) -> Received:
    images: list[tuple[str, str]] = []
    try:
        for image in answer.images:
            if image.file is None:
                images.append((image.url, ""))
                continue
            with image.file.open("rb") as file:
                name = random_file_name("received", "bin")
                images.append(("", store.write_durably(name, File(file))))
    except BaseException:
        _delete(name for _url, name in images if name)  # a half must not fill the disk
        raise
    return Received(tuple(images), answer.prompt, answer.response)


def record(generation: Generation, submission: Submission, received: Received) -> bool:
    """T15. False if the answer was recorded before, or the row has a newer attempt."""
    is_revised = received.prompt != (generation.sent_prompt or generation.prompt)
    changed = generation.mark_received(
        submission,
        received.images,
        revised_prompt=received.prompt if is_revised else "",
        response=received.response,
    )
    if changed:
        Submission.objects.filter(pk=submission.pk).update(
            outcome=Submission.Outcome.ACCEPTED,
            answered_at=timezone.now(),
            response=received.response,
        )
    return changed


def discard(generation: int, attempt: int) -> None:
    """Delete an answer that is recorded. A file that cannot be deleted is no reason to retry."""
    try:
        embedded_images.discard(answer_file(generation, attempt))
    except OSError:
        logger.exception("The recorded answer %s-%s could not be deleted", generation, attempt)


def recover() -> bool:
    """Record the answers that dead workers of this machine have left. Whether there were any."""
    if not folder().is_dir():
        return False
    found = False
    for path in sorted(folder().iterdir()):
        if path.suffix == embedded_images.UNREAD and _is_old(path):
            path.unlink(missing_ok=True)
        name = _NAME.fullmatch(path.name)
        try:
            found |= name is not None and _recover(path, int(name["generation"]), name)
        except Exception:  # a full disk, or a bug: the answer stays, and the heartbeat goes on
            logger.exception("The answer in %s could not be recorded", path.name)
    return found


def _is_old(path: Path) -> bool:
    return time.time() - path.stat().st_mtime > UNREAD_SECONDS


def _recover(path: Path, generation: int, name: re.Match[str]) -> bool:
    submission = (
        Submission.objects.filter(generation=generation, attempt=int(name["attempt"]))
        .select_related("generation")
        .first()
    )
    if submission is None:
        embedded_images.discard(path)
        return False
    row = submission.generation
    is_waiting = row.status in (Status.SUBMITTING, Status.UNCONFIRMED)
    is_over = is_dead(submission.holder) or submission.deadline_at < timezone.now()
    if is_waiting and not is_over:
        return False  # its sender is at work
    recorded = is_waiting and row.attempt == submission.attempt and _record_file(path, submission)
    embedded_images.discard(path)
    return recorded


def _record_file(path: Path, submission: Submission) -> bool:
    """Record the answer of a dead sender. A cut one proves nothing and is left unconfirmed."""
    row = submission.generation
    clients = Clients()
    try:
        client = cast(ImmediateEngine, clients.for_reading(submission.api_key_id, row.engine))
        received = _store(client.read_answer(path))
    except RequestRefused as refusal:
        return _record_refusal(submission, refusal)
    except EngineError as error:
        logger.warning("The answer to %s is not complete: %s", row, error)
        embedded_images.set_aside(path)
        return False
    finally:
        clients.close()
    if not record(row, submission, received):
        received.discard(row.pk)
        return False
    logger.warning("Recorded the answer to %s, which its sender has left behind", row)
    return True


@transaction.atomic
def _record_refusal(submission: Submission, refusal: RequestRefused) -> bool:
    """Record a success that says that nothing was made, such as images that were all withheld."""
    row = submission.generation
    Submission.objects.filter(pk=submission.pk).update(
        outcome=Submission.Outcome.REFUSED,
        answered_at=timezone.now(),
        response=refusal.response,
    )
    return row.mark_refused(submission, Failure(refusal.kind), refusal.message)
