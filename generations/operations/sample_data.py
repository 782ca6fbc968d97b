"""Generated sample data: the generations of a team of twelve over two years.

They have a ledger, too, in the demo: on an install that pays, no sample may use up a budget.
"""

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from generations.engines.registry import offer_for
from generations.models import (
    DEFAULT_ENGINE,
    Collection,
    CollectionItem,
    Failure,
    Favourite,
    Generation,
    Member,
    Picture,
    Quote,
    Status,
    Tag,
    Transition,
    TransitionReason,
    Word,
    statistics,
)
from generations.models.money import sample_ledger
from generations.models.search_text import normalize
from generations.worker import imaging, store

from . import example_people

BATCH_SIZE = 2000
MODELS = {280: "kling-v1", 560: "kling-v1-5", 1200: "kling-v2"}  # by the price of an image, `_e4`
YEARS = 2
FOLDER = settings.BASE_DIR / "generations" / "demo"
FILES_PER_RATIO = 3
# Names, tags, collections and parts of prompts. One prompt in 500 contains a rare word.
VOCABULARY: dict[str, list[str]] = json.loads((FOLDER / "vocabulary.json").read_text("utf-8"))
USERNAME_PREFIX = "sample"
OLD_USERNAME_PREFIX = "fill"  # up to November 2026; `remove` still finds these people


@dataclass(frozen=True)
class Progress:
    """Rows created so far."""

    generations: int
    pictures: int


def create(count: int, seed: int = 7) -> Iterator[Progress]:
    """Create `count` generations, oldest first, and yield the progress after every batch."""
    rng = random.Random(
        seed + Generation.objects.filter(upstream=Generation.Upstream.SAMPLE).count()
    )
    people = [_person(name) for name in VOCABULARY["people"]]
    files = _store_files()
    tags = [Tag.objects.named(name) for name in VOCABULARY["tags"]]
    collections = [
        Collection.objects.get_or_create(name=name, created_by=people[0])[0]
        for name in VOCABULARY["collections"]
    ]
    positions = {each.pk: each.items.count() for each in collections}
    times = sorted(_created_at(rng) for _ in range(count))
    ledger = sample_ledger.Writer() if settings.DEMO else None
    picture_count, used = 0, set[str]()
    for start in range(0, count, BATCH_SIZE):
        batch = times[start : start + BATCH_SIZE]
        with transaction.atomic():
            rows = [
                _generation(rng, people, list(files), collections, created_at)
                for created_at in batch
            ]
            if ledger:
                for row in rows:
                    _charge(rng, row)
            Generation.objects.bulk_create(rows)
            if ledger:
                ledger.write(_past_request(row) for row in rows)
            Transition.objects.bulk_create(each for row in rows for each in _transitions(row))
            pictures = [each for row in rows for each in _pictures(rng, row, files)]
            Picture.objects.bulk_create(pictures)
            _organize(rng, pictures, people, tags, positions)
        picture_count += len(pictures)
        used.update(str(each.file) for each in pictures)
        yield Progress(start + len(rows), picture_count)
    for columns in (columns for stored in files.values() for columns in stored):
        if columns["file"] not in used:
            store.discard(columns)
    Word.objects.learn_all()
    statistics.update()


def remove() -> int:
    """Delete all sample data with its files, and return the number of deleted generations."""
    rows = Generation.objects.filter(upstream=Generation.Upstream.SAMPLE)
    pictures = Picture.objects.filter(generation__in=rows)
    names = {name for names in pictures.values_list(*store.FIELDS).distinct() for name in names}
    usernames = [
        _username(name, prefix)
        for name in VOCABULARY["people"]
        for prefix in (USERNAME_PREFIX, OLD_USERNAME_PREFIX)
    ]
    people = Member.objects.filter(username__in=usernames)
    count = 0
    while batch := list(rows.values_list("pk", flat=True)[:BATCH_SIZE]):
        with transaction.atomic():
            count += len(batch)
            sample_ledger.remove(batch)
            rows.filter(pk__in=batch).delete()
    Tag.objects.filter(name__in=VOCABULARY["tags"], pictures=None).delete()
    example_people.remove(people)
    for name in filter(None, names):
        default_storage.delete(name)
    return count


# --- single rows ---------------------------------------------------------------------------------


def _username(name: str, prefix: str = USERNAME_PREFIX) -> str:
    return f"{prefix}-{name.split()[0].lower()}"


def _person(name: str) -> Member:
    first, last = name.split()
    member, created = Member.objects.get_or_create(
        username=_username(name), defaults={"first_name": first, "last_name": last}
    )
    if created:
        member.set_unusable_password()
        member.save()
    return member


