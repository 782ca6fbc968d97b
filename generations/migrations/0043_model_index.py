from django.db import migrations, models
from django.db.models import F

from generations.models.online_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # so that PostgreSQL can build it without a lock

    dependencies = [
        ("generations", "0042_engines"),
    ]

    operations = [
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                F("model"),
                F("created_at").desc(),
                F("id").desc(),
                name="generation_model_created_idx",
            ),
        ),
    ]
