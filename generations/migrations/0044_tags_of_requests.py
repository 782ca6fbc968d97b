from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0043_model_index'),
    ]

    operations = [
        migrations.AddField(
            model_name='generation',
            name='tag_names',
            field=models.JSONField(blank=True, help_text='Images get these tags when they are stored.', null=True),
        ),
    ]
