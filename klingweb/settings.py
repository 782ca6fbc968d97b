"""Django settings, read from the environment. .env.example lists all variables."""

import tomllib
from logging import LogRecord
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF

from klingweb import data_folder
from klingweb.environment import Environment, SettingError, host_of

BASE_DIR = Path(__file__).resolve().parent.parent
_DAY = 24 * 3600  # seconds
_MAX_STEPS = 20  # of a list of retries
_ROLES = ("owner", "admin", "member", "viewer")  # generations.permissions.Role

env = Environment.read(BASE_DIR / ".env")

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
OLD_VARIABLES_IN_USE = [old for old, new in RENAMED_VARIABLES.items() if env.rename(old, new)]

VERSION: str = tomllib.loads((BASE_DIR / "pyproject.toml").read_text("utf-8"))["project"]["version"]
DEBUG = env.boolean("KLINGWEB_DEBUG", default=False)

# --- data and database -----------------------------------------------------------------------

DATA_DIR = data_folder.prepare(
    "KLINGWEB_DATA_DIR", BASE_DIR / Path(env.text("KLINGWEB_DATA_DIR", "data")).expanduser()
)
SECRET_KEY = env.secret("KLINGWEB_SECRET_KEY") or data_folder.stored_secret_key(DATA_DIR)

# They encrypt API keys in the database. Empty: the keys in the data folder (encryption.py).
ENCRYPTION_KEYS = env.encryption_keys("KLINGWEB_ENCRYPTION_KEY")

SQLITE_TIMEOUT_SECONDS = env.number("KLINGWEB_SQLITE_TIMEOUT_SECONDS", 20, 0, 600)
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.postgres("KLINGWEB_DATABASE_URL")
    or {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": data_folder.private_file(DATA_DIR / "klingweb.db"),
    }
}
DATABASES["default"]["CONN_MAX_AGE"] = 600
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # Measured in docs/decisions/0003: IMMEDIATE avoids "database is locked"; FULL makes a
    # submission durable before the request, which may be charged, is sent.
    DATABASES["default"]["OPTIONS"] = {
        "timeout": SQLITE_TIMEOUT_SECONDS,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-20000;"
            "PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=27103364;"
            "PRAGMA temp_store=MEMORY;"
        ),
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", "5")  # seconds; else minutes
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- network and security --------------------------------------------------------------------

