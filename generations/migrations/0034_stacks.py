from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0033_cards'),
    ]

    operations = [
        migrations.AddField(
            model_name='member',
            name='shows_stacks',
            field=models.BooleanField(db_default=True, default=True, help_text='The gallery shows the images of a request as one tile.'),
        ),
    ]
