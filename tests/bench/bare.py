"""The bare script: the same request with the same rhythm and the same care for the file, no more.

It is the measure of `whole request`: what klingweb adds to it is klingweb's own.
"""

import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import requests  # noqa: TID251

from generations.worker import imaging

PATH = "/kling/v1/images/generations"


@dataclass(frozen=True)
class Bare:
    url: str
    key: str
    poll_seconds: float
    folder: Path

    def make(self, prompt: str) -> float:
        """Submit, poll, download, decode, previews, files; returns the seconds it took."""
        started = time.perf_counter()
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"prompt": prompt, "n": 1, "aspect_ratio": "1:1"}
        sent = requests.post(self.url + PATH, json=body, headers=headers, timeout=75)
        task_id = sent.json()["data"]["task_id"]
        with requests.Session() as session:
            while True:
                time.sleep(self.poll_seconds * random.uniform(0.8, 1.2))
                answer = session.get(f"{self.url}{PATH}/{task_id}", headers=headers, timeout=30)
                task = answer.json()["data"]
                if task["task_status"] == "succeed":
                    break
            for image in task["task_result"]["images"]:
                self._keep(session.get(image["url"], timeout=60).content)
        return time.perf_counter() - started

    def make_many(self, prompts: list[str]) -> list[float]:
        with ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(self.make, prompts))

    def _keep(self, original: bytes) -> None:
        developed = imaging.process(original)
        for data in (original, *developed.previews.values()):
            (self.folder / uuid4().hex).write_bytes(data)
