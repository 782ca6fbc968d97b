"""Django settings. The only module that reads the environment; .env.example lists all variables."""

from logging import LogRecord
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env", overwrite=False)

# Old names still work in this release, with a warning (generations/checks.py).
RENAMED_VARIABLES = {
    "KLINGWEB_UPSTREAM_UNITS": "KLINGWEB_CONCURRENCY_LIMIT",
    "KLINGWEB_UNITS_GROW_SECONDS": "KLINGWEB_CONCURRENCY_GROW_SECONDS",
    "KLINGWEB_SUBMIT_DEADLINE": "KLINGWEB_SUBMIT_DEADLINE_SECONDS",
    "KLINGWEB_SQLITE_TIMEOUT": "KLINGWEB_SQLITE_TIMEOUT_SECONDS",
    "KLINGWEB_PUMPS": "KLINGWEB_POLL_LOOPS",
    "KLINGWEB_PUMP_THREADS": "KLINGWEB_POLL_THREADS",
    "KLINGWEB_WATCHDOG_BEAT_SECONDS": "KLINGWEB_WATCHDOG_HEARTBEAT_SECONDS",
    "KLINGWEB_WATCHDOG_PATIENCE_SECONDS": "KLINGWEB_WATCHDOG_TIMEOUT_SECONDS",
}
OLD_VARIABLES_IN_USE = [old for old in RENAMED_VARIABLES if old in env.ENVIRON]
for _old in OLD_VARIABLES_IN_USE:
    env.ENVIRON.setdefault(RENAMED_VARIABLES[_old], env.ENVIRON[_old])

DEBUG: bool = env.bool("KLINGWEB_DEBUG", default=False)

# --- data and database -----------------------------------------------------------------------

DATA_DIR = Path(env.str("KLINGWEB_DATA_DIR", default=str(BASE_DIR / "data"))).resolve()
DATA_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)


def _stored_secret_key() -> str:
    """Read the key from the data folder; create it first if needed.

    It must survive a restart, which would otherwise end all sessions.
    """
    path = DATA_DIR / "secret-key"
    try:
        with path.open("x", encoding="ascii") as file:
            path.chmod(0o600)
            file.write(get_random_secret_key())
    except FileExistsError:
        pass
    return path.read_text("ascii")


SECRET_KEY: str = env.str("KLINGWEB_SECRET_KEY", default="") or _stored_secret_key()

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db_url("KLINGWEB_DATABASE_URL", default=f"sqlite:///{DATA_DIR / 'klingweb.db'}")
}
DATABASES["default"]["CONN_MAX_AGE"] = 600
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Measured in docs/decisions/0003: IMMEDIATE avoids "database is locked"; FULL makes a
    # submission durable before the request, which may be charged, is sent.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": env.float("KLINGWEB_SQLITE_TIMEOUT_SECONDS", default=20),
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000;"
            "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364;"
            "PRAGMA temp_store=MEMORY;"
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- network and security --------------------------------------------------------------------

PORT: int = env.int("PORT", default=8000)
BIND: str = env.str("KLINGWEB_BIND", default="127.0.0.1")
URL: str = env.str("KLINGWEB_URL", default=f"http://localhost:{PORT}").rstrip("/")
_public = urlsplit(URL)
ALLOWED_HOSTS: list[str] = [
    _public.hostname or "localhost",
    "localhost",
    "127.0.0.1",
    *env.list("KLINGWEB_ALLOWED_HOSTS", default=[]),
]
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _public.scheme == "https" else None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "blob:", "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# --- the upstream ----------------------------------------------------------------------------

UPSTREAM_KEY: str = env.str("KLINGWEB_UPSTREAM_KEY", default="")
DEMO = not UPSTREAM_KEY  # without a key, the built-in simulator runs on this machine
UPSTREAM_MODE = "simulator" if DEMO else "live"  # worker and pages only use rows of this mode
SIMULATOR_PORT: int = env.int("KLINGWEB_SIMULATOR_PORT", default=8799)
SIMULATOR_KEY = "demo"
SIMULATOR_SECONDS: str = env.str("KLINGWEB_SIMULATOR_SECONDS", default="4-9")
UPSTREAM_URL: str = env.str(
    "KLINGWEB_UPSTREAM_URL",
    default=f"http://127.0.0.1:{SIMULATOR_PORT}" if DEMO else "https://api.yescale.io",
).rstrip("/")
UPSTREAM_PROFILE: str = env.str("KLINGWEB_UPSTREAM_PROFILE", default="documented")
# Images in progress at once: the sum of n over all open tasks. 0: no limit of our own; the
# upstream's 429 decides.
CONCURRENCY_LIMIT: int = env.int("KLINGWEB_CONCURRENCY_LIMIT", default=20)
# After a refusal the limit shrinks; every so many seconds it grows back by one step.
CONCURRENCY_GROW_SECONDS: float = env.float("KLINGWEB_CONCURRENCY_GROW_SECONDS", default=30)
# How to look up an unanswered submit upstream: by our own id, sent as external_task_id
# ("reference"), in the list of tasks ("list"), or not at all ("").
UPSTREAM_LOOKUP: str = env.str("KLINGWEB_UPSTREAM_LOOKUP", default="")
if UPSTREAM_LOOKUP not in ("", "reference", "list"):
    raise ImproperlyConfigured('KLINGWEB_UPSTREAM_LOOKUP must be "reference", "list" or empty.')
