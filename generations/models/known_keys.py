"""Lets this process mask the API keys that another process has stored, without reading them."""

from django.apps import apps
from django.db import DatabaseError

from generations import encryption
from klingweb.known_secrets import remember_fingerprints

_changed_at = {"read": 0}  # nanoseconds, of the file that says so


def refresh() -> None:
    """Read the fingerprints again if a key was stored since. Else it costs a look at a file."""
    changed_at = encryption.keys_changed_at()
    if changed_at == _changed_at["read"]:
        return
    rows = apps.get_model("generations", "ApiKey")._default_manager
    try:
        remember_fingerprints(rows.values_list("fingerprint", flat=True))
    except DatabaseError:
        return  # the caller's own query says so
    _changed_at["read"] = changed_at
