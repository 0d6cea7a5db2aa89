"""A bar chart as a PNG, written by hand, so that the demo needs no library that plots."""

import struct
import zlib
from collections.abc import Sequence

_BAR, _GAP, _HEIGHT = 36, 12, 180
_PALETTE = bytes.fromhex("ffffff 1677ff")
_PAPER, _INK = b"\x00", b"\x01"
_FILTER = b"\x00"
"""None: each line of pixels begins with how it is to be read."""


def bar_chart(values: Sequence[float]) -> bytes:
    """Draw a bar for each value; none may be negative, and one must be more than 0."""
    heights = [round(value / max(values) * (_HEIGHT - _GAP)) for value in values]
    lines = [
        _FILTER + _PAPER * _GAP + b"".join(_pixels(height, below) for height in heights)
        for below in range(_HEIGHT, 0, -1)
    ]
    width = len(lines[0]) - len(_FILTER)
    header = struct.pack(">IIBBBBB", width, _HEIGHT, 8, 3, 0, 0, 0)
    chunks = (
        (b"IHDR", header),
        (b"PLTE", _PALETTE),
        (b"IDAT", zlib.compress(b"".join(lines))),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _pixels(height: int, below: int) -> bytes:
    """A bar's part of the line that is so far above the bottom, and the gap after it."""
    return (_INK if below <= height else _PAPER) * _BAR + _PAPER * _GAP


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)
