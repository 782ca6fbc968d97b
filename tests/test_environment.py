"""Settings are taken as written, or the start stops with one sentence that names the variable."""

import os
import runpy
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from generations import checks
from generations.permissions import Role
from klingweb import environment
from klingweb.environment import Environment, SettingError, read_env_file
from tests.installation import ROOT

SECRET = "s3cret-of-tests"


@pytest.fixture(autouse=True)
def _only_variables_of_the_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("KLINGWEB_")]:  # noqa: TID251
        monkeypatch.delenv(name)
    monkeypatch.delenv("PORT", raising=False)
    monkeypatch.setattr(environment, "read_env_file", lambda path: {})
    monkeypatch.setenv("KLINGWEB_DATA_DIR", str(tmp_path / "data"))


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Run settings.py with these variables; return its names."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(ROOT / "klingweb/settings.py"))


def error_of(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(SettingError) as error:
        read(monkeypatch, **variables)
    return str(error.value)


# --- the file .env ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "variables"),
    [
        # The case files: a value that begins with $, a byte order mark, a comment behind a value.
        (b"KLINGWEB_ADMIN_PASSWORD=$tudio-2026\n", {"KLINGWEB_ADMIN_PASSWORD": "$tudio-2026"}),
        (
            b"\xef\xbb\xbfKLINGWEB_UPSTREAM_KEY=sk-demo-1\nKLINGWEB_ADMIN_PASSWORD=hunter-two-22\n",
            {"KLINGWEB_UPSTREAM_KEY": "sk-demo-1", "KLINGWEB_ADMIN_PASSWORD": "hunter-two-22"},
        ),
        (
            b"KLINGWEB_UPSTREAM_KEY=sk-team-main # the main key\n",
            {"KLINGWEB_UPSTREAM_KEY": "sk-team-main"},
        ),
        (b"A=\nB= # empty\nC=a#b\nD=a\t# b", {"A": "", "B": "", "C": "a#b", "D": "a"}),
        (b"A='a # b' # c\nB=\"it's\"\nC=it's\n", {"A": "a # b", "B": "it's", "C": "it's"}),
        (b"export A=1\n  B = 2  \r\n\r\n# C=3\n", {"A": "1", "B": "2"}),
        (b"A=${HOME}\\n\nB='$B \\n'\n", {"A": "${HOME}\\n", "B": "$B \\n"}),
        ("A=ảnh 图\n".encode(), {"A": "ảnh 图"}),
    ],
)
def test_file_is_read_as_written(tmp_path: Path, content: bytes, variables: dict[str, str]) -> None:
    path = tmp_path / ".env"
    path.write_bytes(content)
    assert read_env_file(path) == variables


@pytest.mark.parametrize("line", ["A", "A='x", 'A="x" y', "1A=x", "=x", f"{SECRET} words"])
def test_unreadable_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# comment\n{line}\n")
    with pytest.raises(SettingError, match=r"Line 2 of .* cannot be read") as error:
        read_env_file(path)
    assert SECRET not in str(error.value)


def test_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes("A=ảnh".encode("utf-16"))
    with pytest.raises(SettingError, match="not UTF-8"):
        read_env_file(path)


