"""API keys change while real processes run: no request is lost, none is sent with the old key."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests  # noqa: TID251

from generations.encryption import new_key
from klingweb import data_folder
from tests.installation import ADMIN_PASSWORD, Installation, Visitor, free_port, wait_until
from tests.simulator import Simulator

OLD, NEW, SPARE = "sk-the-old-key-AAAA1111", "sk-the-new-key-BBBB2222", "sk-the-spare-CCCC3333"
REQUESTS, IN_PROGRESS = 20, 8
OWNER = (
    "from generations.models import Member; "
    f"Member.objects.create_user('boss', password='{ADMIN_PASSWORD}', role='owner')"
)
RUNNING = "SELECT upstream_task_id FROM generations_generation WHERE status = 'running'"
WAITING = "SELECT id FROM generations_generation WHERE key_missing_since IS NOT NULL"
SENT = "SELECT count(*) AS n FROM generations_generation WHERE status IN ('running', 'fetching')"


@pytest.fixture
def gateway() -> Iterator[Simulator]:
    """Three keys, each of an account of its own."""
    with Simulator(key=OLD, seconds=(2, 4), submit_seconds=0.1) as simulator:
        simulator.settings(other_keys={NEW: 1, SPARE: 2})
        yield simulator


@pytest.fixture
def installation(gateway: Simulator, tmp_path: Path) -> Iterator[Installation]:
    """An install with the key of an earlier release, and `boss`, its owner."""
    folder = tmp_path / "data"
    with Installation(
        folder,
        upstream_url=gateway.url,
        upstream_key="",
        poll_seconds="0.5,1,1,1",
        concurrency_limit=IN_PROGRESS,
        hold_retry_seconds=1,
        watchdog_heartbeat_seconds=1,
        log_level="DEBUG",
    ) as installation:
        folder.mkdir(mode=0o700)
        data_folder.old_upstream_key_file(folder).write_text(OLD)
        installation.prepare()
        installation.manage("shell", "-c", OWNER)
        yield installation


def start(installation: Installation, part: str) -> None:
    number = len(list(installation.folder.parent.glob("*.log")))
    log = installation.folder.parent / f"{number}-{part}.log"
    installation.start(part, output=log)


def printed(installation: Installation) -> str:
    return "".join(path.read_text() for path in installation.folder.parent.glob("*.log"))


def open_as_owner(installation: Installation) -> Visitor:
    start(installation, "web")
    start(installation, "worker")
    installation.wait_for_web()
    return installation.sign_in("boss")


def generate(visitor: Visitor, count: int) -> None:
    for number in range(count):
        assert visitor.generate(f"a numbered pear {number}").ok


def wait_until_idle(installation: Installation) -> None:
    wait_until(installation.is_idle, 120, "all rows are final")


def expect_no_secret(installation: Installation, *pages: str) -> None:
    """In no page, log, database, queue row or other file, and in no process list."""
    commands = [
        " ".join(process.cmdline())
        for part in installation.processes
        for process in installation.process_tree(part)
    ]
    texts = {"pages": " ".join(pages), "log": printed(installation), "commands": str(commands)}
    for secret in (OLD, NEW, SPARE):
        assert [name for name, text in texts.items() if secret in text] == []
        assert [
            path.name
            for path in installation.folder.rglob("*")
            if path.is_file() and secret.encode() in path.read_bytes()
        ] == []


def sent_twice(gateway: Simulator) -> list[str]:
    counted = Counter(task["prompt"] for task in gateway.tasks())
    return [prompt for prompt, count in counted.items() if count > 1]


def queried_by(gateway: Simulator) -> dict[str, set[int]]:
    """The accounts that have asked for each task."""
    accounts: dict[str, set[int]] = {}
    for each in gateway.requests("query"):
        if each["task_id"] in {task["task_id"] for task in gateway.tasks()}:
            accounts.setdefault(each["task_id"], set()).add(each["account"])
    return accounts


def test_key_is_changed_while_generations_run(
    gateway: Simulator, installation: Installation
) -> None:
    boss = open_as_owner(installation)
    assert not data_folder.old_upstream_key_file(installation.folder).exists()
    generate(boss, REQUESTS)
    wait_until(lambda: installation.rows(SENT)[0]["n"] >= 4, what="some run")
    page = boss.post("/admin/keys/first/put", api_key=NEW)
    changed_at = len(gateway.requests())
    assert "The key ending in 2222 is in use. No restart is needed." in page.text
    assert 0 < len(gateway.tasks()) < REQUESTS
    wait_until_idle(installation)

    assert installation.statuses() == {"succeeded": REQUESTS}
    assert sent_twice(gateway) == []
    submits = gateway.requests("submit")
    assert {each["account"] for each in submits if each["index"] >= changed_at} == {1}
    assert {each["account"] for each in submits} == {0, 1}
    accounts = queried_by(gateway)
    for task in gateway.tasks():
        assert accounts[task["task_id"]] == {task["account"]}
    assert {each["status"] for each in gateway.requests("query")} <= {200, 400}
    expect_no_secret(installation, page.text, boss.get("/admin/keys/").text)


@pytest.mark.parametrize("part", ["worker", "web"])
def test_kill_right_after_the_change_loses_nothing(
    gateway: Simulator, installation: Installation, part: str
) -> None:
    boss = open_as_owner(installation)
    generate(boss, REQUESTS)
    wait_until(lambda: installation.rows(SENT)[0]["n"] >= 4, what="some run")
    assert boss.post("/admin/keys/first/put", api_key=NEW).ok
    installation.kill(part)
    changed_at = len(gateway.requests())
    start(installation, part)
    wait_until_idle(installation)

    # A POST of the killed worker may have been answered to nobody: a person decides.
    assert installation.statuses().keys() <= {"succeeded", "unconfirmed"}
    assert sum(installation.statuses().values()) == REQUESTS
    assert sent_twice(gateway) == []
    later = {each["account"] for each in gateway.requests("submit") if each["index"] >= changed_at}
    assert later <= {1}
    expect_no_secret(installation)


def test_environment_key_is_replaced_while_generations_run(
    gateway: Simulator, installation: Installation
) -> None:
    """By one of another account, and put back later: their tasks wait for their own key."""
    data_folder.old_upstream_key_file(installation.folder).unlink()
    installation.environment["KLINGWEB_UPSTREAM_KEY"] = OLD
    boss = open_as_owner(installation)
    generate(boss, REQUESTS)
    wait_until(lambda: installation.rows(SENT)[0]["n"] >= 4, what="some run")
    for part in ("worker", "web"):
        installation.kill(part)
    in_progress = {row["upstream_task_id"] for row in installation.rows(RUNNING)}
    assert in_progress
    installation.environment["KLINGWEB_UPSTREAM_KEY"] = NEW
    changed_at = len(gateway.requests())
    boss = open_as_owner(installation)
    wait_until(lambda: _is_idle_but_for_missing(installation), 120, "the others have ended")
    page = boss.get("/admin/keys/").text
    assert "No longer in KLINGWEB_UPSTREAM_KEY." in page
    [waiting, *_others] = installation.rows(WAITING)
    card = boss.get(f"/generations/{waiting['id']}/").text
    assert "The API key that sent this is gone" in card
    calls = [*gateway.requests("submit"), *gateway.requests("query")]
    later = [each for each in calls if each["index"] >= changed_at]
    assert {each["account"] for each in later} == {1}
    assert not in_progress & {each["task_id"] for each in later}

    for part in ("worker", "web"):
        installation.stop(part)
    installation.environment["KLINGWEB_UPSTREAM_KEY"] = OLD
    open_as_owner(installation)
    wait_until_idle(installation)
    # A POST of the killed worker may have been answered to nobody: a person decides.
    assert installation.statuses().keys() <= {"succeeded", "unconfirmed"}
    assert sum(installation.statuses().values()) == REQUESTS
    assert sent_twice(gateway) == []
    expect_no_secret(installation, page)


def _is_idle_but_for_missing(installation: Installation) -> bool:
    """Whether only requests of the missing key are in progress, and marked as such."""
    open_rows = installation.rows(
        "SELECT key_missing_since FROM generations_generation"
        " WHERE status NOT IN ('succeeded', 'unconfirmed')"
    )
    return bool(open_rows) and all(row["key_missing_since"] for row in open_rows)


def test_wrong_encryption_key_is_said_and_sends_nothing(
    gateway: Simulator, installation: Installation
) -> None:
    gateway.settings(seconds=(20, 20))
    boss = open_as_owner(installation)
    generate(boss, 2)
    wait_until(lambda: installation.statuses() == {"running": 2}, what="both run")
    installation.kill("worker")
    installation.environment["KLINGWEB_ENCRYPTION_KEY"] = new_key()
    start(installation, "worker")
    wait_until(lambda: "does not fit the stored API keys" in printed(installation), what="it says")
    before = gateway.requests()
    boss.generate("a pear in the queue")
    page = wait_until(lambda: _page_with(boss, "the encryption key does not fit"), what="the page")
    wait_until(lambda: "no API key can be used" in boss.get("/").text, what="the hold is shown")
    assert gateway.requests() == before
    assert installation.statuses() == {"running": 2, "queued": 1}

    installation.stop("worker")
    del installation.environment["KLINGWEB_ENCRYPTION_KEY"]
    start(installation, "worker")
    wait_until_idle(installation)
    assert installation.statuses() == {"succeeded": 3}
    assert sent_twice(gateway) == []
    expect_no_secret(installation, page)


def _page_with(visitor: Visitor, text: str) -> str:
    page = visitor.get("/admin/keys/").text
    return page if text in page else ""


def test_kill_between_the_first_key_of_a_demo_and_its_use(
    gateway: Simulator, tmp_path: Path
) -> None:
    """The row is durable, and the next start leaves the demo."""
    with Installation(
        tmp_path / "data",
        upstream_url=gateway.url,
        upstream_key="",
        simulator_port=free_port(),
        log_level="DEBUG",
    ) as installation:
        start(installation, "run")
        installation.wait_for_web()
        visitor = installation.sign_in()
        visitor.post("/admin/keys/first/put", api_key=OLD)
        installation.kill("run")
        data_folder.gateway_mark(installation.folder).unlink(missing_ok=True)  # killed before it
        start(installation, "run")
        wait_until(lambda: _is_live(installation, visitor), 120, "the restart has ended")
        visitor.generate("a pear of the key")
        wait_until(lambda: gateway.tasks(), what="it is sent")
        assert [task["account"] for task in gateway.tasks()] == [0]
        expect_no_secret(installation)


def _is_live(installation: Installation, visitor: Visitor) -> bool:
    try:
        page: Any = visitor.get("/admin/keys/")
    except requests.ConnectionError:
        return False
    return page.ok and "Used for new images." in page.text
