"""Draws each picture once, outside the server process, and stores it."""

import asyncio
import contextlib
import hashlib
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from klingweb.simulator.drawing import LENGTH_BYTES, DrawingRequest, render

PLAIN_EDGE_PIXELS = 512
MAX_ATTEMPTS = 2


class DrawingProcess:
    """The process that draws: started on first use, and again if it has died."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._lock = asyncio.Lock()

    async def draw(self, request: DrawingRequest) -> bytes:
        """Return the PNG; raises EOFError or OSError if the process died twice."""
        async with self._lock:
            for attempt in range(1, MAX_ATTEMPTS + 1):
                try:
                    return await self._send(request)
                except (EOFError, OSError):
                    self.stop()
                    if attempt == MAX_ATTEMPTS:
                        raise
        raise AssertionError

    async def _send(self, request: DrawingRequest) -> bytes:
        if self._process is None:
            # In its own session, so that Ctrl-C in the terminal does not reach it.
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "klingweb.simulator.drawing",
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(request.to_json_line())
        await stdin.drain()
        length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES))
        return await stdout.readexactly(length)

    def stop(self) -> None:
        """Kill the process, even while it draws."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None


class PictureCache:
    """Draws each picture once and stores the PNG: in a folder if one is given, else in memory.

    With `plain`, pictures depend on aspect ratio and index only, so that thousands of tasks share a
    few of them.
    """

    def __init__(self, folder: Path | None, long_edge: int, plain: bool) -> None:
        self._folder = None if plain else folder
        self._long_edge = long_edge
        self._plain = plain
        self._process = DrawingProcess()
        self._drawings: dict[DrawingRequest, asyncio.Task[bytes]] = {}
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)

    def request_for(self, prompt: str, aspect_ratio: str, index: int, model: str) -> DrawingRequest:
        """Return the drawing request for one picture of a task."""
        if self._plain:
            return DrawingRequest("", aspect_ratio, index, PLAIN_EDGE_PIXELS, plain=True)
        return DrawingRequest(prompt, aspect_ratio, index, self._long_edge, model)

    async def get(self, request: DrawingRequest) -> bytes:
        """Return the PNG, drawing it if it is not stored."""
        path = self._path(request)
        if path and path.exists():
            return await asyncio.to_thread(path.read_bytes)
        drawing = self._drawings.get(request)
        if drawing is None:
            drawing = asyncio.create_task(self._draw(request, path))
            self._drawings[request] = drawing
            drawing.add_done_callback(lambda done: self._discard(request, done))
        return await asyncio.shield(drawing)

    def is_ready(self, request: DrawingRequest) -> bool:
        """Whether `get` would return without drawing."""
        path = self._path(request)
        drawing = self._drawings.get(request)
        return bool(path and path.exists()) or bool(drawing and drawing.done())

    def close(self) -> None:
        """Stop drawing and drop unfinished pictures."""
        for drawing in list(self._drawings.values()):
            drawing.cancel()
        self._process.stop()

    def _discard(self, request: DrawingRequest, drawing: asyncio.Task[bytes]) -> None:
        # Stored pictures are read from disk, and failed ones are drawn again on the next call.
        if self._folder or drawing.cancelled() or drawing.exception():
            self._drawings.pop(request, None)

    def _path(self, request: DrawingRequest) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(request.to_json_line()).hexdigest()[:40]}.png"

    async def _draw(self, request: DrawingRequest, path: Path | None) -> bytes:
        if self._plain:
            return await asyncio.to_thread(render, request)
        png = await self._process.draw(request)
        if path:
            await asyncio.to_thread(_write_atomically, path, png)
        return png


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    temporary.replace(path)
