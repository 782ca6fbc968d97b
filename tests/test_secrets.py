"""Secrets and a private prompt are planted in a real install, which does everything that users do.

Then all that others can read is searched for them: logs, pages of an admin, the audit log, CSVs,
error pages, the queue, every table of the database, the processes and the names of files.
"""

import base64
import json
import re
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from uuid import uuid4
from zipfile import ZipFile

import psutil
import pytest
import requests  # noqa: TID251

from tests.installation import Installation, Visitor, wait_until
from tests.one_time_codes import code_of
from tests.scripted_server import ScriptedServer, reply
from tests.simulator import Simulator
from tests.test_invitations import one_link

KEY = "sk-planted-0123456789abcdefghij"
# One long word each, so that no index, page or file name has it by chance.
PROMPT, NEGATIVE, FAILING = "zirconquaggaprompt", "zirconquagganegative", "zirconquaggafailing"
COMMENT, SAVED, TITLE = "zirconquaggacomment", "zirconquaggasaved", "zirconquaggatitle"
BATCHED, SEARCHED, SMART = "zirconquaggabatched", "zirconquaggasearched", "zirconquaggasmart"
WRONG_PASSWORD, NEW_PASSWORD = "wrong-planted-passphrase", "new-planted-passphrase"

GENERATIONS = {"generations_generation", "generations_submission", "generations_transition"}
SEARCH = {"generations_search", "generations_search_data"}
VOCABULARY = {"generations_word", "generations_word_parts"}  # no page shows it
SESSIONS = {"django_session", "usersessions_usersession"}


@dataclass
class Secret:
    """What was planted, and the only places where it may be.

    `tables` of the database, and `files` in the data folder beside it. Its own pages show it to the
    person it belongs to; they are not searched.
    """

    value: str
    tables: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)


# What may be where. Values that the install makes are filled in by `live`.
SECRETS = {
    "the API key": Secret(KEY),  # encrypted in the database
    "a private prompt": Secret(PROMPT, tables=GENERATIONS | SEARCH | VOCABULARY),
    "a private negative prompt": Secret(NEGATIVE, tables=GENERATIONS),
    "a private prompt that failed": Secret(FAILING, tables=GENERATIONS | SEARCH | VOCABULARY),
    "a comment on a private image": Secret(COMMENT, tables={"generations_comment"}),
    "an own saved prompt": Secret(SAVED, tables={"generations_savedprompt"}),
    "the title of a private batch": Secret(TITLE, tables={"generations_batch"}),
    "a prompt of a private batch": Secret(BATCHED, tables=GENERATIONS | SEARCH | VOCABULARY),
    "a search": Secret(SEARCHED, tables={"generations_recentsearch"}),
    "an own smart collection": Secret(SMART, tables={"generations_smartcollection"}),
    "a password": Secret(""),
    "a wrong password, also typed as a name": Secret(WRONG_PASSWORD),
    "a new password": Secret(NEW_PASSWORD),
    "the token of a reset link": Secret(""),
    "the secret of an invitation": Secret(""),
    "the secret of an app": Secret(""),  # encrypted, too
    "the key of a session": Secret("", tables=SESSIONS),
}


@dataclass
class Evidence:
    """Everything that others than the owner can read, each text under the name of its place."""

    texts: dict[str, bytes] = field(default_factory=dict)

    def add(self, place: str, text: str | bytes) -> None:
        content = text.encode(errors="replace") if isinstance(text, str) else text
        self.texts[place] = self.texts.get(place, b"") + content

    def add_response(self, response: requests.Response) -> None:
        own = ("set-cookie",)
        headers = "".join(
            f"{k}: {v}\n" for k, v in response.headers.items() if k.lower() not in own
        )
        self.add(f"{response.request.method} {response.url}", headers.encode() + response.content)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    folder, logs = tmp_path_factory.mktemp("house"), tmp_path_factory.mktemp("logs")
    with (
        Simulator(key=KEY) as simulator,
        Installation(
            folder,
            upstream_url=simulator.url,
            upstream_key="",  # so that the file's is used
            poll_seconds="0.3,1,1,1",
            log_level="DEBUG",
        ) as installation,
    ):
        (folder / "upstream-key").touch(mode=0o600)
        (folder / "upstream-key").write_text(KEY, "ascii")
        installation.prepare()
        found = Evidence()
        live(installation, logs, found)
        collect(installation, logs, found)
        [key] = installation.rows("SELECT last_four FROM generations_apikey")
        assert KEY.endswith(key["last_four"]), "the API key was not planted"
        yield found


