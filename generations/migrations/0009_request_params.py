"""Add the extra fields of a request, and make the idempotency key a text.

Keys keep their value in the dashed form, so that a form sent before the migration and again after
it still finds its row, and `Generation.external_id` does not change.
"""

from django.db import migrations, models

TABLE = "generations_generation"


def add_dashes(apps, schema_editor):
    """SQLite stores a UUID as 32 hex digits; PostgreSQL's cast to text writes the dashes itself."""
    if schema_editor.connection.vendor == "postgresql":
        return
    parts = " || '-' || ".join(
        f"substr(idempotency_key, {start}, {length})"
        for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
    )
    schema_editor.execute(
        f"UPDATE {TABLE} SET idempotency_key = {parts} WHERE length(idempotency_key) = 32"
    )


def remove_dashes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        return
    schema_editor.execute(
        f"UPDATE {TABLE} SET idempotency_key = replace(idempotency_key, '-', '')"
    )


class Migration(migrations.Migration):
    dependencies = [("generations", "0008_gate_per_engine")]
    operations = [
        migrations.AddField(
            "generation",
            "params",
            models.JSONField(
                blank=True, default=dict, help_text="Fields that only one engine has."
            ),
        ),
        migrations.AddField(
            "generation",
            "request_fingerprint",
            models.CharField(
                blank=True, default="", help_text="SHA-256 of the request.", max_length=64
            ),
        ),
        migrations.AlterField(
            "generation",
            "idempotency_key",
            models.CharField(
                help_text="A repeated request with the same key creates no second generation.",
                max_length=64,
            ),
        ),
        migrations.RunPython(add_dashes, remove_dashes),
    ]
