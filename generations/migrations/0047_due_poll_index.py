"""Dismissed rows are polled for a while and kept for ever: find the due ones without the others."""

from django.db import migrations, models

from generations.models.online_index import AddIndexOnline


class Migration(migrations.Migration):
    atomic = False  # so that PostgreSQL can build it without a lock

    dependencies = [
        ("generations", "0046_gallery_order_of_marks"),
    ]

    operations = [
        AddIndexOnline(
            model_name="generation",
            index=models.Index(
                fields=["status", "next_poll_at"],
                name="generation_due_poll_idx",
                condition=models.Q(next_poll_at__isnull=False),
            ),
        ),
    ]
