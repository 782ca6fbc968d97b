"""What a browser does with a page: read its form, press, as htmx or without."""

import re
from typing import Any
from uuid import uuid4

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


def form_data(**fields: Any) -> dict[str, Any]:
    """The fields of a form as it comes fresh from the page, with a prompt typed in."""
    fresh = {"prompt": "A pear", "aspect_ratio": "3:2", "n": "1", "nonce": str(uuid4())}
    return fresh | fields


def nonce_from(page: bytes) -> str:
    found = re.search(rb'name="nonce"[^>]*value="([^"]*)"', page)
    assert found, "no nonce in the page"
    return found[1].decode()
