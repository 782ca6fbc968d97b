"""Money under load: a budget that holds while processes are killed, and the cost of prices."""

import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import mean
from subprocess import CalledProcessError
from uuid import uuid4

import requests  # noqa: TID251

from tests.bench.report import cpu_seconds, percentile, print_figure
from tests.installation import Installation, Visitor, wait_until
from tests.simulator import Simulator

PEOPLE, POSTS_EACH = 20, 25
PRICE, PRICE_E4 = "0.07", 700
BUDGET, BUDGET_E4 = "40", 400_000  # for 571 of about 1,000 images
MAX_IMAGES = 3
KILL_SECONDS = 3
SAMPLE_SECONDS = 0.05
UPSTREAM_SECONDS = (0.3, 0.8)
SUBMIT_SECONDS = 0.1
ROUNDS, ACTIONS, WARM_UP_ACTIONS = 8, 25, 20
USED = """SELECT charged_e4 + reserved_e4 AS used FROM generations_period
          WHERE member_id IS NULL AND "window" = 'month' ORDER BY starts_at DESC LIMIT 1"""


# --- a budget under kills ------------------------------------------------------------------------


def budget_under_kills(settings: dict[str, object]) -> None:
    """Press 500 times as 20 people while worker and web server are killed every few seconds."""
    print(
        f"\nMoney: {PEOPLE} people, {POSTS_EACH} posts each, 1-{MAX_IMAGES} images at {PRICE}, a "
        f"budget of {BUDGET}; worker and web server in turn killed every {KILL_SECONDS} s.\n"
    )
    names = [f"person-{number}" for number in range(PEOPLE)]
    with (
        tempfile.TemporaryDirectory() as folder,
        Simulator(seconds=UPSTREAM_SECONDS, submit_seconds=SUBMIT_SECONDS) as simulator,
        Installation(
            Path(folder),
            upstream_url=simulator.url,
            log_level="ERROR",
            poll_seconds="0.3,1,1,1",
            concurrency_limit=0,
            hold_retry_seconds=1,
            watchdog_heartbeat_seconds=1,
            upstream_lookup="reference",
            lookup_seconds="1,2,3",
            **settings,
        ).prepare() as installation,
    ):
        installation.add_members(*names)
        installation.manage("price", "set", "kling", "*", PRICE)
        installation.manage("limit", "set", "--team", "--month-money", BUDGET)
        installation.open()
        visitors = [installation.sign_in(name) for name in names]
        with (
            _sampled(installation) as samples,
            _kills(installation) as kills,
            ThreadPoolExecutor(PEOPLE) as pool,
        ):
            answers = sum(pool.map(_press_all, visitors, range(PEOPLE)), Counter[int]())
        wait_until(lambda: _is_final(installation), 300, "all rows are final")
        _print_budget(installation, simulator, answers, samples, kills)


def _is_final(installation: Installation) -> bool:
    return installation.is_idle() and "unconfirmed" not in installation.statuses()


def _print_budget(
    installation: Installation,
    simulator: Simulator,
    answers: Counter[int],
    samples: list[int],
    kills: Counter[str],
) -> None:
    tasks = simulator.tasks()
    upstream_e4 = sum(task["n"] for task in tasks) * PRICE_E4
    [used] = installation.rows(USED)
    rows = sum(installation.statuses().values())
    repeated = sum(count > 1 for count in Counter(task["prompt"] for task in tasks).values())
    over = sum(sample > BUDGET_E4 for sample in samples)
    print_figure("posts: accepted / refused", f"{answers[200]} / {answers[422]}", "together 500")
    print_figure("rows", str(rows), f"{answers[200]}, the accepted posts")
    print_figure("kills of worker / web server", f"{kills['worker']} / {kills['web']}")
    print_figure(f"samples above the budget, of {len(samples)}", str(over), "0")
    print_figure(
        "highest charged + reserved / budget",
        f"{max(samples) / 10_000:.2f} / {BUDGET_E4 / 10_000:.2f}",
        f"<= {BUDGET}, and within {MAX_IMAGES} images of it",
    )
    print_figure(
        "at the end: ledger / price of the upstream's tasks",
        f"{used['used'] / 10_000:.2f} / {upstream_e4 / 10_000:.2f}",
        "equal",
    )
    print_figure("prompts with two tasks upstream", str(repeated), "0")
    print_figure("ledger check", _ledger_check(installation), "clean")


def _ledger_check(installation: Installation) -> str:
    try:
        installation.manage("ledger", "check")
    except CalledProcessError as error:
        print(error.stdout)
        return "differences"
    return "clean"


def _press_all(visitor: Visitor, seed: int) -> Counter[int]:
    """Send all forms of one person, each again until the server answers; count the statuses."""
    rng = random.Random(seed)
    visitor.session.headers["HX-Request"] = "true"
    statuses = Counter[int]()
    for number in range(POSTS_EACH):
        statuses[_press(visitor, f"money {seed} {number}", rng.randint(1, MAX_IMAGES))] += 1
        time.sleep(rng.uniform(0, 1))
    return statuses


