"""Bodies that are small on the wire and enormous when they are opened, and other forms."""

import gzip
import io
import struct
import zlib
from functools import cache

PIXELS_A_SIDE = 20_000
UNPACKED_MEGABYTES = 256


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def png() -> bytes:
    """A whole and valid PNG, one bit a pixel, of 20,000 pixels a side."""
    header = struct.pack(">IIBBBBB", PIXELS_A_SIDE, PIXELS_A_SIDE, 1, 0, 0, 0, 0)
    packer = zlib.compressobj(1)
    row = bytes(1 + PIXELS_A_SIDE // 8)
    packed = b"".join(packer.compress(row) for _ in range(PIXELS_A_SIDE)) + packer.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def gzipped() -> bytes:
    """Zeros under gzip, one member a megabyte."""
    return gzip.compress(bytes(2**20), mtime=0) * UNPACKED_MEGABYTES


def as_jpeg(image: bytes) -> bytes:
    """A PNG as a JPEG."""
    from PIL import Image

    held = io.BytesIO()
    with Image.open(io.BytesIO(image)) as opened:
        opened.convert("RGB").save(held, "JPEG", quality=90)
    return held.getvalue()
