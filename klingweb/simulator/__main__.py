"""`python -m klingweb.simulator`: arguments, start, a clean stop."""

import argparse
import asyncio
import contextlib
import os
import signal
from pathlib import Path

from aiohttp import web

from klingweb.simulator.journal import Journal
from klingweb.simulator.pictures import Pictures
from klingweb.simulator.provider import Provider
from klingweb.simulator.server import Server
from klingweb.simulator.settings import Settings
from klingweb.simulator.tasks import Store

PARENT_CHECK_SECONDS = 0.5
LAST_ANSWERS_SECONDS = 0.2


def seconds_range(text: str) -> tuple[float, float]:
    """`4-9` or `5` as two numbers of seconds."""
    low, _, high = text.partition("-")
    return float(low), float(high or low)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m klingweb.simulator", description="A Kling reseller that costs nothing."
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=8799, help="0 takes a free one")
    add("--key", default="demo", help="the only API key that is accepted")
    add("--seconds", type=seconds_range, default=(4.0, 9.0), help="life of a task, as 4-9")
    add("--units", type=int, default=0, help="slots of the account, n per task; 0 is no limit")
    add("--plain", action="store_true", help="cheap pictures, for load")
    add("--data-dir", type=Path, help="keep tasks and pictures here over a restart")
    add("--submit-seconds", type=float, default=0.05, help="how long a submit takes")
    add("--long-edge", type=int, default=1280, help="of the pictures, in pixels")
    add(
        "--die-with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="stop when the process that started it is gone; its PID, if it may be gone by now",
    )
    return parser.parse_args()


def provider(options: argparse.Namespace) -> Provider:
    """The provider the options ask for."""
    folder: Path | None = options.data_dir
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return Provider(
        Settings(
            key=options.key,
            seconds=options.seconds,
            submit_seconds=options.submit_seconds,
            units=options.units,
        ),
        Store(Journal(folder / "tasks.jsonl") if folder else None),
        Pictures(folder / "pictures" if folder else None, options.long_edge, options.plain),
    )


async def orphaned(parent: int) -> None:
    """Return when the process that started us is gone."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_SECONDS)


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal, or until the parent is gone when that was asked for."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    served = provider(options)
    served.resume()
    runner = web.ServerRunner(
        web.Server(Server(served).handle, access_log=None), shutdown_timeout=LAST_ANSWERS_SECONDS
    )
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, backlog=4096, reuse_address=True)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"klingweb simulator listening on http://{host}:{port}", flush=True)
    ends: list[asyncio.Task[object]] = [asyncio.create_task(stopped.wait())]
    if options.die_with_parent:
        ends.append(asyncio.create_task(orphaned(options.die_with_parent)))
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    served.close()
    await runner.cleanup()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(arguments()))