def test_missing_file_is_empty(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_variable_of_the_process_wins_over_the_file_even_if_empty(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "read_env_file", lambda path: {"KLINGWEB_UPSTREAM_KEY": "sk"})
    assert read(monkeypatch)["UPSTREAM_KEY"] == "sk"
    assert read(monkeypatch, KLINGWEB_UPSTREAM_KEY="")["UPSTREAM_KEY"] == ""


# --- values that work ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "setting", "expected"),
    [
        ("KLINGWEB_ADMIN_PASSWORD", "$tudio-2026-x", "ADMIN_PASSWORD", "$tudio-2026-x"),
        ("KLINGWEB_ADMIN_PASSWORD", " a b ", "ADMIN_PASSWORD", " a b "),
        ("KLINGWEB_SECRET_KEY", "$a#b", "SECRET_KEY", "$a#b"),
        ("PORT", " 8302 ", "PORT", 8302),
        ("PORT", "", "PORT", 8000),
        ("KLINGWEB_BIND", "::", "BIND", "::"),
        ("KLINGWEB_BIND", "[::]", "BIND", "::"),
        ("KLINGWEB_BIND", "::1", "BIND", "::1"),
        ("KLINGWEB_BIND", "localhost", "BIND", "localhost"),
        ("KLINGWEB_URL", "https://studio.example.org/", "URL", "https://studio.example.org"),
        ("KLINGWEB_URL", "http://[::1]:8000", "URL", "http://[::1]:8000"),
        ("KLINGWEB_URL", "https://Stüdio.example", "URL", "https://xn--stdio-lva.example"),
        ("KLINGWEB_TIME_ZONE", "Asia/Ho_Chi_Minh", "TIME_ZONE", "Asia/Ho_Chi_Minh"),
        ("KLINGWEB_LANGUAGE", "vi", "DEFAULT_LANGUAGE", "vi"),
        ("KLINGWEB_SESSION_DAYS", "0", "SESSION_DAYS", 0),
        ("KLINGWEB_SESSION_DAYS", "3", "SESSION_COOKIE_AGE", 3 * 86_400),
        ("KLINGWEB_SESSION_IDLE_HOURS", "0.5", "SESSION_IDLE_HOURS", 0.5),
        ("KLINGWEB_SECOND_FACTOR", "off", "PASSKEYS", False),
        ("KLINGWEB_OIDC_ROLES", "", "OIDC_ROLES", {}),
        (
            "KLINGWEB_OIDC_ROLES",
            " designers = member,a=b c=admin, ",
            "OIDC_ROLES",
            {"designers": "member", "a=b c": "admin"},
        ),
        ("KLINGWEB_EMAIL_URL", "", "MAIL", {}),
        ("KLINGWEB_EMAIL_URL", "smtp://mail.example", "EMAIL_PORT", 587),
        ("KLINGWEB_EMAIL_URL", "smtps://mail.example", "EMAIL_USE_SSL", True),
        ("KLINGWEB_EMAIL_URL", "smtp+plain://[::1]:2525/", "EMAIL_HOST", "::1"),
        ("KLINGWEB_EMAIL_URL", "smtp://a%40b:p%23@h", "EMAIL_HOST_PASSWORD", "p#"),
        ("KLINGWEB_EMAIL_URL", "smtp://a%40b:p%23@h", "EMAIL_HOST_USER", "a@b"),
        ("KLINGWEB_POLL_SECONDS", "1, 2.5,.5", "POLL_SECONDS", [1, 2.5, 0.5]),
        ("KLINGWEB_DEBUG", "no", "DEBUG", False),
        ("KLINGWEB_DEBUG", "TRUE", "DEBUG", True),
        ("KLINGWEB_SIMULATOR_SECONDS", "5", "SIMULATOR_SECONDS", "5-5"),
        ("KLINGWEB_CONCURRENCY_LIMIT", "0", "CONCURRENCY_LIMIT", 0),
    ],
)
def test_value_works(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, setting: str, expected: object
) -> None:
    assert read(monkeypatch, **{variable: value})[setting] == expected


def test_hosts_are_separated_by_commas_and_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, KLINGWEB_ALLOWED_HOSTS="a.example, .b.example,[::2]")
    assert found["ALLOWED_HOSTS"][-3:] == ["a.example", ".b.example", "[::2]"]


def test_public_address_is_allowed_and_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, KLINGWEB_URL="http://[::5]:81/")
    assert found["ALLOWED_HOSTS"][0] == "[::5]"
    assert found["CSRF_TRUSTED_ORIGINS"] == ["http://[::5]:81"]


