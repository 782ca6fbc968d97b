"""Form data as a browser sends it, the headers of htmx, and the bodies of streamed responses."""

import re
from typing import Any
from uuid import uuid4

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


def form_data(**fields: Any) -> dict[str, Any]:
    """The fields of a new form with a prompt, changed by `fields`."""
    defaults = {"prompt": "A pear", "aspect_ratio": "3:2", "n": "1", "nonce": str(uuid4())}
    return defaults | fields


def nonce_from(page: bytes) -> str:
    found = re.search(rb'name="nonce"[^>]*value="([^"]*)"', page)
    assert found, "no nonce in the page"
    return found[1].decode()


def text_of(response: Any) -> str:
    """The body of a streamed response."""
    return b"".join(response.streaming_content).decode()
