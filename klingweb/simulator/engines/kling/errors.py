"""Kling's error codes and the responses that carry them."""

import json

from klingweb.simulator.responses import REQUEST_ID, CannedResponse

# Code -> HTTP status, message (docs/upstream.md, section 3.1). Only the message of 1303 is
# documented; the others are our own wording.
ERROR_CODES: dict[int, tuple[int, str]] = {
    1000: (401, "Authentication failed"),
    1001: (401, "Authorization is empty"),
    1002: (401, "Authorization is invalid"),
    1003: (401, "Authorization is not yet valid"),
    1004: (401, "Authorization has expired"),
    1100: (429, "Account exception"),
    1101: (429, "Account in arrears"),
    1102: (429, "Account balance not enough"),
    1103: (403, "No permission to access the requested resource"),
    1200: (400, "Invalid request parameters"),
    1201: (400, "Invalid request parameters: the value of a key is illegal"),
    1202: (404, "The requested method is invalid"),
    1203: (404, "The requested resource does not exist"),
    1300: (400, "Trigger the platform strategy"),
    1301: (400, "The content triggered the safety policy of the platform"),
    1302: (429, "Too many requests, please slow down"),
    1303: (429, "parallel task over resource pack limit"),
    1304: (429, "The address is not on the IP allow-list"),
    5000: (500, "Internal server error"),
    5001: (503, "The server is under maintenance"),
    5002: (504, "Internal timeout, the server has a backlog"),
}


def kling_error(code: int, message: str = "", status: int = 0) -> CannedResponse:
    """Return an error in Kling's own envelope (docs/upstream.md, sections 2.6 and 3.1).

    `message` and `status` default to those of `ERROR_CODES`.
    """
    default_status, default_message = ERROR_CODES[code]
    body = {"code": code, "message": message or default_message, "request_id": REQUEST_ID}
    return CannedResponse(status or default_status, json.dumps(body))