# --- what people do ------------------------------------------------------------------------------


def live(installation: Installation, logs: Path, evidence: Evidence) -> None:
    """Do everything that users do, with every secret."""
    added = installation.manage("member", "add", "lan")
    SECRETS["a password"].value = password = added.strip().rpartition(" ")[2]
    installation.start("web", output=logs / "web")
    installation.start("worker", output=logs / "worker")
    installation.wait_for_web()
    _fail_to_sign_in(installation, evidence)
    lan = Visitor(installation.url).sign_in("lan", password)
    SECRETS["the key of a session"].value = lan.session.cookies["sessionid"]
    lan.generate(PROMPT, negative_prompt=NEGATIVE, is_private="on")
    lan.generate("a shared lighthouse", n=2)
    wait_until(installation.is_idle, what="all images are stored")
    _write_privately(installation, lan)
    wait_until(installation.is_idle, what="the images of the batch are stored")
    _set_up_app(lan, password)
    admin = installation.sign_in()
    _invite(installation, admin, evidence)
    _reset_password(installation, admin, evidence)
    lan = _fail_at_the_upstream(installation, logs)
    _use_the_admin(installation, admin, evidence)
    _add_errors(installation, admin, lan, evidence)


def _fail_to_sign_in(installation: Installation, evidence: Evidence) -> None:
    """Type a wrong password, and a password into the field of the name."""
    stranger = Visitor(installation.url)
    stranger.get("/accounts/login/")
    stranger.post("/accounts/login/", username="lan", password=WRONG_PASSWORD)
    # The answer shows the name as it was typed, to the person who typed it.
    stranger.post("/accounts/login/", username=WRONG_PASSWORD, password=WRONG_PASSWORD)
    for _try in range(6):
        response = stranger.post("/accounts/login/", username="lan", password=WRONG_PASSWORD)
    assert response.status_code == 429
    evidence.add_response(response)
    # The limits are of this address: another account of the test signs in from it.
    installation.manage("shell", "-c", "from django.core.cache import cache; cache.clear()")


def _write_privately(installation: Installation, lan: Visitor) -> None:
    """A comment that mentions an admin, a saved prompt, a batch, a search, a smart collection."""
    [picture] = installation.rows(
        "SELECT p.id FROM generations_picture p JOIN generations_generation g"
        " ON g.id = p.generation_id WHERE g.prompt = ?",
        PROMPT,
    )
    lan.post(f"/pictures/{picture['id']}/comments/", text=f"@admin {COMMENT}")
    lan.post("/prompts/", prompt=SAVED)
    batch = {
        "text": f"{BATCHED} one\n{BATCHED} two", "title": TITLE, "is_private": "on", "n": 1,
        "aspect_ratio": "1:1", "nonce": uuid4(),
    }  # fmt: skip
    [seen] = re.findall(r'name="seen" value="([^"]*)"', lan.post("/batches/new/", **batch).text)
    assert "/batches/" in lan.post("/batches/new/", **batch, seen=seen, start="1").url
    lan.get(f"/search/?q={SEARCHED}")
    lan.get(f"/gallery/?q={SEARCHED}")
    lan.post("/search/record", q=SEARCHED)
    lan.post(f"/collections/smart/new/?q={SMART}", name=SMART)


def _set_up_app(lan: Visitor, password: str) -> None:
    page = lan.get("/settings/second-factor/app/")
    lan.post(page.url.removeprefix(lan.url), password=password)
    page = lan.get("/settings/second-factor/app/")
    [secret] = re.findall(r'<code class="key">(\w+)</code>', page.text)
    SECRETS["the secret of an app"].value = secret
    assert "codes" in lan.post("/settings/second-factor/app/", code=code_of(secret)).url


