"""Demo data: three people and their finished pictures, so that no first page is empty."""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.core.files.storage import default_storage
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction
from django.utils import timezone

from generations.models import (
    Generation,
    Member,
    Picture,
    Status,
    Submission,
    Transition,
    TransitionReason,
)
from generations.worker import imaging, store

FOLDER = settings.BASE_DIR / "generations" / "demo"
# Beside the first admin, whom one signs in as. Nobody can sign in as these.
GUESTS = (("demo-lan", "Lan", "Nguyen"), ("demo-marc", "Marc", "Oduya"))
NONCE_SPACE = uuid5(NAMESPACE_URL, "klingweb:demo")
HOURS_BETWEEN = 5.0


class Command(BaseCommand):
    help = "Add the demo data, or remove it again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--remove", action="store_true", help="remove it, with its files")

    def handle(self, *args: Any, **options: Any) -> None:
        wishes = json.loads((FOLDER / "prompts.json").read_text("utf-8"))
        nonces = [str(uuid5(NONCE_SPACE, str(index))) for index in range(len(wishes))]
        if options["remove"]:
            self._remove(nonces)
            return
        admin = Member.objects.filter(role=Member.Role.ADMIN).order_by("pk")[:1]
        # Most of it is theirs whom one signs in as: the studio shows one's own.
        people = [*admin, *admin, *admin, *(_guest(*names) for names in GUESTS)]
        have = set(
            Generation.objects.filter(idempotency_key__in=nonces).values_list(
                "idempotency_key", flat=True
            )
        )
        moment = timezone.now() - timedelta(minutes=20)
        for index, (wish, nonce) in enumerate(zip(wishes, nonces, strict=True)):
            files = sorted((FOLDER / "pictures").glob(f"{index:02d}-*.webp"))
            if files and nonce not in have:
                owner = people[index % len(people)]
                _finished(
                    owner, nonce, wish, files, moment - timedelta(hours=index * HOURS_BETWEEN)
                )
        if options["verbosity"]:
            self.stdout.write("The demo data is there.")

    def _remove(self, nonces: list[Any]) -> None:
        """Only what the demo brought: what people made since stays theirs."""
        generations = Generation.objects.filter(idempotency_key__in=nonces)
        pictures = Picture.objects.filter(generation__in=generations)
        names = {name for row in pictures.values_list(*store.FIELDS) for name in row}
        with transaction.atomic():
            generations.delete()
            guests = Member.objects.filter(username__in=[name for name, *_ in GUESTS])
            guests.filter(generations=None).delete()
        for name in names:
            default_storage.delete(name)
        self.stdout.write("The demo data is removed.")


def _guest(username: str, first: str, last: str) -> Member:
    member, created = Member.objects.get_or_create(
        username=username, defaults={"first_name": first, "last_name": last}
    )
    if created:
        member.set_unusable_password()
        member.save()
    return member


@transaction.atomic
def _finished(
    owner: Member, nonce: Any, wish: dict[str, Any], files: list[Path], asked_at: datetime
) -> None:
    """One generation with its whole history, as if it had walked."""
    rng = random.Random(str(nonce))
    sent_at = asked_at + timedelta(seconds=1)
    ended_at = sent_at + timedelta(seconds=rng.randint(9, 34))
    generation = Generation.objects.create(
        owner=owner,
        idempotency_key=nonce,
        created_at=asked_at,
        upstream=Generation.Upstream.DEMO,
        prompt=wish["prompt"],
        negative_prompt=wish.get("negative_prompt", ""),
        aspect_ratio=wish.get("aspect_ratio", "16:9"),
        n=len(files),
        status=Status.SUCCEEDED,
        status_at=ended_at,
        attempt=1,
        version=5,
        submitted_at=sent_at,
        finished_at=ended_at,
        upstream_task_id=f"demo-{nonce}",
    )
    Submission.objects.create(
        generation=generation,
        attempt=1,
        sent_at=sent_at,
        answered_at=sent_at,
        deadline_at=sent_at,
        outcome=Submission.Outcome.ACCEPTED,
        holder="demo",
        upstream_task_id=generation.upstream_task_id,
    )
    Transition.objects.create(
        generation=generation,
        at=asked_at,
        to_status=Status.QUEUED,
        reason=TransitionReason.REQUESTED,
        by=owner,
    )
    Transition.objects.create(
        generation=generation, at=ended_at, from_status=Status.QUEUED, to_status=Status.SUCCEEDED,
        reason=TransitionReason.DEMO,
    )  # fmt: skip
    for index, file in enumerate(files):
        developed = imaging.process(file.read_bytes())
        Picture.objects.create(
            generation=generation, index=index, state=Picture.State.STORED, stored_at=ended_at,
            **store.save(developed),
        )  # fmt: skip
