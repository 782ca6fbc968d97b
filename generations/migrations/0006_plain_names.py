"""Rename models and columns to standard terms. Rows and stored codes are kept."""

from django.db import migrations


def delete_renamed_leases(apps, schema_editor):
    apps.get_model("generations", "Lease").objects.filter(name__startswith="pump").delete()


class Migration(migrations.Migration):
    dependencies = [("generations", "0005_upstream")]
    operations = [
        migrations.RenameModel("Move", "Transition"),
        migrations.RenameField("transition", "why", "reason"),
        migrations.RenameField("generation", "reason", "failure_message"),
        # The gate: one row, `pk = 1`.
        migrations.RemoveConstraint("line", "one_line"),
        migrations.RenameModel("Line", "UpstreamGate"),
        migrations.RenameField("upstreamgate", "quiet_until", "silent_until"),
        migrations.RenameField("upstreamgate", "not_before", "submit_not_before"),
        migrations.RenameField("upstreamgate", "waits", "refusals_in_a_row"),
        migrations.RenameField("upstreamgate", "unanswered", "unanswered_in_a_row"),
        migrations.RenameField("upstreamgate", "trouble", "hold_reason"),
        migrations.RenameField("upstreamgate", "held_answer", "held_response"),
        migrations.RenameField("upstreamgate", "units", "concurrency_limit"),
        migrations.RenameField("upstreamgate", "units_at", "concurrency_limit_changed_at"),
        # Leases of the worker's loops. Stale rows of loops that have a new name are removed.
        migrations.RenameModel("Slot", "Lease"),
        migrations.RenameField("lease", "until", "expires_at"),
        migrations.RenameField("lease", "beat_at", "heartbeat_at"),
        migrations.RenameField("lease", "kicked_at", "wake_up_sent_at"),
        migrations.RunPython(delete_renamed_leases, migrations.RunPython.noop),
    ]
