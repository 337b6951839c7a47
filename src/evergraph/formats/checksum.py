"""CRC-32C, the checksum of every file that TensorFlow writes, and the form in which it is stored.

A stored checksum is *masked* (rotated, plus a constant), since the CRC of data that holds its own CRC is a bad one.
"""

from __future__ import annotations

from typing import Any, TypeVar

import google_crc32c
import numpy as np

_DELTA = 0xA282EAD8
_Crc = TypeVar("_Crc", int, np.ndarray)  # an array of uint32


def crc32c(data: Any, start: int = 0) -> int:
    """The CRC-32C of bytes, or of a C-contiguous array's memory; `start` is that of what comes before."""
    if not isinstance(data, bytes):  # the extension takes arrays and bytes, but not the buffers in between
        data = np.frombuffer(data, np.uint8) if not isinstance(data, np.ndarray) else data.reshape(-1).view(np.uint8)
    return int(google_crc32c.extend(start, data))


def mask(crc: _Crc) -> _Crc:
    """The form in which a checksum is stored.

    >>> unmask(mask(123)) == 123
    True
    """
    return ((crc >> 15 | crc << 17) + _DELTA) & 0xFFFFFFFF


def unmask(stored: _Crc) -> _Crc:
    """The checksum that `stored` stands for."""
    rotated = (stored - _DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF


def masked_crc32c(data: Any) -> int:
    return mask(crc32c(data))
