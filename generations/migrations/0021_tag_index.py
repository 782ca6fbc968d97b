"""A rare tag must not scan the table, whatever the planner believes of the average tag."""

from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0020_budget_warnings'),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX picture_tags_tag_picture_idx"
            " ON generations_picture_tags (tag_id, picture_id)",
            "DROP INDEX picture_tags_tag_picture_idx",
        ),
    ]
