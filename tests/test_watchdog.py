"""The watchdog restarts a frozen or damaged cluster, and stops one without losing responses."""

import logging
import signal
from collections.abc import Callable, Iterator

import psutil
import pytest
from django.conf import settings

from generations.processes.watchdog import Watchdog
from tests.installation import Installation, Visitor, wait_until
from tests.simulator import Simulator

# The worker processes of django-q2, which starts its monitor and its pusher after them.
WORKERS = settings.Q_CLUSTER["workers"]
TIMEOUT_SECONDS = 60


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulator]:
    with Simulator(seconds=(0.1, 0.2)) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def installation(
    upstream: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("watched")
    with Installation(
        folder,
        upstream_url=upstream.url,
        poll_seconds="0.3,1,1,1",
        watchdog_heartbeat_seconds=1,
        watchdog_timeout_seconds=8,
        log_level="ERROR",
    ).prepare() as installation:
        installation.open()
        yield installation


@pytest.fixture(scope="module")
def person(installation: Installation) -> Visitor:
    return installation.sign_in()


class Cluster:
    """The processes of one django-q2 cluster, by role."""

    def __init__(self, installation: Installation) -> None:
        watchdog, *members = installation.process_tree("worker")
        self.members = sorted(members, key=lambda member: member.pid)
        (self.parent,) = watchdog.children()
        (self.sentinel,) = self.parent.children()
        processes = sorted(self.sentinel.children(), key=lambda member: member.pid)
        self.workers, (self.monitor, self.pusher) = processes[:WORKERS], processes[WORKERS:]

    def is_gone(self) -> bool:
        return not any(map(_is_alive, self.members))


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def generate(installation: Installation, person: Visitor, prompt: str) -> None:
    """Request a generation, and wait until it has succeeded."""
    person.generate(prompt)
    wait_until(
        lambda: row(installation, prompt)["status"] == "succeeded",
        TIMEOUT_SECONDS,
        f"{prompt!r} has succeeded",
    )


def row(installation: Installation, prompt: str) -> dict[str, object]:
    (found,) = installation.rows("SELECT * FROM generations_generation WHERE prompt = ?", prompt)
    return found


def is_idle(installation: Installation) -> bool:
    """Whether there is no work, and no lease is held."""
    return installation.is_idle() and not installation.rows(
        "SELECT 1 FROM generations_lease WHERE holder<>''"
    )


FAULTS: dict[str, Callable[[Cluster], None]] = {
    # All of them, which includes the one that waits with the lock of the queue.
    "the idle workers are killed": lambda cluster: kill(*cluster.workers),
    "the monitor is killed": lambda cluster: kill(cluster.monitor),
    "the sentinel is killed": lambda cluster: kill(cluster.sentinel),
    "the parent is killed": lambda cluster: kill(cluster.parent),
    "a worker is stopped": lambda cluster: stop(cluster.workers[0]),
    "the monitor is stopped": lambda cluster: stop(cluster.monitor),
    "the pusher is stopped": lambda cluster: stop(cluster.pusher),
    "the sentinel is stopped": lambda cluster: stop(cluster.sentinel),
    "the parent is stopped": lambda cluster: stop(cluster.parent),
}


def stop(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)


def kill(*processes: psutil.Process) -> None:
    for process in processes:
        process.kill()


@pytest.mark.parametrize("fault", FAULTS)
def test_damaged_cluster_is_replaced_completely(
    installation: Installation, person: Visitor, fault: str
) -> None:
    generate(installation, person, f"before {fault}")
    wait_until(lambda: is_idle(installation), TIMEOUT_SECONDS, "the cluster is idle")
    cluster = Cluster(installation)
    FAULTS[fault](cluster)
    wait_until(cluster.is_gone, TIMEOUT_SECONDS, "the old cluster is gone")
    generate(installation, person, f"after {fault}")


def test_killed_busy_workers_are_replaced(
    installation: Installation, person: Visitor, upstream: Simulator
) -> None:
    upstream.settings(seconds=[3, 3])
    for number in range(5):
        person.generate(f"busy {number}")
    wait_until(
        lambda: installation.statuses().get("running"), TIMEOUT_SECONDS, "they are in progress"
    )
    kill(*Cluster(installation).workers)
    wait_until(installation.is_idle, TIMEOUT_SECONDS, "the installation is idle")
    upstream.settings(seconds=[0.1, 0.2])
    ends = [row(installation, f"busy {number}")["status"] for number in range(5)]
    assert set(ends) <= {"succeeded", "unconfirmed"}
    tasks = [task["prompt"] for task in upstream.tasks()]
    assert len(tasks) == len(set(tasks)), "charged twice"
    generate(installation, person, "after the busy workers were killed")


def test_two_clusters_charge_nothing_twice_and_one_takes_over(
    installation: Installation, person: Visitor, upstream: Simulator
) -> None:
    with Installation(installation.folder) as other:
        other.environment = installation.environment
        other.start("worker")
        for number in range(30):
            person.generate(f"for two clusters {number}")
        wait_until(
            lambda: installation.statuses().get("running"), TIMEOUT_SECONDS, "they are in progress"
        )
        other.kill("worker")
        wait_until(installation.is_idle, TIMEOUT_SECONDS, "the installation is idle")
    tasks = [task["prompt"] for task in upstream.tasks()]
    assert len(tasks) == len(set(tasks)), "charged twice"
    ends = [row(installation, f"for two clusters {number}")["status"] for number in range(30)]
    assert set(ends) <= {"succeeded", "unconfirmed"}


def test_killed_pusher_is_replaced_by_the_cluster(
    installation: Installation, person: Visitor
) -> None:
    generate(installation, person, "before the pusher is killed")
    kill(Cluster(installation).pusher)
    generate(installation, person, "after the pusher is killed")


def test_stop_waits_for_a_pending_post_and_saves_its_response(
    installation: Installation, person: Visitor, upstream: Simulator
) -> None:
    upstream.settings(submit_seconds=3)
    prompt = "sent during a stop"
    person.generate(prompt)
    wait_until(lambda: posts(upstream, prompt), TIMEOUT_SECONDS, "the POST was sent")
    members = installation.process_tree("worker")
    assert installation.stop("worker", TIMEOUT_SECONDS) == 0

    saved = row(installation, prompt)
    (task,) = [task for task in upstream.tasks() if task["prompt"] == prompt]
    assert (saved["status"], saved["upstream_task_id"]) == ("running", task["task_id"])
    assert not any(map(_is_alive, members))

    upstream.settings(submit_seconds=0)
    installation.start("worker")
    wait_until(
        lambda: row(installation, prompt)["status"] == "succeeded",
        TIMEOUT_SECONDS,
        "it has succeeded",
    )
    assert len(posts(upstream, prompt)) == 1


def posts(upstream: Simulator, prompt: str) -> list[dict[str, object]]:
    return [post for post in upstream.requests("submit") if post["prompt"] == prompt]


def test_lost_database_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watchdog = Watchdog()
    for fault in ("", "it is away", "it is away", "it is away", "", ""):
        watchdog._log_database(fault)
    assert [record.getMessage() for record in caplog.records] == [
        "The watchdog waits for the database: it is away",
        "The database can be used again",
    ]
