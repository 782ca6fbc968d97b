from django.db import migrations

from generations.models.search_text import normalize


def fold_prompts(apps, schema_editor):
    """What was asked for before there was a search is found too."""
    rows = apps.get_model("generations", "Generation").objects
    batch = []
    for row in rows.filter(words="").only("pk", "prompt").iterator(2000):
        row.words = " ".join(normalize(row.prompt))
        batch.append(row)
        if len(batch) == 500:
            rows.bulk_update(batch, ["words"])
            batch = []
    rows.bulk_update(batch, ["words"])


class Migration(migrations.Migration):
    dependencies = [("generations", "0003_library")]
    operations = [migrations.RunPython(fold_prompts, migrations.RunPython.noop)]