PORT = env.port("PORT", 8000)
BIND = env.address("KLINGWEB_BIND", "127.0.0.1")
_public = env.public_url("KLINGWEB_URL", f"http://localhost:{PORT}")
URL = f"{_public.scheme}://{_public.netloc}"
ALLOWED_HOSTS = [
    host_of(_public), "localhost", "127.0.0.1", "[::1]", *env.hosts("KLINGWEB_ALLOWED_HOSTS"),
]  # fmt: skip
CSRF_TRUSTED_ORIGINS = [URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if _public.scheme == "https" else None
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Browsers use https only, once they have seen this site with it. Of this host name alone: others of
# the domain are not ours (W005, W021). The proxy redirects from http (W008).
SECURE_HSTS_SECONDS = 365 * _DAY if _public.scheme == "https" else 0
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
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

# The first key, where it is set. Else the database has the keys (generations/models/api_key.py).
UPSTREAM_KEY = env.api_key("KLINGWEB_UPSTREAM_KEY")
# Without a key, the built-in simulator runs on this machine.
DEMO = not UPSTREAM_KEY and not data_folder.uses_gateway(DATA_DIR)
UPSTREAM_MODE = "simulator" if DEMO else "live"  # worker and pages only use rows of this mode
SIMULATOR_PORT = env.port("KLINGWEB_SIMULATOR_PORT", 8799)
SIMULATOR_KEY = "demo"
SIMULATOR_SECONDS = env.range("KLINGWEB_SIMULATOR_SECONDS", "4-9", 0, 3600)


def _upstream_url(default: str) -> str:
    return env.url("KLINGWEB_UPSTREAM_URL", default).geturl().rstrip("/")


GATEWAY_URL = _upstream_url("https://api.yescale.io")  # of a real key, also while there is none
UPSTREAM_URL = _upstream_url(f"http://127.0.0.1:{SIMULATOR_PORT}") if DEMO else GATEWAY_URL
# The gateway's account API, for its log: another address, and an access key of its own.
ACCOUNT_URL = env.url("KLINGWEB_ACCOUNT_URL", "https://yescale.bogia.app").geturl().rstrip("/")
ACCOUNT_KEY = env.api_key("KLINGWEB_ACCOUNT_KEY")
if DEMO:
    ACCOUNT_URL, ACCOUNT_KEY = UPSTREAM_URL, "demo-account"
UPSTREAM_PROFILE = env.choice("KLINGWEB_UPSTREAM_PROFILE", ("documented", "extended"), "documented")
# Images in progress at once: the sum of n over all open tasks. 0: no limit of our own; the
# upstream's 429 decides.
CONCURRENCY_LIMIT = env.integer("KLINGWEB_CONCURRENCY_LIMIT", 20, 0, 100_000)
# After a refusal the limit shrinks; every so many seconds it grows back by one step.
CONCURRENCY_GROW_SECONDS = env.number("KLINGWEB_CONCURRENCY_GROW_SECONDS", 30, 0.01, _DAY)
# Whether the upstream may call this install, at KLINGWEB_URL, when a task ends. For the extended
# profile; a poll finds out too, only later.
CALLBACKS = env.boolean("KLINGWEB_CALLBACKS", False)
# How to look up an unanswered submit upstream: by our own id, sent as external_task_id
# ("reference"), in the list of tasks ("list"), or not at all ("").
UPSTREAM_LOOKUP = env.choice("KLINGWEB_UPSTREAM_LOOKUP", ("reference", "list", ""), "")
# Whether the upstream charges failed tasks: "yes", "no" or "unknown".
FAILED_IS_CHARGED = env.choice("KLINGWEB_FAILED_IS_CHARGED", ("yes", "no", "unknown"), "unknown")
# What happens to a request of a kind that has no price: "refuse", "count" (only its images) or
# "free".
UNPRICED = env.choice("KLINGWEB_UNPRICED", ("refuse", "count", "free"), "refuse")
PROMPT_CHARACTERS = env.integer("KLINGWEB_PROMPT_CHARACTERS", 500, 1, 100_000)
NEGATIVE_PROMPT_CHARACTERS = env.integer("KLINGWEB_NEGATIVE_PROMPT_CHARACTERS", 200, 1, 100_000)

# --- worker: submitting ----------------------------------------------------------------------

SUBMIT_THREADS = env.integer("KLINGWEB_SUBMIT_THREADS", 16, 1, 1000)
# Deadline of one whole submit.
SUBMIT_DEADLINE_SECONDS = env.number("KLINGWEB_SUBMIT_DEADLINE_SECONDS", 75, 0.1, 200)
# Minimum time between two submits, to spread bursts.
SUBMIT_GAP_SECONDS = env.number("KLINGWEB_SUBMIT_GAP_SECONDS", 0.01, 0, 60)
# When to look up an unanswered submit, in seconds after it. If the last lookup finds nothing, the
# upstream does not have it.
LOOKUP_SECONDS = env.numbers("KLINGWEB_LOOKUP_SECONDS", "60,120,300,600", 0, _DAY, _MAX_STEPS)
# The first wait after a 429; it doubles up to a minute.
BUSY_RETRY_SECONDS = env.number("KLINGWEB_BUSY_RETRY_SECONDS", 1, 0.01, 60)
# A request that alone is refused as "busy" for this long fails.
BUSY_FAILS_AFTER_SECONDS = env.number("KLINGWEB_BUSY_FAILS_AFTER_SECONDS", 900, 0, _DAY)
# How long smaller requests may pass one that waits for room; then room is kept for it.
ROOM_WAIT_SECONDS = env.number("KLINGWEB_ROOM_WAIT_SECONDS", 60, 0, _DAY)
# The first time between two probes during a hold; it doubles up to 15 minutes.
HOLD_RETRY_SECONDS = env.integer("KLINGWEB_HOLD_RETRY_SECONDS", 60, 1, 900)

# --- worker: polling -------------------------------------------------------------------------

# Poll loops at once over all machines, and the maximum number of threads of each.
POLL_LOOPS = env.integer("KLINGWEB_POLL_LOOPS", 1, 1, 64)
POLL_THREADS = env.integer("KLINGWEB_POLL_THREADS", 256, 1, 5000)
# Between two polls of one task: up to the age of 1, 5 and 30 minutes, and after that.
POLL_SECONDS = env.numbers("KLINGWEB_POLL_SECONDS", "4,8,20,60", 0.05, _DAY, 4)
# A task is late after this time, and not before this multiple of the 90th percentile of its kind.
# Late tasks no longer count towards the concurrency limit.
LATE_SECONDS = env.integer("KLINGWEB_LATE_SECONDS", 300, 1, 30 * _DAY)
LATE_FACTOR = env.number("KLINGWEB_LATE_FACTOR", 3, 1, 1000)
# A task is lost once the upstream has answered "not found" for this long.
DOUBT_SECONDS = env.integer("KLINGWEB_DOUBT_SECONDS", 600, 1, 30 * _DAY)
# A task still unfinished after this time is lost.
WATCH_SECONDS = env.integer("KLINGWEB_WATCH_SECONDS", _DAY, 1, 30 * _DAY)

# --- worker: downloads -----------------------------------------------------------------------

FETCH_THREADS = env.integer("KLINGWEB_FETCH_THREADS", 8, 1, 1000)
# Between two attempts to download a file. After the last one, only a member can start more.
FETCH_RETRY_SECONDS = env.numbers(
    "KLINGWEB_FETCH_RETRY_SECONDS", "5,20,60,300,1800", 0, _DAY, _MAX_STEPS
)

# --- worker: processes -----------------------------------------------------------------------

# How often a heartbeat passes through the cluster, and after how long without one the cluster is
# restarted.
WATCHDOG_HEARTBEAT_SECONDS = env.number("KLINGWEB_WATCHDOG_HEARTBEAT_SECONDS", 10, 0.1, 30)
WATCHDOG_TIMEOUT_SECONDS = env.number("KLINGWEB_WATCHDOG_TIMEOUT_SECONDS", 30, 1, 3600)

# See docs/decisions/0002. `retry` must be far above `timeout`, or tasks run twice. Workers:
# one per loop (submit, poll, fetch, lookup, retention, reconcile), three for the last slow calls of
# loops that released their lease early (submits, polls, downloads), and one for the next wake-up.
Q_CLUSTER: dict[str, Any] = {
    "name": "klingweb",
    "orm": "default",
    "workers": 9 + POLL_LOOPS,
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
    "allauth.mfa",
    "allauth.usersessions",
    "allauth.socialaccount",
    "generations",  # last: its admin classes replace those of other apps
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "generations.web.middleware.compress.CompressPages",
    "csp.middleware.CSPMiddleware",
    "generations.web.middleware.language.BrowserLanguage",
    "generations.web.middleware.readable.ReadableRequests",
    "generations.web.middleware.known_keys.KnownKeys",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "generations.web.middleware.client_address.ClientAddress",
    "django_htmx.middleware.HtmxMiddleware",
    # Before the CSRF check, which reads the whole body: uploads without a session are not parsed.
    "generations.web.middleware.first_start.FirstStart",
    "generations.web.middleware.session_limits.SessionLimits",
    "generations.web.middleware.access.LoginRequired",
    "generations.web.middleware.language.MemberLanguage",
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
                "generations.web.context_processors.is_demo",
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
# The first one makes new hashes. Older hashes are replaced at the next sign-in.
PASSWORD_HASHERS = [
    "klingweb.password_hashers.Argon2",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
PASSWORD_RESET_TIMEOUT = _DAY  # of a link that an admin creates or that is mailed
LOGIN_REDIRECT_URL = "studio"
LOGIN_URL = "account_login"
LOGOUT_REDIRECT_URL = "account_login"
ADMIN_PASSWORD = env.secret("KLINGWEB_ADMIN_PASSWORD")
# In the database: a per-process cache would keep sessions alive after a sign-out.
SESSION_ENGINE = "django.contrib.sessions.backends.db"
# A session ends so many days after the sign-in, or hours after the last page. 0: no limit.
SESSION_DAYS = env.integer("KLINGWEB_SESSION_DAYS", 14, 0, 3650)
SESSION_IDLE_HOURS = env.number("KLINGWEB_SESSION_IDLE_HOURS", 0, 0, 8760)
SESSION_COOKIE_AGE = (SESSION_DAYS or 400) * _DAY  # browsers keep no cookie for longer than 400
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
    "login_failed": "5/5m/key",  # wrong codes of a second factor; the key is the member
    "sign_in_here": "5/m/key,20/h/key",
    "sign_in_address": "60/10m/ip",
    "sign_in_name": "100/h/key",
    "change_password": "5/m/user",
    "invitation": "20/m/ip",  # links that do not work, and forms with errors
    "setup_code": "5/m/ip,20/h/ip",  # wrong codes on the set-up page
    "reset_password": "20/m/ip",
    "reset_mail": "3/h/key",
    "open_id": "30/m/ip",
}
# Proxies in front of the web server, each of which appends to X-Forwarded-For. 0: not read at all.
ALLAUTH_TRUSTED_PROXY_COUNT = env.integer("KLINGWEB_TRUSTED_PROXIES", 0, 0, 10)

SECOND_FACTOR = env.boolean("KLINGWEB_SECOND_FACTOR", default=True)
PASSKEYS = SECOND_FACTOR and env.boolean("KLINGWEB_PASSKEYS", default=True)
SESSION_LIST = env.boolean("KLINGWEB_SESSION_LIST", default=True)
MFA_ADAPTER = "generations.web.account.adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # addresses are not verified here
MFA_TOTP_ISSUER = "klingweb"
MFA_TOTP_TOLERANCE = 1  # codes of the last and the next 30 s, for phones whose clock differs

# OpenID Connect, explained in web/account/open_id.py. Off without a URL.
OIDC_URL = env.issuer("KLINGWEB_OIDC_URL")
OIDC_CLIENT_ID = env.text("KLINGWEB_OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.secret("KLINGWEB_OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("KLINGWEB_OIDC_NAME", "single sign-on")
OIDC_GROUP_CLAIM = env.text("KLINGWEB_OIDC_GROUP_CLAIM", "groups")
OIDC_ROLES = env.mapping("KLINGWEB_OIDC_ROLES", _ROLES, "designers=member,leads=admin")
OIDC_DEFAULT_ROLE = env.choice("KLINGWEB_OIDC_DEFAULT_ROLE", ("", *_ROLES), "")
OIDC_LINK_BY_EMAIL = env.boolean("KLINGWEB_OIDC_LINK_BY_EMAIL", default=False)
if OIDC_URL and not OIDC_CLIENT_ID:
    raise SettingError("KLINGWEB_OIDC_CLIENT_ID is empty: KLINGWEB_OIDC_URL needs it, too.")
if OIDC_URL and not OIDC_ROLES and not OIDC_DEFAULT_ROLE:
    raise SettingError(
        "KLINGWEB_OIDC_ROLES and KLINGWEB_OIDC_DEFAULT_ROLE are empty: set one of them, or nobody "
        "could sign in at KLINGWEB_OIDC_URL."
    )
if OIDC_URL:
    INSTALLED_APPS.insert(-1, "allauth.socialaccount.providers.openid_connect")
SOCIALACCOUNT_ADAPTER = "generations.web.account.open_id.OpenIdAdapter"
SOCIALACCOUNT_LOGIN_ON_GET = True  # the CSP forbids forms whose response leads to another site
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "SCOPE": env.text("KLINGWEB_OIDC_SCOPES", "openid profile email").split(),
        "APPS": [
            {
                "provider_id": "oidc",
                "name": OIDC_NAME,
                "client_id": OIDC_CLIENT_ID,
                "secret": OIDC_CLIENT_SECRET,
                "settings": {"server_url": OIDC_URL},
            }
        ],
    }
}

# --- mail ------------------------------------------------------------------------------------

MAIL = env.mail_server("KLINGWEB_EMAIL_URL")  # empty: no mail is sent
EMAIL_HOST, EMAIL_PORT = MAIL.get("host", ""), MAIL.get("port", 0)
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = MAIL.get("user", ""), MAIL.get("password", "")
EMAIL_USE_TLS, EMAIL_USE_SSL = MAIL.get("starttls", False), MAIL.get("tls", False)
EMAIL_TIMEOUT = 10  # seconds
DEFAULT_FROM_EMAIL = env.text("KLINGWEB_EMAIL_FROM", f"klingweb@{host_of(_public)}")

# --- languages and files ---------------------------------------------------------------------

# Texts in the code, and so those of commands and logs.
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("vi", "Tiếng Việt"), ("zh-hans", "简体中文")]
# Of pages, where neither the member nor the browser names a language.
DEFAULT_LANGUAGE = env.choice("KLINGWEB_LANGUAGE", tuple(dict(LANGUAGES)), "en")
LANGUAGE_COOKIE_NAME = "language"
LANGUAGE_COOKIE_AGE = 365 * _DAY
LANGUAGE_COOKIE_SECURE = SESSION_COOKIE_SECURE
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_HTTPONLY = True
USE_I18N = True
LOCALE_PATHS = [BASE_DIR / "locale"]
FORMAT_MODULE_PATH = ["klingweb.formats"]
USE_TZ = True
# Where neither the member nor the browser names a time zone.
TIME_ZONE = env.time_zone("KLINGWEB_TIME_ZONE", "UTC")

