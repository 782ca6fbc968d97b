"""Resolves host names, and decides which addresses a guarded session may connect to."""

import ipaddress
import queue
import socket
import threading
import unicodedata
from contextlib import suppress
from urllib.parse import unquote, urlsplit

# `is_global` of Python 3.11 accepts these; the first two can lead to any IPv4 address.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("2002::/16", "2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
]
# The only public part of IPv6. Outside it are IPv4-mapped addresses, NAT64 (64:ff9b::/96), which
# leads to any IPv4 address, and all local kinds.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")

# Names that no public DNS has (RFC 6761, RFC 6762, RFC 8375, ICANN's list), or that only look so.
_INTERNAL_SUFFIXES = (
    *("localhost", "localdomain", "local", "internal", "intranet", "private", "corp", "home"),
    *("home.arpa", "lan"),
)


class AddressBlocked(Exception):
    """A host has no public address. Not an OSError, which urllib3 treats as a broken connection."""


def is_public(ip: str) -> bool:
    """Whether this address, as text, belongs to the public internet."""
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    if address.version == 6 and address not in _PUBLIC_IPV6:
        return False
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def is_internal_url(url: str) -> bool:
    """Whether the host of this URL is internal by its spelling, in any form that a client reads."""
    try:
        # A backslash is a slash for browsers, which then read another host than Python does.
        host = urlsplit(url.strip().replace("\\", "/")).hostname or ""
    except ValueError:
        return False  # not a URL
    return is_internal_host(host) if len(host.split()) == 1 else False


def is_internal_host(host: str) -> bool:
    """Whether this host is an address that is not public, or a name of a private network.

    Names are not resolved.
    """
    host = unicodedata.normalize("NFKC", unquote(host)).lower().replace("\u3002", ".")
    host = host.strip("[]").partition("%")[0].rstrip(".")
    last_label = host.rpartition(".")[2]
    if ":" in host or last_label[:1].isdigit():
        return not is_public(_canonical_ip(host))
    return "." not in host or host.endswith(tuple(f".{name}" for name in _INTERNAL_SUFFIXES))


def _canonical_ip(host: str) -> str:
    """Return `127.0.0.1` for `2130706433`, `0x7f.1` or `0177.0.0.1`, as clients of C do."""
    with suppress(OSError, UnicodeError):
        return str(ipaddress.IPv4Address(socket.inet_aton(host)))
    return host


def public_addresses(host: str, addresses: list[str]) -> list[str]:
    """Return those addresses of `host` that are public. Raises `AddressBlocked` if none is."""
    public = [ip for ip in addresses if is_public(ip)]
    if not public:
        raise AddressBlocked(f"{host} is not on the public internet")
    return public


def resolve(host: str, port: int | None, timeout_seconds: float | None) -> list[str]:
    """Return the addresses of a host name. Raises `TimeoutError`.

    `getaddrinfo` cannot be interrupted, so it runs in its own thread, and a late result is
    dropped. Called for new connections only.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host.strip("[]")))]
    results: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            results.put(list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)))
        except (OSError, UnicodeError) as error:
            results.put(error)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    try:
        result = results.get(timeout=timeout_seconds)
    except queue.Empty:
        raise TimeoutError(host) from None
    if isinstance(result, Exception):
        raise result
    return result
