"""The first start with real processes: the printed code, and the restart with an entered key."""

import re
from pathlib import Path

import psutil
import pytest
import requests  # noqa: TID251

from tests.installation import ADMIN_PASSWORD, Installation, Visitor, free_port, wait_until
from tests.simulator import Simulator

KEY = "sk-a-key-that-nobody-may-see"
FORM = {"team_name": "Pears", "time_zone": "Asia/Tokyo", "currency": "USD", "budget": "20"}


@pytest.fixture
def printed(tmp_path: Path) -> Path:
    """The file with everything that `manage.py run` and its processes print."""
    return tmp_path / "printed"


def found_in(printed: Path, pattern: str) -> str:
    match = wait_until(lambda: re.search(pattern, printed.read_text()), what=pattern)
    return str(match[1])


def is_made(installation: Installation) -> bool:
    made = "SELECT 1 FROM generations_generation WHERE upstream = 'live' AND status = 'succeeded'"
    return bool(installation.rows(made))


def test_code_is_printed_at_each_start_until_the_team_is_set_up(
    simulator: Simulator, tmp_path: Path, printed: Path
) -> None:
    with Installation(
        tmp_path / "data", upstream_url=simulator.url, admin_password="", log_level="INFO"
    ) as installation:
        installation.start("run", output=printed)
        old = found_in(printed, r"Set up your team: \S+/setup/\?code=(\S+)\n")
        installation.kill("run")
        installation.start("run", output=printed)
        code = found_in(printed, r"Set up your team: \S+/setup/\?code=(\S+)\n")
        assert code != old
        visitor = Visitor(installation.url)
        assert visitor.get("/gallery/").url == f"{installation.url}/setup/"
        owner = {"username": "lan", "password": ADMIN_PASSWORD}
        assert visitor.post("/setup/", code=old, **owner, **FORM).status_code == 422
        done = visitor.post("/setup/", code=code, **owner, **FORM)
        assert done.url == f"{installation.url}/"
        # Each web process has seen that it is over.
        for _ in range(10):
            page = requests.get(f"{installation.url}/setup/?code={code}", timeout=10)
            assert page.status_code == 404
        assert not (installation.folder / "setup-code").exists()


def test_key_entered_in_the_demo_restarts_everything_with_it(
    simulator: Simulator, tmp_path: Path, printed: Path
) -> None:
    simulator.settings(key=KEY)
    with Installation(
        tmp_path / "data",
        upstream_url=simulator.url,
        upstream_key="",
        simulator_port=free_port(),
        admin_password="",
        log_level="DEBUG",
    ) as installation:
        installation.start("run", output=printed)
        password = found_in(printed, r"Sign in: user name admin, password (\S+)\n")
        installation.wait_for_web()
        before = {process.pid for process in installation.process_tree("run")}
        visitor = Visitor(installation.url).sign_in("admin", password)
        done = visitor.post("/settings/team/", api_key=KEY, **FORM)
        assert done.url == f"{installation.url}/setup/restart/"

        def is_live() -> bool:
            try:
                return visitor.get("/setup/restart/").url == f"{installation.url}/"
            except requests.ConnectionError:
                return False

        wait_until(is_live, 120, what="the restart has ended")
        after = {process.pid for process in installation.process_tree("run")}
        assert before & after == {installation.processes["run"].pid}
        assert not any(psutil.pid_exists(pid) for pid in before - after)
        visitor.generate("a pear of a paid key")
        wait_until(lambda: is_made(installation), what="an image by the key")
        [sent] = simulator.requests("submit")
        assert sent["prompt"] == "a pear of a paid key"
        assert KEY not in printed.read_text()
        assert "An API key was entered. klingweb restarts to use it." in printed.read_text()
