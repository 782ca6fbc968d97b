"""The simulated service behind the HTTP server: tasks, scenarios, settings and request log."""

import asyncio
import base64
import json
import logging
import random
import time
from dataclasses import asdict
from urllib.parse import quote

from klingweb.simulator.drawing import DrawingRequest
from klingweb.simulator.engines import account
from klingweb.simulator.engines.gateway import TASK_NOT_FOUND
from klingweb.simulator.picture_cache import PictureCache
from klingweb.simulator.request_log import RequestLog
from klingweb.simulator.responses import CannedResponse
from klingweb.simulator.scenario_queue import ActiveScenario, ScenarioQueue
from klingweb.simulator.scenarios import SCENARIOS
from klingweb.simulator.settings import Settings
from klingweb.simulator.tasks import (
    FAILED,
    PROCESSING,
    SUBMITTED,
    SUCCEED,
    Json,
    Task,
    TaskSnapshot,
    TaskStore,
)

log = logging.getLogger(__name__)


class Backend:
    """Creates tasks, and returns the responses to submits and queries."""

    def __init__(self, settings: Settings, tasks: TaskStore, pictures: PictureCache) -> None:
        self._initial_settings = settings
        self.settings = settings
        self.tasks = tasks
        self.scenario_queue = ScenarioQueue()
        self.request_log = RequestLog()
        self._pictures = pictures
        self._drawings: set[asyncio.Task[None]] = set()

    def reset(self) -> None:
        """Delete tasks, queued scenarios and request log, and restore the initial settings."""
        self.settings = self._initial_settings
        self.tasks.clear()
        self.scenario_queue.clear()
        self.request_log = RequestLog()

    def resume(self) -> None:
        """Draw the missing pictures of the tasks from the journal."""
        for task in self.tasks:
            self._start_drawing(task)

    def close(self) -> None:
        """Stop drawing."""
        self._pictures.close()

    def exceeds_limit(self, n: int) -> bool:
        """Whether n more images in progress would exceed the concurrency limit."""
        limit = self.settings.concurrency_limit
        return bool(limit) and self.tasks.images_in_progress(time.time()) + n > limit

    def create_task(self, body: Json, active: ActiveScenario, account: int) -> Task:
        """Create and store the task of a valid request body."""
        scenario = active.scenario
        low, high = self.settings.seconds
        seconds = random.uniform(
            active.number("seconds_from", low), active.number("seconds_to", high)
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
            model=body.get("model_name") or body.get("model", ""),
            external_task_id=body.get("external_task_id", ""),
            scenario=active.name,
            params=active.params,
            account=account,
        )
        self.tasks.add(task)
        self._start_drawing(task)
        return task

    def submit_body(self, task: Task) -> bytes:
        """Return the response body for the submit of a new task."""
        response_format = SCENARIOS[task.scenario].response_format
        return json.dumps(response_format.submit(self.snapshot(task, SUBMITTED, ""))).encode()

    async def answer_body(
        self, task: Task, host: str, image_fields: Json, *, with_base64: bool
    ) -> bytes:
        """Return the answer of an API that answers a submit with the images.

        `image_fields` are added to each image.
        """
        images: list[Json] = []
        for index in range(task.n):
            if with_base64:
                png = await self.picture_png(task, index)
                images.append({**image_fields, "b64_json": base64.b64encode(png).decode()})
            else:
                name = quote(task.task_id, safe="")
                images.append({**image_fields, "url": f"http://{host}/files/{name}_{index}.png"})
        change = SCENARIOS[task.scenario].change_answer
        images = change(images) if change else images
        return json.dumps({"created": int(task.created_at), "data": images}).encode()

    def query_response(self, task: Task, host: str) -> bytes | CannedResponse:
        """Count a poll and return its response: the JSON body, or the scenario's response.

        `host` is the Host header of the request; the picture URLs use it.
        """
        task.polls += 1
        now = time.time()
        scenario = SCENARIOS[task.scenario]
        if scenario.query_response and task.is_query_replaced(now):
            return scenario.query_response
        state = task.state(now)
        if state == SUCCEED:
            task.successes_reported += 1
            if 1 < task.successes_reported <= 1 + task.number("regressions"):
                state = PROCESSING
        body = task.cached_responses.get((state, host))
        if body is None:
            content = scenario.response_format.query(self.snapshot(task, state, host))
            body = json.dumps(content, ensure_ascii=False).encode()
            if scenario.change_images is None:
                task.cached_responses[state, host] = body
        return body

    def list_tasks(self, page: int, size: int, host: str, account: int) -> list[TaskSnapshot]:
        """Return one page of tasks, newest first. Tasks that a query does not find are absent."""
        now = time.time()
        tasks = self.tasks.page(
            page, size, lambda task: task.account == account and not self._is_hidden(task, now)
        )
        return [self.snapshot(task, task.state(now), host) for task in tasks]

    def account_log(self, since: int, until: int, number: int, size: int) -> Json:
        """Return a page of the account's log, or all of it where the API has no pages."""
        own = (task for task in self.tasks if task.account == 0)
        rows = account.log_rows(own, since, until, self.settings.image_quota, time.time())
        if not self.settings.account_pages:
            return account.envelope(rows)
        return account.page(rows, number, size)

    def _is_hidden(self, task: Task, now: float) -> bool:
        hides_task = SCENARIOS[task.scenario].query_response is TASK_NOT_FOUND
        return hides_task and task.is_query_replaced(now, next_polls=1)

    def find_picture(self, file_name: str) -> tuple[Task, int] | None:
        """Return task and index for a file name `<task id>_<index>.png`."""
        task_id, _, index = file_name.removesuffix(".png").rpartition("_")
        task = self.tasks.get(task_id)
        if task is None or not index.isdecimal() or int(index) >= task.n:
            return None
        return task, int(index)

    async def picture_png(self, task: Task, index: int) -> bytes:
        """Return one picture of a task as PNG."""
        return await self._pictures.get(self._drawing_request(task, index))

    def snapshot(self, task: Task, state: str, host: str = "127.0.0.1") -> TaskSnapshot:
        """Return a task as it is in this state; the picture URLs use `host`."""
        images: list[Json] = []
        if state == SUCCEED:
            base = f"http://{host}/files/{quote(task.task_id, safe='')}"
            images = [{"index": i, "url": f"{base}_{i}.png"} for i in range(task.n)]
            change_images = SCENARIOS[task.scenario].change_images
            images = change_images(images, task) if change_images else images
        return TaskSnapshot(
            task_id=task.task_id,
            state=state,
            created_at=task.created_at,
            updated_at=task.updated_at(state),
            n=task.n,
            model=task.model,
            external_task_id=task.external_task_id,
            reason=task.fails_with or "" if state == FAILED else "",
            images=tuple(images),
        )

    def _drawing_request(self, task: Task, index: int) -> DrawingRequest:
        return self._pictures.request_for(task.prompt, task.aspect_ratio, index, task.model)

    def _start_drawing(self, task: Task) -> None:
        if not task.will_succeed:
            return
        requests = [self._drawing_request(task, index) for index in range(task.n)]
        if all(self._pictures.is_ready(request) for request in requests):
            task.drawn_at = task.created_at
            return
        drawing = asyncio.create_task(self._draw_all(task, requests))
        self._drawings.add(drawing)
        drawing.add_done_callback(self._drawings.discard)

    async def _draw_all(self, task: Task, requests: list[DrawingRequest]) -> None:
        try:
            for request in requests:
                await self._pictures.get(request)
        except Exception:
            log.exception("Could not draw the pictures of task %s", task.task_id)
        else:
            task.drawn_at = time.time()

    def describe(self, task: Task) -> Json:
        """Return a task for the control API. Times are Unix seconds; `done_at` may be None."""
        return {
            "task_id": task.task_id,
            "prompt": task.prompt,
            "n": task.n,
            "scenario": task.scenario,
            "created_at": task.created_at,
            "state": task.state(time.time()),
            "polls": task.polls,
            "done_at": task.done_at,
            "account": task.account,
        }

    def stats(self) -> Json:
        """Return counters. Cheap at any load."""
        return {
            "tasks": len(self.tasks),
            "requests": dict(self.request_log.kinds),
            "statuses": dict(self.request_log.statuses),
            "requests_dropped": self.request_log.dropped,
            "settings": asdict(self.settings),
        }
