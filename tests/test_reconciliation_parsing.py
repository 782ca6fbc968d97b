"""Reading a gateway's log: encodings, separators, units, times, and hostile files."""

import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from generations.reconciliation import columns, parsing
from generations.reconciliation.cells import (
    CellError,
    Kind,
    read_amount,
    read_kind,
    read_moment,
)
from generations.reconciliation.columns import ColumnMapping
from generations.reconciliation.parsing import (
    LogLine,
    Problem,
    Table,
    Tally,
    parse,
    read_table,
    read_text,
)

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
MOMENT = datetime(2026, 11, 24, 15, 2, 11, tzinfo=UTC)
LOG = """Time,Task ID,Amount,Model,Request ID,Type
2026-11-24 16:02:11,8829,0.48,kling-v1,r1,consume
2026-11-24 16:03:00,8830,0.48,kling-v1,r2,consume
2026-11-24 16:09:00,8830,0.48,kling-v1,r2,refund
2026-11-24 17:00:00,,50,,r3,top up
"""


@dataclass
class Parsed(Tally):
    """All that was read from a log."""

    all: list[LogLine] = field(default_factory=list)


def table_of(content: bytes) -> Table:
    text = read_text(content)
    return read_table(lambda: io.StringIO(text, newline=""))


def parsed(text: str | bytes, **changes: str) -> Parsed:
    content = text.encode() if isinstance(text, str) else text
    table = table_of(content)
    mapping = columns.guess(table.labels, table.first_rows, "Europe/Berlin")
    values = mapping.as_json() | changes
    result = Parsed()
    result.all += parse(table, ColumnMapping.from_json(values), BERLIN, result)
    return result


