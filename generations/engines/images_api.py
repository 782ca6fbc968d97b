"""OpenAI's image API, which the gateway also gives to models of others.

"notes" are docs/engines.md.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from . import immediate
from .base import BusyReason, EngineError, HoldReason, ImageRequest
from .gateway import Gateway, ParsedResponse, with_missing_model

PATH = "/v1/images/generations"

# Notes 3: the codes of errors, or their types where there is no code.
POLICY_CODES = {
    "content_policy_violation",
    "moderation_blocked",
    "image_generation_user_error",
}
HOLD_CODES = {
    "billing_hard_limit_reached": HoldReason.ACCOUNT,
    "insufficient_quota": HoldReason.ACCOUNT,
    "invalid_api_key": HoldReason.KEY,
}
BUSY_CODES = {"rate_limit_exceeded": BusyReason.RATE}


def client(
    name: str, gateway: Gateway, make_fields: Callable[[ImageRequest], Mapping[str, Any]]
) -> immediate.Client:
    """Return a client of an engine that the gateway serves in this form."""

    def body(request: ImageRequest) -> tuple[bytes, str]:
        return json.dumps(make_fields(request)).encode(), "application/json"

    return immediate.Client(name, gateway, immediate.Api(PATH, body, _error_of, "revised_prompt"))


def _error_of(response: ParsedResponse) -> EngineError:
    error = immediate.error_of(
        response, policy_codes=POLICY_CODES, hold_codes=HOLD_CODES, busy_codes=BUSY_CODES
    )
    return with_missing_model(error)
