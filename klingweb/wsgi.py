"""WSGI application of the web server."""

import os
import sys

import django
from django.core.exceptions import ImproperlyConfigured

BOOT_ERROR = 3  # other WSGI servers, such as gunicorn, do not try again after this status

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251
try:
    django.setup(set_prefix=False)
except ImproperlyConfigured as error:
    print(f"klingweb cannot start. {error}", file=sys.stderr)
    sys.exit(BOOT_ERROR)

from generations.web.middleware.readable import TolerantWSGIHandler  # noqa: E402

application = TolerantWSGIHandler()
