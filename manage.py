#!/usr/bin/env python
"""Command line of klingweb: `manage.py run`, `web`, `worker`, `demo`, `sample_data` and others."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
