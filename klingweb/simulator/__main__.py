"""Run the simulator: `python -m klingweb.simulator`."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from klingweb.simulator.backend import Backend
from klingweb.simulator.journal import Journal
from klingweb.simulator.picture_cache import PictureCache
from klingweb.simulator.server import Server
from klingweb.simulator.settings import Settings
from klingweb.simulator.tasks import TaskStore

PARENT_CHECK_SECONDS = 0.5
SHUTDOWN_SECONDS = 0.2


def seconds_range(text: str) -> tuple[float, float]:
    """Parse `4-9` or `5` as two numbers of seconds."""
    low, _, high = text.partition("-")
    seconds = float(low), float(high or low)
    if not 0 <= seconds[0] <= seconds[1]:
        raise ValueError
    return seconds


def port_number(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise ValueError
    return int(text)


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m klingweb.simulator",
        description="Simulate the gateway, a Kling reseller. Nothing is charged.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=port_number, default=8799, help="0 chooses a free port")
    add("--key", default="demo", help="the only API key that is accepted")
    add("--seconds", type=seconds_range, default=(4.0, 9.0), help="duration of a task, as in 4-9")
    add(
        "--concurrency-limit",
        type=int,
        default=0,
        help="maximum number of images in progress; 0 means no limit",
    )
    add("--plain", action="store_true", help="draw simple pictures, for load tests")
    add("--data-dir", type=Path, help="store tasks and pictures here, to survive a restart")
    add("--submit-seconds", type=float, default=0.05, help="response time of a submit")
    add("--long-edge", type=int, default=1280, help="long edge of the pictures in pixels")
    add(
        "--die-with-parent",
        type=int,
        nargs="?",
        const=os.getppid(),
        metavar="PID",
        help="stop when the parent process ends; give its PID, in case it has already ended",
    )
    return parser.parse_args()


def create_backend(options: argparse.Namespace) -> Backend:
    """Create the backend from the command line's options."""
    folder: Path | None = options.data_dir
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    return Backend(
        Settings(
            key=options.key,
            seconds=options.seconds,
            submit_seconds=options.submit_seconds,
            concurrency_limit=options.concurrency_limit,
        ),
        TaskStore(Journal(folder / "tasks.jsonl") if folder else None),
        PictureCache(folder / "pictures" if folder else None, options.long_edge, options.plain),
    )


async def wait_for_parent_exit(parent: int) -> None:
    """Return when `parent` is no longer the parent of this process."""
    while os.getppid() == parent:
        await asyncio.sleep(PARENT_CHECK_SECONDS)


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT, or with `--die-with-parent` until the parent ends."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    backend = create_backend(options)
    backend.resume()
    runner = web.ServerRunner(
        web.Server(Server(backend).handle, access_log=None), shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    site = web.TCPSite(runner, options.host, options.port, backlog=4096, reuse_address=True)
    await site.start()
    host, port = runner.addresses[0][:2]
    print(f"klingweb simulator listening on http://{host}:{port}", flush=True)
    stop_conditions: list[asyncio.Task[object]] = [asyncio.create_task(stopped.wait())]
    if options.die_with_parent:
        stop_conditions.append(asyncio.create_task(wait_for_parent_exit(options.die_with_parent)))
    await asyncio.wait(stop_conditions, return_when=asyncio.FIRST_COMPLETED)
    backend.close()
    await runner.cleanup()


if __name__ == "__main__":
    try:
        asyncio.run(serve(parse_arguments()))
    except KeyboardInterrupt:
        pass
    except OSError as error:
        sys.exit(f"The simulator cannot start: {error}.")
