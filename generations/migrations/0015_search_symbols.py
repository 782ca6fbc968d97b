from django.db import migrations, models

from generations.models.search_text import normalize

BATCH_ROWS = 500


def find_symbols(apps, schema_editor):
    """Symbols in prompts and tags from before can be searched for too.

    The text of a prompt without symbols does not change, and is not written.
    """
    rows = apps.get_model("generations", "Generation").objects
    changed = []
    for row in rows.only("pk", "prompt", "search_text").order_by("pk").iterator(BATCH_ROWS):
        search_text = " ".join(normalize(row.prompt))
        if search_text != row.search_text:
            row.search_text = search_text
            changed.append(row)
        if len(changed) == BATCH_ROWS:
            rows.bulk_update(changed, ["search_text"])
            changed = []
    rows.bulk_update(changed, ["search_text"])
    for tag in apps.get_model("generations", "Tag").objects.all():
        tag.normalized = " ".join(normalize(tag.name))[:360]
        tag.save(update_fields=["normalized"])


class Migration(migrations.Migration):
    dependencies = [("generations", "0014_suspect_requests")]
    operations = [
        migrations.AlterField(
            "tag",
            "normalized",
            models.CharField(
                max_length=360, unique=True, help_text="Without case and diacritics."
            ),
        ),
        migrations.RunPython(find_symbols, migrations.RunPython.noop),
    ]
