"""The cached HTML of static cards: never stale, whichever column changes."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import models
from django.template.loader import render_to_string
from django.utils import timezone, translation

from generations.models import (
    ApiKey,
    Batch,
    Collection,
    Favourite,
    Generation,
    Member,
    Picture,
    ReferenceImage,
    Status,
)
from generations.templatetags.cards import card_html
from generations.web.cards.card import Card, cards_of
from tests.builders import make_generation

pytestmark = pytest.mark.django_db

# Columns that a static card shows: changing one must change the HTML.
SHOWN_OF_GENERATION = {
    "prompt", "engine", "model", "aspect_ratio", "n", "reference", "reference_url", "version",
    "created_at", "submitted_at", "finished_at", "late_at",
}  # fmt: skip
SHOWN_OF_PICTURE = {"index", "width", "height", "colour", "trashed_at"}
NOT_CHANGED = {"id", "owner", "status", "generation"}  # another card, or not a static one


def columns_of(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.name not in NOT_CHANGED]


@pytest.fixture
def row(owner: Member) -> Generation:
    return make_generation(Status.SUCCEEDED, owner=owner, n=2)


def card_of(row: Generation, viewer: Member) -> Card:
    return cards_of([Generation.objects.get(pk=row.pk)], viewer, None)[0]


def fresh_html(card: Card) -> str:
    return render_to_string("cards/_item.html", {"card": card})


def other_value(instance: models.Model, field: "models.Field[Any, Any]") -> Any:
    """A valid value of this column that differs from the present one."""
    value = getattr(instance, field.name)
    special = {
        "aspect_ratio": "16:9",
        "engine": "flux",
        "index": 7,
        "state": Picture.State.DELETED,
    }
    if field.name in special:
        return special[field.name]
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.DateTimeField):
        return (value or timezone.now()) - timedelta(hours=30)
    if isinstance(field, models.IntegerField | models.FloatField):
        return (value or 0) + 3
    if isinstance(field, models.UUIDField):
        return uuid4()
    if isinstance(field, models.JSONField):
        return {"x": 1}
    if field.choices:
        return next(choice for choice, _label in field.flatchoices if choice and choice != value)
    return (str(value) + "x")[-(field.max_length or 100) :]


def other_key(row: Generation, field: "models.Field[Any, Any]") -> int:
    if field.related_model is Generation:
        return row.pk
    if field.related_model is Member:
        return row.owner_id
    if field.related_model is Collection:
        return Collection.objects.create(name="Summer", created_by=row.owner).pk
    if field.related_model is Batch:
        return Batch.objects.create(owner=row.owner, idempotency_key="x").pk
    if field.related_model is ApiKey:
        return ApiKey.objects.create(slot=ApiKey.Slot.FIRST, fingerprint="x").pk
    assert field.related_model is ReferenceImage
    size = {"width": 300, "height": 300, "size_bytes": 1}
    return ReferenceImage.objects.create(owner=row.owner, file="a.png", name="a", **size).pk


def change(instance: models.Model, name: str, row: Generation) -> None:
    field = instance._meta.get_field(name)
    assert isinstance(field, models.Field)
    is_key = isinstance(field, models.ForeignKey)
    value = other_key(row, field) if is_key else other_value(instance, field)
    type(instance)._default_manager.filter(pk=instance.pk).update(**{name: value})


@pytest.mark.parametrize("name", columns_of(Generation))
def test_cached_card_follows_each_column_of_its_generation(
    name: str, row: Generation, owner: Member
) -> None:
    before = card_html(card_of(row, owner))
    change(row, name, row)
    card = card_of(row, owner)
    assert card_html(card) == fresh_html(card)
    if name in SHOWN_OF_GENERATION and card.is_static:
        assert card_html(card) != before


@pytest.mark.parametrize("name", columns_of(Picture))
def test_cached_card_follows_each_column_of_its_pictures(
    name: str, row: Generation, owner: Member
) -> None:
    before = card_html(card_of(row, owner))
    change(row.pictures.order_by("index")[0], name, row)
    card = card_of(row, owner)
    assert card_html(card) == fresh_html(card)
    if name in SHOWN_OF_PICTURE:
        assert card_html(card) != before


def test_cached_card_follows_favourites(row: Generation, owner: Member) -> None:
    before = card_html(card_of(row, owner))
    Favourite.objects.create(member=owner, picture=row.pictures.all()[0])
    assert card_html(card_of(row, owner)) != before


def test_cached_card_follows_language_time_zone_and_age(row: Generation, owner: Member) -> None:
    Generation.objects.filter(pk=row.pk).update(created_at=timezone.now() - timedelta(days=2))
    before = card_html(card_of(row, owner))
    with timezone.override("Asia/Tokyo"):
        card = card_of(row, owner)
        assert card_html(card) == fresh_html(card) != before
    with translation.override("de"):
        card = card_of(row, owner)
        assert card_html(card) == fresh_html(card) != before


def test_equal_cards_share_their_html(
    row: Generation, owner: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = card_html(card_of(row, owner))
    monkeypatch.setattr("generations.web.html_cache.render_to_string", None)
    assert card_html(card_of(row, owner)) == first


def test_card_holds_no_model(row: Generation, owner: Member) -> None:
    card = card_of(row, owner)
    assert hash(card) == hash(card_of(row, owner))
    assert not any(isinstance(value, models.Model) for value in card.cache_key)
