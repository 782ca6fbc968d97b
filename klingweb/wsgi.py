"""WSGI application of the web server."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klingweb.settings")  # noqa: TID251
django.setup(set_prefix=False)

from generations.web.middleware.readable import TolerantWSGIHandler  # noqa: E402

application = TolerantWSGIHandler()
