"""Members with a second factor, and the codes that their app shows."""

import json
import time
from collections.abc import Iterator
from typing import Any

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, generate_totp_secret, hotp_value
from allauth.mfa.webauthn.internal.auth import WebAuthn
from fido2 import cbor
from fido2.utils import websafe_encode

from generations.models import Member

PERIOD_SECONDS = 30


def add_app(member: Member) -> str:
    """Set up the app for the member; return its secret."""
    secret: str = generate_totp_secret()
    TOTP.activate(member, secret)
    return secret


def add_recovery_codes(member: Member) -> list[str]:
    codes: list[str] = RecoveryCodes.activate(member).get_unused_codes()
    return codes


def add_passkey(member: Member, name: str = "Work laptop") -> None:
    """A passkey that no device has: pages list it and ask for it."""
    authenticator = b"\0" * 32 + b"\x01" + b"\0" * 4  # hash of the site, flags, counter
    attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": authenticator})
    client_data = json.dumps(
        {"type": "webauthn.create", "challenge": "YQ", "origin": "http://localhost"}
    )
    credential = {
        "id": "YQ",
        "rawId": "YQ",
        "type": "public-key",
        "response": {
            "clientDataJSON": websafe_encode(client_data.encode()),
            "attestationObject": websafe_encode(attestation),
        },
        "clientExtensionResults": {},
    }
    WebAuthn.add(member, name, credential)


def code_of(secret: str, periods_later: int = 0) -> str:
    """The code that the app shows now, or some periods later. Each works once."""
    counter = int(time.time()) // PERIOD_SECONDS + periods_later
    code: str = format_hotp_value(hotp_value(secret, counter))
    return code


def wrong_codes(secret: str) -> Iterator[str]:
    """Codes that do not work around now."""
    valid = {code_of(secret, periods) for periods in range(-3, 4)}
    return (code for code in (f"{number:06}" for number in range(1000)) if code not in valid)


def credentials(member: Member, password: str) -> dict[str, Any]:
    return {"username": member.username, "password": password}
