"""A naive worker: takes a queued row, sends the POST, then saves the task id.

Comparison for tests/test_killing.py. `python -m tests.naive_worker DATABASE URL KEY` runs until it
is killed.
"""

import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import requests  # noqa: TID251

THREADS = 4


def create(database: str, prompts: list[str]) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE request (prompt TEXT, task_id TEXT)")
        connection.executemany(
            "INSERT INTO request VALUES (?, NULL)", [(prompt,) for prompt in prompts]
        )


def queued_prompts(database: str) -> list[str]:
    with sqlite3.connect(database, timeout=20) as connection:
        found = connection.execute("SELECT prompt FROM request WHERE task_id IS NULL")
        return [prompt for (prompt,) in found]


def run(database: str, url: str, key: str) -> None:
    def submit(prompt: str) -> None:
        response = requests.post(
            f"{url}/kling/v1/images/generations",
            json={"prompt": prompt, "n": 1, "aspect_ratio": "1:1"},
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )
        with sqlite3.connect(database, timeout=20) as connection:
            task_id = response.json()["data"]["task_id"]
            connection.execute("UPDATE request SET task_id = ? WHERE prompt = ?", (task_id, prompt))

    with ThreadPoolExecutor(THREADS) as pool:
        while prompts := queued_prompts(database):
            list(pool.map(submit, prompts[:THREADS]))
    time.sleep(3600)


if __name__ == "__main__":
    run(*sys.argv[1:])
