"""Rename models and columns to standard terms. Rows and stored codes are kept."""

from django.db import migrations


def delete_renamed_leases(apps, schema_editor):
    """The loop "pump" is now "poll", and creates its leases when it starts."""
    apps.get_model("generations", "Lease").objects.filter(name__startswith="pump").delete()


def drop_search_index(apps, schema_editor):
    """The index depends on a renamed column. `search.prepare` creates it again afterwards."""
    if schema_editor.connection.vendor != "sqlite":
        return  # PostgreSQL renames the column in its index too
    for event in ("insert", "delete", "update"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS generations_search_{event}")
    schema_editor.execute("DROP TABLE IF EXISTS generations_search")


def rename_index(model, old, new):
    return migrations.RenameIndex(model, old_name=old, new_name=new)


class Migration(migrations.Migration):
    dependencies = [("generations", "0005_upstream")]
    operations = [
        # Constraints name columns, so they are removed before the columns are renamed.
        migrations.RunPython(drop_search_index, drop_search_index),
        migrations.RemoveConstraint("generation", "one_row_per_press"),
        migrations.RemoveConstraint("generation", "final_rows_have_an_end"),
        migrations.RemoveConstraint("generation", "the_upstream_has_what_runs"),
        migrations.RemoveConstraint("generation", "failed_rows_say_why"),
        migrations.RemoveConstraint("generation", "one_to_nine_pictures"),
        migrations.RemoveConstraint("picture", "one_picture_per_index"),
        migrations.RemoveConstraint("picture", "stored_picture_is_complete"),
        migrations.RemoveConstraint("submission", "one_post_per_attempt"),
        migrations.RemoveConstraint("favourite", "one_heart_per_person"),
        migrations.RemoveConstraint("place", "once_in_a_collection"),
        # History
        migrations.RenameModel("Move", "Transition"),
        migrations.RenameField("transition", "why", "reason"),
        # The gate in front of the upstream
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
        # Leases of the worker's loops
        migrations.RenameModel("Slot", "Lease"),
        migrations.RenameField("lease", "until", "expires_at"),
        migrations.RenameField("lease", "beat_at", "heartbeat_at"),
        migrations.RenameField("lease", "kicked_at", "wake_up_sent_at"),
        migrations.RunPython(delete_renamed_leases, migrations.RunPython.noop),
        # Generations and their submissions
        migrations.RenameField("generation", "reason", "failure_message"),
        migrations.RenameField("generation", "form_nonce", "idempotency_key"),
        migrations.RenameField("generation", "again_of", "remix_of"),
        migrations.RenameField("generation", "empty_answers", "results_without_images"),
        migrations.RenameField("generation", "denied_at", "first_not_found_at"),
        migrations.RenameField("generation", "watched_from", "polling_since"),
        migrations.RenameField("generation", "last_answer", "last_response"),
        migrations.RenameField("generation", "kling_task_id", "upstream_task_id"),
        migrations.RenameField("generation", "words", "search_text"),
        migrations.RenameField("submission", "answer", "response"),
        migrations.RenameField("submission", "kling_task_id", "upstream_task_id"),
        # Members
        migrations.RenameField("member", "served_at", "last_submitted_at"),
        migrations.RenameField("member", "scheme", "color_scheme"),
        migrations.RenameField("member", "single_keys", "single_key_shortcuts"),
        migrations.RenameField("member", "wants_notices", "browser_notifications"),
        migrations.RenameField("member", "wants_sound", "notification_sound"),
        # Collections and tags
        migrations.RenameModel("Place", "CollectionItem"),
        migrations.RenameField("collection", "changed_at", "updated_at"),
        migrations.RenameField("tag", "folded", "normalized"),
        # Indexes
        rename_index("generation", "studio_stream", "generation_owner_created_idx"),
        rename_index("generation", "gallery", "generation_status_created_idx"),
        rename_index("generation", "open_of_a_person", "generation_owner_open_idx"),
        rename_index("generation", "gallery_of_a_shape", "generation_ratio_created_idx"),
        rename_index("generation", "generation_due", "generation_next_poll_at_idx"),
        rename_index("generation", "generation_open", "generation_open_status_idx"),
        rename_index("picture", "picture_due", "picture_next_try_at_idx"),
        rename_index("picture", "picture_trash", "picture_trashed_at_idx"),
        rename_index("collectionitem", "collection_order", "collectionitem_position_idx"),
    ]
