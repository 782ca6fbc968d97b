"""What the simulator knows: its tasks, where each stands and what is told about it."""

import asyncio
import json
import logging
import random
import time
from dataclasses import asdict
from urllib.parse import quote

from klingweb.simulator import replies
from klingweb.simulator.drawing import Wish
from klingweb.simulator.envelopes import FAILED, PROCESSING, SUBMITTED, SUCCEED, Json, Snapshot
from klingweb.simulator.orders import Chosen, Orders
from klingweb.simulator.pictures import Pictures
from klingweb.simulator.record import Record
from klingweb.simulator.replies import Reply
from klingweb.simulator.scenarios import CATALOG
from klingweb.simulator.settings import Settings
from klingweb.simulator.tasks import Store, Task

log = logging.getLogger(__name__)


class Provider:
    """The tasks, the rules they are accepted by and the record of who asked."""

    def __init__(self, settings: Settings, store: Store, pictures: Pictures) -> None:
        self._first_settings = settings
        self.settings = settings
        self.tasks = store
        self.orders = Orders()
        self.record = Record()
        self._pictures = pictures
        self._drawing: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """As if it had just been started for the first time."""
        self.settings = self._first_settings
        self.tasks.clear()
        self.orders.clear()
        self.record = Record()

    def resume(self) -> None:
        """Take up the drawing of tasks that were found in the journal."""
        for task in self.tasks:
            self._draw(task)

    def close(self) -> None:
        """Stop drawing."""
        self._pictures.close()

    def repeated(self, body: Json) -> str | None:
        """What is wrong when an external id comes twice (the upstream notes, section 2.3)."""
        name = body.get("external_task_id")
        known = name and self.tasks.knows_external_id(name)
        return f"external_task_id is not unique: {name}" if known else None

    def over_limit(self, n: int) -> Reply | None:
        """1303 when the free slots are fewer than n (the upstream notes, section 3.2)."""
        units = self.settings.units
        if units and self.tasks.units(time.time()) + n > units:
            return replies.official(1303)
        return None

    def accept(self, body: Json, chosen: Chosen) -> Task:
        """Make the task of a valid body; from here on it exists."""
        scenario = chosen.scenario
        low, high = self.settings.seconds
        seconds = random.uniform(
            chosen.number("seconds_from", low), chosen.number("seconds_to", high)
        )
        task = Task(
            task_id=scenario.task_id(),
            prompt=body["prompt"],
            n=body.get("n", 1),
            aspect_ratio=body.get("aspect_ratio") or "16:9",
            created_at=time.time(),
            submitted_seconds=seconds * random.uniform(0.1, 0.3),
            seconds=seconds if scenario.ends else None,
            fails_with=scenario.fails_with,
            model=body.get("model_name", ""),
            external_task_id=body.get("external_task_id", ""),
            scenario=chosen.name,
            params=chosen.params,
        )
        self.tasks.add(task)
        self._draw(task)
        return task

    def submit_answer(self, task: Task) -> bytes:
        """What the submit of a new task is told."""
        told = CATALOG[task.scenario].dialect.submit(self._snapshot(task, SUBMITTED, ""))
        return json.dumps(told).encode()

    def query_answer(self, task: Task, host: str) -> bytes | Reply:
        """What a query is told now. `host` is how the asker calls us; the URLs carry it."""
        task.polls += 1
        now = time.time()
        scenario = CATALOG[task.scenario]
        if scenario.query and task.is_disturbed(now):
            return scenario.query
        status = task.status(now)
        if status == SUCCEED:
            task.told_done += 1
            if 1 < task.told_done <= 1 + task.number("regressions"):
                status = PROCESSING
        answer = task.answers.get((status, host))
        if answer is None:
            told = scenario.dialect.query(self._snapshot(task, status, host))
            answer = json.dumps(told, ensure_ascii=False).encode()
            if scenario.images is None:
                task.answers[status, host] = answer
        return answer

    def page(self, number: int, size: int, host: str) -> list[Snapshot]:
        """One page of the list, newest first."""
        now = time.time()
        tasks = self.tasks.page(number, size, lambda task: not self._is_denied(task, now))
        return [self._snapshot(task, task.status(now), host) for task in tasks]

    def _is_denied(self, task: Task, now: float) -> bool:
        """What a query is told not to exist is not listed either."""
        denies = CATALOG[task.scenario].query is replies.TASK_NOT_EXIST
        return denies and task.is_disturbed(now, ahead=1)

    def find_picture(self, name: str) -> tuple[Task, int] | None:
        """The task and index behind a file name `<task id>_<index>.png`."""
        task_id, _, index = name.removesuffix(".png").rpartition("_")
        task = self.tasks.get(task_id)
        if task is None or not index.isdecimal() or int(index) >= task.n:
            return None
        return task, int(index)

    async def png(self, task: Task, index: int) -> bytes:
        """The bytes of one picture of a task."""
        return await self._pictures.get(self._wish(task, index))

    def _snapshot(self, task: Task, status: str, host: str) -> Snapshot:
        images: list[Json] = []
        if status == SUCCEED:
            base = f"http://{host}/files/{quote(task.task_id, safe='')}"
            images = [{"index": i, "url": f"{base}_{i}.png"} for i in range(task.n)]
            change = CATALOG[task.scenario].images
            images = change(images, task) if change else images
        return Snapshot(
            task_id=task.task_id,
            status=status,
            created_at=task.created_at,
            updated_at=task.updated_at(status),
            n=task.n,
            model=task.model,
            external_task_id=task.external_task_id,
            reason=task.fails_with or "" if status == FAILED else "",
            images=tuple(images),
        )

    def _wish(self, task: Task, index: int) -> Wish:
        return self._pictures.wish(task.prompt, task.aspect_ratio, index, task.model)

    def _draw(self, task: Task) -> None:
        if not task.needs_pictures:
            return
        wishes = [self._wish(task, index) for index in range(task.n)]
        if all(self._pictures.has(wish) for wish in wishes):
            task.drawn_at = task.created_at
            return
        drawing = asyncio.create_task(self._draw_all(task, wishes))
        self._drawing.add(drawing)
        drawing.add_done_callback(self._drawing.discard)

    async def _draw_all(self, task: Task, wishes: list[Wish]) -> None:
        try:
            for wish in wishes:
                await self._pictures.get(wish)
        except Exception:
            log.exception("The pictures of task %s could not be drawn", task.task_id)
        else:
            task.drawn_at = time.time()

    def described(self, task: Task) -> Json:
        """A task for the control call; moments are Unix seconds, `done_at` None if not known."""
        return {
            "task_id": task.task_id,
            "prompt": task.prompt,
            "n": task.n,
            "scenario": task.scenario,
            "created_at": task.created_at,
            "state": task.status(time.time()),
            "polls": task.polls,
            "done_at": task.done_at,
        }

    def stats(self) -> Json:
        """Counters that cost little, whatever the load."""
        return {
            "tasks": len(self.tasks),
            "requests": dict(self.record.kinds),
            "statuses": dict(self.record.statuses),
            "record_dropped": self.record.dropped,
            "settings": asdict(self.settings),
        }
