"""Believable rows by the hundred thousand: what a team of twelve leaves behind in two years."""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from generations.engines.registry import offer_for
from generations.models import (
    Collection,
    CollectionItem,
    Failure,
    Favourite,
    Generation,
    Member,
    Picture,
    Status,
    Tag,
    Transition,
    TransitionReason,
)
from generations.models.generation_queryset import GenerationQuerySet
from generations.models.search_text import normalize
from generations.worker import imaging, store

BATCH = 2000
YEARS = 2
DEMO = settings.BASE_DIR / "generations" / "demo"
FILES_OF_A_SHAPE = 3

# What people, prompts, tags and collections are made of; the rare words stand in one prompt of 500.
WORDS: dict[str, list[str]] = json.loads((DEMO / "vocabulary.json").read_text("utf-8"))


@dataclass(frozen=True)
class Filled:
    generations: int
    pictures: int


def fill(many: int, seed: int = 7) -> Iterator[Filled]:
    """Make so many generations, oldest first; yields how far it is after every batch."""
    rng = random.Random(
        seed + Generation.objects.filter(upstream=Generation.Upstream.SAMPLE).count()
    )
    people = [_person(name) for name in WORDS["people"]]
    drawn = _draw()
    tags = [Tag.objects.named(name) for name in WORDS["tags"]]
    collections = [
        Collection.objects.get_or_create(name=name, created_by=people[0])[0]
        for name in WORDS["collections"]
    ]
    positions = {each.pk: each.items.count() for each in collections}
    moments = sorted(_moment(rng) for _ in range(many))
    pictures, used = 0, set[str]()
    for start in range(0, many, BATCH):
        with transaction.atomic():
            rows = [_wish(rng, people, list(drawn), at) for at in moments[start : start + BATCH]]
            Generation.objects.bulk_create(rows)
            Transition.objects.bulk_create(move for row in rows for move in _history(row))
            made = [each for row in rows for each in _pictures(rng, row, drawn)]
            Picture.objects.bulk_create(made)
            _order(rng, made, people, tags, positions)
        pictures += len(made)
        used.update(str(each.file) for each in made)
        yield Filled(start + len(rows), pictures)
    for facts in (facts for files in drawn.values() for facts in files):
        if facts["file"] not in used:
            store.discard(facts)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # the plans of pages depend on it


