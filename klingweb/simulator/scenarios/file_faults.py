"""Faults of the file host (scenario 22 of docs/upstream.md, section 6.7)."""

import asyncio
import io
import time
from collections.abc import Callable

from aiohttp import web

from klingweb.simulator.decompression_bombs import gzip_bomb, png_bomb
from klingweb.simulator.responses import HTML, NOT_FOUND, CannedResponse, proxy_page
from klingweb.simulator.scenarios.scenario import FileFault, Scenario
from klingweb.simulator.tasks import Json, Task
from klingweb.simulator.transport import abort_connection, close_connection, respond

PNG = {"Content-Type": "image/png"}
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="512" height="512">'
    "<script>alert(document.domain)</script></svg>"
)
FORBIDDEN = proxy_page(403, "403 Forbidden")
SLOW_CHUNKS = 50
ENDLESS_CHUNK = bytes(64 * 1024)
HUGE_BYTES = 10 * 1024**3


def _response(canned: CannedResponse) -> FileFault:
    async def fault(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
        return await respond(request, canned)

    return fault


def _content(change: Callable[[bytes], bytes], **headers: str) -> FileFault:
    all_headers = {**PNG, **{name.replace("_", "-"): value for name, value in headers.items()}}

    async def fault(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
        return web.Response(body=await asyncio.to_thread(change, png), headers=all_headers)

    return fault


def _to_jpeg(png: bytes) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def _with_expiry(images: list[Json], task: Task) -> list[Json]:
    until = time.time() + task.number("url_seconds")
    return [{**image, "url": f"{image['url']}?until={until:.3f}"} for image in images]


async def _expiring(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if time.time() >= float(request.query.get("until", 0)):
        return await respond(request, FORBIDDEN)
    return web.Response(body=png, headers=PNG)


def _numbered(images: list[Json], task: Task) -> list[Json]:
    number = task.successes_reported
    return [{**image, "url": f"{image['url']}?response={number}"} for image in images]


async def _first_url_fails(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if request.query.get("response") == "1":
        return await respond(request, FORBIDDEN)
    return web.Response(body=png, headers=PNG)


async def _start_response(request: web.BaseRequest, length: int | None) -> web.StreamResponse:
    response = web.StreamResponse(headers=PNG)
    response.content_length = length
    await response.prepare(request)
    return response


async def _slow(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _start_response(request, len(png))
    step = len(png) // SLOW_CHUNKS + 1
    for start in range(0, len(png), step):
        await asyncio.sleep(task.number("file_seconds") / SLOW_CHUNKS)
        await response.write(png[start : start + step])
    return response


async def _stalled(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _start_response(request, len(png))
    await response.write(png[:64])
    await asyncio.sleep(task.number("file_seconds"))
    abort_connection(request)
    return response


async def _truncated(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _start_response(request, len(png))
    await response.write(png[: len(png) // 2])
    close_connection(request)
    return response


async def _endless(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _start_response(request, None)
    await response.write(png)
    while True:
        await response.write(ENDLESS_CHUNK)
        await asyncio.sleep(0)


async def _huge(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    response = await _start_response(request, HUGE_BYTES)
    await response.write(png)
    await asyncio.sleep(task.number("file_seconds"))
    abort_connection(request)
    return response


async def _redirect(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": str(task.params["redirect_to"])})


async def _redirect_loop(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": request.raw_path})


async def _redirect_once(request: web.BaseRequest, task: Task, png: bytes) -> web.StreamResponse:
    if "moved" in request.query:
        return web.Response(body=png, headers=PNG)
    return web.Response(status=302, headers={"Location": f"{request.path}?moved=1"})


FILE_FAULTS: dict[str, Scenario] = {
    "file-403-later": Scenario(
        description="URLs expire after a minute (403); a query returns new ones",
        change_images=_with_expiry,
        file_fault=_expiring,
        params={"url_seconds": 60.0},
    ),
    "file-403-once": Scenario(
        description="The first URLs get 403; another query returns working ones",
        change_images=_numbered,
        file_fault=_first_url_fails,
    ),
    "file-404": Scenario(description="Every file gets 404", file_fault=_response(NOT_FOUND)),
    "file-one-404": Scenario(
        description="The first file gets 404, the others work",
        file_fault=_response(NOT_FOUND),
        params={"only": 0},
    ),
    "file-410": Scenario(
        description="Every file gets 410", file_fault=_response(proxy_page(410, "410 Gone"))
    ),
    "file-500-twice": Scenario(
        description="Two downloads of each file get 500, the third works",
        file_fault=_response(proxy_page(500, "500 Internal Server Error")),
        params={"downloads": 2},
    ),
    "file-429-twice": Scenario(
        description="Two downloads of each file get 429, the third works",
        file_fault=_response(CannedResponse(429)),
        params={"downloads": 2},
    ),
    "file-cut-once": Scenario(
        description="The first download of each file is cut in the middle",
        file_fault=_truncated,
        params={"downloads": 1},
    ),
    "file-slow": Scenario(
        description="The download takes two minutes",
        file_fault=_slow,
        params={"file_seconds": 120.0},
    ),
    "file-silent": Scenario(
        description="The download starts, then stalls for two minutes",
        file_fault=_stalled,
        params={"file_seconds": 120.0},
    ),
    "file-truncated": Scenario(
        description="Every download is cut in the middle", file_fault=_truncated
    ),
    "file-half": Scenario(
        description="Half a PNG, with a matching Content-Length",
        file_fault=_content(lambda png: png[: len(png) // 2]),
    ),
    "file-empty": Scenario(description="An empty file", file_fault=_content(lambda _: b"")),
    "file-html": Scenario(
        description="200 with an HTML page",
        file_fault=_response(CannedResponse(200, "<html>Not here</html>", HTML)),
    ),
    "file-html-as-png": Scenario(
        description="An HTML page with Content-Type image/png",
        file_fault=_content(lambda _: b"<html><script>alert(1)</script></html>"),
    ),
    "file-svg": Scenario(
        description="An SVG that contains a script",
        file_fault=_response(CannedResponse(200, SVG, "image/svg+xml")),
    ),
    "file-octets": Scenario(
        description="The right file with Content-Type application/octet-stream",
        file_fault=_content(lambda png: png, Content_Type="application/octet-stream"),
    ),
    "file-jpeg": Scenario(
        description="A JPEG instead of a PNG",
        file_fault=_content(_to_jpeg, Content_Type="image/jpeg"),
    ),
    "file-bomb": Scenario(
        description="A small PNG of 400 million pixels",
        file_fault=_content(lambda _: png_bomb()),
    ),
    "file-gzip-bomb": Scenario(
        description="A small body that decompresses to 256 MB",
        file_fault=_content(lambda _: gzip_bomb(), Content_Encoding="gzip"),
    ),
    "file-endless": Scenario(description="The download never ends", file_fault=_endless),
    "file-huge": Scenario(
        description="A file with a Content-Length of 10 GB",
        file_fault=_huge,
        params={"file_seconds": 120.0},
    ),
    "file-redirect-private": Scenario(
        description="A redirect to a private address",
        file_fault=_redirect,
        params={"redirect_to": "http://169.254.169.254/latest/meta-data/"},
    ),
    "file-redirect-scheme": Scenario(
        description="A redirect to a file: URL",
        file_fault=_redirect,
        params={"redirect_to": "file:///etc/passwd"},
    ),
    "file-redirect-loop": Scenario(description="A redirect to itself", file_fault=_redirect_loop),
    "file-redirect-good": Scenario(
        description="A redirect to the right file", file_fault=_redirect_once
    ),
}
