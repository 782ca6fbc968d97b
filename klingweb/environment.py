"""Strict reader of settings: the variables of the process, and those of a .env file.

Each value is valid, or `SettingError` says in one sentence which variable to change and to what.
Errors repeat no secret, and no address, which may contain one.
"""

import ipaddress
import os
import re
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

PREFIX = "KLINGWEB_"
BOOLEANS = {"true": True, "yes": True, "on": True, "1": True} | {
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip

# A value in quotes may be followed by a comment only. Other values end at " #" or at the end.
LINE = re.compile(
    r"""\s* (?:export\s+)? (?P<name>[A-Za-z_][A-Za-z0-9_]*) [ \t]*=[ \t]*
    (?: (?P<quote>['"]) (?P<quoted>.*?) (?P=quote) [ \t]* (?:\#.*)?
      | (?P<plain>(?!['"]) .*?) (?:(?:(?<=[ \t=])\#|[ \t]+\#).*)? ) \s*""",
    re.VERBOSE,
)

HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
# The password may contain "@" and ":". All other special characters are percent-encoded.
POSTGRES_URL = re.compile(
    r"""postgres(?:ql)?://
    (?:(?P<user>[^:@/?#]*)(?::(?P<password>[^/?#]*))?@)?
    (?P<host>[^:@/?#\[\]]*|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?
    /(?P<name>[^/?#@]+)(?:\?(?P<options>[^?#@]*))?""",
    re.VERBOSE,
)
API_KEY = re.compile(r"[!#-&(-~]*")  # can be sent in a header, and has no quotes
ENCRYPTION_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")  # 32 bytes in URL-safe Base64
# smtp encrypts with STARTTLS, smtps from the first byte, smtp+plain never.
MAIL_URL = re.compile(
    r"""(?P<scheme>smtp|smtps|smtp\+plain)://
    (?:(?P<user>[^:@/?#]*)(?::(?P<password>[^@/?#]*))?@)?
    (?P<host>[^:@/?#\[\]\s]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?""",
    re.VERBOSE,
)
MAIL_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
MAX_SHOWN_CHARACTERS = 60  # of a value in an error

Value = TypeVar("Value")


class SettingError(ImproperlyConfigured):
    """A setting that klingweb cannot start with. The text is one sentence for the admin."""


def read_env_file(path: Path) -> dict[str, str]:
    """Return the variables of a .env file; empty without the file.

    Values are taken as written, without expansion of `$` or backslashes.
    """
    try:
        text = path.read_text("utf-8-sig")  # without the byte order mark of some editors
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"The file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SettingError(f"The file {path} is not UTF-8 text: save it as UTF-8.") from error
    variables = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if not match:
            raise SettingError(
                f"Line {number} of {path} cannot be read: write NAME=value, NAME='value' or a "
                "comment that begins with #."
            )
        quoted = match["quoted"]
        variables[match["name"]] = match["plain"] if quoted is None else quoted
    return variables


def process_variables(**more: str) -> dict[str, str]:
    """Return the variables of this process, and more, for a program that it starts."""
    return {**os.environ, **more}  # noqa: TID251


class Environment:
    """Typed access to variables. An empty value means the default.

    `used` has every variable that was asked for.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.variables = dict(variables)
        self.used: set[str] = set()

    @classmethod
    def read(cls, env_file: Path) -> "Environment":
        """Read the file, then the variables of the process, which win even if they are empty."""
        return cls({**read_env_file(env_file), **os.environ})  # noqa: TID251

    def rename(self, old: str, new: str) -> bool:
        """Take the value of a variable with an old name. Return whether the old name is in use."""
        self.used.add(old)
        if old in self.variables:
            self.variables.setdefault(new, self.variables[old])
        return old in self.variables

    def unknown(self) -> dict[str, str]:
        """Return variables with our prefix that nothing reads, with the nearest known name."""
        known = {name.removeprefix(PREFIX): name for name in self.used}
        found = {}
        for name in sorted(self.variables.keys() - self.used):
            if name.startswith(PREFIX):
                close = get_close_matches(name.removeprefix(PREFIX), known, n=1)
                found[name] = known[close[0]] if close else ""
        return found

    # --- values ----------------------------------------------------------------------------------

    def text(self, name: str, default: str = "") -> str:
        """Return the value without spaces around it."""
        return self.secret(name).strip() or default

    def secret(self, name: str) -> str:
        """Return the value exactly as written."""
        self.used.add(name)
        return self.variables.get(name, "")

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self.text(name, default)
        if value in choices:
            return value
        raise self._wrong(name, value, "use " + _alternatives(choices))

    def boolean(self, name: str, default: bool) -> bool:
        value = self.text(name, str(default))
        if value.lower() in BOOLEANS:
            return BOOLEANS[value.lower()]
        raise self._wrong(name, value, "use true or false")

    def integer(self, name: str, default: int, minimum: int, maximum: int) -> int:
        accepted = f"a whole number {_range(minimum, maximum)}"
        return self._parse(
            name, str(default), accepted, lambda text: _integer(text, minimum, maximum)
        )

    def port(self, name: str, default: int) -> int:
        return self.integer(name, default, 1, 65535)

    def number(self, name: str, default: float, minimum: float, maximum: float) -> float:
        accepted = f"a number {_range(minimum, maximum)}"
        return self._parse(
            name, str(default), accepted, lambda text: _number(text, minimum, maximum)
        )

    def numbers(
        self, name: str, default: str, minimum: float, maximum: float, max_count: int
    ) -> list[float]:
        accepted = (
            f"1 to {max_count} numbers {_range(minimum, maximum)}, separated by commas, "
            f"as in {default}"
        )
        return self._parse(
            name, default, accepted, lambda text: _numbers(text, minimum, maximum, max_count)
        )

    def url(self, name: str, default: str) -> SplitResult:
        """Return an http(s) address without user name, query and fragment."""
        try:
            return _url(self.text(name, default))
        except ValueError:
            raise SettingError(
                f"{name} is not a web address: use one such as https://studio.example.org, "
                "without a user name."
            ) from None

    def issuer(self, name: str) -> str:
        """Return the address of an identity provider; empty if it is not set."""
        return self.url(name, "").geturl().rstrip("/") if self.text(name) else ""

    def public_url(self, name: str, default: str) -> SplitResult:
        """Return the address of this site, with its host name as browsers send it."""
        url = self.url(name, default)
        if url.path not in ("", "/"):
            raise SettingError(
                f"{name} has the path {url.path}, but klingweb needs a host name of its own: "
                f"use one such as {url.scheme}://studio.example.org."
            )
        port = f":{url.port}" if url.port else ""
        return url._replace(netloc=f"{host_of(url)}{port}", path="")

    def hosts(self, name: str) -> list[str]:
        """Return host names for Django's ALLOWED_HOSTS."""
        hosts = [item.strip() for item in self.text(name).split(",") if item.strip()]
        for host in hosts:
            bare = host.strip("[]") if ":" in host else host.removeprefix(".")
            try:
                _ = host == "*" or _address(bare)
            except ValueError:
                raise self._wrong(
                    name, host, "use host names without scheme and port, separated by commas"
                ) from None
        return hosts

    def api_key(self, name: str) -> str:
        """Return a secret that can be sent in a header."""
        key = self.secret(name).strip()
        if not API_KEY.fullmatch(key):
            raise SettingError(
                f"{name} contains a space, a quote or a letter that no API key has: write the "
                "key alone, without a comment behind it."
            )
        return key

    def encryption_keys(self, name: str) -> list[str]:
        """Return the keys, separated by commas, the newest first; empty if none is set."""
        keys = [key.strip() for key in self.secret(name).split(",") if key.strip()]
        if not all(map(ENCRYPTION_KEY.fullmatch, keys)):
            raise SettingError(
                f"{name} is not an encryption key: make one with `manage.py keys generate`."
            )
        return keys

    def range(self, name: str, default: str, minimum: float, maximum: float) -> str:
        """Return two numbers with a dash between them, or one number."""

        def parse(text: str) -> str:
            low, _, high = text.partition("-")
            first = _number(low.strip(), minimum, maximum)
            last = _number(high.strip(), minimum, maximum) if high else first
            if last < first:
                raise ValueError
            return f"{first:g}-{last:g}"

        return self._parse(name, default, f"two numbers of seconds, as in {default}", parse)

    def time_zone(self, name: str, default: str) -> str:
        value = self.text(name, default)
        try:
            zoneinfo.ZoneInfo(value)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise self._wrong(
                name, value, "use the name of a place, such as Asia/Ho_Chi_Minh, or UTC"
            ) from None
        return value

    def address(self, name: str, default: str) -> str:
        """Return an IP address (IPv6 without brackets) or a host name."""
        accepted = "an IP address such as 127.0.0.1, 0.0.0.0 or ::"
        return self._parse(name, default, accepted, _address)

    def mapping(self, name: str, choices: Sequence[str], example: str) -> dict[str, str]:
        """Return pairs `key=choice`, separated by commas; empty if none is set."""
        pairs = {}
        for item in self.text(name).split(","):
            key, _, value = (part.strip() for part in item.rpartition("="))
            if key and value in choices:
                pairs[key] = value
            elif item.strip():
                advice = f"use pairs such as {example} with the values {_alternatives(choices)}"
                raise self._wrong(name, item, advice)
        return pairs

    def mail_server(self, name: str) -> dict[str, Any]:
        """Return host, port, user, password, starttls and tls; empty if it is not set."""
        value = self.text(name)
        if not value:
            return {}
        match = MAIL_URL.fullmatch(value)
        if not match or BAD_ESCAPE.search(value) or int(match["port"] or 25) > 65535:
            raise SettingError(
                f"{name} cannot be read: use smtp://name:password@host:587, or smtps:// for TLS "
                "from the first byte, and write special characters percent-encoded, such as %40 "
                "for @."
            )
        scheme = match["scheme"]
        return {
            "host": match["host"].strip("[]"),
            "port": int(match["port"] or MAIL_PORTS[scheme]),
            "user": unquote(match["user"] or ""),
            "password": unquote(match["password"] or ""),
            "starttls": scheme == "smtp",
            "tls": scheme == "smtps",
        }

    def postgres(self, name: str) -> dict[str, Any]:
        """Return Django's settings for the database at this URL; empty if it is not set."""
        value = self.text(name)
        if not value:
            return {}
        match = POSTGRES_URL.fullmatch(value)
        if not match or BAD_ESCAPE.search(value) or int(match["port"] or 5432) > 65535:
            raise SettingError(
                f"{name} cannot be read: use postgres://name:password@host:5432/database, "
                "and write special characters of the password percent-encoded, such as %23 for # "
                "and %2F for /."
            )
        return {
            "ENGINE": "django.db.backends.postgresql",
            "USER": unquote(match["user"] or ""),
            "PASSWORD": unquote(match["password"] or ""),
            "HOST": unquote(match["host"].strip("[]")),
            "PORT": match["port"] or "",
            "NAME": unquote(match["name"]),
            "OPTIONS": dict(parse_qsl(match["options"] or "")),
        }

    def _parse(
        self, name: str, default: str, accepted: str, parse: Callable[[str], Value]
    ) -> Value:
        value = self.text(name, default)
        try:
            return parse(value)
        except ValueError:
            raise self._wrong(name, value, f"use {accepted}") from None

    def _wrong(self, name: str, value: str, advice: str) -> SettingError:
        shown = " ".join(value.split())
        if len(shown) > MAX_SHOWN_CHARACTERS:
            shown = f"{shown[:MAX_SHOWN_CHARACTERS]}..."
        return SettingError(f"{name}={shown} is not valid: {advice}.")


def _alternatives(choices: Sequence[str]) -> str:
    *others, last = [choice or "an empty value" for choice in choices]
    return f"{', '.join(others)} or {last}"


def _range(minimum: float, maximum: float) -> str:
    return f"from {minimum:,} to {maximum:,}"


def _integer(text: str, minimum: int, maximum: int) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,12}", text) or not minimum <= int(text) <= maximum:
        raise ValueError
    return int(text)


