"""Writing PNG images with zlib alone: what an image summary holds."""

from __future__ import annotations

import struct
import zlib

import numpy as np

_COLORS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels: gray, gray and alpha, RGB, RGBA
_UP = 2


def encode(image: np.ndarray, level: int = -1) -> bytes:
    """The PNG of an image.

    Args:
        image: uint8 or uint16, shape [height, width, channels] with 1 to 4 channels.
        level: zlib's compression level.

    >>> encode(np.zeros([2, 3, 1], np.uint8))[:4]
    b'\\x89PNG'
    """
    height, width, channels = image.shape
    raw = np.ascontiguousarray(image.astype(image.dtype.newbyteorder(">"))).view(np.uint8).reshape(height, -1)
    rows = np.empty([height, raw.shape[1] + 1], np.uint8)
    rows[:, 0] = _UP  # each row as its difference from the one above
    rows[:1, 1:] = raw[:1]
    rows[1:, 1:] = raw[1:] - raw[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8 * image.dtype.itemsize, _COLORS[channels], 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), level)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