def test_database_url_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgres://u%40x:p%23%2F%25@[::1]:5433/kling%20web?sslmode=require"
    database = read(monkeypatch, KLINGWEB_DATABASE_URL=url)["DATABASES"]["default"]
    names = ("USER", "PASSWORD", "HOST", "PORT", "NAME", "OPTIONS")
    assert [database[name] for name in names] == [
        "u@x", "p#/%", "::1", "5433", "kling web", {"sslmode": "require", "connect_timeout": "5"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://u:p@w@h/klingweb", ("p@w", "h")),
        ("postgresql:///klingweb", ("", "")),
        ("postgres://u@%2Frun%2Fpg/klingweb", ("", "/run/pg")),
    ],
)
def test_other_database_urls(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: tuple[str, str]
) -> None:
    database = read(monkeypatch, KLINGWEB_DATABASE_URL=url)["DATABASES"]["default"]
    assert (database["PASSWORD"], database["HOST"]) == expected


# --- values that stop the start --------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("PORT", "http", "a whole number from 1 to 65,535"),
        ("PORT", "0", "a whole number from 1 to 65,535"),
        ("PORT", "8_000", "a whole number"),
        ("PORT", "80 80", "a whole number"),
        ("KLINGWEB_SIMULATOR_PORT", "70000", "a whole number"),
        ("KLINGWEB_BIND", "999.1.1.1", "an IP address"),
        ("KLINGWEB_BIND", "127.0.0.1:8000", "an IP address"),
        ("KLINGWEB_URL", "https://studio.example.org/klingweb/", "a host name of its own"),
        ("KLINGWEB_URL", "studio.example.org", "https://studio.example.org"),
        ("KLINGWEB_URL", "https://studio.example.org:99999", "https://studio.example.org"),
        ("KLINGWEB_URL", f"https://lan:{SECRET}@studio.example.org", "without a user name"),
        ("KLINGWEB_UPSTREAM_URL", "ftp://api.example", "a web address"),
        ("KLINGWEB_UPSTREAM_URL", f"https://u:{SECRET}@api.example", "a web address"),
        ("KLINGWEB_UPSTREAM_KEY", f"{SECRET} # the main key", "the key alone"),
        ("KLINGWEB_UPSTREAM_KEY", f'"{SECRET}"', "the key alone"),
        ("KLINGWEB_UPSTREAM_KEY", f"{SECRET}é", "the key alone"),
        ("KLINGWEB_ALLOWED_HOSTS", "https://a.example", "host names without scheme"),
        ("KLINGWEB_ALLOWED_HOSTS", "a.example:80", "host names without scheme"),
        ("KLINGWEB_DATABASE_URL", f"postgres://u:{SECRET}#w@h/klingweb", "%23 for #"),
        ("KLINGWEB_DATABASE_URL", f"postgres://u:1#{SECRET}@h/klingweb", "%23 for #"),
        ("KLINGWEB_DATABASE_URL", f"postgres://u:1/{SECRET}@h/klingweb", "%2F for /"),
        ("KLINGWEB_DATABASE_URL", f"postgres://u:1%{SECRET}@h/klingweb", "percent-encoded"),
        ("KLINGWEB_DATABASE_URL", f"mysql://u:{SECRET}@h/klingweb", "postgres://"),
        ("KLINGWEB_DATABASE_URL", f"postgres://u:{SECRET}@h", "postgres://"),
        ("KLINGWEB_LANGUAGE", "Vietnamese", "zh-hans"),
        ("KLINGWEB_TIME_ZONE", "GMT+7", "Asia/Ho_Chi_Minh"),
        ("KLINGWEB_TIME_ZONE", "/etc/passwd", "Asia/Ho_Chi_Minh"),
        ("KLINGWEB_TIME_ZONE", "Asia", "Asia/Ho_Chi_Minh"),
        ("KLINGWEB_UPSTREAM_PROFILE", "full", "documented or extended"),
        ("KLINGWEB_SESSION_DAYS", "-1", "a whole number from 0 to"),
        ("KLINGWEB_OIDC_ROLES", "designers", "designers=member,leads=admin"),
        ("KLINGWEB_OIDC_ROLES", "designers=king", "owner, admin, member or viewer"),
        ("KLINGWEB_OIDC_DEFAULT_ROLE", "king", "owner, admin, member or viewer"),
        ("KLINGWEB_OIDC_URL", "id.example", "a web address"),
        ("KLINGWEB_EMAIL_URL", f"smtp://u:{SECRET}@", "smtp://name:password@host:587"),
        ("KLINGWEB_EMAIL_URL", f"smtp://u:{SECRET}@x@h", "%40 for @"),
        ("KLINGWEB_EMAIL_URL", f"mail://u:{SECRET}@h", "smtp://name:password@host:587"),
        ("KLINGWEB_EMAIL_URL", "smtp://h:99999", "smtp://name:password@host:587"),
        ("KLINGWEB_UPSTREAM_LOOKUP", "yes", "reference, list or an empty value"),
        ("KLINGWEB_FAILED_IS_CHARGED", "maybe", "yes, no or unknown"),
        ("KLINGWEB_LOG_LEVEL", "loud", "DEBUG, INFO, WARNING, ERROR or CRITICAL"),
        ("KLINGWEB_DEBUG", "maybe", "true or false"),
        ("KLINGWEB_CONCURRENCY_LIMIT", "-1", "a whole number from 0 to"),
        ("KLINGWEB_SUBMIT_THREADS", "0", "a whole number from 1 to"),
        ("KLINGWEB_SUBMIT_DEADLINE_SECONDS", "201", "a number from 0.1 to 200"),
        ("KLINGWEB_SUBMIT_GAP_SECONDS", "nan", "a number from 0 to 60"),
        ("KLINGWEB_BUSY_RETRY_SECONDS", "1e400", "a number from"),
        ("KLINGWEB_WATCH_SECONDS", "999999999999", "a whole number from"),
        ("KLINGWEB_POLL_SECONDS", "4,,8", "separated by commas, as in 4,8,20,60"),
        ("KLINGWEB_POLL_SECONDS", "1,2,3,4,5", "1 to 4 numbers"),
        ("KLINGWEB_POLL_SECONDS", "0", "1 to 4 numbers from 0.05"),
        ("KLINGWEB_SIMULATOR_SECONDS", "9-4", "two numbers of seconds, as in 4-9"),
    ],
)
def test_value_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, accepted: str
) -> None:
    message = error_of(monkeypatch, **{variable: value})
    assert message.startswith(variable)
    assert accepted in message
    assert message.endswith(".") and "\n" not in message and ". " not in message
    assert SECRET not in message


