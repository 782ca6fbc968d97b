from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0009_request_params'),
    ]

    operations = [
        migrations.AddField(
            model_name='member',
            name='time_zone',
            field=models.CharField(blank=True, default='', help_text='For example Europe/Berlin.', max_length=40),
        ),
        migrations.AddField(
            model_name='member',
            name='time_zone_is_automatic',
            field=models.BooleanField(default=True, help_text='The time zone follows the browser.'),
        ),
    ]