def _invite(installation: Installation, admin: Visitor, evidence: Evidence) -> None:
    """Create a link, download it as CSV, revoke it and follow it."""
    page = admin.post("/admin/invitations/new/one", **one_link())
    [secret] = set(re.findall(r"/invitations/([\w-]{20,})/", page.text))
    SECRETS["the secret of an invitation"].value = secret
    assert secret in admin.post("/admin/invitations/links.csv", secret=secret).text
    stranger = Visitor(installation.url)
    assert stranger.get(f"/invitations/{secret}/").status_code == 200
    [row] = installation.rows("SELECT id FROM generations_invitation")
    admin.post(f"/admin/invitations/{row['id']}/revoke")
    gone = stranger.get(f"/invitations/{secret}/")
    assert gone.status_code >= 400
    evidence.add("page of a revoked invitation", gone.content)


def _reset_password(installation: Installation, admin: Visitor, evidence: Evidence) -> None:
    """Create a link, follow it twice, and sign in with the new password."""
    [row] = installation.rows("SELECT id FROM generations_member WHERE username = 'lan'")
    page = admin.post(f"/admin/people/{row['id']}/reset-link/")
    [(path, token)] = set(re.findall(r"(/accounts/reset/[^/<]+/([^/<]+)/)", page.text))
    SECRETS["the token of a reset link"].value = token
    stranger = Visitor(installation.url)
    form = stranger.get(path).url.removeprefix(installation.url)
    stranger.post(form, new_password1=NEW_PASSWORD, new_password2="another one")  # 422
    done = stranger.post(form, new_password1=NEW_PASSWORD, new_password2=NEW_PASSWORD)
    assert done.url.endswith("/accounts/login/")
    gone = Visitor(installation.url).get(path)
    assert gone.status_code == 410
    evidence.add("page of a used reset link", gone.content)


def _fail_at_the_upstream(installation: Installation, logs: Path) -> Visitor:
    """An upstream that sends back the key and the prompt, as an error and as nonsense.

    Return the person, signed in with the new password and a code.
    """
    secret = SECRETS["the secret of an app"].value
    lan = Visitor(installation.url)
    lan.get("/accounts/login/")
    lan.post("/accounts/login/", username="lan", password=NEW_PASSWORD)
    lan.post("/accounts/second-factor/", code=code_of(secret, 1))
    SECRETS["the key of a session"].value = lan.session.cookies["sessionid"]
    assert lan.get("/gallery/").status_code == 200
    installation.stop("worker")
    echo = {"code": 1201, "message": f"Bearer {KEY} may not ask for {FAILING}", "data": [KEY]}
    responses = [reply(400, echo), reply(200, f"<html>{KEY}</html>"), reply(401, echo)]
    with ScriptedServer(*responses) as server:
        before = installation.environment["KLINGWEB_UPSTREAM_URL"]
        installation.environment["KLINGWEB_UPSTREAM_URL"] = server.url
        installation.start("worker", output=logs / "worker-of-failures")
        for number in range(3):
            lan.generate(f"{FAILING} {number}", is_private="on")
            wait_until(partial(_were_sent, server, number + 1), what="it was sent")
        wait_until(lambda: _answered(installation) >= 3, what="the answers are stored")
        assert all(KEY in request.headers["authorization"] for request in server.requests)
        installation.stop("worker")
        installation.environment["KLINGWEB_UPSTREAM_URL"] = before
        installation.start("worker", output=logs / "worker-after")
    return lan


def _were_sent(server: ScriptedServer, number: int) -> bool:
    return sum(request.method == "POST" for request in server.requests) >= number


def _answered(installation: Installation) -> int:
    [row] = installation.rows(
        "SELECT count(*) AS n FROM generations_submission WHERE answered_at IS NOT NULL"
        " AND generation_id IN (SELECT id FROM generations_generation WHERE prompt LIKE ?)",
        f"{FAILING}%",
    )
    return int(row["n"])


# --- what an admin can see -----------------------------------------------------------------------

