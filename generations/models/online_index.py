"""A migration operation that adds an index to a large table while people write to it."""

from typing import Any

from django.db.migrations.operations import AddIndex


class AddIndexOnline(AddIndex):
    """Let PostgreSQL build the index without a lock that stops writes. SQLite has no such way.

    The migration must have `atomic = False`. An interrupted run may leave an index that is there
    and not valid, so one of that name is replaced.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        connection = schema_editor.connection
        model = to_state.apps.get_model(app_label, self.model_name)
        if not self.allow_migrate_model(connection.alias, model):
            return
        self._drop(schema_editor)
        options = {"concurrently": True} if connection.vendor == "postgresql" else {}
        schema_editor.add_index(model, self.index, **options)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        model = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            self._drop(schema_editor)

    def _drop(self, schema_editor: Any) -> None:
        connection = schema_editor.connection
        how = " CONCURRENTLY" if connection.vendor == "postgresql" else ""
        name = connection.ops.quote_name(self.index.name)
        schema_editor.execute(f"DROP INDEX{how} IF EXISTS {name}")