def _number(text: str, minimum: float, maximum: float) -> float:
    if not re.fullmatch(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)", text):
        raise ValueError
    if not minimum <= float(text) <= maximum:
        raise ValueError
    return float(text)


def _numbers(text: str, minimum: float, maximum: float, max_count: int) -> list[float]:
    values = [_number(item.strip(), minimum, maximum) for item in text.split(",")]
    if len(values) > max_count:
        raise ValueError
    return values


def _url(text: str) -> SplitResult:
    url = urlsplit(text)
    if (
        url.scheme not in ("http", "https")
        or not url.hostname
        or url.port == 0  # `port` raises ValueError for other invalid numbers
        or "@" in url.netloc
        or url.query
        or url.fragment
        or re.search(r"[\s\\]", text)
        or len(host_of(url)) > 253  # raises UnicodeError, a ValueError, for an invalid name
    ):
        raise ValueError
    return url


def host_of(url: SplitResult) -> str:
    """Return the host as browsers send it: lower case, international names encoded."""
    host = url.hostname or ""
    return f"[{host}]" if ":" in host else host.encode("idna").decode("ascii")


def _address(text: str) -> str:
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if HOST_NAME.fullmatch(bare) and not re.fullmatch(r"[0-9.]+", bare):
        return bare
    return str(ipaddress.ip_address(bare))
