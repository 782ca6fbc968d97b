from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0041_price_plural'),
    ]

    operations = [
        migrations.AddField(
            model_name='generation',
            name='model',
            field=models.CharField(db_default='kling-v1', default='kling-v1', help_text='The model of the engine.', max_length=40),
        ),
        migrations.AddField(
            model_name='generation',
            name='revised_prompt',
            field=models.TextField(blank=True, db_default='', default='', help_text='The prompt as the engine has changed it, if it says so.'),
        ),
        migrations.AddField(
            model_name='picture',
            name='received_file',
            field=models.FileField(blank=True, db_default='', default='', help_text='The file that came with the answer. It is kept until the image is stored.', max_length=200),
        ),
        migrations.AlterField(
            model_name='transition',
            name='reason',
            field=models.CharField(choices=[('requested', 'Requested'), ('sent', 'Sent to Kling'), ('accepted', 'Accepted by Kling'), ('answered', 'Answered with the images'), ('refused', 'Refused by Kling'), ('never-sent', 'Not sent: the reference image is missing'), ('key-replaced', 'Not sent: the API key was replaced. Queued again'), ('not-reached', 'Not sent: Kling could not be reached. Queued again'), ('busy', 'Not accepted: Kling was busy. Queued again'), ('no-channel', 'Not accepted: the gateway has no channel. Queued again'), ('unprepared', 'Not sent: the reference image could not be read'), ('too-busy', 'Not accepted: Kling was too busy for too long'), ('at-fault', 'Refused by Kling, while it accepted others'), ('id-taken', 'Answered with the task ID of another generation'), ('held', 'Not accepted: generation is on hold. Queued again'), ('no-answer', 'Sent, but no readable answer arrived'), ('sender-gone', 'The worker stopped before an answer arrived'), ('found', 'Found at Kling'), ('not-there', 'Not found at Kling: the request was never accepted'), ('named', 'Task ID entered by an admin'), ('made', 'Completed by Kling'), ('failed', 'Failed at Kling'), ('stored', 'Images stored'), ('no-file', 'No image could be downloaded'), ('late', 'Marked as late'), ('no-images', 'Completed by Kling, without usable images'), ('denied', 'No longer found at Kling'), ('endless', 'No result within the time limit'), ('key-missing', 'Waits: the API key that sent it is gone'), ('key-back', 'Checked again: its API key is back'), ('asked', 'An admin was asked to check'), ('looked-again', 'Checked again by a person'), ('fetched-again', 'Download started again by a person'), ('sent-again', 'Sent again by a person'), ('given-up', 'Dismissed'), ('canceled', 'Canceled'), ('handed-over', 'Handed over to another person'), ('demo', 'Created as demo data'), ('demo-ended', 'The demo has ended')], max_length=16),
        ),
    ]
