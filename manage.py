#!/usr/bin/env python
"""Command line of klingweb: `manage.py run`, `web`, `worker`, `demo`, `sample_data` and others."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.db import Error as DatabaseError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"klingweb cannot start. {error}")
    except DatabaseError as error:
        from generations.database_errors import explain, is_unavailable  # needs valid settings

        if not is_unavailable(error):
            raise
        sys.exit(explain(error))


if __name__ == "__main__":
    main()
