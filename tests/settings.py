"""The product's settings as the tests want them: a data folder of their own, no key, no address.

A settings module and no conftest, because pytest-django reads the settings before any conftest.
"""

import atexit
import os
import shutil
import tempfile

# The one thing that may be chosen: a PostgreSQL server, on which a database of its own is made.
_postgres = os.environ.pop("KLINGWEB_TEST_DATABASE_URL", "")  # noqa: TID251
for _name in [name for name in os.environ if name.startswith("KLINGWEB_")]:  # noqa: TID251
    del os.environ[_name]  # noqa: TID251
_folder = tempfile.mkdtemp(prefix="klingweb-tests-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
# An empty key is said aloud, so that no .env can bring a real one.
os.environ |= {"KLINGWEB_DATA_DIR": _folder, "KLINGWEB_UPSTREAM_KEY": ""}  # noqa: TID251

if _postgres:
    os.environ["KLINGWEB_DATABASE_URL"] = _postgres  # noqa: TID251

from klingweb.settings import *  # noqa: E402, F403
from klingweb.settings import DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Without collectstatic there is no manifest; the addresses are all the same.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = True
if not _postgres:
    # A file, so that the browser tests' server has connections of its own; no power cut is tested.
    DATABASES["default"]["TEST"] = {"NAME": f"{_folder}/tests.db"}
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
    )