SEARCHES = (
    "/gallery/?q=zirconqua", "/search/?q=zirconqua", "/prompts/?q=zirconqua", "/notifications/",
    "/batches/new/", "/collections/", "/history/?q=zirconqua",
    "/admin/generations/generation/?q=zirconqua", "/admin/generations/picture/?q=zirconqua",
    "/admin/people/?q=lan", "/admin/audit-log/?text=lan", "/admin/audit-log/?group=sign-ins",
)  # fmt: skip
LISTS = ("/admin/generations/", "/admin/django_q/", "/admin/sites/")
MAX_PAGES = 400
NO_GET = ("/accounts/logout", "/admin/logout", "/static/", "/files/")


def _use_the_admin(installation: Installation, admin: Visitor, evidence: Evidence) -> None:
    """Open every page that links lead to, search, and download what can be downloaded."""
    rows = installation.rows("SELECT id FROM generations_generation")
    pictures = installation.rows("SELECT id FROM generations_picture")
    addresses = [
        "/admin/", "/", "/gallery/", "/trash/", "/usage/", *SEARCHES,
        *(f"/generations/{row['id']}/" for row in rows),
        *(f"/admin/generations/generation/{row['id']}/change/" for row in rows),
        *(f"/admin/generations/picture/{row['id']}/change/" for row in pictures),
        *(f"/pictures/{row['id']}/" for row in pictures),
    ]  # fmt: skip
    opened = _crawl(admin, addresses, evidence)
    assert len(opened) > 60, "the crawl found too little"
    for path in ("/admin/audit-log/", "/admin/generations/generation/", "/admin/people/"):
        assert path in opened, f"{path} is not linked"
    ids = [row["id"] for row in pictures]
    archive = admin.post("/pictures/download", picture=ids)
    evidence.add("names in a download", archive.content)
    (installation.folder.parent / "download.zip").write_bytes(archive.content)
    with ZipFile(installation.folder.parent / "download.zip") as zipped:
        evidence.add("CSV of a download", zipped.read("images.csv"))
    evidence.add_response(admin.post("/admin/audit-log/csv"))
    for command in (
        ("ledger", "export"), ("price", "export"), ("usage",), ("member", "list"),
        ("ledger", "check"), ("limit", "list"),
    ):  # fmt: skip
        evidence.add(f"manage.py {' '.join(command)}", installation.manage(*command, "--json"))


def _crawl(admin: Visitor, addresses: list[str], evidence: Evidence) -> set[str]:
    """Open these pages and all that they link; return the paths."""
    waiting, seen = list(addresses), set(addresses)
    for address in waiting:  # grows
        response = admin.get(address)
        evidence.add_response(response)
        assert response.status_code < 500, address
        for path in _links(response, admin.url) - seen:
            seen.add(path)
            waiting.append(path)
        assert len(waiting) < MAX_PAGES, "the crawl does not end"
    return {urlsplit(address).path for address in seen}


def _links(response: requests.Response, url: str) -> set[str]:
    """Our pages. Of those with a query only the admin's own: others show the same rows again."""
    found = set()
    for href in re.findall(r'(?:href|hx-get)="([^"#]+)', response.text):
        target = urlsplit(urljoin(response.url, href.replace("&amp;", "&")))
        is_list = not target.path.startswith("/admin/") or target.path.startswith(LISTS)
        if f"{target.scheme}://{target.netloc}" == url and not target.path.startswith(NO_GET):
            query = f"?{target.query}" if target.query and not is_list else ""
            found.add(target.path + query)
    return found


def _add_errors(
    installation: Installation, admin: Visitor, lan: Visitor, evidence: Evidence
) -> None:
    """Pages of errors: not found, invalid, the database's and our own, while secrets are sent."""
    for path in ("/pictures/999999/", "/nothing/", "/admin/audit-log/?since=x"):
        response = admin.get(path)
        assert response.status_code in (404, 422)
        evidence.add_response(response)
    with closing(sqlite3.connect(installation.folder / "klingweb.db", timeout=20)) as database:
        database.execute("ALTER TABLE mfa_authenticator RENAME TO away")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("UPDATE generations_generation SET params = '{' WHERE is_private")
        database.commit()
        stranger = Visitor(installation.url)
        stranger.get("/accounts/login/")
        away = stranger.post("/accounts/login/", username="lan", password=NEW_PASSWORD)
        evidence.add("page of a database error at the sign-in", away.content)
        [row, *_more] = installation.rows("SELECT id FROM generations_generation WHERE is_private")
        ours = lan.get(f"/?remix={row['id']}")
        evidence.add("page of an error of ours", ours.content)
        database.execute("UPDATE generations_generation SET params = '{}' WHERE is_private")
        database.execute("ALTER TABLE away RENAME TO mfa_authenticator")
        database.commit()
    assert (away.status_code, ours.status_code) == (503, 500)


