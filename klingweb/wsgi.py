"""WSGI application of the web server."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

BOOT_ERROR = 3  # other WSGI servers, such as gunicorn, do not try again after this status

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251
try:
    application = get_wsgi_application()
except ImproperlyConfigured as error:
    print(f"klingweb cannot start. {error}", file=sys.stderr)
    sys.exit(BOOT_ERROR)
