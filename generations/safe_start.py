"""Settings with which klingweb does not start, except in the demo, whose data is worth nothing."""

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings

# Endings of names that are not on the public internet (RFC 6761, RFC 6762, RFC 8375).
_LOCAL_ENDINGS = (".localhost", ".local", ".internal", ".home.arpa", ".lan", ".test")


def problems() -> list[str]:
    """Return a sentence for each setting that is not safe; each names what to change."""
    if settings.DEMO:
        return []
    found = []
    if settings.DEBUG:
        found.append(
            "KLINGWEB_DEBUG is true: its error pages show settings and data to everybody. "
            "Remove it."
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            "KLINGWEB_ALLOWED_HOSTS has *, so that links in mails can be forged: list the host "
            "names."
        )
    url = urlsplit(settings.URL)
    if url.scheme != "https" and is_public(url.hostname or ""):
        found.append(
            f"KLINGWEB_URL={settings.URL} is a public address without https: passwords and "
            "sessions could be read on the way. Put a proxy with https in front, and write https."
        )
    elif url.scheme != "https" and is_public(settings.BIND):
        found.append(
            f"KLINGWEB_BIND={settings.BIND} is a public address without https: listen on "
            "127.0.0.1, and put a proxy with https in front."
        )
    return found


def is_public(host: str) -> bool:
    """Whether people outside of this machine and its private network could reach this host."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        name = host.rstrip(".").lower()
        return "." in name and not name.endswith(_LOCAL_ENDINGS)
    return address.is_global
