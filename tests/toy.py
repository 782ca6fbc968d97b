"""What one writes first: take a queued row, POST, then save. It shows what the kills do to it.

`python -m tests.toy DATABASE URL KEY` works until it is killed.
"""

import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests  # noqa: TID251

THREADS = 4


def create(database: str, prompts: list[str]) -> None:
    with sqlite3.connect(database) as rows:
        rows.execute("CREATE TABLE wish (prompt TEXT, task_id TEXT)")
        rows.executemany("INSERT INTO wish VALUES (?, NULL)", [(prompt,) for prompt in prompts])


def waiting(database: str) -> list[str]:
    with sqlite3.connect(database, timeout=20) as rows:
        found = rows.execute("SELECT prompt FROM wish WHERE task_id IS NULL")
        return [prompt for (prompt,) in found]


def run_loops(database: str, url: str, key: str) -> None:
    def submit(prompt: str) -> None:
        answer = requests.post(
            f"{url}/kling/v1/images/generations",
            json={"prompt": prompt, "n": 1, "aspect_ratio": "1:1"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        with sqlite3.connect(database, timeout=20) as rows:
            task_id = answer.json()["data"]["task_id"]
            rows.execute("UPDATE wish SET task_id = ? WHERE prompt = ?", (task_id, prompt))

    with ThreadPoolExecutor(THREADS) as pool:
        while prompts := waiting(database):
            list(pool.map(submit, prompts[:THREADS]))
    time.sleep(3600)


if __name__ == "__main__":
    run_loops(*sys.argv[1:])
