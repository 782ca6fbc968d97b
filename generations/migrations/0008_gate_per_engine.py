"""One gate per upstream and image engine. The existing gate becomes that of the current upstream."""

from django.conf import settings
from django.db import migrations, models


def set_upstream(apps, schema_editor):
    apps.get_model("generations", "UpstreamGate").objects.update(upstream=settings.UPSTREAM_MODE)


class Migration(migrations.Migration):
    dependencies = [("generations", "0007_constraints_and_texts")]
    operations = [
        migrations.AddField(
            "generation", "engine", models.CharField(default="kling", max_length=20)
        ),
        migrations.AlterModelOptions(
            "upstreamgate",
            options={"verbose_name": "upstream gate", "verbose_name_plural": "upstream gates"},
        ),
        migrations.AddField(
            "upstreamgate", "engine", models.CharField(default="kling", max_length=20)
        ),
        migrations.AddField(
            "upstreamgate",
            "upstream",
            models.CharField(default="", help_text="As in Generation.upstream.", max_length=20),
            preserve_default=False,
        ),
        migrations.RunPython(set_upstream, migrations.RunPython.noop),
        migrations.AddConstraint(
            "upstreamgate",
            models.UniqueConstraint(
                fields=("upstream", "engine"), name="upstreamgate_upstream_engine_uniq"
            ),
        ),
        # Labels and help texts: no change of the schema.
        migrations.AlterField(
            "generation",
            "failure",
            models.CharField(
                blank=True,
                choices=[
                    ("policy", "Rejected by the content check"),
                    ("input", "Invalid request"),
                    ("balance", "Account balance too low"),
                    ("busy", "Kling was too busy"),
                    ("time", "Timed out"),
                    ("ours", "Error in klingweb or at Kling"),
                    ("files", "Images ready, download failed"),
                ],
                default="",
                max_length=8,
            ),
        ),
        migrations.AlterField(
            "lease",
            "heartbeat_at",
            models.DateTimeField(help_text="When its holder was last active.", null=True),
        ),
        migrations.AlterField(
            "upstreamgate",
            "concurrency_limit",
            models.PositiveIntegerField(
                blank=True,
                help_text="Images in progress at once. Empty: the limit from the settings.",
                null=True,
            ),
        ),
        migrations.AlterField(
            "upstreamgate",
            "hold_reason",
            models.CharField(
                blank=True,
                choices=[
                    ("account", "The account is empty or blocked"),
                    ("key", "The API key is rejected"),
                    ("rights", "The API key lacks a permission"),
                    ("address", "This server's IP address is rejected"),
                    ("busy", "The upstream has been too busy for minutes"),
                    ("unreached", "The upstream sends no valid responses"),
                ],
                default="",
                max_length=12,
            ),
        ),
        migrations.AlterField(
            "upstreamgate",
            "probe_at",
            models.DateTimeField(
                blank=True, help_text="When one request may test a hold.", null=True
            ),
        ),
        migrations.AlterField(
            "upstreamgate",
            "silent_until",
            models.DateTimeField(
                blank=True, help_text="Neither submits nor polls before this time.", null=True
            ),
        ),
    ]
