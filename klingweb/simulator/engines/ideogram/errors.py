"""Refusals in this API's words: one text, without a code."""

import json

from klingweb.simulator.responses import CannedResponse


def error(status: int, message: str) -> CannedResponse:
    return CannedResponse(status, json.dumps({"error": message}))


_TOO_MANY = error(429, "Too many requests in flight")

BY_SCENARIO: dict[str, CannedResponse] = {
    "content-refused": error(422, "The prompt did not pass the safety check"),
    "bad-parameter": error(400, "Invalid value for aspect_ratio"),
    "too-many": _TOO_MANY,
    "too-fast": _TOO_MANY,
    "too-fast-retry-after": _TOO_MANY,
    "pack-empty": error(402, "Not enough credits"),
}
