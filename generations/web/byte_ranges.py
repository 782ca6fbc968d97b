"""HTTP ranges (RFC 9110, section 14): one range of bytes of a file, so that downloads resume.

Several ranges in one request are answered with the whole file, as the RFC allows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.core.files.base import File
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse

CHUNK_BYTES = 64 * 1024
_BYTES = re.compile(r"bytes\s*=\s*(\d*)-(\d*)\s*", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 18  # a longer number is beyond every file, and int() refuses thousands of digits


class Unsatisfiable(Exception):
    """No byte of the file is in the range: answer 416."""


@dataclass(frozen=True)
class ByteRange:
    first: int
    last: int  # inclusive

    @property
    def length(self) -> int:
        return self.last - self.first + 1


def requested_range(request: HttpRequest, etag: str, size: int) -> ByteRange | None:
    """Return the range to send; None: send the whole file. Raises `Unsatisfiable`."""
    match = _BYTES.fullmatch(request.headers.get("Range", ""))
    if request.method != "GET" or match is None or not any(match.groups()):
        return None
    # Files have no date here, so only the strong ETag proves that the first part is of this file.
    if request.headers.get("If-Range", etag) != etag:
        return None
    first, last = (_number(text) for text in match.groups())
    if first is None:  # the last bytes
        assert last is not None
        first, last = max(0, size - last), size - 1
    elif last is not None and last < first:
        return None  # invalid, so it is ignored
    last = size - 1 if last is None else min(last, size - 1)
    if first > last:
        raise Unsatisfiable
    return ByteRange(first, last)


def _number(digits: str) -> int | None:
    if not digits:
        return None
    return int(digits) if len(digits) <= _MAX_DIGITS else 10**_MAX_DIGITS


def partial_response(
    file: "File[bytes]", part: ByteRange, size: int, content_type: str
) -> StreamingHttpResponse:
    """206, with that part of the open file, which is closed at the end."""
    response = StreamingHttpResponse(FilePart(file, part), status=206, content_type=content_type)
    response.headers["Content-Range"] = f"bytes {part.first}-{part.last}/{size}"
    response.headers["Content-Length"] = str(part.length)
    return response


def unsatisfiable_response(size: int) -> HttpResponse:
    return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})


class FilePart:
    """The chunks of a part of a file. A class, because an unread generator closes nothing."""

    def __init__(self, file: "File[bytes]", part: ByteRange) -> None:
        self.file = file
        self.part = part

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.part.first)
        left = self.part.length
        while left and (chunk := self.file.read(min(left, CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self.file.close()
