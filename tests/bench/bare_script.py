"""The bare script: the same request at the same poll interval, without klingweb.

It submits, polls, downloads, decodes and writes the same files. The difference between klingweb
and this script is the overhead of klingweb.
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
class BareScript:
    url: str
    key: str
    poll_seconds: float
    folder: Path

    def generate(self, prompt: str) -> float:
        """Submit, poll, download, decode, make previews and write files; return the seconds."""
        started = time.perf_counter()
        headers = {"Authorization": f"Bearer {self.key}"}
        body = {"prompt": prompt, "n": 1, "aspect_ratio": "1:1"}
        submitted = requests.post(self.url + PATH, json=body, headers=headers, timeout=75)
        task_id = submitted.json()["data"]["task_id"]
        with requests.Session() as session:
            while True:
                time.sleep(self.poll_seconds * random.uniform(0.8, 1.2))
                response = session.get(f"{self.url}{PATH}/{task_id}", headers=headers, timeout=30)
                task = response.json()["data"]
                if task["task_status"] == "succeed":
                    break
            for image in task["task_result"]["images"]:
                self._store(session.get(image["url"], timeout=60).content)
        return time.perf_counter() - started

    def generate_all(self, prompts: list[str]) -> list[float]:
        """Run all prompts at once, each in its own thread."""
        with ThreadPoolExecutor(len(prompts)) as pool:
            return list(pool.map(self.generate, prompts))

    def _store(self, original: bytes) -> None:
        processed = imaging.process(original)
        for data in (original, *processed.previews.values()):
            (self.folder / uuid4().hex).write_bytes(data)