def test_identity_provider_needs_an_id_and_a_role(monkeypatch: pytest.MonkeyPatch) -> None:
    url = {"KLINGWEB_OIDC_URL": "https://id.example/team/"}
    assert error_of(monkeypatch, **url).startswith("KLINGWEB_OIDC_CLIENT_ID is empty")
    with_id = url | {"KLINGWEB_OIDC_CLIENT_ID": "klingweb"}
    assert error_of(monkeypatch, **with_id).startswith("KLINGWEB_OIDC_ROLES and ")
    found = read(monkeypatch, **with_id, KLINGWEB_OIDC_DEFAULT_ROLE="member")
    assert found["OIDC_URL"] == "https://id.example/team"
    assert found["INSTALLED_APPS"][-2:] == [
        "allauth.socialaccount.providers.openid_connect", "generations",
    ]  # fmt: skip


def test_roles_of_the_settings_are_those_of_the_permissions() -> None:
    from klingweb import settings

    assert sorted(Role.values) == sorted(settings._ROLES)


def test_wrong_value_under_an_old_name_is_named_by_its_current_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "KLINGWEB_POLL_LOOPS=many" in error_of(monkeypatch, KLINGWEB_PUMPS="many")


# --- unknown variables -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("KLINGWEB_UPSTREAM_KEYS", "KLINGWEB_UPSTREAM_KEY"),
        ("KLINGWEB_PORT", "PORT"),
        ("KLINGWEB_TIMEZONE", "KLINGWEB_TIME_ZONE"),
        ("KLINGWEB_XQZ", ""),
    ],
)
def test_unknown_variable_has_the_nearest_known_name(
    monkeypatch: pytest.MonkeyPatch, name: str, nearest: str
) -> None:
    assert read(monkeypatch, **{name: "1"})["UNKNOWN_VARIABLES"] == {name: nearest}