def _store_files() -> dict[str, list[dict[str, Any]]]:
    """Store a few images of each aspect ratio; all rows share them.

    Returns, by ratio, the columns of a picture for each stored file.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((FOLDER / "pictures").glob("*.webp")):
        processed = imaging.process(path.read_bytes())
        ratio = _nearest_ratio(processed.width / processed.height)
        if len(files.get(ratio, ())) < FILES_PER_RATIO:
            files.setdefault(ratio, []).append(store.save(processed))
    return files


def _nearest_ratio(value: float) -> str:
    ratios = offer_for().aspect_ratios
    return min(ratios, key=lambda each: abs(each.width / each.height - value)).value


def _created_at(rng: random.Random) -> datetime:
    """Return a random time, more often recent than old, and rarely at weekends."""
    while True:
        days = YEARS * 365 * rng.random() ** 1.4
        created_at = timezone.now() - timedelta(days=days, hours=rng.uniform(0, 4))
        if created_at.weekday() < 5 or rng.random() < 0.2:
            return created_at


def _prompt(rng: random.Random) -> str:
    parts = [
        rng.choice(VOCABULARY["subjects"]),
        rng.choice(VOCABULARY["places"]),
        *rng.sample(VOCABULARY["styles"], 2),
    ]
    if rng.random() < 0.002:
        parts.append(rng.choice(VOCABULARY["rare"]))
    return ", ".join([f"{parts[0]} {parts[1]}", *parts[2:]])


def _generation(
    rng: random.Random,
    people: Sequence[Member],
    ratios: Sequence[str],
    collections: Sequence[Collection],
    created_at: datetime,
) -> Generation:
    status, failure = _outcome(rng)
    finished_at = created_at + timedelta(seconds=rng.uniform(9, 60))
    prompt = _prompt(rng)
    sent = status != Status.CANCELED
    return Generation(
        owner=people[min(int(rng.expovariate(0.3)), len(people) - 1)],
        idempotency_key=str(UUID(int=rng.getrandbits(128), version=4)),
        created_at=created_at,
        upstream=Generation.Upstream.SAMPLE,
        prompt=prompt,
        search_text=" ".join(normalize(prompt)),
        negative_prompt="text, watermark" if rng.random() < 0.2 else "",
        aspect_ratio=rng.choice(ratios),
        n=rng.choices(range(1, 10), (30, 20, 8, 30, 3, 4, 1, 2, 2))[0],
        collection=rng.choice(collections) if rng.random() < 0.4 else None,
        reference_url="https://pictures.example/1.png" if rng.random() < 0.1 else "",
        is_private=rng.random() < 0.03,
        status=status,
        failure=failure,
        status_at=finished_at,
        finished_at=finished_at,
        version=4,
        attempt=int(sent),
        submitted_at=created_at + timedelta(seconds=1) if sent else None,
        accepted_at=created_at if status == Status.SUCCEEDED else None,
        upstream_task_id=f"sample-{rng.getrandbits(64):x}" if status == Status.SUCCEEDED else "",
    )


def _charge(rng: random.Random, row: Generation) -> None:
    is_charged = row.status in (Status.SUCCEEDED, Status.ABANDONED)
    price_e4 = rng.choices(list(MODELS), (1, 3, 6))[0]
    row.unit_price_e4, row.reservations = price_e4, 1
    row.charged_e4 = price_e4 * row.n if is_charged else 0


def _past_request(row: Generation) -> sample_ledger.PastRequest:
    price_e4 = row.unit_price_e4 or 0
    return sample_ledger.PastRequest(
        generation_id=row.pk,
        member=row.owner,
        quote=Quote(DEFAULT_ENGINE, MODELS[price_e4], "", price_e4, row.n),
        reserved_at=row.created_at,
        ended_at=row.finished_at or row.created_at,
        charged_images=row.n if row.charged_e4 else 0,
    )


def _outcome(rng: random.Random) -> tuple[Status, str]:
    """Return a final status, and the failure of a failed one."""
    share = rng.random()
    if share < 0.93:
        return Status.SUCCEEDED, ""
    if share < 0.98:
        return Status.FAILED, rng.choice((Failure.POLICY, Failure.INPUT, Failure.OURS))
    return (Status.CANCELED if share < 0.99 else Status.ABANDONED), ""


def _transitions(row: Generation) -> Iterator[Transition]:
    yield Transition(
        generation=row,
        at=row.created_at,
        to_status=Status.QUEUED,
        reason=TransitionReason.REQUESTED,
        by=row.owner,
    )
    yield Transition(
        generation=row,
        at=row.status_at,
        from_status=Status.QUEUED,
        to_status=row.status,
        reason=TransitionReason.DEMO,
    )


def _pictures(
    rng: random.Random, row: Generation, files: dict[str, list[dict[str, Any]]]
) -> Iterator[Picture]:
    if row.status != Status.SUCCEEDED:
        return
    for index in range(row.n):
        columns = rng.choice(files[row.aspect_ratio])
        if rng.random() < 0.005:
            columns = columns | {"trashed_at": timezone.now(), "trashed_by": row.owner}
        yield Picture(
            generation=row,
            index=index,
            state=Picture.State.STORED,
            stored_at=row.status_at,
            **columns,
        )


def _organize(
    rng: random.Random,
    pictures: Sequence[Picture],
    people: Sequence[Member],
    tags: Sequence[Tag],
    positions: dict[int, int],
) -> None:
    """Mark some pictures as favourites, tag some, and put some into collections.

    `positions` has the last position in each collection, and is updated.
    """
    Favourite.objects.bulk_create(
        Favourite(member=rng.choice(people), picture=each)
        for each in pictures
        if rng.random() < 0.03
    )
    tagged = Picture.tags.through
    tagged.objects.bulk_create(
        tagged(picture=each, tag=rng.choice(tags)) for each in pictures if rng.random() < 0.05
    )
    items = []
    for each in pictures:
        if rng.random() < 0.02:
            collection = rng.choice(list(positions))
            positions[collection] += 1
            items.append(
                CollectionItem(
                    collection_id=collection,
                    picture=each,
                    position=positions[collection],
                    added_by=people[0],
                )
            )
    CollectionItem.objects.bulk_create(items)