STATIC_URL = "/static/"
WHITENOISE_KEEP_ONLY_HASHED_FILES = True  # nothing asks for the others; compressing them takes time
STATIC_ROOT = BASE_DIR / env.text("KLINGWEB_STATIC_ROOT", str(DATA_DIR / "static"))
STATICFILES_DIRS = [BASE_DIR / "static"]
MEDIA_ROOT = DATA_DIR / "files"  # served by web/files.py only, which checks permissions
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "klingweb.static_files.StaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 6000  # above the maximum of a bulk selection (5,000)
DATA_UPLOAD_MAX_NUMBER_FILES = 1
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
FILE_UPLOAD_HANDLERS = [
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "generations.web.studio.uploads.CappedUploadHandler",
]


def _is_not_unavailable(record: LogRecord) -> bool:
    """Drop Django's traceback for each 503: health.py and errors.py log it in one line."""
    return getattr(record, "status_code", 0) != 503


LOG_LEVEL = env.choice(
    "KLINGWEB_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), "INFO"
)
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "not_unavailable": {
            "()": "django.utils.log.CallbackFilter",
            "callback": _is_not_unavailable,
        },
        "repeated_lines": {"()": "klingweb.log_filters.RepeatedLines"},
        "masked_secrets": {"()": "klingweb.log_filters.MaskedSecrets"},
    },
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "plain",
            "filters": ["masked_secrets", "repeated_lines"],
        }
    },
    "loggers": {
        # Unreadable requests of strangers. Errors of our own are logged by wsgi_bridge.py.
        "aiohttp.server": {"level": "CRITICAL"},
        "django-q": {"level": "WARNING"},
        "django.request": {"filters": ["not_unavailable"]},
    },
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
}
# Variables with a value: the settings page shows what they set, and does not change it.
VARIABLES_SET = frozenset(name for name in tuple(env.used) if env.text(name))
# Probably typing errors, each with the nearest known name (generations/checks.py warns about them).
UNKNOWN_VARIABLES = env.unknown()
