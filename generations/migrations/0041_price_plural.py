from django.db import migrations


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0040_generation_indexes'),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='price',
            options={'ordering': ['engine', 'model', 'option', '-valid_from'], 'verbose_name': 'price', 'verbose_name_plural': 'prices'},
        ),
    ]
