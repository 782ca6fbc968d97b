"""Task ids in every form that gateways use (docs/upstream.md, section 2.6)."""

import secrets


def base64url() -> str:
    """Return 22 characters of base64url, as YEScale does."""
    return secrets.token_urlsafe(16)


def base64url_with_edge_punctuation() -> str:
    """Return 22 characters of base64url, starting with a hyphen and ending in an underscore."""
    return f"-{secrets.token_urlsafe(16)[2:]}_"


def digits() -> str:
    """Return a number of 18 digits."""
    return str(8 * 10**17 + secrets.randbelow(10**17))


def kling_prefix() -> str:
    """Return `kling_` and hex digits."""
    return f"kling_{secrets.token_hex(16)}"


def task_prefix() -> str:
    """Return `task_` and base64url, as newer gateways do."""
    return f"task_{secrets.token_urlsafe(24)}"


def max_length() -> str:
    """Return an id of the maximum length, 191 characters."""
    return secrets.token_hex(96)[:191]


def unsafe_in_path() -> str:
    """Return an id with reserved URL characters, which no documentation rules out."""
    return f"{secrets.token_hex(8)}/a+b=?c%d"
