"""Task ids in every form that was seen (the upstream notes, section 2.6)."""

import secrets


def like_yescale() -> str:
    """22 characters of base64url."""
    return secrets.token_urlsafe(16)


def awkward_base64url() -> str:
    """The same with a hyphen in front and an underscore at the end."""
    return f"-{secrets.token_urlsafe(16)[2:]}_"


def digits() -> str:
    """A number of 18 digits."""
    return str(8 * 10**17 + secrets.randbelow(10**17))


def kling_hex() -> str:
    """`kling_` and hex digits."""
    return f"kling_{secrets.token_hex(16)}"


def task_word() -> str:
    """`task_` and letters, as newer gateways make them."""
    return f"task_{secrets.token_urlsafe(24)}"


def longest() -> str:
    """As long as an id may become: 191 characters."""
    return secrets.token_hex(96)[:191]


def unsafe() -> str:
    """Characters that mean something in a path; nobody promised that they stay away."""
    return f"{secrets.token_hex(8)}/a+b=?c%d"
