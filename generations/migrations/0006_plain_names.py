"""Rename models and columns to standard terms. Rows and stored codes are kept."""

from django.db import migrations


def delete_renamed_leases(apps, schema_editor):
    apps.get_model("generations", "Lease").objects.filter(name__startswith="pump").delete()


def drop_search_index(apps, schema_editor):
    """The index names a renamed column; `search.prepare` creates it again after the migration."""
    if schema_editor.connection.vendor != "sqlite":
        return  # PostgreSQL renames the column in its index too
    for event in ("insert", "delete", "update"):
        schema_editor.execute(f"DROP TRIGGER IF EXISTS generations_search_{event}")
    schema_editor.execute("DROP TABLE IF EXISTS generations_search")


class Migration(migrations.Migration):
    dependencies = [("generations", "0005_upstream")]
    operations = [
        # Constraints name columns, so they are removed before the columns are renamed.
        migrations.RunPython(drop_search_index, migrations.RunPython.noop),
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
        migrations.RenameField("generation", "form_nonce", "idempotency_key"),
        migrations.RenameField("generation", "again_of", "remix_of"),
        migrations.RenameField("generation", "empty_answers", "results_without_images"),
        migrations.RenameField("generation", "denied_at", "first_not_found_at"),
        migrations.RenameField("generation", "watched_from", "polling_since"),
        migrations.RenameField("generation", "last_answer", "last_response"),
        migrations.RenameField("generation", "kling_task_id", "upstream_task_id"),
        migrations.RenameField("submission", "answer", "response"),
        migrations.RenameField("submission", "kling_task_id", "upstream_task_id"),
        migrations.RenameField("member", "served_at", "last_submitted_at"),
        migrations.RenameField("member", "scheme", "color_scheme"),
        migrations.RenameField("member", "single_keys", "single_key_shortcuts"),
        migrations.RenameField("member", "wants_notices", "browser_notifications"),
        migrations.RenameField("member", "wants_sound", "notification_sound"),
        migrations.RenameField("generation", "words", "search_text"),
        # Collections and tags
        migrations.RenameModel("Place", "CollectionItem"),
        migrations.RenameField("collection", "changed_at", "updated_at"),
        migrations.RenameField("tag", "folded", "normalized"),
        migrations.RenameIndex("generation", new_name="generation_owner_created_idx", old_name="studio_stream"),
        migrations.RenameIndex("generation", new_name="generation_status_created_idx", old_name="gallery"),
        migrations.RenameIndex("generation", new_name="generation_owner_open_idx", old_name="open_of_a_person"),
        migrations.RenameIndex("generation", new_name="generation_ratio_created_idx", old_name="gallery_of_a_shape"),
        migrations.RenameIndex("generation", new_name="generation_next_poll_at_idx", old_name="generation_due"),
        migrations.RenameIndex("generation", new_name="generation_open_status_idx", old_name="generation_open"),
        migrations.RenameIndex("picture", new_name="picture_next_try_at_idx", old_name="picture_due"),
        migrations.RenameIndex("picture", new_name="picture_trashed_at_idx", old_name="picture_trash"),
        migrations.RenameIndex("collectionitem", new_name="collectionitem_position_idx", old_name="collection_order"),
    ]
