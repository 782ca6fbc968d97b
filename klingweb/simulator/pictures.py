"""The pictures of the tasks: drawn beside the event loop, once, and kept."""

import asyncio
import contextlib
import hashlib
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

from klingweb.simulator.drawing import LENGTH_BYTES, Wish, render

PLAIN_EDGE = 512
ATTEMPTS = 2


class Hand:
    """The one process that draws, started when it is first needed and again if it died."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._turn = asyncio.Lock()

    async def draw(self, wish: Wish) -> bytes:
        """The PNG of a wish; EOFError or OSError when the process dies over it."""
        async with self._turn:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await self._ask(wish)
                except (EOFError, OSError):
                    self.stop()
                    if attempt == ATTEMPTS:
                        raise
        raise AssertionError

    async def _ask(self, wish: Wish) -> bytes:
        if self._process is None:
            # A session of its own, so that a Ctrl-C meant for us does not reach it.
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
        stdin.write(wish.as_line())
        await stdin.drain()
        length = int.from_bytes(await stdout.readexactly(LENGTH_BYTES))
        return await stdout.readexactly(length)

    def stop(self) -> None:
        """End the process, whatever it is drawing."""
        if self._process:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        self._process = None


class Pictures:
    """Draws each picture once. With a folder the PNGs lie there, else in memory.

    Plain ones depend on ratio and index alone, so a load of thousands of tasks costs nothing.
    """

    def __init__(self, folder: Path | None, long_edge: int, plain: bool) -> None:
        self._folder = None if plain else folder
        self._long_edge = long_edge
        self._plain = plain
        self._hand = Hand()
        self._drawings: dict[Wish, asyncio.Task[bytes]] = {}
        if self._folder:
            self._folder.mkdir(parents=True, exist_ok=True)

    def wish(self, prompt: str, aspect_ratio: str, index: int, model: str) -> Wish:
        """What to draw for one picture of a task."""
        if self._plain:
            return Wish("", aspect_ratio, index, PLAIN_EDGE, plain=True)
        return Wish(prompt, aspect_ratio, index, self._long_edge, model)

    async def get(self, wish: Wish) -> bytes:
        """The PNG of a wish, drawn now if it is not there yet."""
        path = self._path(wish)
        if path and path.exists():
            return await asyncio.to_thread(path.read_bytes)
        drawing = self._drawings.get(wish)
        if drawing is None:
            drawing = asyncio.create_task(self._draw(wish, path))
            self._drawings[wish] = drawing
            drawing.add_done_callback(lambda done: self._let_go(wish, done))
        return await asyncio.shield(drawing)

    def has(self, wish: Wish) -> bool:
        """Whether `get` would answer at once."""
        path = self._path(wish)
        drawing = self._drawings.get(wish)
        return bool(path and path.exists()) or bool(drawing and drawing.done())

    def close(self) -> None:
        """Stop drawing; what is half done is forgotten."""
        for drawing in list(self._drawings.values()):
            drawing.cancel()
        self._hand.stop()

    def _let_go(self, wish: Wish, drawing: asyncio.Task[bytes]) -> None:
        # What lies on the disk need not fill the memory; what failed may be tried again.
        if self._folder or drawing.cancelled() or drawing.exception():
            self._drawings.pop(wish, None)

    def _path(self, wish: Wish) -> Path | None:
        if self._folder is None:
            return None
        return self._folder / f"{hashlib.sha256(wish.as_line()).hexdigest()[:40]}.png"

    async def _draw(self, wish: Wish, path: Path | None) -> bytes:
        if self._plain:
            return await asyncio.to_thread(render, wish)
        png = await self._hand.draw(wish)
        if path:
            await asyncio.to_thread(_put, path, png)
        return png


def _put(path: Path, content: bytes) -> None:
    # Whole or not at all, also when the power goes.
    unfinished = path.with_suffix(".part")
    unfinished.write_bytes(content)
    unfinished.replace(path)
