"""Calls the address that a submit has named, at every change of its task (notes 2.7)."""

import asyncio
import logging
import time
from collections.abc import Callable
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp

from klingweb.simulator.engines.kling import formats
from klingweb.simulator.tasks import FAILED, SUBMITTED, SUCCEED, Task, TaskSnapshot

log = logging.getLogger(__name__)

TIMEOUT = aiohttp.ClientTimeout(total=5)
DRAWING_SECONDS = 0.05  # how often it is looked whether the pictures are drawn


class Callbacks:
    """The callbacks of tasks in progress. Only this machine is called; a lost one is not repeated.

    `snapshot` returns a task as it is in this state.
    """

    def __init__(self, snapshot: Callable[[Task, str], TaskSnapshot]) -> None:
        self._snapshot = snapshot
        self._following: set[asyncio.Task[None]] = set()

    def follow(self, task: Task, url: str) -> None:
        """Call this address until the task ends."""
        if not _is_local(url):
            log.warning("A callback to another machine is not sent: %s", urlsplit(url).hostname)
            return
        following = asyncio.create_task(self._follow(task, url))
        self._following.add(following)
        following.add_done_callback(self._following.discard)

    async def _follow(self, task: Task, url: str) -> None:
        async with aiohttp.ClientSession(timeout=TIMEOUT) as session:
            reported = ""
            while reported not in (SUCCEED, FAILED):
                state = task.state(time.time())
                if state != reported:
                    await self._call(session, url, self._snapshot(task, state))
                    reported = state
                elif task.seconds is None and state != SUBMITTED:
                    return  # it never ends
                else:
                    await asyncio.sleep(_until_change(task, state))

    async def _call(self, session: aiohttp.ClientSession, url: str, task: TaskSnapshot) -> None:
        try:
            async with session.post(url, json=formats.task_json(task)):
                pass
        except (aiohttp.ClientError, TimeoutError) as error:
            log.warning("A callback failed: %s", type(error).__name__)


def _until_change(task: Task, state: str) -> float:
    change = task.created_at + task.submitted_seconds if state == SUBMITTED else task.done_at
    return max((change or 0) - time.time(), DRAWING_SECONDS)


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
