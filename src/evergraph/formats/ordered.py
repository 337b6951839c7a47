"""Byte strings that sort as the values they stand for: the keys of tensor slices in checkpoints."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPES = {b"\0": b"\0\xff", b"\xff": b"\xff\0"}
_SPECIAL = re.compile(rb"[\0\xff]")

FULL = -1
"""The length of a dimension that is not cut."""


def number(value: int) -> bytes:
    """A non-negative number: how many bytes it takes, then those, the highest first."""
    size = (value.bit_length() + 7) // 8
    return bytes([size]) + value.to_bytes(size, "big")


def signed(value: int) -> bytes:
    """A signed number; the upper bits of the first byte say how many bytes there are.

    >>> signed(0), signed(-1), signed(64)
    (b'\\x80', b'\\x7f', b'\\xc0@')
    """
    size = (value if value >= 0 else ~value).bit_length() // 7 + 1
    raw = (value & ((1 << 8 * size) - 1)) ^ (((1 << size) - 1) << (7 * size))
    return raw.to_bytes(size, "big")


def string(text: bytes) -> bytes:
    return _SPECIAL.sub(lambda found: _ESCAPES[found[0]], text) + b"\0\1"


def slice_key(name: bytes, starts: Sequence[int], lengths: Sequence[int]) -> bytes:
    """Under which key a checkpoint keeps the part of `name` from `starts`; a length `FULL` means a whole dimension."""
    extents = b"".join(signed(start) + signed(length) for start, length in zip(starts, lengths, strict=True))
    return number(0) + string(name) + number(len(starts)) + extents
