"""Removing the demo data, whatever else points to its people and images.

A row of each model with a relation to them is made from its fields, so a new model is included.
"""

import json
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest
from django.core.files.base import ContentFile
from django.db import connection, models
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from generations.models import (
    Collection,
    Comment,
    Generation,
    Member,
    Picture,
    ReferenceImage,
    Tag,
)
from generations.models.money import BudgetWarning, LedgerEntry, Limit, Period, UsageSum
from generations.operations import demo_data, example_people
from generations.permissions import Role
from tests.builders import make_generation, make_member, png_bytes

pytestmark = pytest.mark.django_db
_numbers = count(1)

# What a person stays for, and what no deletion may reach.
KEEPS_THE_PERSON = {Generation, Period, BudgetWarning}
PLAIN_KEYS = {LedgerEntry, UsageSum}
# Columns that a constraint of the database requires.
REQUIRED: dict[str, dict[str, Any]] = {
    "Limit": {"scope": Limit.Scope.MEMBER, "role": ""},
    "AccountKey": {"pk": 1},
}


@pytest.fixture
def people(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[type[models.Model], Any]:
    """Rows of a small demo that others may point to: each of its people has one generation."""
    settings.MEDIA_ROOT = tmp_path / "files"
    settings.DEMO = True
    (tmp_path / "pictures").mkdir()
    (tmp_path / "prompts.json").write_text(json.dumps([{"prompt": "A pear"}] * 3))
    for number in range(3):
        (tmp_path / "pictures" / f"{number:02d}-1.webp").write_bytes(png_bytes(form="WEBP"))
    monkeypatch.setattr(demo_data, "FOLDER", tmp_path)
    demo_data.add()
    lan = Member.objects.get(username="demo-lan")
    picture = Picture.objects.filter(generation__owner=lan)[0]
    album = Collection.objects.create(name="Lan’s", created_by=lan)
    return {Member: lan, Generation: picture.generation, Picture: picture, Collection: album}


def make_row(model: type[models.Model], targets: dict[type[models.Model], Any]) -> Any:
    """A row with a value in each required column, and all its relations to the targets."""
    values = dict(REQUIRED.get(model.__name__, {}))
    for field in model._meta.concrete_fields:
        if field.name in values or field.primary_key or isinstance(field, models.GeneratedField):
            continue
        if isinstance(field, models.ForeignKey):
            target: Any = field.related_model
            if target in targets:
                values[field.name] = targets[target]
            elif not field.null:
                values[field.name] = target.objects.first() or make_row(target, targets)
        elif not field.null and not field.has_default() and not field.blank:
            values[field.name] = value_for(field)
    return model._base_manager.create(**values)


def value_for(field: Any) -> Any:
    number = next(_numbers)
    if field.choices:
        return field.choices[0][0]
    if isinstance(field, models.FileField):
        return ContentFile(b"x", f"{number}.png")
    if isinstance(field, models.BinaryField):
        return b"x"
    if isinstance(field, models.UUIDField):
        return uuid4()
    if isinstance(field, models.DateTimeField):
        return timezone.now() + timedelta(days=1)
    if isinstance(field, models.DateField):
        return timezone.now().date()
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.GenericIPAddressField):
        return "192.0.2.1"
    if isinstance(field, models.JSONField):
        return {}
    return str(number) if isinstance(field, models.CharField | models.TextField) else number


def relations(targets: dict[type[models.Model], Any]) -> set[tuple[Any, Any, Any]]:
    """Each model that points to one of them, with the field and the row that it points to."""
    return {
        (relation.related_model, relation.field, row)
        for target, row in targets.items()
        for relation in cast(list[Any], target._meta.get_fields(include_hidden=True))
        if relation.auto_created and not relation.concrete and not relation.many_to_many
    }


def test_one_row_of_every_model_is_removed_with_the_demo_data(
    people: dict[type[models.Model], Any], admin_client: Client
) -> None:
    found = relations(people)
    for model in {model for model, _field, _row in found} - KEEPS_THE_PERSON - PLAIN_KEYS:
        if not model._base_manager.filter(
            **{field.name: row for other, field, row in found if other is model}
        ).exists():
            make_row(model, people)
    for model, field, row in found:
        if model not in KEEPS_THE_PERSON | PLAIN_KEYS:
            rows = model._base_manager.filter(**{field.name: row})
            assert rows.exists(), f"{model.__name__}.{field.name} was not tested"
    response = admin_client.post("/demo/remove", follow=True)
    assert "Demo data removed." in response.content.decode()
    assert " stay, because" not in response.content.decode()
    assert not Member.objects.filter(username__startswith="demo-").exists()
    assert not Generation.objects.exists()
    connection.check_constraints()


def test_people_with_other_images_or_in_the_ledger_stay_and_the_page_says_so(
    people: dict[type[models.Model], Any], admin_client: Client
) -> None:
    marc = Member.objects.get(username="demo-marc")
    make_row(Period, {Member: people[Member]})
    generation = make_generation(owner=marc)
    Comment.objects.create(
        picture=make_row(Picture, {Generation: generation}), author=marc, text="Mine"
    )
    response = admin_client.post("/demo/remove", follow=True)
    assert "Lan Nguyen, Marc Oduya stay, because" in response.content.decode()
    assert list(Generation.objects.all()) == [generation]
    assert Comment.objects.get().author == marc
    assert Collection.objects.get() == people[Collection]
    assert not Tag.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_files_of_reference_images_go_with_their_people_and_stay_with_who_stays(
    media_root: Path,
) -> None:
    lan, marc = make_member("demo-lan"), make_member("demo-marc")
    gone, kept = (make_row(ReferenceImage, {Member: person}) for person in (lan, marc))
    make_generation(owner=marc)
    assert example_people.remove([lan, marc]) == [marc]
    assert not gone.file.storage.exists(gone.file.name)
    assert kept.file.storage.exists(kept.file.name)


def test_person_of_the_sample_data_who_is_the_last_owner_stays(db: None) -> None:
    only = make_member("only-owner", role=Role.OWNER)
    assert example_people.remove([only]) == [only]
    assert Member.objects.get() == only
