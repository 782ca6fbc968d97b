"""Rename models and columns to standard terms. Rows and stored codes are kept."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("generations", "0005_upstream")]
    operations = [
        migrations.RenameModel("Move", "Transition"),
        migrations.RenameField("transition", "why", "reason"),
        migrations.RenameField("generation", "reason", "failure_message"),
    ]
