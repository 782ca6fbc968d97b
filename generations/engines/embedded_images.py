"""Takes the images out of a JSON answer that holds them as Base64, without reading it whole.

An answer may have 60 MB. It is on disk; so are the images, and only the rest is read into memory.
"""

import base64
import binascii
import mmap
import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MAX_TEXT_BYTES = 4 * 1024 * 1024  # of an answer without its images
_CHUNK_BYTES = 256 * 1024
# Possessive, so that it never goes back over an image. A backslash is part of an escape.
_LONG_TEXT = re.compile(rb'"(?:data:image/[a-z0-9.+-]{1,40};base64,)?([A-Za-z0-9+/=_\\-]{4096,}+)"')
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,")
_PLACE = re.compile(r"klingweb-image:(\d{1,4})")
_ESCAPE = re.compile(rb"\\(?:u00([0-9a-fA-F]{2})|([/nr]))")
_CUT_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?\Z")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(frozen=True)
class Answer:
    """An answer without its images. `text` names them by number; None: an image that is broken."""

    text: bytes
    images: tuple[Path | None, ...]

    @staticmethod
    def holds_image(value: str) -> bool:
        """Whether a text in the place of a URL is an image itself."""
        return bool(_DATA_URL.match(value) or _PLACE.fullmatch(value))

    def image(self, value: str, to: Path) -> Path | None:
        """The file of an image by the text that stands for it, which may be short Base64 itself.

        A short one is written to `to`. None: it is broken.
        """
        if place := _PLACE.fullmatch(value):
            number = int(place[1])
            return self.images[number] if number < len(self.images) else None
        try:
            with to.open("wb") as file:
                text = "".join(_DATA_URL.sub("", value, count=1).split())
                _write_decoded(text.encode(), file)
        except (binascii.Error, ValueError):
            to.unlink()
            return None
        return to


def take_out(answer_file: Path) -> Answer:
    """Write each long Base64 text of a JSON file to a file beside it, named by its number.

    Raises ValueError for an answer that is too long even without its images.
    """
    with answer_file.open("rb") as file:
        if not answer_file.stat().st_size:
            return Answer(b"", ())
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _take_out(content, answer_file)


def _take_out(content: mmap.mmap, answer_file: Path) -> Answer:
    parts: list[bytes] = []
    images: list[Path | None] = []
    end = size = 0
    for match in _LONG_TEXT.finditer(content):
        size += match.start() - end
        if size > MAX_TEXT_BYTES:
            break
        parts += [content[end : match.start()], f'"klingweb-image:{len(images)}"'.encode()]
        images.append(_write(content, match.span(1), _image_file(answer_file, len(images))))
        end = match.end()
    if size + len(content) - end > MAX_TEXT_BYTES:
        raise ValueError("the answer is too long")
    return Answer(b"".join([*parts, content[end:]]), tuple(images))


def _image_file(answer_file: Path, number: int) -> Path:
    return answer_file.with_name(f"{answer_file.name}.{number}")


def _write(content: mmap.mmap, span: tuple[int, int], to: Path) -> Path | None:
    try:
        with to.open("wb") as file:
            rest = b""
            for start in range(*span, _CHUNK_BYTES):
                text = rest + content[start : min(start + _CHUNK_BYTES, span[1])]
                rest = _write_decoded(text, file, is_last=start + _CHUNK_BYTES >= span[1])
    except (binascii.Error, ValueError):
        to.unlink()
        return None
    return to


def _write_decoded(text: bytes, file: IO[bytes], *, is_last: bool = True) -> bytes:
    """Decode and write Base64; return the end that belongs to the next part."""
    cut = _CUT_ESCAPE.search(text) if not is_last else None
    rest = cut[0] if cut else b""
    text = _ESCAPE.sub(_unescaped, text.removesuffix(rest)).translate(_URL_SAFE, b"\n\r")
    if is_last:
        text = text.rstrip(b"=")
        text += b"=" * (-len(text) % 4)
        usable = len(text)
    else:
        usable = len(text) - len(text) % 4
    file.write(base64.b64decode(text[:usable], validate=True))
    return text[usable:] + rest


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes.fromhex(escape[1].decode())
    return b"/" if escape[2] == b"/" else b""  # a line break
