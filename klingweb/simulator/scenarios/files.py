"""A file host that does not simply hand out the picture (scenario 22)."""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web

from klingweb.simulator import bombs
from klingweb.simulator.envelopes import Json
from klingweb.simulator.replies import HTML, Reply, page
from klingweb.simulator.scenarios.scenario import FileFault, Scenario
from klingweb.simulator.tasks import Task
from klingweb.simulator.wire import hang_up, say

PNG = {"Content-Type": "image/png"}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512">'
    "<script>alert(document.domain)</script></svg>"
)
FORBIDDEN = page(403, "403 Forbidden")
PIECES = 50
ENDLESS_PIECE = bytes(64 * 1024)
HUGE_BYTES = 10 * 1024**3


def _says(reply: Reply) -> FileFault:
    async def fault(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
        return await say(request, reply)

    return fault


def _bytes(change: Callable[[bytes], bytes], **headers: str) -> FileFault:
    told = {**PNG, **{name.replace("_", "-"): value for name, value in headers.items()}}

    async def fault(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(change, png), headers=told)

    return fault


async def _expired(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if time.time() >= float(request.query.get("until", 0)):
        return await say(request, FORBIDDEN)
    return web.Response(body=png, headers=PNG)


def _dated(images: list[Json], task: Task) -> list[Json]:
    until = time.time() + task.number("lives_seconds")
    return [{**image, "url": f"{image['url']}?until={until:.3f}"} for image in images]


async def _first_url(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if request.query.get("told") == "1":
        return await say(request, FORBIDDEN)
    return web.Response(body=png, headers=PNG)


def _numbered(images: list[Json], task: Task) -> list[Json]:
    return [{**image, "url": f"{image['url']}?told={task.told_done}"} for image in images]


async def _started(request: web.BaseRequest, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers=PNG)
    response.content_length = length
    await response.prepare(request)
    return response


async def _slow(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _started(request, len(png))
    step = len(png) // PIECES + 1
    for start in range(0, len(png), step):
        await asyncio.sleep(task.number("file_seconds") / PIECES)
        await response.write(png[start : start + step])
    return response


async def _silent(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _started(request, len(png))
    await response.write(png[:64])
    await asyncio.sleep(task.number("file_seconds"))
    hang_up(request)
    return response


async def _truncated(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _started(request, len(png))
    await response.write(png[: len(png) // 2])
    # An abort would also throw away what is still on its way to the client.
    if request.transport:
        request.transport.close()
    return response


async def _endless(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _started(request, None)
    await response.write(png)
    while True:
        await response.write(ENDLESS_PIECE)
        await asyncio.sleep(0)


async def _huge(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _started(request, HUGE_BYTES)
    await response.write(png)
    await asyncio.sleep(task.number("file_seconds"))
    hang_up(request)
    return response


async def _redirect(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": str(task.params["to"])})


async def _loop(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": request.raw_path})


async def _moved(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if "moved" in request.query:
        return web.Response(body=png, headers=PNG)
    return web.Response(status=302, headers={"Location": f"{request.path}?moved=1"})


FILES: dict[str, Scenario] = {
    "file-403-later": Scenario(
        says="A URL is good for a minute, then 403; asking again gives a fresh one.",
        images=_dated,
        file=_expired,
        params={"lives_seconds": 60.0},
    ),
    "file-403-once": Scenario(
        says="The first URL told is 403; asking again gives a good one.",
        images=_numbered,
        file=_first_url,
    ),
    "file-404": Scenario(says="The file is not there.", file=_says(page(404, "404 Not Found"))),
    "file-one-404": Scenario(
        says="The first of the files is not there, the others are.",
        file=_says(page(404, "404 Not Found")),
        params={"only": 0},
    ),
    "file-410": Scenario(says="The file is gone for good.", file=_says(page(410, "410 Gone"))),
    "file-500-twice": Scenario(
        says="Two downloads of each file get 500, the third works.",
        file=_says(page(500, "500 Internal Server Error")),
        params={"downloads": 2},
    ),
    "file-429-twice": Scenario(
        says="Two downloads of each file get 429, the third works.",
        file=_says(Reply(429)),
        params={"downloads": 2},
    ),
    "file-cut-once": Scenario(
        says="The first download of each file is cut in the middle.",
        file=_truncated,
        params={"downloads": 1},
    ),
    "file-slow": Scenario(
        says="The file comes in drops, for two minutes.", file=_slow, params={"file_seconds": 120.0}
    ),
    "file-silent": Scenario(
        says="The file begins, then nothing comes for two minutes.",
        file=_silent,
        params={"file_seconds": 120.0},
    ),
    "file-truncated": Scenario(says="The connection ends in the middle.", file=_truncated),
    "file-half": Scenario(
        says="Half a PNG, told as a whole file.", file=_bytes(lambda png: png[: len(png) // 2])
    ),
    "file-empty": Scenario(says="A file of no bytes.", file=_bytes(lambda _: b"")),
    "file-html": Scenario(
        says="200 with an HTML page.", file=_says(Reply(200, "<html>Not here</html>", HTML))
    ),
    "file-html-as-png": Scenario(
        says="An HTML page told as image/png.",
        file=_bytes(lambda _: b"<html><script>alert(1)</script></html>"),
    ),
    "file-svg": Scenario(
        says="An SVG with a script in it.", file=_says(Reply(200, SVG, "image/svg+xml"))
    ),
    "file-octets": Scenario(
        says="The right file told as application/octet-stream.",
        file=_bytes(lambda png: png, Content_Type="application/octet-stream"),
    ),
    "file-jpeg": Scenario(
        says="A JPEG instead of a PNG.", file=_bytes(bombs.as_jpeg, Content_Type="image/jpeg")
    ),
    "file-bomb": Scenario(
        says="A small PNG of 400 million pixels.", file=_bytes(lambda _: bombs.png())
    ),
    "file-gzip-bomb": Scenario(
        says="A small body that unpacks to 256 MB.",
        file=_bytes(lambda _: bombs.gzipped(), Content_Encoding="gzip"),
    ),
    "file-endless": Scenario(says="A file that never ends.", file=_endless),
    "file-huge": Scenario(
        says="A file that announces 10 GB.", file=_huge, params={"file_seconds": 120.0}
    ),
    "file-redirect-private": Scenario(
        says="A redirect to a private address.",
        file=_redirect,
        params={"to": "http://169.254.169.254/latest/meta-data/"},
    ),
    "file-redirect-scheme": Scenario(
        says="A redirect to a file: address.", file=_redirect, params={"to": "file:///etc/passwd"}
    ),
    "file-redirect-loop": Scenario(says="A redirect to itself.", file=_loop),
    "file-redirect-good": Scenario(says="A redirect to the right file.", file=_moved),
}
