"""Migrations: a database from before the renames keeps every value, and an empty one is complete.

Both tests use a new database on the server of the test database, as the connection "default". That
of all other tests has the tables of the squashed migration.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, product
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4, uuid5

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from pytest_django import DjangoDbBlocker

from generations.models import (
    Collection,
    CollectionItem,
    Favourite,
    Generation,
    Member,
    Picture,
    Submission,
    Tag,
    UpstreamGate,
    append_only,
)
from generations.models.search_text import normalize
from generations.models.status import ACCEPTED, FINAL, Failure, Status
from generations.search import search
from tests.builders import UNPRICED

# The last migration before the renames.
BEFORE_RENAMES = ("generations", "0004_words")
NEW_NAMES: dict[str, tuple[str, dict[str, str]]] = {
    "Member": (
        "Member",
        {
            "served_at": "last_submitted_at",
            "scheme": "color_scheme",
            "single_keys": "single_key_shortcuts",
            "wants_notices": "browser_notifications",
            "wants_sound": "notification_sound",
        },
    ),
    "Generation": (
        "Generation",
        {
            "form_nonce": "idempotency_key",
            "engine": "upstream",
            "again_of_id": "remix_of_id",
            "words": "search_text",
            "reason": "failure_message",
            "kling_task_id": "upstream_task_id",
            "empty_answers": "results_without_images",
            "denied_at": "first_not_found_at",
            "watched_from": "polling_since",
            "last_answer": "last_response",
        },
    ),
    "Submission": (
        "Submission",
        {"answer": "response", "kling_task_id": "upstream_task_id"},
    ),
    "Move": ("Transition", {"why": "reason"}),
    "Picture": ("Picture", {}),
    "ReferenceImage": ("ReferenceImage", {}),
    "Favourite": ("Favourite", {}),
    "Tag": ("Tag", {"folded": "normalized"}),
    "Collection": ("Collection", {"changed_at": "updated_at"}),
    "Place": ("CollectionItem", {}),
    "Line": (
        "UpstreamGate",
        {
            "quiet_until": "silent_until",
            "not_before": "submit_not_before",
            "waits": "refusals_in_a_row",
            "unanswered": "unanswered_in_a_row",
            "trouble": "hold_reason",
            "held_answer": "held_response",
            "units": "concurrency_limit",
            "units_at": "concurrency_limit_changed_at",
        },
    ),
    "Slot": (
        "Lease",
        {"until": "expires_at", "beat_at": "heartbeat_at", "kicked_at": "wake_up_sent_at"},
    ),
}
NEW_UPSTREAMS = {"kling": "live", "simulator": "simulator", "demo": "demo", "fill": "sample"}
OLD_SEARCH_INDEX = {
    "sqlite": (
        """CREATE VIRTUAL TABLE generations_search USING fts5(
            words, content='generations_generation', content_rowid='id', tokenize='unicode61')""",
        """CREATE TRIGGER generations_search_insert
            AFTER INSERT ON generations_generation BEGIN
            INSERT INTO generations_search (rowid, words) VALUES (new.id, new.words); END""",
        """CREATE TRIGGER generations_search_delete
            AFTER DELETE ON generations_generation BEGIN
            INSERT INTO generations_search (generations_search, rowid, words)
            VALUES ('delete', old.id, old.words); END""",
        """CREATE TRIGGER generations_search_update
            AFTER UPDATE OF words ON generations_generation WHEN old.words <> new.words BEGIN
            INSERT INTO generations_search (generations_search, rowid, words)
            VALUES ('delete', old.id, old.words);
            INSERT INTO generations_search (rowid, words) VALUES (new.id, new.words); END""",
    ),
    "postgresql": (
        """CREATE INDEX generations_search ON generations_generation
            USING gin (to_tsvector('simple', words))""",
    ),
}
PROMPTS = ("Cà phê trên bàn gỗ", "水墨山水画", "A black-and-white pear", "Đèn lồng Hội An", "A 🎈")
BALLOON = "u01f388"  # symbols were not searched for then
# Columns with other values than before.
CHANGED = {
    ("Member", "role"),
    ("UpstreamGate", "id"),
    ("Generation", "search_text"),
    ("Tag", "normalized"),
}
# Columns with a fixed meaning. The others are filled with values that differ from row to row.
UNFILLED = {"id", "password", "is_superuser", "is_staff", "is_active"}

Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture
def empty_database(
    tmp_path: Path, django_db_blocker: DjangoDbBlocker
) -> Iterator[BaseDatabaseWrapper]:
    """Make the connection "default" one to a new database, without tables; return the other."""
    original = connections["default"]
    is_sqlite = original.vendor == "sqlite"
    name = str(tmp_path / "empty.db") if is_sqlite else f"klingweb_migrations_{uuid4().hex}"
    with django_db_blocker.unblock():
        if not is_sqlite:
            _on_server(original, f'CREATE DATABASE "{name}"')
        connections["default"] = type(original)(original.settings_dict | {"NAME": name}, "default")
        try:
            yield original
        finally:
            connections["default"].close()
            connections["default"] = original
            if not is_sqlite:
                _on_server(original, f'DROP DATABASE "{name}"')


def _on_server(server: Any, statement: str) -> None:
    with server._nodb_cursor() as cursor:
        cursor.execute(statement)


class OldDatabase:
    """The tables of `BEFORE_RENAMES`, with rows in them."""

    def __init__(self) -> None:
        executor = MigrationExecutor(connection)
        executor.loader = MigrationLoader(connection, replace_migrations=False)
        others = [node for node in executor.loader.graph.leaf_nodes() if node[0] != "generations"]
        executor.migrate([*others, BEFORE_RENAMES])
        self.apps = executor.loader.project_state([BEFORE_RENAMES]).apps
        self.numbers = count(1)
        with connection.cursor() as cursor:
            for statement in OLD_SEARCH_INDEX[connection.vendor]:
                cursor.execute(statement)

    def model(self, name: str) -> Any:
        return self.apps.get_model("generations", name)

    def create(self, model_name: str, **columns: Any) -> Any:
        """Create a row. Columns that are not given get a value that no other row has."""
        model = self.model(model_name)
        fields = [field for field in model._meta.concrete_fields if field.name not in UNFILLED]
        filled = {
            field.name: self._value(field)
            for field in fields
            if not field.is_relation and field.attname not in columns and not field.choices
        }
        return model.objects.create(**(filled | columns))

    def _value(self, field: Any) -> Any:
        number = next(self.numbers)
        match field:
            case models.DateTimeField():
                return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number, microseconds=7)
            case models.BooleanField():
                return bool(number % 2)
            case models.UUIDField():
                return uuid4()
            case models.IntegerField():
                return number
            case models.FloatField():
                return number / 8
            case _:
                return f"{field.name} {number}"[: field.max_length]

    def rows(self) -> Rows:
        return {name: list(self.model(name).objects.order_by("pk").values()) for name in NEW_NAMES}

    def tags_of_pictures(self) -> list[tuple[Any, ...]]:
        through = self.model("Picture").tags.through
        return list(through.objects.order_by("picture", "tag").values_list("picture", "tag"))


def fill(old: OldDatabase) -> None:
    """Rows of every model: generations in every status, of every upstream, and what belongs."""
    owner = old.create("Member", role="member", scheme="dark")
    admin = old.create("Member", role="admin", scheme="")
    rows: list[Any] = []
    for number, (status, engine) in enumerate(product(Status.values, NEW_UPSTREAMS)):
        prompt = PROMPTS[number % len(PROMPTS)]
        rows.append(
            old.create(
                "Generation",
                owner=(owner, admin)[number % 2],
                engine=engine,
                prompt=prompt,
                words=" ".join(word for word in normalize(prompt) if word != BALLOON),
                aspect_ratio="16:9",
                n=number % 9 + 1,
                status=status,
                failure=Failure.FILES if status == Status.FAILED else "",
                kling_task_id=f"task-{number}" if status in ACCEPTED else "",
                again_of=rows[-1] if rows else None,
                **({} if status in FINAL else {"finished_at": None}),
            )
        )
    first, second, *_others = done = [row for row in rows if row.status == Status.SUCCEEDED]
    for row in rows:
        for attempt, outcome in enumerate(Submission.Outcome.values):
            old.create("Submission", generation=row, attempt=attempt, outcome=outcome)
        for why in ("requested", "looked-again", "given-up"):
            old.create(
                "Move", generation=row, from_status="", to_status=row.status, why=why, by=owner
            )
    pictures = [
        old.create("Picture", generation=row, index=index, state=state, trashed_by=trashed_by)
        for row in done
        for index, (state, trashed_by) in enumerate(
            [("stored", None), ("wanted", None), ("lost", None), ("stored", admin)]
        )
    ]
    reference = old.create("ReferenceImage", owner=owner, picture=pictures[0])
    second.reference = reference
    second.save()
    tags = [old.create("Tag") for _tag in range(2)]
    collections = [
        old.create("Collection", created_by=owner, cover=pictures[0]),
        old.create("Collection", created_by=admin, cover=None),
    ]
    first.collection = collections[0]
    first.save()
    for picture in pictures:
        picture.tags.add(*tags)
        old.create("Favourite", member=owner, picture=picture)
        for collection in collections:
            old.create("Place", collection=collection, picture=picture, added_by=admin)
    old.create("Line", id=1, trouble="key", paused_by=admin)
    for name in ("worker", "submit", "pump", "pump-2", "fetch", "lookup"):
        old.create("Slot", name=name)


def renamed(rows: Rows) -> Rows:
    """The rows as they must be stored after the renames."""
    expected = {}
    for name, old_rows in rows.items():
        new_name, columns = NEW_NAMES[name]
        expected[new_name] = [
            {columns.get(column, column): value for column, value in row.items()}
            for row in old_rows
        ]
    for row in expected["Generation"]:
        row["upstream"] = NEW_UPSTREAMS[row["upstream"]]
    # The loop "pump" has a new name and creates its leases when it starts.
    expected["Lease"] = [row for row in expected["Lease"] if not row["name"].startswith("pump")]
    return expected


def comparable(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An idempotency key is the same as a UUID and as text."""
    for row in rows:
        if "idempotency_key" in row:
            row["idempotency_key"] = UUID(str(row["idempotency_key"]))
    return rows


