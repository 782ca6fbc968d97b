"""A whole installation for tests and benchmarks: real processes with their own data folder."""

import atexit
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import psutil
import psycopg
import requests  # noqa: TID251
from psycopg.rows import dict_row

ROOT = Path(__file__).resolve().parent.parent
WAIT_STEP_SECONDS = 0.05
ADMIN_PASSWORD = "a-password-for-tests"


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(condition: Callable[[], Any], seconds: float = 60, what: str = "") -> Any:
    """Return the first true result of `condition`; fail with `what` after the time."""
    until = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < until, f"not within {seconds} s: {what or condition}"
        time.sleep(WAIT_STEP_SECONDS)
    return result


QUEUE_REQUESTS = """
from generations import requests
from generations.engines.registry import ENGINES, all_offers
from generations.models import Member, Setting
Setting.objects.update_or_create(
    name="offered_models", defaults={{"value": [each.key for each in all_offers()]}}
)
member, offer = Member.objects.get(username="admin"), ENGINES[{engine!r}].offer("")
for number, prompt in enumerate({prompts!r}):
    wanted = requests.GenerationRequest(
        prompt, offer.default_aspect_ratio, engine=offer.engine, model=offer.model
    )
    requests.create(member, wanted, f"{{offer.engine}}-{{number}}-{{prompt}}")
"""


class Installation:
    """A data folder, and the processes on it: `start("worker")`, `start("web")`.

    Settings are environment variables in lower case, without the prefix:
    `Installation(tmp_path, upstream_url=..., poll_seconds="0.5,1,1,1")`.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        variables = {f"KLINGWEB_{name.upper()}": str(value) for name, value in settings.items()}
        # Tests in a browser set one of Django's variables in this process.
        inherited = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251
            if not name.startswith(("KLINGWEB_", "DJANGO_"))
        }
        self.environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "klingweb.settings",  # not those of the tests
            "PORT": str(self.port),
            "KLINGWEB_URL": self.url,
            "KLINGWEB_DATA_DIR": str(folder),
            "KLINGWEB_ADMIN_PASSWORD": ADMIN_PASSWORD,
            "KLINGWEB_UPSTREAM_KEY": "test-key",
            "KLINGWEB_UNPRICED": "count",
            "KLINGWEB_LOG_LEVEL": "WARNING",
            **variables,
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    # --- processes -----------------------------------------------------------------------------

    def manage(self, *command: str) -> str:
        """Run a management command, and return its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    def prepare(self) -> Self:
        """Migrate, collect static files and create the admin.

        On SQLite by a copy: the migrations of all releases take ten seconds.
        """
        if "KLINGWEB_DATABASE_URL" in self.environment:
            self._prepare()
        else:
            template = _template()
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy(template / "klingweb.db", self.folder)
            shutil.copytree(template / "static", self.folder / "static", dirs_exist_ok=True)
        return self

    def _prepare(self) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--verbosity", "0", "--no-input")
        self.manage(
            "shell",
            "-c",
            "from generations.models import Member; "
            f"Member.objects.create_user('admin', password='{ADMIN_PASSWORD}', role='admin')",
        )

    def start(
        self,
        part: str,
        *arguments: str,
        name: str = "",
        wrapper: Sequence[str] = (),
        output: Path | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start `manage.py <part>` in the background.

        A second process of the same part needs a `name`. `wrapper` is a command that runs it. The
        file `output` gets what it prints.
        """
        with output.open("wb") if output else nullcontext() as printed:
            process = subprocess.Popen(
                [*wrapper, sys.executable, "manage.py", part, *arguments],
                cwd=ROOT,
                env=self.environment,
                start_new_session=True,
                stdout=printed,
                stderr=printed and subprocess.STDOUT,
            )
        self.processes[name or part] = process
        return process

    def process_tree(self, part: str) -> list[psutil.Process]:
        """Return the process of this part, and all its descendants."""
        process = self.processes[part]
        try:
            parent = psutil.Process(process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill(self, part: str) -> None:
        """Kill the whole process tree at once, as a power failure would."""
        for member in self.process_tree(part):
            try:
                member.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.processes.pop(part).wait()

    def stop(self, part: str, seconds: float = 30) -> int:
        process = self.processes.pop(part)
        process.terminate()
        return process.wait(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for part in list(self.processes):
            self.kill(part)

    # --- the web server ------------------------------------------------

    def wait_for_web(self, seconds: float = 60) -> None:
        wait_until(self._responds, seconds, "the web server responds")

    def _responds(self) -> bool:
        try:
            return requests.get(f"{self.url}/accounts/login/", timeout=5).ok
        except (requests.ConnectionError, requests.Timeout):
            return False

    def open(self) -> "Visitor":
        """Start web server and worker; return the signed-in admin."""
        self.start("web")
        self.start("worker")
        self.wait_for_web()
        return self.sign_in()

    def sign_in(self, username: str = "admin") -> "Visitor":
        return Visitor(self.url).sign_in(username, ADMIN_PASSWORD)

    def add_members(self, *usernames: str) -> None:
        """Create members with the admin's password."""
        self.manage(
            "shell",
            "-c",
            "from generations.models import Member\n"
            f"for name in {usernames!r}:\n"
            f"    Member.objects.create_user(name, password='{ADMIN_PASSWORD}')",
        )

    def queue_requests(self, engine: str, prompts: Sequence[str]) -> None:
        """Queue requests of the admin with the default model of an engine, one image each."""
        code = QUEUE_REQUESTS.format(engine=engine, prompts=list(prompts))
        self.manage("shell", "-c", code)

    # --- the rows ------------------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        """Read from the database directly, without the application."""
        if server := self.environment.get("KLINGWEB_DATABASE_URL"):
            with psycopg.connect(server, row_factory=dict_row) as connection:
                return connection.execute(query.replace("?", "%s"), values).fetchall()
        with self._database() as database:
            return [dict(row) for row in database.execute(query, values)]

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = f"file:{self.folder / 'klingweb.db'}?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=20)) as database:
            database.row_factory = sqlite3.Row
            yield database

    def statuses(self) -> dict[str, int]:
        counted = self.rows("SELECT status, count(*) AS n FROM generations_generation GROUP BY 1")
        return {row["status"]: row["n"] for row in counted}

    def is_idle(self) -> bool:
        return not {"queued", "submitting", "running", "fetching"} & self.statuses().keys()


@cache
def _template() -> Path:
    """A data folder that is ready to start; removed when this process ends."""
    parent = Path(tempfile.mkdtemp(prefix="klingweb-"))
    atexit.register(shutil.rmtree, parent)
    template = Installation(parent / "data")
    template._prepare()
    return template.folder


class Visitor:
    """A person with a browser that runs no scripts: forms, redirects, cookies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def sign_in(self, name: str, password: str) -> Self:
        self.get("/accounts/login/")
        response = self.post("/accounts/login/", username=name, password=password)
        assert "/accounts/login/" not in response.url, "not signed in"
        return self

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=30, **more)

    def post(self, path: str, **fields: Any) -> requests.Response:
        token = self.session.cookies.get("csrftoken", "")
        fields["csrfmiddlewaretoken"] = token
        headers = {"Referer": self.url + path}
        return self.session.post(self.url + path, data=fields, headers=headers, timeout=30)

    def generate(self, prompt: str, **fields: Any) -> requests.Response:
        """Send the studio's form once. The same `nonce` means the same form sent again."""
        defaults = {"n": 1, "aspect_ratio": "1:1", "negative_prompt": "", "nonce": uuid4()}
        return self.post("/", prompt=prompt, **{**defaults, **fields})
