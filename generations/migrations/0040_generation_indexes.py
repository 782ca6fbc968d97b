from django.db import migrations, models

from generations.models.online_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # so that PostgreSQL can build them without a lock

    dependencies = [
        ("generations", "0039_member_language"),
    ]

    operations = [
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                fields=["submitted_at", "created_at"], name="generation_submitted_idx"
            ),
        ),
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                condition=models.Q(("batch__isnull", False)),
                fields=["batch", "batch_row"],
                name="generation_batch_idx",
            ),
        ),
    ]