def remove() -> int:
    """Take away exactly what `fill` made; returns how many generations that was."""
    rows = _sample_rows()
    pictures = Picture.objects.filter(generation__in=rows)
    names = {name for names in pictures.values_list(*store.FIELDS).distinct() for name in names}
    people = Member.objects.filter(username__in=[_username(name) for name in WORDS["people"]])
    many = 0
    Collection.objects.filter(created_by__in=people).delete()
    while batch := list(rows.values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            many += len(batch)
            rows.filter(pk__in=batch).delete()
    Tag.objects.filter(name__in=WORDS["tags"], pictures=None).delete()
    people.filter(generations=None).delete()
    for name in filter(None, names):
        default_storage.delete(name)
    return many


def _sample_rows() -> GenerationQuerySet:
    return Generation.objects.filter(upstream=Generation.Upstream.SAMPLE)


# --- one of each ---------------------------------------------------------------------------------


def _username(name: str) -> str:
    return f"fill-{name.split()[0].lower()}"


def _person(name: str) -> Member:
    first, last = name.split()
    member, created = Member.objects.get_or_create(
        username=_username(name), defaults={"first_name": first, "last_name": last}
    )
    if created:
        member.set_unusable_password()
        member.save()
    return member


def _draw() -> dict[str, list[dict[str, Any]]]:
    """A few stored files of each shape, as columns of a picture; all rows share them."""
    drawn: dict[str, list[dict[str, Any]]] = {}
    for file in sorted((DEMO / "pictures").glob("*.webp")):
        developed = imaging.process(file.read_bytes())
        ratio = min(
            offer_for().aspect_ratios,
            key=lambda shape: abs(shape.width / shape.height - developed.width / developed.height),
        ).value
        if len(drawn.get(ratio, ())) < FILES_OF_A_SHAPE:
            drawn.setdefault(ratio, []).append(store.save(developed))
    return drawn


def _moment(rng: random.Random) -> datetime:
    """More of late than long ago, and little at weekends."""
    while True:
        days = YEARS * 365 * rng.random() ** 1.4
        at = timezone.now() - timedelta(days=days, hours=rng.uniform(0, 4))
        if at.weekday() < 5 or rng.random() < 0.2:
            return at


def _prompt(rng: random.Random) -> str:
    parts = [
        rng.choice(WORDS["subjects"]),
        rng.choice(WORDS["places"]),
        *rng.sample(WORDS["manners"], 2),
    ]
    if rng.random() < 0.002:
        parts.append(rng.choice(WORDS["rare"]))
    return ", ".join([f"{parts[0]} {parts[1]}", *parts[2:]])


def _wish(
    rng: random.Random, people: Sequence[Member], shapes: Sequence[str], at: datetime
) -> Generation:
    status, failure = _end(rng)
    ended = at + timedelta(seconds=rng.uniform(9, 60))
    prompt = _prompt(rng)
    sent = status != Status.CANCELED
    return Generation(
        owner=people[min(int(rng.expovariate(0.3)), len(people) - 1)],
        idempotency_key=str(UUID(int=rng.getrandbits(128), version=4)),
        created_at=at,
        upstream=Generation.Upstream.SAMPLE,
        prompt=prompt,
        search_text=" ".join(normalize(prompt)),
        negative_prompt="text, watermark" if rng.random() < 0.2 else "",
        aspect_ratio=rng.choice(shapes),
        n=rng.choices(range(1, 10), (30, 20, 8, 30, 3, 4, 1, 2, 2))[0],
        reference_url="https://pictures.example/1.png" if rng.random() < 0.1 else "",
        is_private=rng.random() < 0.03,
        status=status,
        failure=failure,
        status_at=ended,
        finished_at=ended,
        version=4,
        attempt=int(sent),
        submitted_at=at + timedelta(seconds=1) if sent else None,
        upstream_task_id=f"fill-{rng.getrandbits(64):x}" if status == Status.SUCCEEDED else "",
    )


def _end(rng: random.Random) -> tuple[Status, str]:
    kind = rng.random()
    if kind < 0.93:
        return Status.SUCCEEDED, ""
    if kind < 0.98:
        return Status.FAILED, rng.choice((Failure.POLICY, Failure.INPUT, Failure.OURS))
    return (Status.CANCELED if kind < 0.99 else Status.ABANDONED), ""


def _history(row: Generation) -> Iterator[Transition]:
    yield Transition(
        generation=row,
        at=row.created_at,
        to_status=Status.QUEUED,
        reason=TransitionReason.REQUESTED,
        by=row.owner,
    )
    yield Transition(
        generation=row, at=row.status_at, from_status=Status.QUEUED, to_status=row.status,
        reason=TransitionReason.DEMO,
    )  # fmt: skip


def _pictures(
    rng: random.Random, row: Generation, drawn: dict[str, list[dict[str, Any]]]
) -> Iterator[Picture]:
    if row.status != Status.SUCCEEDED:
        return
    for index in range(row.n):
        facts = rng.choice(drawn[row.aspect_ratio])
        in_trash = {"trashed_at": timezone.now(), "trashed_by": row.owner}
        yield Picture(
            generation=row, index=index, state=Picture.State.STORED, stored_at=row.status_at,
            **facts, **(in_trash if rng.random() < 0.005 else {}),
        )  # fmt: skip


def _order(
    rng: random.Random,
    pictures: Sequence[Picture],
    people: Sequence[Member],
    tags: Sequence[Tag],
    positions: dict[int, int],
) -> None:
    """Hearts, tags and collections for some of them."""
    Favourite.objects.bulk_create(
        Favourite(member=rng.choice(people), picture=each)
        for each in pictures
        if rng.random() < 0.03
    )
    labelled = Picture.tags.through
    labelled.objects.bulk_create(
        labelled(picture=each, tag=rng.choice(tags)) for each in pictures if rng.random() < 0.05
    )
    places = []
    for each in pictures:
        if rng.random() < 0.02:
            chosen = rng.choice(list(positions))
            positions[chosen] += 1
            places.append(
                CollectionItem(collection_id=chosen, picture=each, position=positions[chosen],
                      added_by=people[0])
            )  # fmt: skip
    CollectionItem.objects.bulk_create(places)