def test_unknown_variable_is_a_warning_at_the_start(settings: Any) -> None:
    settings.UNKNOWN_VARIABLES = {"KLINGWEB_PORT": "PORT", "KLINGWEB_XQZ": ""}
    first, second = checks.check_unknown_variables()
    assert (first.msg, first.hint) == (
        "KLINGWEB_PORT is not a setting of klingweb.", "Did you mean PORT?",
    )  # fmt: skip
    assert second.hint == "All settings are in .env.example."


def test_every_setting_is_in_the_example_file(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch)
    example = (ROOT / ".env.example").read_text()
    used = found["env"].used - found["RENAMED_VARIABLES"].keys()
    assert sorted(name for name in used if f"\n#{name}=" not in example) == [
        "KLINGWEB_UPSTREAM_KEY"  # the one line that is not a comment
    ]


# --- the data folder -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["team#1", "team#2", "lan+marc", "100%25", "50% off", "what?x", "my ảnh 图", "file:a"]
)
def test_each_folder_has_its_own_database(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    found = read(monkeypatch, KLINGWEB_DATA_DIR=str(tmp_path / name))
    assert Path(found["DATABASES"]["default"]["NAME"]) == tmp_path / name / "klingweb.db"
    assert (tmp_path / name / "secret-key").read_text() == found["SECRET_KEY"]
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_django_opens_the_database_in_a_folder_with_special_characters(tmp_path: Path) -> None:
    folder = tmp_path / "a#b?c=d&mode=ro %23+ảnh"
    start("-c", OPEN_DATABASE, KLINGWEB_DATA_DIR=str(folder)).check_returncode()
    assert (folder / "klingweb.db").read_bytes().startswith(b"SQLite format 3")
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


OPEN_DATABASE = """
import django
django.setup()
from django.db import connection
connection.cursor().execute("CREATE TABLE a (b)")
"""


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_new_folder_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read(monkeypatch)
    data = tmp_path / "data"
    assert mode_of(data) == 0o700
    assert {path.name: mode_of(path) for path in data.iterdir()} == {
        "klingweb.db": 0o600, "secret-key": 0o600,
    }  # fmt: skip


def test_existing_folder_is_closed_to_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key = read(monkeypatch)["SECRET_KEY"]
    data = tmp_path / "data"
    data.chmod(0o755)
    for path in data.iterdir():
        path.chmod(0o644)
    assert read(monkeypatch)["SECRET_KEY"] == key
    assert mode_of(data) == 0o700
    assert {mode_of(path) for path in data.iterdir()} == {0o600}


def test_folder_that_was_made_for_something_else_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    (folder / "report.txt").touch()
    message = error_of(monkeypatch, KLINGWEB_DATA_DIR=str(folder))
    assert message.startswith("KLINGWEB_DATA_DIR: ") and f"{folder}/klingweb" in message
    assert mode_of(folder) == 0o755


def test_folder_of_another_user_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o755)

    def chmod(path: Path, mode: int) -> None:  # root may change everything
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", chmod)
    assert "belongs to one of them" in error_of(monkeypatch, KLINGWEB_DATA_DIR=str(folder))


