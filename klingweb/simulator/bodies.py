"""Reads the body of a request. None: it has another form."""

import json

from aiohttp import web

from klingweb.simulator.tasks import Json


async def read_json(request: web.BaseRequest) -> Json | None:
    """Read a JSON object, whatever the content type says."""
    try:
        body = json.loads(await request.content.read())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


async def read_form(request: web.BaseRequest) -> Json | None:
    """Read the text fields of multipart/form-data, each of which may come once."""
    if request.content_type != "multipart/form-data":
        return None
    try:
        form = await request.post()
    except (ValueError, AssertionError):
        return None
    is_plain = len(form) == len(set(form)) and all(isinstance(each, str) for each in form.values())
    return dict(form) if is_plain else None
