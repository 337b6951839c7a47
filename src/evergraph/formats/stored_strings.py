"""Tensors of strings as a checkpoint has them.

lengths (integers of variable length), checksum of the lengths (4), all strings

That first checksum is of the lengths as numbers of 4 bytes, or of 8 where one does not fit; the whole tensor's goes on
from there, over the rest.
"""

from __future__ import annotations

import struct

import numpy as np

from evergraph.formats import varint
from evergraph.formats.checksum import crc32c, mask


def encoded(array: np.ndarray) -> tuple[list[bytes], int]:
    """Strings as pieces of a file, and the checksum of them all."""
    strings = [s.encode() if isinstance(s, str) else bytes(s) for s in array.reshape(-1).tolist()]
    sizes = [len(s) for s in strings]
    crc = crc32c(b"".join(map(_fixed, sizes)))
    lengths_crc = struct.pack("<I", mask(crc))
    text = b"".join(strings)
    crc = crc32c(text, crc32c(lengths_crc, crc))
    return [b"".join(map(varint.encoded, sizes)) + lengths_crc, text], crc


def decoded(data: bytes, count: int) -> tuple[np.ndarray, int]:
    """`count` strings as an object array, [count], and the checksum that belongs to them.

    Raises:
        ValueError: if the lengths do not match their checksum, or the size of the whole.
    """
    sizes, at = [], 0
    for _ in range(count):
        size, at = varint.decoded(data, at)
        sizes.append(size)
    crc = crc32c(b"".join(map(_fixed, sizes)))
    if at + 4 + sum(sizes) != len(data) or data[at : at + 4] != struct.pack("<I", mask(crc)):
        raise ValueError("the lengths of the strings are damaged")
    crc = crc32c(data[at:], crc)
    at += 4
    value = np.empty(count, object)
    for i, size in enumerate(sizes):
        value[i] = data[at : at + size]
        at += size
    return value, crc


def _fixed(size: int) -> bytes:
    return size.to_bytes(4 if size < 1 << 32 else 8, "little")
