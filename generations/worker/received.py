"""Answers of engines without tasks. They are paid, and nobody can ask for them again.

An answer is on this machine's disk before it is read, and stays there until it is recorded. So the
next heartbeat records what a killed worker, or a database that was away, has left behind.
"""

import logging
import random
import re
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.utils import timezone

from generations.engines.answer_file import UNREAD, AnswerFile
from generations.engines.base import (
    Engine,
    EngineError,
    Finished,
    ImageRequest,
    ImmediateEngine,
    RequestRefused,
    Task,
    Unanswered,
)
from generations.models import Failure, Generation, Picture, Submission
from generations.models.file_names import random_file_name

from . import store
from .upstream import Clients

logger = logging.getLogger(__name__)

UNREAD_SECONDS = 30 * 24 * 3600.0  # how long an answer is kept that could not be read
RETRY_SECONDS = 24 * 3600.0  # how long it is tried to record one that meets a bug
RECOVER_SECONDS = 5.0  # of one heartbeat
RECORDED = (Submission.Outcome.ACCEPTED, Submission.Outcome.REFUSED)
_NAME = re.compile(rf"\d+-\d+({re.escape(UNREAD)})?")  # generation and attempt


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


def answer_file(generation: int, attempt: int) -> AnswerFile:
    """Where the answer to this attempt is stored until it is recorded."""
    return AnswerFile(folder() / f"{generation}-{attempt}")


class NotStored(Unanswered):
    """The answer is on disk, but its images could not be stored now. A heartbeat does it."""


def send(client: Engine, request: ImageRequest) -> Task | Received:
    """Send one request, in a thread. The images of an answer are in the storage afterwards.

    `end` must follow, once the outcome is recorded.
    """
    try:
        answer = client.submit(request)
        return _store(answer) if isinstance(answer, Finished) else answer
    except EngineError:
        raise
    except Exception as error:  # a full disk, or a bug after the POST
        logger.exception("The answer to a request could not be stored")
        raise NotStored(f"{type(error).__name__}: {error}") from error


def give_up(answer_file: AnswerFile | None) -> None:
    """Leave an answer that cannot be recorded to a heartbeat."""
    if answer_file is not None:
        answer_file.release()


def end(answer_file: AnswerFile | None, error: EngineError | None) -> None:
    """End what `send` has begun, after its outcome was recorded.

    A file that cannot be deleted or renamed now is left to a heartbeat.
    """
    if answer_file is None:
        return
    try:
        match error:
            case NotStored():
                pass
            case Unanswered():
                answer_file.set_aside()
            case _:
                answer_file.discard()
    except OSError:
        logger.exception("The answer in %s could not be deleted", answer_file.path.name)
    finally:
        answer_file.release()


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


@transaction.atomic
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


# --- what dead workers have left -----------------------------------------------------------------


def recover() -> bool:
    """Record the answers that dead workers of this machine have left. Whether there were any.

    For a few seconds, in random order: the next heartbeat goes on, and none waits behind one that
    fails each time.
    """
    until = time.monotonic() + RECOVER_SECONDS
    found = False
    for path in _left_behind():
        try:
            found |= _recover(path)
        except Exception:  # a full disk, or a bug: the answer stays, and the heartbeat goes on
            logger.exception("The answer in %s could not be recorded", path.name)
        if time.monotonic() > until:
            break
    return found


def _left_behind() -> list[Path]:
    if not folder().is_dir():
        return []
    paths = [path for path in folder().iterdir() if _NAME.fullmatch(path.name)]
    random.shuffle(paths)
    return paths


def _recover(path: Path) -> bool:
    """Record one answer, unless its sender is at work. Whether it was recorded."""
    if path.suffix == UNREAD:
        if _is_older(path, UNREAD_SECONDS):
            path.unlink()
        return False
    answer_file = AnswerFile(path)
    if not answer_file.take_over():
        return False
    generation, attempt = map(int, path.name.split("-"))
    try:
        submission = (
            Submission.objects.filter(generation=generation, attempt=attempt)
            .select_related("generation")
            .first()
        )
        if submission is not None and submission.outcome in RECORDED:
            answer_file.discard()
        elif submission is None or submission.attempt != submission.generation.attempt:
            logger.error("%s answers no request that is waited for: kept for 30 days", path.name)
            answer_file.set_aside()
        else:
            return _record_file(answer_file, submission)
    except (OSError, DatabaseError):
        raise  # a full disk or a busy database: it passes, however old the answer is
    except Exception:
        if _is_older(path, RETRY_SECONDS):
            answer_file.set_aside()
        raise
    finally:
        answer_file.release()
    return False


def _is_older(path: Path, seconds: float) -> bool:
    return time.time() - path.stat().st_mtime > seconds


def _record_file(answer_file: AnswerFile, submission: Submission) -> bool:
    """Record the answer of a dead sender. A cut one proves nothing and is left unconfirmed."""
    row = submission.generation
    with closing(Clients()) as clients:
        client = cast(ImmediateEngine, clients.for_reading(submission.api_key_id, row.engine))
        try:
            received = _store(client.read_answer(answer_file.path))
        except RequestRefused as refusal:
            is_recorded = _record_refusal(submission, refusal)
            answer_file.discard()
            return is_recorded
        except EngineError as error:
            logger.warning("The answer to %s is not complete: %s", row, error)
            answer_file.set_aside()
            return False
    if not record(row, submission, received):
        received.discard(row.pk)
        answer_file.set_aside()
        return False
    answer_file.discard()
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
