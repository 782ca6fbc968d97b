from django.core.management import call_command
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def create_table(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Create the table of the default cache, unless it exists."""
    call_command("createcachetable", database=schema_editor.connection.alias, verbosity=0)


class Migration(migrations.Migration):
    dependencies = [("generations", "0011_fair_queue")]
    operations = [migrations.RunPython(create_table, migrations.RunPython.noop)]