# --- what is searched ----------------------------------------------------------------------------


def collect(installation: Installation, logs: Path, evidence: Evidence) -> None:
    for part in ("web", "worker"):
        for process in installation.process_tree(part):
            with suppress(psutil.NoSuchProcess):
                evidence.add(f"arguments of {part}", " ".join(process.cmdline()))
                environment = process.environ()
                evidence.add(f"environment of {part}", json.dumps(environment))
        assert evidence.texts[f"arguments of {part}"]
    for part in ("web", "worker"):
        installation.stop(part)
    for log in logs.iterdir():
        evidence.add(f"log of {log.name}", log.read_bytes())
    names = [str(path.relative_to(installation.folder)) for path in installation.folder.rglob("*")]
    evidence.add("names of files", "\n".join(names))
    for path in installation.folder.rglob("*"):
        name = str(path.relative_to(installation.folder))
        is_database = name.startswith("klingweb.db")
        if path.is_file() and not is_database and not name.startswith(("static/", "files/")):
            evidence.add(f"file {name}", path.read_bytes())
    _add_tables(installation, evidence)


def _add_tables(installation: Installation, evidence: Evidence) -> None:
    """Every cell of every table, also as what its base64 means: pickles, compressed sessions."""
    path = installation.folder / "klingweb.db"
    with closing(sqlite3.connect(path, timeout=20)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in tables:
            table = name.decode()
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608
                for cell in row:
                    if isinstance(cell, bytes):
                        evidence.add(f"table {table}", b"\n" + cell)
                        evidence.add(f"table {table}", b"\n".join(_decoded(cell)))


def _decoded(cell: bytes) -> Iterator[bytes]:
    for part in re.split(rb"[:.]", cell):
        for decode in (base64.b64decode, base64.urlsafe_b64decode):
            with suppress(ValueError):
                content = decode(part + b"=" * (-len(part) % 4))
                yield content
                with suppress(zlib.error):
                    yield zlib.decompress(content)


# --- the tests -----------------------------------------------------------------------------------


def forms_of(value: str) -> list[bytes]:
    """The secret, and how a page, a URL or JSON writes it."""
    return [value.encode(), json.dumps(value)[1:-1].encode(), base64.b64encode(value.encode())[:-3]]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_only_where_it_belongs(evidence: Evidence, name: str) -> None:
    secret = SECRETS[name]
    assert len(secret.value) >= 6
    allowed = {f"table {table}" for table in secret.tables} | {f"file {f}" for f in secret.files}
    found = {
        place
        for place, content in evidence.texts.items()
        if any(
            form in content or form in unquote(place).encode() for form in forms_of(secret.value)
        )
    }
    assert found <= allowed, name
    assert bool(found) == bool(allowed), f"{name} was not planted"


def test_everything_was_searched(evidence: Evidence) -> None:
    """A search of nothing would find nothing."""
    texts = evidence.texts
    assert len([place for place in texts if place.startswith("GET ")]) > 60
    for place in ("log of web", "log of worker", "names of files"):
        assert len(texts[place]) > 20, place
    assert b"sign-in-failed" in texts["table generations_auditentry"]
    assert b"may not ask for" in texts["table generations_submission"]  # without the key
    assert b"a shared lighthouse" in texts["CSV of a download"]
    assert any(place.startswith("table django_q") for place in texts)
    for action in ("reset-link", "signed-in", "factor-added", "downloaded", "exported"):
        assert action.encode() in texts["table generations_auditentry"], action
    assert any(b"Sign-in failed" in content for content in texts.values())
