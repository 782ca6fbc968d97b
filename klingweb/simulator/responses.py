"""Canned HTTP responses, the same for every image API."""

import uuid
from dataclasses import dataclass

JSON = "application/json"
HTML = "text/html; charset=utf-8"

REQUEST_ID = "$request_id"


def new_request_id() -> str:
    """Return a unique request id."""
    return str(uuid.uuid4())


@dataclass(frozen=True)
class CannedResponse:
    """A fixed HTTP response. `$request_id` in `text` is replaced by a new id on each use.

    With a `share` below 1, that part of the body is sent and the connection is closed. With
    `cut`, the connection is closed before anything is sent.
    """

    status: int
    text: str = ""
    content_type: str = JSON
    cut: bool = False
    share: float = 1.0

    def body(self) -> bytes:
        """Return the body with a new request id."""
        return self.text.replace(REQUEST_ID, new_request_id()).encode()


CUT = CannedResponse(0, cut=True)


def proxy_page(status: int, title: str) -> CannedResponse:
    """Return the HTML error page of a proxy in front of the gateway."""
    head = f"<head><title>{title}</title></head>"
    return CannedResponse(
        status,
        f"<!DOCTYPE html>\n<html>{head}<body><center><h1>{title}</h1></center>"
        "<hr><center>nginx</center></body></html>\n",
        HTML,
    )


NOT_FOUND = proxy_page(404, "404 Not Found")
TOO_LARGE = proxy_page(413, "413 Request Entity Too Large")