def test_old_database_keeps_every_value_under_its_new_name(
    transactional_db: None, empty_database: BaseDatabaseWrapper
) -> None:
    old = OldDatabase()
    fill(old)
    rows, tags_of_pictures = old.rows(), old.tags_of_pictures()
    assert all(rows.values())

    call_command("migrate", verbosity=0)

    for name, expected in renamed(rows).items():
        columns = [column for column in expected[0] if (name, column) not in CHANGED]
        found = apps.get_model("generations", name)._default_manager.order_by("pk")
        assert comparable(list(found.values(*columns))) == comparable(
            [{column: row[column] for column in columns} for row in expected]
        ), name
    through = Picture.tags.through._default_manager.order_by("picture", "tag")
    assert list(through.values_list("picture", "tag")) == tags_of_pictures
    assert_one_admin_became_the_owner(rows["Member"])
    assert_search_finds_old_and_new_prompts()
    assert_constraints_reject_what_they_rejected()
    assert_keys_are_known(rows["Generation"])
    assert_schema_is_complete()
    assert schema(connection) == schema(empty_database)  # of the squashed migration


def assert_keys_are_known(before: list[dict[str, Any]]) -> None:
    """A second press of a form from before the update sends nothing."""
    for old in before:
        row = Generation.objects.get(pk=old["id"])
        assert (row.params, row.request_fingerprint) == ({}, "")
        key = UUID(str(old["form_nonce"]))
        assert row.external_id == f"klingweb-{uuid5(key, str(row.owner_id))}"
        pressed = Generation.objects.request(
            owner=row.owner, key=str(key), quote=UNPRICED, prompt=row.prompt, aspect_ratio="1:1"
        )
        assert pressed == (row, False)


