"""Putting a prepared answer on the wire, or cutting it."""

from collections.abc import Mapping

from aiohttp import web

from klingweb.simulator.replies import Reply


async def say(
    request: web.BaseRequest, reply: Reply, headers: Mapping[str, str] | None = None
) -> web.StreamResponse:
    """Send a prepared answer, as whole as it wants to be."""
    if reply.cut:
        return hang_up(request)
    body = reply.body()
    told = {"Content-Type": reply.content_type, **(headers or {})}
    if reply.share == 1:
        return web.Response(status=reply.status, body=body, headers=told)
    response = web.StreamResponse(status=reply.status, headers=told)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: int(len(body) * reply.share)])
    # An abort would also throw away what is still on its way to the client.
    if request.transport:
        request.transport.close()
    return response


def hang_up(request: web.BaseRequest) -> web.Response:
    """Cut the connection; what is returned reaches nobody."""
    if request.transport:
        request.transport.abort()
    return web.Response()