def test_data_folder_that_is_a_file_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file/below"):
        message = error_of(monkeypatch, KLINGWEB_DATA_DIR=str(path))
        assert message.startswith(f"KLINGWEB_DATA_DIR: the folder {path} cannot be used")


def test_empty_secret_key_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    read(monkeypatch)
    (tmp_path / "data/secret-key").write_text("")
    assert "secret-key is empty: delete it" in error_of(monkeypatch)


def test_stored_key_ends_the_demo_unless_the_variable_has_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    demo = read(monkeypatch)
    assert (demo["DEMO"], demo["UPSTREAM_URL"]) == (True, "http://127.0.0.1:8799")
    path = tmp_path / "data/upstream-key"
    path.write_text("sk-stored\n")
    path.chmod(0o644)
    live = read(monkeypatch, KLINGWEB_UPSTREAM_KEY="")
    assert (live["DEMO"], live["UPSTREAM_KEY"]) == (False, "")  # the start takes it over
    assert live["UPSTREAM_URL"] == demo["GATEWAY_URL"] == "https://api.yescale.io"
    assert mode_of(path) == 0o600
    assert read(monkeypatch, KLINGWEB_UPSTREAM_KEY="sk-env")["UPSTREAM_KEY"] == "sk-env"
    path.unlink()
    assert read(monkeypatch, KLINGWEB_UPSTREAM_KEY="")["DEMO"]
    (tmp_path / "data/uses-gateway").touch()
    assert not read(monkeypatch, KLINGWEB_UPSTREAM_KEY="")["DEMO"]


def test_encryption_keys_are_checked_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = "n" * 43 + "=", "o" * 43 + "="
    settings = read(monkeypatch, KLINGWEB_ENCRYPTION_KEY=f"{new}, {old}")
    assert settings["ENCRYPTION_KEYS"] == [new, old]
    error = error_of(monkeypatch, KLINGWEB_ENCRYPTION_KEY=f"{new},{old[:-1]}")
    assert error.startswith("KLINGWEB_ENCRYPTION_KEY is not an encryption key")
    assert old[:-1] not in error


@pytest.mark.parametrize("content", [b"two words", SECRET.encode() + b"\xff", b'"quoted"'])
def test_file_without_an_api_key_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    read(monkeypatch)
    (tmp_path / "data/upstream-key").write_bytes(content)
    error = error_of(monkeypatch)
    assert "upstream-key" in error
    assert SECRET not in error


# --- every way to start ----------------------------------------------------------------------


def start(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("KLINGWEB_")}  # noqa: TID251
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=inherited | {"DJANGO_SETTINGS_MODULE": "klingweb.settings"} | variables,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("manage.py", "run"),
        ("manage.py", "migrate"),
        ("manage.py", "web"),
        ("manage.py", "worker"),
        ("-c", "import klingweb.wsgi"),
    ],
)
def test_every_start_stops_with_one_sentence(command: tuple[str, ...], tmp_path: Path) -> None:
    stopped = start(*command, KLINGWEB_DATA_DIR=str(tmp_path), PORT="http")
    assert stopped.returncode != 0
    assert stopped.stdout == ""
    assert stopped.stderr == (
        "klingweb cannot start. PORT=http is not valid: use a whole number from 1 to 65,535.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--port", "70000"), "argument --port"),
        (("--seconds", "9-4"), "argument --seconds"),
        (("--port", "0", "--data-dir", "/dev/null/below"), "/dev/null/below"),
    ],
)
def test_simulator_stops_with_one_sentence(arguments: tuple[str, ...], message: str) -> None:
    stopped = start("-m", "klingweb.simulator", *arguments)
    assert stopped.returncode != 0
    assert message in stopped.stderr
    assert "Traceback" not in stopped.stderr


def test_environment_records_what_was_asked() -> None:
    variables = Environment({"KLINGWEB_B": "x"})
    assert variables.text("KLINGWEB_A", "default") == "default"
    assert variables.used == {"KLINGWEB_A"}
