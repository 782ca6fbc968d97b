"""Send a canned response, or close the connection."""

from collections.abc import Mapping

from aiohttp import web

from klingweb.simulator.responses import CannedResponse


async def respond(
    request: web.BaseRequest, canned: CannedResponse, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send a canned response: all of it, its `share`, or nothing if it is `cut`."""
    if canned.cut:
        return abort_connection(request)
    body = canned.body()
    all_headers = {"Content-Type": canned.content_type, **(headers or {})}
    if canned.share == 1:
        return web.Response(status=canned.status, body=body, headers=all_headers)
    response = web.StreamResponse(status=canned.status, headers=all_headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: int(len(body) * canned.share)])
    close_connection(request)
    return response


def close_connection(request: web.BaseRequest) -> None:
    """Close the connection after sending what is buffered; an abort would discard it."""
    if request.transport:
        request.transport.close()


def abort_connection(request: web.BaseRequest) -> web.Response:
    """Close the connection at once. The returned response is never sent."""
    if request.transport:
        request.transport.abort()
    return web.Response()
