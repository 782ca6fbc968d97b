"""Add the constraints under their standard names, and update labels and help texts."""

import django.db.models.deletion
import generations.models.generation_base
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0006_plain_names'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='collection',
            options={'ordering': ['-updated_at', '-pk']},
        ),
        migrations.AlterModelOptions(
            name='member',
            options={'verbose_name': 'member', 'verbose_name_plural': 'members'},
        ),
        migrations.AlterModelOptions(
            name='tag',
            options={'ordering': ['normalized']},
        ),
        migrations.AlterField(
            model_name='collectionitem',
            name='collection',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='generations.collection'),
        ),
        migrations.AlterField(
            model_name='collectionitem',
            name='picture',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='items', to='generations.picture'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='attempt',
            field=models.PositiveIntegerField(default=0, help_text='How often it has been sent.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='collection',
            field=models.ForeignKey(blank=True, help_text='Images are added to this collection when they are stored.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='generations.collection'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='failure',
            field=models.CharField(blank=True, choices=[('policy', 'Rejected by the content check'), ('input', 'Invalid request'), ('balance', 'Account balance too low'), ('busy', 'Kling was too busy'), ('time', 'Timed out'), ('ours', 'Error in klingweb or at Kling'), ('files', 'Images ready, download failed')], default='', max_length=8),
        ),
        migrations.AlterField(
            model_name='generation',
            name='failure_message',
            field=models.CharField(blank=True, default='', help_text='The message from the upstream.', max_length=500),
        ),
        migrations.AlterField(
            model_name='generation',
            name='first_not_found_at',
            field=models.DateTimeField(blank=True, help_text='When the upstream first reported the task as not found.', null=True),
        ),
        migrations.AlterField(
            model_name='generation',
            name='idempotency_key',
            field=models.UUIDField(help_text='A repeated request with the same key creates no second generation.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='is_private',
            field=models.BooleanField(default=False, help_text='Visible to its owner only.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='last_response',
            field=models.TextField(blank=True, default='', help_text='The response to the last poll.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='poll_failures',
            field=models.PositiveIntegerField(default=0, help_text='Polls in a row without a readable answer.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='results_without_images',
            field=models.PositiveSmallIntegerField(default=0, help_text='Polls that reported success but listed no images.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='search_text',
            field=models.TextField(blank=True, default='', editable=False, help_text='The prompt, normalized for search.'),
        ),
        migrations.AlterField(
            model_name='generation',
            name='status',
            field=models.CharField(choices=[('queued', 'Queued'), ('submitting', 'Sending'), ('running', 'Generating'), ('fetching', 'Downloading'), ('succeeded', 'Done'), ('failed', 'Failed'), ('unconfirmed', 'Unconfirmed'), ('abandoned', 'Dismissed'), ('canceled', 'Canceled')], default='queued', max_length=12),
        ),
        migrations.AlterField(
            model_name='generation',
            name='upstream',
            field=models.CharField(choices=[('live', 'Gateway (paid)'), ('simulator', 'Simulator'), ('demo', 'Demo data, never sent'), ('sample', 'Generated sample data, never sent')], default=generations.models.generation_base._current_upstream, help_text='A request created in the demo is never sent to the paid gateway.', max_length=20),
        ),
        migrations.AlterField(
            model_name='generation',
            name='version',
            field=models.PositiveIntegerField(default=1, help_text='Increases with each change that people can see.'),
        ),
        migrations.AlterField(
            model_name='lease',
            name='wake_up_sent_at',
            field=models.DateTimeField(help_text='Empty once the wake-up has arrived.', null=True),
        ),
        migrations.AlterField(
            model_name='member',
            name='color_scheme',
            field=models.CharField(blank=True, choices=[('light', 'Light'), ('dark', 'Dark')], default='', help_text="Empty: the system's setting.", max_length=5),
        ),
        migrations.AlterField(
            model_name='member',
            name='last_submitted_at',
            field=models.DateTimeField(blank=True, editable=False, help_text='Queue order: members who were served longest ago come first.', null=True),
        ),
        migrations.AlterField(
            model_name='member',
            name='single_key_shortcuts',
            field=models.BooleanField(default=True, help_text='Keyboard shortcuts without Ctrl.'),
        ),
        migrations.AlterField(
            model_name='picture',
            name='claims',
            field=models.PositiveIntegerField(default=0, help_text='Downloads in a row that started and never ended.'),
        ),
        migrations.AlterField(
            model_name='picture',
            name='colour',
            field=models.CharField(blank=True, default='', help_text='Mean color, #rrggbb.', max_length=7),
        ),
        migrations.AlterField(
            model_name='picture',
            name='index',
            field=models.PositiveSmallIntegerField(help_text='Position in the generation, from 0.'),
        ),
        migrations.AlterField(
            model_name='picture',
            name='next_try_at',
            field=models.DateTimeField(help_text='When the next download is due. Empty: none is.', null=True),
        ),
        migrations.AlterField(
            model_name='picture',
            name='preview',
            field=models.FileField(blank=True, help_text='WebP, 1280 px wide.', max_length=200, upload_to=''),
        ),
        migrations.AlterField(
            model_name='picture',
            name='reason',
            field=models.CharField(blank=True, default='', help_text='Why the last download failed.', max_length=300),
        ),
        migrations.AlterField(
            model_name='picture',
            name='state',
            field=models.CharField(choices=[('wanted', 'Waiting for download'), ('stored', 'Stored'), ('lost', 'Download failed'), ('deleted', 'Permanently deleted')], default='wanted', max_length=7),
        ),
        migrations.AlterField(
            model_name='picture',
            name='thumbnail',
            field=models.FileField(blank=True, help_text='WebP, 512 px wide.', max_length=200, upload_to=''),
        ),
        migrations.AlterField(
            model_name='picture',
            name='tries',
            field=models.PositiveSmallIntegerField(default=0, help_text='Downloads that failed because of the file or its host.'),
        ),
        migrations.AlterField(
            model_name='referenceimage',
            name='name',
            field=models.CharField(help_text='Name of the uploaded file.', max_length=200),
        ),
        migrations.AlterField(
            model_name='referenceimage',
            name='picture',
            field=models.ForeignKey(blank=True, help_text='The gallery image this was made from, if any.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='reference_images', to='generations.picture'),
        ),
        migrations.AlterField(
            model_name='submission',
            name='deadline_at',
            field=models.DateTimeField(help_text='The sender stops waiting for an answer then.'),
        ),
        migrations.AlterField(
            model_name='submission',
            name='holder',
            field=models.CharField(help_text='The process that sends the request.', max_length=200),
        ),
        migrations.AlterField(
            model_name='submission',
            name='outcome',
            field=models.CharField(choices=[('sent', 'No answer yet'), ('accepted', 'Accepted, with a task ID'), ('refused', 'Refused'), ('postponed', 'Not accepted, queued again'), ('unanswered', 'No readable answer')], default='sent', max_length=10),
        ),
        migrations.AlterField(
            model_name='submission',
            name='response',
            field=models.TextField(blank=True, default='', help_text='The response body, truncated.'),
        ),
        migrations.AlterField(
            model_name='tag',
            name='name',
            field=models.CharField(help_text='As first entered.', max_length=40),
        ),
        migrations.AlterField(
            model_name='tag',
            name='normalized',
            field=models.CharField(help_text='Without case and diacritics.', max_length=40, unique=True),
        ),
        migrations.AlterField(
            model_name='transition',
            name='detail',
            field=models.CharField(blank=True, default='', help_text='Shown to admins only.', max_length=300),
        ),
        migrations.AlterField(
            model_name='transition',
            name='from_status',
            field=models.CharField(blank=True, choices=[('queued', 'Queued'), ('submitting', 'Sending'), ('running', 'Generating'), ('fetching', 'Downloading'), ('succeeded', 'Done'), ('failed', 'Failed'), ('unconfirmed', 'Unconfirmed'), ('abandoned', 'Dismissed'), ('canceled', 'Canceled')], max_length=12),
        ),
        migrations.AlterField(
            model_name='transition',
            name='generation',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='transitions', to='generations.generation'),
        ),
        migrations.AlterField(
            model_name='transition',
            name='reason',
            field=models.CharField(choices=[('requested', 'Requested'), ('sent', 'Sent to Kling'), ('accepted', 'Accepted by Kling'), ('refused', 'Refused by Kling'), ('never-sent', 'Not sent: the reference image is missing'), ('not-reached', 'Not sent: Kling could not be reached. Queued again'), ('busy', 'Not accepted: Kling was busy. Queued again'), ('held', 'Not accepted: generation is on hold. Queued again'), ('no-answer', 'Sent, but no readable answer arrived'), ('sender-gone', 'The worker stopped before an answer arrived'), ('found', 'Found at Kling'), ('not-there', 'Not found at Kling: the request was never accepted'), ('named', 'Task ID entered by an admin'), ('made', 'Completed by Kling'), ('failed', 'Failed at Kling'), ('stored', 'Images stored'), ('no-file', 'No image could be downloaded'), ('late', 'Marked as late'), ('denied', 'No longer found at Kling'), ('endless', 'No result within the time limit'), ('looked-again', 'Checked again by a person'), ('fetched-again', 'Download started again by a person'), ('sent-again', 'Sent again by a person'), ('given-up', 'Dismissed'), ('canceled', 'Canceled'), ('demo', 'Created as demo data'), ('demo-ended', 'The demo has ended')], max_length=16),
        ),
        migrations.AlterField(
            model_name='transition',
            name='to_status',
            field=models.CharField(choices=[('queued', 'Queued'), ('submitting', 'Sending'), ('running', 'Generating'), ('fetching', 'Downloading'), ('succeeded', 'Done'), ('failed', 'Failed'), ('unconfirmed', 'Unconfirmed'), ('abandoned', 'Dismissed'), ('canceled', 'Canceled')], max_length=12),
        ),
        migrations.AlterField(
            model_name='upstreamgate',
            name='concurrency_limit_changed_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='upstreamgate',
            name='held_response',
            field=models.TextField(blank=True, default=''),
        ),
        migrations.AlterField(
            model_name='upstreamgate',
            name='refusals_in_a_row',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AlterField(
            model_name='upstreamgate',
            name='submit_not_before',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='upstreamgate',
            name='unanswered_in_a_row',
            field=models.PositiveIntegerField(default=0),
        ),
        migrations.AddConstraint(
            model_name='collectionitem',
            constraint=models.UniqueConstraint(fields=('collection', 'picture'), name='collectionitem_collection_picture_uniq'),
        ),
        migrations.AddConstraint(
            model_name='favourite',
            constraint=models.UniqueConstraint(fields=('member', 'picture'), name='favourite_member_picture_uniq'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.UniqueConstraint(fields=('owner', 'idempotency_key'), name='generation_owner_idempotency_key_uniq'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at__isnull', False), ('status__in', ('succeeded', 'failed', 'abandoned', 'canceled'))), models.Q(models.Q(('status__in', ('succeeded', 'failed', 'abandoned', 'canceled')), _negated=True), ('finished_at__isnull', True)), _connector='OR'), name='generation_finished_at_check'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status__in', ('running', 'fetching', 'succeeded')), _negated=True), models.Q(('upstream_task_id', ''), _negated=True), _connector='OR'), name='generation_upstream_task_id_check'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('status', 'failed'), _negated=True), models.Q(('failure', ''), _negated=True), _connector='OR'), name='generation_failure_check'),
        ),
        migrations.AddConstraint(
            model_name='generation',
            constraint=models.CheckConstraint(condition=models.Q(('n__gte', 1)), name='generation_n_check'),
        ),
        migrations.AddConstraint(
            model_name='picture',
            constraint=models.UniqueConstraint(fields=('generation', 'index'), name='picture_generation_index_uniq'),
        ),
        migrations.AddConstraint(
            model_name='picture',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'stored'), _negated=True), models.Q(('height__gt', 0), ('size_bytes__gt', 0), ('width__gt', 0), models.Q(('file', ''), _negated=True), models.Q(('sha256', ''), _negated=True)), _connector='OR'), name='picture_stored_check'),
        ),
        migrations.AddConstraint(
            model_name='submission',
            constraint=models.UniqueConstraint(fields=('generation', 'attempt'), name='submission_generation_attempt_uniq'),
        ),
    ]