def test_log_is_read_by_the_guess() -> None:
    result = parsed(LOG)
    assert [(each.task_id, each.amount_e4) for each in result.all] == [
        ("8829", 4800), ("8830", 4800), ("8830", -4800),
    ]  # fmt: skip
    assert result.all[0].at == MOMENT
    assert result.all[0].model == "kling-v1"
    assert (result.skipped, result.failed, result.repeated) == (1, 0, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_separators(encoding: str, delimiter: str) -> None:
    text = LOG.replace("kling-v1", "künstlich").replace(",", delimiter)
    result = parsed(text.encode(encoding))
    assert [each.model for each in result.all] == ["künstlich"] * 3


def test_stated_separator_and_decimal_comma_of_a_spreadsheet() -> None:
    result = parsed('sep=;\r\nDate;Cost;Task\r\n2026-11-24 16:02:11;0,48;="8829"\r\n')
    assert [(each.amount_e4, each.task_id) for each in result.all] == [(4800, "8829")]


def test_quota_of_new_api() -> None:
    text = "created_at,quota,task_id,model_name,type\n1795532531,240000,8829,kling,2\n"
    result = parsed(text)
    assert [(each.amount_e4, each.at) for each in result.all] == [
        (4800, datetime.fromtimestamp(1795532531, UTC))
    ]


def test_charges_that_are_negative() -> None:
    text = "time,amount,task id\n2026-11-24,-0.48,a\n2026-11-24,-0.24,b\n2026-11-24,0.24,b\n"
    assert [each.amount_e4 for each in parsed(text).all] == [4800, 2400, -2400]


@pytest.mark.parametrize(
    "cell",
    [
        "2026-11-24T15:02:11Z", "2026-11-24 16:02:11", "2026/11/24 16:02:11",
        "2026-11-24T16:02:11+01:00", "1795532531", "1795532531.0", "1795532531000",
    ],
)  # fmt: skip
def test_times(cell: str) -> None:
    moment = read_moment(cell, BERLIN)
    assert moment == (MOMENT if not cell.startswith("179") else read_moment("1795532531", UTC_ZONE))


@pytest.mark.parametrize("cell", ["", "yesterday", "20261124", "12", "0001-01-01", "9" * 13, "=1"])
def test_what_is_no_time(cell: str) -> None:
    with pytest.raises(CellError):
        read_moment(cell, BERLIN)


@pytest.mark.parametrize(
    ("cell", "unit", "mark", "amount_e4"),
    [
        ("0.48", "currency", ".", 4800),
        ("$0.48", "currency", ".", 4800),
        ("0.48 USD", "currency", ".", 4800),
        ("1,234.50", "currency", ".", 12_345_000),
        ("1.234,50", "currency", ",", 12_345_000),
        ("0,48 €", "currency", ",", 4800),
        ("(0.48)", "currency", ".", -4800),
        ("−0.48", "currency", ".", -4800),
        ("4.8e-1", "currency", ".", 4800),
        ("0.48000000001", "currency", ".", 4800),
        ("48", "cents", ".", 4800),
        ("4.5", "cents", ".", 450),
        ("240000", "quota", ".", 4800),
        ("13350", "quota", ".", 267),
        ("25", "quota", ".", 0),  # half a ten-thousandth, to the even one
        ("75", "quota", ".", 2),
    ],
)
def test_amounts(cell: str, unit: str, mark: str, amount_e4: int) -> None:
    assert read_amount(cell, unit, mark) == amount_e4


@pytest.mark.parametrize(
    "cell", ["", "free", "=SUM(A1:A9)", "0,48", "1e99", "9" * 21, "--1", "NaN", "1,23,456.0", "٣"]
)
def test_what_is_no_amount(cell: str) -> None:
    with pytest.raises(CellError):
        read_amount(cell, "currency", ".")


def test_kinds() -> None:
    assert read_kind("Refund") == read_kind("退款") == read_kind("6") == Kind.REFUND
    assert read_kind("Top-up") == read_kind("4") == Kind.OTHER
    assert read_kind("consume") == read_kind("2") == read_kind("") == Kind.CHARGE
    assert read_kind("succeeded") == Kind.CHARGE


def test_duplicate_and_empty_headers_get_names_of_their_own() -> None:
    labels = columns.unique_labels(["Amount", "Amount", "", "amount", "Amount"])
    assert labels == ["Amount", "Amount (2)", "Column 3", "amount", "Amount (3)"]


def test_mapping_fits_a_file_with_its_columns() -> None:
    mapping = ColumnMapping(at="Time", amount="Amount", task_id="Task ID")
    assert mapping.fits(["Amount", "Time", "Task ID", "New"])
    assert not mapping.fits(["Amount", "Time"])
    assert ColumnMapping.from_json(mapping.as_json() | {"unknown": 1}) == mapping


def test_lines_without_a_request_id_have_a_key_of_their_own() -> None:
    text = "time,amount,task\n" + "2026-11-24,0.48,a\n" * 3
    keys = [each.key for each in parsed(text).all]
    assert len(set(keys)) == 3
    longer = text + "2026-11-25,0.48,b\n"
    assert [each.key for each in parsed(longer).all][:3] == keys
    other_separator = longer.replace(",", ";")
    assert [each.key for each in parsed(other_separator).all][:3] == keys


def test_repeated_request_is_one_line() -> None:
    text = "time,amount,request id\n2026-11-24,0.48,r1\n2026-11-24,0.50,r1\n2026-11-24,-0.48,r1\n"
    result = parsed(text)
    assert [each.amount_e4 for each in result.all] == [4800, -4800]
    assert result.repeated == 1


def test_lines_that_cannot_be_read_are_named() -> None:
    text = "time,amount\n2026-11-24,0.48\n\nsoon,0.48\n2026-11-24,=1+1\n" + "x,1\n" * 20
    result = parsed(text)
    assert result.failed == 22
    assert len(result.errors) == 10
    first, second = result.errors[:2]
    assert (first.number, first.column, first.cell) == (4, "time", "soon")
    assert (second.number, second.column, second.cell) == (5, "amount", "=1+1")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \n\n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "binary"),
        (b"PK\x03\x04" + bytes(200), "binary"),
        ("time,amount\n1,2".encode("utf-16-le"), "binary"),  # without its mark
        (b"only one column\n1\n", "columns"),
        (b"time,amount\n", "no-lines"),
        (b",".join(b"c%d" % n for n in range(101)) + b"\n1,2\n", "too-many-columns"),
        (b'time,amount\n"never closed,' + b"x" * 140_000, "cell"),
        (b"x" * 200_000, "cell"),
        (b"x," * 1_000_000, "cell"),
        (b'"x\n",' * 300_000, "cell"),
        (b"x" * (20 * 1024 * 1024 + 1), "size"),
    ],
)
def test_hostile_files_are_refused(content: bytes, code: str) -> None:
    with pytest.raises(Problem) as refusal:
        table_of(content)
    assert refusal.value.code == code


def test_missing_quotation_mark_far_below_is_found_with_its_line() -> None:
    table = table_of(b"time,amount\n" + b"2026-11-24,1\n" * 20 + b'"' + b"x" * 140_000)
    with pytest.raises(Problem) as refusal:
        list(parse(table, ColumnMapping(at="time", amount="amount"), BERLIN, Tally()))
    assert (refusal.value.code, refusal.value.number) == ("cell", 22)


def test_more_lines_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "MAX_LINES", 50)
    assert len(parsed("time,amount\n" + "2026-11-24,1\n" * 50).all) == 50
    with pytest.raises(Problem) as refusal:
        parsed("time,amount\n" + "2026-11-24,1\n" * 51)
    assert refusal.value.code == "lines"