# Whether the upstream charges failed tasks: "yes", "no" or "unknown".
FAILED_IS_CHARGED: str = env.str("KLINGWEB_FAILED_IS_CHARGED", default="unknown")
PROMPT_CHARACTERS: int = env.int("KLINGWEB_PROMPT_CHARACTERS", default=500)
NEGATIVE_PROMPT_CHARACTERS: int = env.int("KLINGWEB_NEGATIVE_PROMPT_CHARACTERS", default=200)

# --- worker: submitting ----------------------------------------------------------------------

SUBMIT_THREADS: int = env.int("KLINGWEB_SUBMIT_THREADS", default=16)
# Deadline of one whole submit.
SUBMIT_DEADLINE_SECONDS: float = min(env.float("KLINGWEB_SUBMIT_DEADLINE_SECONDS", default=75), 200)
# Minimum time between two submits, to spread bursts.
SUBMIT_GAP_SECONDS: float = env.float("KLINGWEB_SUBMIT_GAP_SECONDS", default=0.01)
# When to look up an unanswered submit, in seconds after it. If the last lookup finds nothing, the
# upstream does not have it.
LOOKUP_SECONDS: list[float] = env.list(
    "KLINGWEB_LOOKUP_SECONDS", cast=float, default=[60, 120, 300, 600]
) or [60]
# The first wait after a 429; it doubles up to a minute.
BUSY_RETRY_SECONDS: float = env.float("KLINGWEB_BUSY_RETRY_SECONDS", default=1)
# A request that alone is refused as "busy" for this long fails.
BUSY_FAILS_AFTER_SECONDS: float = env.float("KLINGWEB_BUSY_FAILS_AFTER_SECONDS", default=900)
# How long smaller requests may pass one that waits for room; then room is kept for it.
ROOM_WAIT_SECONDS: float = env.float("KLINGWEB_ROOM_WAIT_SECONDS", default=60)
# The first time between two probes during a hold; it doubles up to 15 minutes.
HOLD_RETRY_SECONDS: int = env.int("KLINGWEB_HOLD_RETRY_SECONDS", default=60)

# --- worker: polling -------------------------------------------------------------------------

# Poll loops at once over all machines, and the maximum number of threads of each.
POLL_LOOPS: int = env.int("KLINGWEB_POLL_LOOPS", default=1)
POLL_THREADS: int = env.int("KLINGWEB_POLL_THREADS", default=256)
# Between two polls of one task: up to the age of 1, 5 and 30 minutes, and after that.
POLL_SECONDS: list[float] = env.list("KLINGWEB_POLL_SECONDS", cast=float, default=[4, 8, 20, 60])
# A task is late after this time, and not before this multiple of the 90th percentile of its kind.
# Late tasks no longer count towards the concurrency limit.
LATE_SECONDS: int = env.int("KLINGWEB_LATE_SECONDS", default=300)
LATE_FACTOR: float = env.float("KLINGWEB_LATE_FACTOR", default=3)
# A task is lost once the upstream has answered "not found" for this long.
DOUBT_SECONDS: int = env.int("KLINGWEB_DOUBT_SECONDS", default=600)
# A task still unfinished after this time is lost.
WATCH_SECONDS: int = env.int("KLINGWEB_WATCH_SECONDS", default=24 * 3600)

# --- worker: downloads -----------------------------------------------------------------------

FETCH_THREADS: int = env.int("KLINGWEB_FETCH_THREADS", default=8)
# Between two attempts to download a file. After the last one, only a member can start more.
FETCH_RETRY_SECONDS: list[float] = env.list(
    "KLINGWEB_FETCH_RETRY_SECONDS", cast=float, default=[5, 20, 60, 300, 1800]
)

# --- worker: processes -----------------------------------------------------------------------

