"""Refusals in this API's words, where they differ from Kling's."""

from klingweb.simulator.engines.gateway import openai_error
from klingweb.simulator.responses import CannedResponse

_TYPE = "invalid_request_error"

BY_SCENARIO: dict[str, CannedResponse] = {
    "content-refused": openai_error(
        400, "Your request was rejected by the safety system.", "moderation_blocked", _TYPE
    ),
    "bad-parameter": openai_error(400, "Invalid value: 'size'.", "invalid_value", _TYPE),
    "too-many": openai_error(429, "Rate limit reached", "rate_limit_exceeded", "requests"),
    "too-fast": openai_error(429, "Rate limit reached", "rate_limit_exceeded", "requests"),
    "too-fast-retry-after": openai_error(
        429, "Rate limit reached", "rate_limit_exceeded", "requests"
    ),
    "pack-empty": openai_error(
        400, "Billing hard limit has been reached", "billing_hard_limit_reached", _TYPE
    ),
}


def invalid_value(message: str) -> CannedResponse:
    return openai_error(400, message, "invalid_value", _TYPE)
