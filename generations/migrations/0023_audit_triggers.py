from django.db import migrations, models

from generations.models import append_only


def protect(apps, schema_editor):
    append_only.protect(schema_editor.connection, [append_only.AUDIT_LOG])


def unprotect(apps, schema_editor):
    append_only.unprotect(schema_editor.connection, [append_only.AUDIT_LOG])


class Migration(migrations.Migration):

    dependencies = [
        ('generations', '0022_audit_log'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='auditentry',
            index=models.Index(fields=['target_type', 'target_id', '-id'], name='auditentry_target_idx'),
        ),
        migrations.RunPython(protect, unprotect),
    ]
