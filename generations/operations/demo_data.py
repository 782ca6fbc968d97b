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
from django.db.models import F, QuerySet
from django.utils import timezone

from generations.models import (
    DEFAULT_ENGINE,
    DEFAULT_MODEL,
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
from generations.models.among import Among
from generations.models.audit_entry import BY_COMMAND
from generations.models.money import Price
from generations.models.money.price import ANY
from generations.worker import imaging, store

from . import example_people

FOLDER = settings.BASE_DIR / "generations" / "demo"
# Accounts without a password: signing in to them is impossible.
DEMO_MEMBERS = (("demo-lan", "Lan", "Nguyen"), ("demo-marc", "Marc", "Oduya"))
KEY_NAMESPACE = uuid5(NAMESPACE_URL, "klingweb:demo")
NEWEST_MINUTES_AGO = 20
HOURS_BETWEEN = 5.0
# Engine, model, option, and the price of an image in ten-thousandths.
DEMO_PRICES = (
    (DEFAULT_ENGINE, ANY, "", 1200),
    ("openai", "gpt-image-1.5", "", 500),
    ("openai", "gpt-image-1.5", "low", 200),
    ("openai", "gpt-image-1.5", "high", 1800),
    ("openai", ANY, "", 400),
    ("openai", "gpt-image-1-mini", "", 200),
    ("openai", "dall-e-3", "", 800),
    ("openai", "dall-e-3", "hd", 1200),
    ("flux", "flux-1.1-pro", "", 600),
    ("flux", "flux-schnell", "", 100),
    ("ideogram", ANY, "", 600),
)


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
    existing = set(_generations().values_list("idempotency_key", flat=True))
    new = [
        (owners[index % len(owners)], request)
        for index, request in enumerate(requests)
        if request.files and request.key not in existing
    ]
    for owner, request in new:
        _create(owner, request)
    if new:
        AuditEntry.objects.record(
            AuditAction.DEMO_CHANGED, None, after={"generations": len(new)}, note=BY_COMMAND
        )


def add_price() -> None:
    """Give the models of each engine without a price one, so that buttons show it."""
    upstream = Generation.Upstream.SIMULATOR
    priced = set(Price.objects.filter(upstream=upstream).values_list("engine", flat=True))
    for engine, model, option, amount_e4 in DEMO_PRICES:
        if engine not in priced:
            kind = {"upstream": upstream, "engine": engine, "model": model, "option": option}
            Price.objects.put(kind, amount_e4, None, note="demo")


def exists() -> bool:
    """Whether there are demo generations."""
    return _generations().exists()


def remove(by: Member | None = None) -> list[Member]:
    """Delete the demo generations with their files, and the demo people; return those who stay.

    `by` None: from a command.
    """
    generations = _generations()
    pictures = Picture.objects.filter(generation__in=generations)
    names = {name for row in pictures.values_list(*store.FIELDS) for name in row}
    with transaction.atomic():
        AuditEntry.objects.record(
            AuditAction.DEMO_CHANGED,
            by,
            before={"generations": generations.count()},
            after={"generations": 0},
            note="" if by else BY_COMMAND,
        )
        generations.delete()
        members = Member.objects.filter(username__in=[username for username, *_ in DEMO_MEMBERS])
        kept = example_people.remove(members)
    for name in filter(None, names):
        default_storage.delete(name)
    return kept


def _generations() -> QuerySet[Generation]:
    keys = [request.key for request in _requests()]
    rows = Generation.objects.filter(upstream=Generation.Upstream.DEMO, idempotency_key__in=keys)
    # The index of the other keys begins with the owner.
    return rows.filter(Among(F("upstream_task_id"), [_task_id(key) for key in keys]))


def _task_id(key: str) -> str:
    return f"demo-{key}"


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
        engine=request.params.get("engine", DEFAULT_ENGINE),
        model=request.params.get("model", DEFAULT_MODEL),
        params=request.params.get("params", {}),
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
        upstream_task_id=_task_id(request.key),
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
