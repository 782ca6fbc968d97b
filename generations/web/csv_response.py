"""The response of a CSV file that people open in a spreadsheet."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from generations.csv_cells import BYTE_ORDER_MARK, csv_lines

from .file_names import set_disposition


def csv_response(
    name: str, header: Iterable[str], rows: Iterable[Iterable[Any]]
) -> StreamingHttpResponse:
    """Stream the file line by line. Text that a spreadsheet would run as a formula is escaped."""
    response = StreamingHttpResponse(
        _lines(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Cache-Control": "private, no-store"},
    )
    set_disposition(response, name, as_attachment=True)
    return response


def _lines(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    yield BYTE_ORDER_MARK
    yield from csv_lines(header, rows)
