"""Rename `Generation.engine` to `upstream`, with its stored values."""

from django.db import migrations, models

import generations.models.generation_base

OLD_TO_NEW = {"kling": "live", "fill": "sample"}


def rename_values(apps, schema_editor):
    rows = apps.get_model("generations", "Generation").objects
    for old, new in OLD_TO_NEW.items():
        rows.filter(upstream=old).update(upstream=new)


def restore_values(apps, schema_editor):
    rows = apps.get_model("generations", "Generation").objects
    for old, new in OLD_TO_NEW.items():
        rows.filter(upstream=new).update(upstream=old)


class Migration(migrations.Migration):
    dependencies = [("generations", "0004_words")]
    operations = [
        migrations.RenameField("generation", "engine", "upstream"),
        migrations.AlterField(
            model_name="generation",
            name="upstream",
            field=models.CharField(
                choices=[
                    ("live", "the gateway, paid"),
                    ("simulator", "the demo's simulator"),
                    ("demo", "demo data, never sent"),
                    ("sample", "generated sample data, never sent"),
                ],
                default=generations.models.generation_base._current_upstream,
                help_text="A request made in the demo is never sent to the paid gateway.",
                max_length=20,
            ),
        ),
        migrations.RunPython(rename_values, restore_values),
    ]
