"""The demo data: finished generations of three people, so that no page starts empty."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from generations.models import (
    DEFAULT_ENGINE,
    AuditAction,
    AuditEntry,
    Generation,
    Member,
    Picture,
    Status,
    Submission,
    Transition,
    TransitionReason,
)
from generations.models.money import Price
from generations.models.money.price import ANY
from generations.worker import imaging, store

from .prices import COMMAND

FOLDER = settings.BASE_DIR / "generations" / "demo"
# Accounts without a password: signing in to them is impossible.
DEMO_MEMBERS = (("demo-lan", "Lan", "Nguyen"), ("demo-marc", "Marc", "Oduya"))
KEY_NAMESPACE = uuid5(NAMESPACE_URL, "klingweb:demo")
NEWEST_MINUTES_AGO = 20
HOURS_BETWEEN = 5.0
DEMO_PRICE_E4 = 1200  # 0.12


@dataclass(frozen=True)
class DemoRequest:
    """One entry of prompts.json with its images; the key is the same on every install."""

    key: str
    params: dict[str, Any]
    files: list[Path]
    created_at: datetime


def add() -> None:
    """Create the demo generations that do not exist yet."""
    admin = Member.objects.admins().order_by("pk")[:1]
    # Most belong to the admin: the studio shows only a member's own generations.
    owners = [*admin, *admin, *admin, *(_demo_member(*names) for names in DEMO_MEMBERS)]
    requests = list(_requests())
    rows = Generation.objects.filter(idempotency_key__in=[each.key for each in requests])
    existing = {str(key) for key in rows.values_list("idempotency_key", flat=True)}
    new = [
        (owners[index % len(owners)], request)
        for index, request in enumerate(requests)
        if request.files and request.key not in existing
    ]
    for owner, request in new:
        _create(owner, request)
    if new:
        AuditEntry.objects.record(
            AuditAction.DEMO_CHANGED, None, after={"generations": len(new)}, note=COMMAND
        )


def add_price() -> None:
    """Give the demo a price, so that its buttons show one."""
    if not Price.objects.filter(upstream=Generation.Upstream.SIMULATOR).exists():
        upstream = Generation.Upstream.SIMULATOR
        kind = {"upstream": upstream, "engine": DEFAULT_ENGINE, "model": ANY}
        Price.objects.put(kind, DEMO_PRICE_E4, None, note="demo")


def remove() -> None:
    """Delete the demo generations with their files, and the demo members without others."""
    keys = [request.key for request in _requests()]
    generations = Generation.objects.filter(idempotency_key__in=keys)
    pictures = Picture.objects.filter(generation__in=generations)
    names = {name for row in pictures.values_list(*store.FIELDS) for name in row}
    with transaction.atomic():
        AuditEntry.objects.record(
            AuditAction.DEMO_CHANGED,
            None,
            before={"generations": generations.count()},
            after={"generations": 0},
            note=COMMAND,
        )
        generations.delete()
        members = Member.objects.filter(username__in=[username for username, *_ in DEMO_MEMBERS])
        members.filter(generations=None).delete()
    for name in names:
        default_storage.delete(name)


def _requests() -> Iterator[DemoRequest]:
    newest = timezone.now() - timedelta(minutes=NEWEST_MINUTES_AGO)
    entries = json.loads((FOLDER / "prompts.json").read_text("utf-8"))
    for index, params in enumerate(entries):
        yield DemoRequest(
            key=str(uuid5(KEY_NAMESPACE, str(index))),
            params=params,
            files=sorted((FOLDER / "pictures").glob(f"{index:02d}-*.webp")),
            created_at=newest - timedelta(hours=index * HOURS_BETWEEN),
        )


def _demo_member(username: str, first: str, last: str) -> Member:
    member, created = Member.objects.get_or_create(
        username=username, defaults={"first_name": first, "last_name": last}
    )
    if created:
        member.set_unusable_password()
        member.save()
    return member


@transaction.atomic
def _create(owner: Member, request: DemoRequest) -> None:
    """Create one succeeded generation with its submission, transitions and pictures."""
    rng = random.Random(request.key)
    sent_at = request.created_at + timedelta(seconds=1)
    finished_at = sent_at + timedelta(seconds=rng.randint(9, 34))
    generation = Generation.objects.create(
        owner=owner,
        idempotency_key=request.key,
        created_at=request.created_at,
        upstream=Generation.Upstream.DEMO,
        prompt=request.params["prompt"],
        negative_prompt=request.params.get("negative_prompt", ""),
        aspect_ratio=request.params.get("aspect_ratio", "16:9"),
        n=len(request.files),
        status=Status.SUCCEEDED,
        status_at=finished_at,
        attempt=1,
        version=5,
        submitted_at=sent_at,
        finished_at=finished_at,
        accepted_at=request.created_at,
        upstream_task_id=f"demo-{request.key}",
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
        at=request.created_at,
        to_status=Status.QUEUED,
        reason=TransitionReason.REQUESTED,
        by=owner,
    )
    Transition.objects.create(
        generation=generation,
        at=finished_at,
        from_status=Status.QUEUED,
        to_status=Status.SUCCEEDED,
        reason=TransitionReason.DEMO,
    )
    for index, file in enumerate(request.files):
        columns = store.save(imaging.process(file.read_bytes()))
        Picture.objects.create(
            generation=generation,
            index=index,
            state=Picture.State.STORED,
            stored_at=finished_at,
            **columns,
        )