def schema(database: BaseDatabaseWrapper) -> dict[str, object]:
    """Columns, constraints and indexes of each table, without names that Django derives."""
    found: dict[str, object] = {}
    with database.cursor() as cursor:
        for model in apps.get_app_config("generations").get_models(include_auto_created=True):
            table = model._meta.db_table
            columns = database.introspection.get_table_description(cursor, table)
            constraints = database.introspection.get_constraints(cursor, table)
            found[f"{table} columns"] = {
                (each.name, each.type_code, each.null_ok, each.display_size) for each in columns
            }
            found[f"{table} constraints"] = sorted(
                repr((*each.items(),)) for each in constraints.values()
            )
    return found


def assert_one_admin_became_the_owner(before: list[dict[str, Any]]) -> None:
    admins = [row["id"] for row in before if row["role"] == "admin"]
    after = dict(Member.objects.filter(pk__in=admins).values_list("pk", "role"))
    assert sorted(after.values()) == ["admin"] * (len(admins) - 1) + ["owner"]
    assert Member.objects.filter(role="owner").count() == 1


def assert_search_finds_old_and_new_prompts() -> None:
    def found(text: str) -> set[str]:
        return {row.prompt for row in search(Generation.objects.all(), text)}

    assert found("ca phe") == {PROMPTS[0]}
    assert found("山水") == {PROMPTS[1]}
    assert found("black-and-white") == {PROMPTS[2]}
    assert found("den long") == {PROMPTS[3]}
    assert found("🎈") == {PROMPTS[4]}
    assert found("lighthouse") == set()
    owner = Member.objects.all()[0]
    Generation.objects.request(
        owner=owner, key=str(uuid4()), quote=UNPRICED, prompt="A lighthouse", aspect_ratio="1:1"
    )
    assert found("lighthouse") == {"A lighthouse"}
    Generation.objects.filter(prompt="A lighthouse").update(search_text="a windmill")
    assert (found("lighthouse"), found("windmill")) == (set(), {"A lighthouse"})


