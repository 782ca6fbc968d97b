"""Resolves host names, and decides which addresses a guarded session may connect to."""

import ipaddress
import queue
import socket
import threading
from contextlib import suppress

# `is_global` of Python 3.11 accepts these; the first two can lead to any IPv4 address.
_NOT_PUBLIC = [
    ipaddress.ip_network(network)
    for network in ("2002::/16", "2001::/23", "3fff::/20", "192.0.0.0/24", "192.88.99.0/24")
]
# The only public part of IPv6. Outside it are IPv4-mapped addresses, NAT64 (64:ff9b::/96), which
# leads to any IPv4 address, and all local kinds.
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")


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
