"""Response bodies that are small in transfer and huge when decompressed."""

import gzip
import struct
import zlib
from functools import cache

SIDE_PIXELS = 20_000
UNPACKED_MEGABYTES = 256


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@cache
def png_bomb() -> bytes:
    """Return a valid PNG of 20,000 x 20,000 pixels at one bit per pixel."""
    header = struct.pack(">IIBBBBB", SIDE_PIXELS, SIDE_PIXELS, 1, 0, 0, 0, 0)
    compressor = zlib.compressobj(1)
    row = bytes(1 + SIDE_PIXELS // 8)
    packed = b"".join(compressor.compress(row) for _ in range(SIDE_PIXELS)) + compressor.flush()
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", packed) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def gzip_bomb() -> bytes:
    """Return 256 MB of zeros, compressed with gzip."""
    return gzip.compress(bytes(2**20), mtime=0) * UNPACKED_MEGABYTES