def assert_constraints_reject_what_they_rejected() -> None:
    queued = Generation.objects.filter(status=Status.QUEUED, n=1)[:1].get()
    rows = Generation.objects.filter(pk=queued.pk)
    finished_at = queued.created_at
    stored = Picture.objects.filter(state=Picture.State.STORED)[:1]
    picture = stored.get()
    submission, favourite = Submission.objects.all()[0], Favourite.objects.all()[0]
    item, tag = CollectionItem.objects.all()[0], Tag.objects.all()[0]
    others = Generation.objects.filter(owner=queued.owner).exclude(pk=queued.pk)
    pictures = Picture.objects.filter(pk=picture.pk)
    rejected: list[Callable[[], object]] = [
        lambda: rows.update(status=Status.SUCCEEDED, upstream_task_id="x"),
        lambda: rows.update(finished_at=finished_at),
        lambda: rows.update(status=Status.RUNNING, upstream_task_id=""),
        lambda: rows.update(status=Status.FAILED, finished_at=finished_at, failure=""),
        lambda: rows.update(n=0),
        lambda: others.update(idempotency_key=queued.idempotency_key),
        lambda: pictures.update(width=0),
        lambda: pictures.update(sha256=""),
        lambda: Picture.objects.create(generation=picture.generation, index=picture.index),
        lambda: Submission.objects.create(
            generation=submission.generation,
            attempt=submission.attempt,
            deadline_at=submission.deadline_at,
        ),
        lambda: Favourite.objects.create(member=favourite.member, picture=favourite.picture),
        lambda: CollectionItem.objects.create(
            collection=item.collection, picture=item.picture, position=1
        ),
        lambda: Tag.objects.create(name="x", normalized=tag.normalized),
    ]
    for number, write in enumerate(rejected):
        with pytest.raises(IntegrityError), transaction.atomic():
            write()
            pytest.fail(f"write {number} was accepted")


def assert_schema_is_complete() -> None:
    """Every index and constraint of the models exists in the database, and no other one."""
    for model in apps.get_app_config("generations").get_models():
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, model._meta.db_table)
        named = {each.name for each in (*model._meta.constraints, *model._meta.indexes)}
        assert named <= found.keys(), model
        unnamed = ("generations_", "__", "fk_")  # as Django and the database call the others
        assert {name for name in found.keys() - named if not name.startswith(unnamed)} == set()
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)
    assert append_only.is_protected(connection)


@pytest.mark.usefixtures("empty_database")
def test_empty_database_gets_the_same_schema() -> None:
    call_command("migrate", "generations", "0038", verbosity=0)
    with connection.cursor() as cursor:  # as an interrupted build of 0040 leaves one
        cursor.execute("CREATE INDEX generation_submitted_idx ON generations_generation (n)")
    call_command("migrate", verbosity=0)
    assert_schema_is_complete()
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, Generation._meta.db_table)
    assert found["generation_submitted_idx"]["columns"] == ["submitted_at", "created_at"]
    owner = Member.objects.create_user("owner", password="x")
    generation, created = Generation.objects.request(
        owner=owner, key=str(uuid4()), quote=UNPRICED, prompt="A lighthouse", aspect_ratio="1:1"
    )
    assert created
    assert list(search(Generation.objects.all(), "light")) == [generation]
    assert Collection.objects.create(name="Sea", created_by=owner).add([], by=owner) == []
    assert not UpstreamGate.objects.exists()
