"""Forms of passkeys: whatever a browser sends as a credential is an error beside the form at worst.

The library parses it with few checks, and would answer with a server error.
"""

import json
from collections.abc import Callable
from typing import Any, TypeVar

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django.core.exceptions import ValidationError
from django.db import DatabaseError

MAX_NAME_CHARACTERS = 60
NULL_CHARACTER = r"\u0000"  # in JSON; PostgreSQL refuses it

Result = TypeVar("Result")


def _parse(parse: Callable[[], Result]) -> Result:
    try:
        return parse()
    except (ValidationError, DatabaseError):
        raise
    except Exception as error:  # KeyError, struct.error and others, depending on the fault
        raise get_adapter().validation_error("incorrect_code") from error


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].max_length = MAX_NAME_CHARACTERS

    def clean_name(self) -> str:
        name: str = super().clean_name()
        return name[:MAX_NAME_CHARACTERS]

    def clean(self) -> dict[str, Any]:
        """Keep only what is read again."""
        data: dict[str, Any] = _parse(super().clean)
        if "credential" in data:
            data["credential"] = _parse(lambda: _needed(data["credential"]))
        return data


def _needed(credential: dict[str, Any]) -> dict[str, Any]:
    response = credential["response"]
    needed = {name: credential[name] for name in ("id", "rawId", "type")} | {
        "response": {name: response[name] for name in ("clientDataJSON", "attestationObject")},
        "clientExtensionResults": {},
    }
    if NULL_CHARACTER in json.dumps(needed):
        raise ValueError
    return needed


class UsePasskeyForm(AuthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _parse(super().clean_credential)


class ConfirmWithPasskeyForm(ReauthenticateWebAuthnForm):  # type: ignore[misc]
    def clean_credential(self) -> Any:
        return _parse(super().clean_credential)