# How often a heartbeat passes through the cluster, and after how long without one the cluster is
# restarted.
WATCHDOG_HEARTBEAT_SECONDS: float = env.float("KLINGWEB_WATCHDOG_HEARTBEAT_SECONDS", default=10)
WATCHDOG_TIMEOUT_SECONDS: float = env.float("KLINGWEB_WATCHDOG_TIMEOUT_SECONDS", default=30)

# See docs/decisions/0002. `retry` must be far above `timeout`, or tasks run twice. Workers:
# one per loop (submit, poll, fetch, lookup), three for the last slow calls of loops that released
# their lease early (submits, polls, downloads), and one for the next wake-up.
Q_CLUSTER: dict[str, Any] = {
    "name": "klingweb",
    "orm": "default",
    "workers": 7 + POLL_LOOPS,
    "queue_limit": 1,
    "bulk": 1,
    "poll": 0.2,
    "timeout": 60,
    "retry": 900,
    "max_attempts": 3,
    "ack_failures": True,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 500,
    "max_rss": 300_000,
    "guard_cycle": 1,
    "cache": "local",
}

# --- Django ----------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_q",
    "csp",
    "allauth",
    "allauth.account",
    "generations",  # last: its admin classes replace those of other apps
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "generations.web.middleware.compress.CompressPages",
    "csp.middleware.CSPMiddleware",
    "generations.web.middleware.readable.ReadableRequests",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    # Before the CSRF check, which reads the whole body: uploads without a session are not read.
    "generations.web.middleware.access.LoginRequired",
    "generations.web.middleware.time_zone.ReaderTimeZone",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "generations.web.middleware.errors.DatabaseErrors",
]
ROOT_URLCONF = "klingweb.urls"
WSGI_APPLICATION = "klingweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "generations.web.context_processors.open_count",
            ]
        },
    }
]
CACHES = {
    # Counts failing sign-ins: shared by all processes, and kept over a restart.
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "generations_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    # Rendered HTML, per process. An entry has 0.6 to 6 KB.
    "local": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "LOCATION": "local",
        "TIMEOUT": None,
        "OPTIONS": {"MAX_ENTRIES": 8000},
    },
}
AUTH_USER_MODEL = "generations.Member"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_REDIRECT_URL = "studio"
LOGIN_URL = "account_login"
LOGOUT_REDIRECT_URL = "account_login"
ADMIN_PASSWORD: str = env.str("KLINGWEB_ADMIN_PASSWORD", default="")
# In the database: a per-process cache would keep sessions alive after a sign-out.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"

# --- accounts (django-allauth) ---------------------------------------------------------------

ACCOUNT_ADAPTER = "generations.web.account.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
# Failing sign-ins, explained in web/account/adapter.py, and tries to change a password.
ACCOUNT_RATE_LIMITS = {
    "login": None,
    "sign_in_here": "5/m/key,20/h/key",
    "sign_in_address": "60/10m/ip",
    "sign_in_name": "100/h/key",
    "change_password": "5/m/user",
}
# Proxies in front of the web server, each of which appends to X-Forwarded-For. 0: not read at all.
ALLAUTH_TRUSTED_PROXY_COUNT: int = env.int("KLINGWEB_TRUSTED_PROXIES", default=0)

# --- languages and files ---------------------------------------------------------------------

LANGUAGE_CODE = "en"
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["klingweb.formats"]
USE_TZ = True
# Where neither the member nor the browser names a time zone.
TIME_ZONE: str = env.str("KLINGWEB_TIME_ZONE", default="UTC")

STATIC_URL = "/static/"
STATIC_ROOT = Path(env.str("KLINGWEB_STATIC_ROOT", default=str(DATA_DIR / "static")))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "files"  # served by web/files.py only, which checks permissions
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 6000  # above the maximum of a bulk selection (5,000)
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "generations.web.studio.uploads.CappedUploadHandler",
]


def _is_not_a_failed_health_check(record: LogRecord) -> bool:
    """Drop Django's line for each 503 of /healthz, which web/health.py logs once per change."""
    path = getattr(getattr(record, "request", None), "path", "")
    return path != "/healthz" or getattr(record, "status_code", 0) != 503


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "no_failed_health_checks": {
            "()": "django.utils.log.CallbackFilter",
            "callback": _is_not_a_failed_health_check,
        },
        "repeated_lines": {"()": "klingweb.log_filters.RepeatedLines"},
    },
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["repeated_lines"],
        }
    },
    "loggers": {
        "django-q": {"level": "WARNING"},
        "django.request": {"filters": ["no_failed_health_checks"]},
    },
    "root": {"handlers": ["console"], "level": env.str("KLINGWEB_LOG_LEVEL", default="INFO")},
}