def _press(visitor: Visitor, prompt: str, n: int) -> int:
    nonce, statuses = uuid4(), list[int]()

    def is_answered() -> bool:
        try:
            statuses.append(visitor.generate(prompt, nonce=nonce, n=n).status_code)
        except requests.RequestException:  # killed, perhaps in the middle of its answer
            return False
        return statuses[-1] in (200, 422)

    wait_until(is_answered, 120, f"{prompt!r} is answered")
    return statuses[-1]


@contextmanager
def _sampled(installation: Installation) -> Iterator[list[int]]:
    """Read what the team has used, again and again, from the database itself."""
    samples: list[int] = [0]

    def sample() -> None:
        samples.extend(row["used"] for row in installation.rows(USED))

    with _repeated(sample, SAMPLE_SECONDS):
        yield samples


@contextmanager
def _kills(installation: Installation) -> Iterator[Counter[str]]:
    """Kill the worker and the web server in turn, and start them again."""
    kills = Counter[str]()

    def kill() -> None:
        part = "web" if kills["worker"] > kills["web"] else "worker"
        installation.kill(part)
        installation.start(part)
        if part == "web":
            # On a busy machine a start takes longer than until the next kill: it would never serve.
            installation.wait_for_web()
        kills[part] += 1

    with _repeated(kill, KILL_SECONDS):
        yield kills


@contextmanager
def _repeated(action: Callable[[], None], seconds: float) -> Iterator[None]:
    """Call `action` every few seconds in a thread of its own."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.wait(seconds):
            action()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


# --- the cost of prices --------------------------------------------------------------------------


def press_to_card(settings: dict[str, object], priced_settings: dict[str, object]) -> None:
    """Press and open the studio, without prices and limits and with all of them, in turn.

    In short rounds on two installations, so that other work on the machine slows down both.
    """
    print(
        f"\nPress to card: {ROUNDS} rounds of {ACTIONS} presses and {ACTIONS} visits of the "
        "studio, one after the other, no worker.\n"
    )
    with _cost(settings) as without, _cost(priced_settings) as priced:
        priced.set_prices_and_limits()
        both = (without, priced)
        for cost in both:
            cost.measure(WARM_UP_ACTIONS)
            cost.forget()
        for number in range(ROUNDS):
            for cost in both if number % 2 else reversed(both):
                cost.measure(ACTIONS)
    for name in without.seconds:
        _print_cost(f"{name}, p50", *(percentile(50, each.seconds[name]) for each in both))
        _print_cost(f"{name}, p95", *(percentile(95, each.seconds[name]) for each in both))
        _print_cost(f"{name}, processor time", *(mean(each.cpu[name]) for each in both))


def _print_cost(name: str, without: float, priced: float) -> None:
    print_figure(
        f"{name}: without / with prices, limits",
        f"{without * 1000:.1f} / {priced * 1000:.1f} ms",
        f"{priced / without:.2f} x, <= 1.10 x",
    )


class _Cost:
    """What a press and a visit of the studio take in one installation."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.visitor = installation.sign_in()
        self.forget()

    def forget(self) -> None:
        self.seconds: dict[str, list[float]] = {"press to card": [], "studio": []}
        self.cpu: dict[str, list[float]] = {"press to card": [], "studio": []}

    def set_prices_and_limits(self) -> None:
        self.installation.manage("price", "set", "kling", "*", PRICE)
        for whose in (["--team"], ["--member", "admin"], ["--role", "admin"]):
            values = ["--day-money", "1000", "--month-money", "5000"]
            images = ["--day-images", "9000", "--month-images", "90000"]
            self.installation.manage("limit", "set", *whose, *values, *images)

    def measure(self, count: int) -> None:
        self.visitor.session.headers["HX-Request"] = "true"
        self._measure("press to card", lambda: self.visitor.generate("bench press"), count)
        del self.visitor.session.headers["HX-Request"]
        self._measure("studio", lambda: self.visitor.get("/"), count)

    def _measure(self, name: str, action: Callable[[], requests.Response], count: int) -> None:
        processes = self.installation.process_tree("web")
        cpu = cpu_seconds(processes)
        for _number in range(count):
            started = time.perf_counter()
            assert action().status_code == 200
            self.seconds[name].append(time.perf_counter() - started)
        self.cpu[name].append((cpu_seconds(processes) - cpu) / count)


@contextmanager
def _cost(settings: dict[str, object]) -> Iterator[_Cost]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(Path(folder), log_level="ERROR", **settings).prepare() as installation,
    ):
        installation.start("web")
        installation.wait_for_web()
        yield _Cost(installation)
