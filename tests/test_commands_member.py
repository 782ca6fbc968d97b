"""`manage.py member`: add, disable and list members."""

import io
from collections.abc import Callable

import pytest
from django.core.management import CommandError

from generations.models import Generation, Member, Status
from generations.permissions import Role
from tests.builders import make_generation, make_member
from tests.commands import refusal, run, run_json

pytestmark = pytest.mark.django_db

PASSWORD = "a long and quiet sentence"
SetStdin = Callable[[bytes], None]


class Stdin:
    """A standard input that every reader reads from its start."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    @property
    def buffer(self) -> io.BytesIO:
        return io.BytesIO(self.content)


@pytest.fixture
def set_stdin(monkeypatch: pytest.MonkeyPatch) -> SetStdin:
    return lambda content: monkeypatch.setattr("sys.stdin", Stdin(content))


# --- add -----------------------------------------------------------------------------------------


def test_add_prints_a_generated_password() -> None:
    password = run("member", "add", "lan").stdout.split()[-1]
    lan = Member.objects.get(username="lan")
    assert lan.check_password(password)
    assert (lan.role, lan.is_active, lan.is_staff) == (Role.MEMBER, True, False)


@pytest.mark.parametrize("role", Role.values)
def test_add_gives_the_role(role: str) -> None:
    document = run_json("member", "add", "lan", "--role", role)
    lan = Member.objects.get(username="lan")
    assert lan.check_password(document.pop("password"))
    assert document == {"name": "lan", "role": role}
    assert lan.role == role
    assert lan.is_staff == (role in ("owner", "admin")), "the flags follow the role"


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\nsecond line\n"])
def test_password_is_the_first_line_and_not_printed(set_stdin: SetStdin, end: bytes) -> None:
    password = "  ein längerer Satz  "
    set_stdin(password.encode() + end)
    printed = run("member", "add", "lan", "--password-stdin")
    assert "Satz" not in printed.stdout + printed.stderr
    assert Member.objects.get(username="lan").check_password(password), "with its spaces"


def test_document_does_not_contain_a_password_that_was_given(set_stdin: SetStdin) -> None:
    set_stdin(PASSWORD.encode())
    assert run_json("member", "add", "lan", "--password-stdin") == {"name": "lan", "role": "member"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", "no password on standard input"),
        (b"\n", "no password on standard input"),
        (b"short", "too short"),
        (b"password123", "too common"),
        (b"lan-nguyen-1", "too similar to the username"),
        (b"\xff\xfe not UTF-8", "not text in UTF-8"),
    ],
)
def test_refused_password_adds_nobody(set_stdin: SetStdin, line: bytes, reason: str) -> None:
    set_stdin(line)
    assert reason in refusal("member", "add", "lan-nguyen", "--password-stdin")
    assert not Member.objects.exists()


@pytest.mark.parametrize("name", ["", " ", "two words", "a/b", "x" * 151, "\udcff"])
def test_wrong_name_is_refused(name: str) -> None:
    assert refusal("member", "add", name)
    assert not Member.objects.exists()


@pytest.mark.parametrize("name", ["lan", "LAN", "ｌａｎ"])
def test_name_that_exists_is_refused(name: str) -> None:
    make_member("lan")
    assert "already a member “lan”" in refusal("member", "add", name, "--role", "owner")
    assert Member.objects.get().role == Role.MEMBER


def test_unknown_role_is_refused() -> None:
    with pytest.raises(CommandError, match="invalid choice: 'chief'"):
        run("member", "add", "lan", "--role", "chief")


# --- disable -------------------------------------------------------------------------------------


def test_disable_ends_access_and_cancels_queued_generations(owner: Member) -> None:
    queued, running = make_generation(owner=owner), make_generation(Status.RUNNING, owner=owner)
    version = owner.sessions_version
    assert run_json("member", "disable", "owner") == {"name": "owner", "canceled": 1}
    owner.refresh_from_db()
    assert not owner.is_active
    assert owner.sessions_version > version, "all sessions have ended"
    assert Generation.objects.get(pk=queued.pk).status == Status.CANCELED
    assert Generation.objects.get(pk=running.pk).status == Status.RUNNING


def test_disabling_twice_changes_nothing(owner: Member) -> None:
    run("member", "disable", "owner")
    assert "canceled: 0" in run("member", "disable", "owner").stdout


def test_last_owner_cannot_be_disabled(owner: Member) -> None:
    chief = make_member("chief", role=Role.OWNER)
    assert "only active owner" in refusal("member", "disable", "chief")
    chief.refresh_from_db()
    assert chief.is_active


@pytest.mark.parametrize("name", ["nobody", "", "OWNER", "\udcff"])
def test_unknown_name_is_refused(owner: Member, name: str) -> None:
    assert refusal("member", "disable", name)
    owner.refresh_from_db()
    assert owner.is_active


# --- list ----------------------------------------------------------------------------------------


def test_list_has_all_members_and_no_secrets() -> None:
    make_member("owner", role=Role.OWNER, first_name="Lan", last_name="Nguyen")
    gone = make_member("gone", is_active=False)
    assert run_json("member", "list") == {
        "members": [
            {
                "name": "gone",
                "full_name": "",
                "role": "member",
                "is_active": False,
                "last_sign_in": None,
            },
            {
                "name": "owner",
                "full_name": "Lan Nguyen",
                "role": "owner",
                "is_active": True,
                "last_sign_in": None,
            },
        ]
    }
    text = run("member", "list").stdout
    assert text.splitlines()[1].split() == ["gone", "member", "no", "never"]
    assert gone.password not in text
