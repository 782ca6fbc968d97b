"""Settings for tests: klingweb.settings with a temporary data folder and no API key.

A settings module, because pytest-django reads the settings before any conftest.py.
"""

import atexit
import os
import shutil
import tempfile

# The only variable tests read: a PostgreSQL server, on which they create a database.
_postgres = os.environ.pop("KLINGWEB_TEST_DATABASE_URL", "")  # noqa: TID251
for _name in [name for name in os.environ if name.startswith("KLINGWEB_")]:  # noqa: TID251
    del os.environ[_name]  # noqa: TID251
_folder = tempfile.mkdtemp(prefix="klingweb-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# Set explicitly to empty, so that .env cannot set a real key.
os.environ |= {  # noqa: TID251
    "KLINGWEB_DATA_DIR": _folder,
    "KLINGWEB_UPSTREAM_KEY": "",
    "KLINGWEB_UNPRICED": "count",  # most tests are about something else than prices
}

if _postgres:
    os.environ["KLINGWEB_DATABASE_URL"] = _postgres  # noqa: TID251

from klingweb.settings import *  # noqa: E402, F403
from klingweb.settings import DATABASES, INSTALLED_APPS, LOGGING, STORAGES  # noqa: E402

# Lines of one test must not be left out or changed because an earlier one logged them too.
LOGGING["handlers"] = {"console": {"class": "logging.StreamHandler", "formatter": "plain"}}
# Tests of sign-in by OpenID Connect set its other settings.
INSTALLED_APPS.insert(-1, "allauth.socialaccount.providers.openid_connect")
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Without collectstatic there is no manifest.
VARIABLES_SET = frozenset()  # tests change settings as an admin does
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
if not _postgres:
    # A file, because the live server of browser tests has its own connections. OFF is faster.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/tests.db"}
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
