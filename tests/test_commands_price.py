"""`manage.py price`: set, list, export and import prices."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError
from django.utils import timezone
from pytest_django import Settings

from generations.models import Team
from generations.models.money import Price
from generations.requests import quote_for
from tests.commands import refusal, refusal_json, run, run_json

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def team() -> Team:
    team = Team(time_zone="Europe/Berlin", currency="EUR")
    team.save()
    return team


def amounts() -> list[int]:
    return list(Price.objects.order_by("pk").values_list("amount_e4", flat=True))


# --- set -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "amount_e4"),
    [("0.05", 500), ("0,05", 500), ("12", 120_000), ("0.0267", 267), ("0", 0), ("0.10000", 1000)],
)
def test_set_price_is_the_one_of_the_next_request(amount: str, amount_e4: int) -> None:
    printed = run("price", "set", "kling", "kling-v1", amount)
    assert "EUR an image from" in printed.stdout
    assert printed.stderr == ""
    assert quote_for(1, {}, has_reference=False).unit_e4 == amount_e4


def test_option_has_its_own_price() -> None:
    run("price", "set", "kling", "kling-v1", "0.05")
    assert run("price", "set", "kling", "kling-v1", "0.07", "--option", "reference").stderr == ""
    assert quote_for(1, {}, has_reference=True).unit_e4 == 700
    assert quote_for(1, {}, has_reference=False).unit_e4 == 500


@pytest.mark.parametrize(
    ("amount", "reason"),
    [
        ("-1", "The amount can’t be negative."),
        ("-0.05", "The amount can’t be negative."),
        ("-0,05", "The amount can’t be negative."),
        ("0.00001", "Use at most 4 decimal places."),
        ("12345678901234567890", "The amount is too large."),
        ("9" * 21, "Enter an amount such as 0.05"),
        ("free", "Enter an amount such as 0.05"),
        ("NaN", "Enter an amount such as 0.05"),
        ("Infinity", "Enter an amount such as 0.05"),
        ("-Infinity", "Enter an amount such as 0.05"),
        ("1e5", "Enter an amount such as 0.05"),
        ("1,000.00", "Enter an amount such as 0.05"),
        ("٠.٥", "Enter an amount such as 0.05"),
        ("", "Enter an amount such as 0.05"),
    ],
)
def test_wrong_amount_is_one_sentence(amount: str, reason: str) -> None:
    assert refusal("price", "set", "kling", "kling-v1", amount).startswith(reason)
    assert amounts() == []


def test_unknown_engine_is_refused() -> None:
    reason = refusal("price", "set", "clang", "kling-v1", "0.05")
    assert reason == "There is no engine “clang”. The engines are: kling, openai, flux, ideogram."
    assert amounts() == []


@pytest.mark.parametrize("model", ["", "=1+1", "a\tb", "x" * 61, "\udcff", "**"])
def test_wrong_model_is_refused(model: str) -> None:
    assert refusal("price", "set", "kling", model, "0.05")
    assert refusal("price", "set", "kling", "kling-v1", "0.05", "--option", model or " -")
    assert amounts() == []


def test_unused_model_is_stored_with_a_note() -> None:
    printed = run("price", "set", "kling", "kling-v9", "0.05")
    assert "No request to kling uses the model kling-v9" in printed.stderr
    assert "kling-v9: 0.05" in printed.stdout
    assert amounts() == [500]


def test_option_that_no_request_has_is_stored_with_a_note(settings: Settings) -> None:
    for profile, has_note in (("basic", True), ("extended", False)):
        settings.UPSTREAM_PROFILE = profile
        note = run("price", "set", "kling", "kling-v1", "0.05", "--option", "2k+reference").stderr
        assert ("has the option 2k+reference" in note) == has_note


def test_any_model_needs_no_note() -> None:
    assert run("price", "set", "kling", "*", "0.05").stderr == ""
    assert quote_for(1, {}, has_reference=False).unit_e4 == 500


def test_same_price_twice_is_stored_once() -> None:
    for is_new in (True, False):
        assert run_json("price", "set", "kling", "kling-v1", "0.05")["is_new"] == is_new
    run("price", "set", "kling", "kling-v1", "0.06")
    run("price", "set", "kling", "kling-v1", "0.05")
    assert amounts() == [500, 600, 500]


@pytest.mark.parametrize(
    ("date", "moment"),
    [
        ("2026-12-01", datetime(2026, 11, 30, 23, tzinfo=UTC)),
        ("2026-07-01", datetime(2026, 6, 30, 22, tzinfo=UTC)),
        ("2026-12-01T08:30", datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        ("2026-12-01 08:30:00", datetime(2026, 12, 1, 7, 30, tzinfo=UTC)),
        ("2026-12-01T08:30Z", datetime(2026, 12, 1, 8, 30, tzinfo=UTC)),
        ("2026-12-01T08:30-05:00", datetime(2026, 12, 1, 13, 30, tzinfo=UTC)),
    ],
)
def test_date_is_in_the_time_zone_of_the_team(date: str, moment: datetime) -> None:
    for is_new in (True, False):
        document = run_json("price", "set", "kling", "kling-v1", "0.05", "--from", date)
        assert document["is_new"] == is_new, "the same again changes nothing"
        assert datetime.fromisoformat(document["valid_from"]) == moment
    assert Price.objects.get().valid_from == moment


@pytest.mark.parametrize(
    "date", ["tomorrow", "2026-02-30", "01.12.2026", "2026-13-01", "0001-01-01", "9999-12-31", "-1"]
)
def test_wrong_date_is_refused(date: str) -> None:
    assert refusal("price", "set", "kling", "kling-v1", "0.05", "--from", date).startswith("Use a ")
    assert amounts() == []


def test_price_is_never_changed() -> None:
    run("price", "set", "kling", "kling-v1", "0.05", "--from", "2026-12-01")
    reason = refusal("price", "set", "kling", "kling-v1", "0.06", "--from", "2026-12-01")
    assert "from 2026-12-01 00:00 is already 0.05. Prices are never changed" in reason
    assert amounts() == [500]


def test_missing_argument_is_refused() -> None:
    with pytest.raises(CommandError, match="required: AMOUNT"):
        run("price", "set", "kling", "kling-v1")


# --- list ----------------------------------------------------------------------------------------


def test_list_has_prices_in_force_and_later_ones(team: Team) -> None:
    assert run("price", "list").stdout == "No prices are set.\n"
    run("price", "set", "kling", "kling-v1", "0.04", "--from", "2020-01-01")
    run("price", "set", "kling", "kling-v1", "0.05", "--from", "2021-01-01")
    run("price", "set", "kling", "kling-v1", "0.06", "--from", "2900-01-01")
    document = run_json("price", "list")
    assert (document["currency"], document["upstream"]) == ("EUR", "simulator")
    assert [(each["amount"], each["is_in_force"]) for each in document["prices"]] == [
        ("0.05", True),
        ("0.06", False),
    ]
    assert document["prices"][0]["valid_from"] == "2021-01-01T00:00:00+01:00"
    lines = run("price", "list").stdout.splitlines()
    assert lines[0].split() == ["Engine", "Model", "Option", "Price", "in", "EUR", "From"]
    assert lines[1].split() == ["kling", "kling-v1", "-", "0.05", "2021-01-01", "00:00"]


def test_prices_of_the_demo_are_not_those_of_a_real_key(settings: Settings) -> None:
    run("price", "set", "kling", "kling-v1", "0.05")
    settings.UPSTREAM_MODE = "live"
    assert run_json("price", "list")["prices"] == []


# --- export and import ---------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "prices.csv"


def load(file: Path, content: str | bytes) -> dict[str, int]:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    document: dict[str, int] = run_json("price", "import", str(file))
    return document


def load_refused(file: Path, content: str | bytes) -> list[str]:
    """The lines of the message."""
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return refusal("price", "import", str(file)).splitlines()


def test_exported_file_is_read_without_a_change(file: Path) -> None:
    run("price", "set", "kling", "kling-v1", "0.0267")
    run("price", "set", "kling", "kling-v1", "0.07", "--option", "reference")
    run("price", "set", "kling", "*", "0", "--from", "2026-12-01T08:30")
    before = list(Price.objects.order_by("pk").values())
    exported = run("price", "export").stdout
    assert exported.splitlines()[0] == "engine,model,option,amount,valid_from"
    assert "kling,*,,0,2026-12-01T08:30:00+01:00" in exported
    assert load(file, exported) == {"added": 0, "unchanged": 3}
    assert list(Price.objects.order_by("pk").values()) == before
    Price.objects.all().delete()
    assert load(file, exported) == {"added": 3, "unchanged": 0}
    assert run("price", "export").stdout == exported


def test_export_has_superseded_prices() -> None:
    run("price", "set", "kling", "kling-v1", "0.04", "--from", "2020-01-01")
    run("price", "set", "kling", "kling-v1", "0.05", "--from", "2021-01-01")
    assert [each["amount"] for each in run_json("price", "export")["prices"]] == ["0.04", "0.05"]


@pytest.mark.parametrize(
    "content",
    [
        'engine,model,amount\nkling,kling-v1,"0,05"\n',
        "engine;model;amount\nkling;kling-v1;0,05\n",
        "engine\tmodel\tamount\nkling\tkling-v1\t0,05\n",
        "\ufeffEngine;Model;Option;Amount;Valid from\r\nkling; kling-v1 ;;0,05;\r\n\r\n",
        "amount,model,engine\n0.0500,kling-v1,kling",
    ],
)
def test_files_of_spreadsheets_are_read(file: Path, content: str) -> None:
    assert load(file, content) == {"added": 1, "unchanged": 0}
    assert load(file, content) == {"added": 0, "unchanged": 1}
    assert quote_for(1, {}, has_reference=False).unit_e4 == 500


def test_one_wrong_line_imports_nothing(file: Path) -> None:
    content = (
        "engine,model,option,amount,valid_from\n"
        "kling,kling-v1,,0.05,\n"
        "\n"
        'kling,"kling-v1",,-1,\n'
        "clang,kling-v1,,0.05,\n"
        'kling,kling-v1,reference,0.05,"2026-\n12-01"\n'
        "kling,kling-v1,,0,05,\n"
        "kling,kling-v1,,0.06,\n"
        "kling,kling-v1,,0.05,\n"
    )
    lines = load_refused(file, content)
    assert lines == [
        "Nothing was imported: of 7 lines with prices, 5 cannot be used.",
        "Line 4: The amount can’t be negative.",
        "Line 5: There is no engine “clang”. The engines are: kling, openai, flux, ideogram.",
        "Line 6: Use a date such as 2026-12-01, or with a time such as 2026-12-01T08:00.",
        "Line 8: The line has 6 cells, and the first line 5. Put an amount with a comma in quotes, "
        "or semicolons between the cells.",
        "Line 9: This is the price of line 2 with another amount.",
    ]
    assert amounts() == []
    document = refusal_json("price", "import", str(file))
    assert document["error"] == lines[0]
    assert document["lines"][0] == {"line": 4, "error": "The amount can’t be negative."}


def test_stored_price_with_another_amount_is_an_error(file: Path) -> None:
    run("price", "set", "kling", "kling-v1", "0.05", "--from", "2026-12-01")
    content = "engine,model,amount,valid_from\nkling,kling-v1,0.06,2026-12-01\n"
    assert "Line 2: The price of kling kling-v1" in load_refused(file, content)[1]
    assert amounts() == [500]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "Line 1 has no column amount."),
        ("engine,model,price\nkling,kling-v1,1\n", "Line 1 has no column amount."),
        ("engine,model,amount,until\n", "Line 1 has a column “until”."),
        ("engine,model,amount,amount\n", "names a column twice"),
        ('engine,model,amount\nkling,kling-v1,"0.05\n', "Line 2:"),
        ("engine,model,amount\nkling,kling-v1,0.05\nkling,caf\xe9,1".encode("latin-1"), "UTF-8"),
        (b"\x00\x01\x02", "Line 1"),
        (b"\xff" * 10_000_001, "has more than 10 MB"),
    ],
)
def test_file_that_cannot_be_read_is_one_sentence(
    file: Path, content: str | bytes, reason: str
) -> None:
    [line] = load_refused(file, content)
    assert reason in line
    assert amounts() == []


def test_missing_file_and_folder_are_one_sentence(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal("price", "import", str(tmp_path / "no.csv"))
    assert "cannot be read: Is a directory" in refusal("price", "import", str(tmp_path))


def test_header_alone_imports_nothing(file: Path) -> None:
    assert load(file, "engine,model,amount\n") == {"added": 0, "unchanged": 0}


def test_unused_model_in_a_file_is_noted_once(file: Path) -> None:
    file.write_text("engine,model,amount\nkling,m-9,1\nkling,m-9,1\n")
    printed = run("price", "import", str(file))
    assert printed.stderr.count("uses the model m-9") == 1
    assert printed.stdout == "Prices added: 1. Unchanged: 1.\n"


def test_price_that_begins_later_does_not_apply_yet() -> None:
    run("price", "set", "kling", "kling-v1", "0.05")
    tomorrow = (timezone.now() + timedelta(days=1)).isoformat()
    run("price", "set", "kling", "kling-v1", "0.06", "--from", tomorrow)
    assert quote_for(1, {}, has_reference=False).unit_e4 == 500
