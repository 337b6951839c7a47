"""Reading Snappy blocks, the compression inside of older checkpoint tables."""

from __future__ import annotations

from evergraph.formats.varint import decoded

# A copy of 64 bytes takes two bytes at least, so an honest block grows no more than that.
_LARGEST_RATIO = 64


def decompress(block: bytes | memoryview) -> bytes:
    """The contents of a Snappy block.

    Raises:
        ValueError: if it is damaged.
    """
    block = bytes(block)
    length, at = decoded(block, 0)
    if length > len(block) * _LARGEST_RATIO:
        raise ValueError(f"a Snappy block of {len(block)} bytes cannot hold {length}")
    out = bytearray()
    end = len(block)
    while at < end:
        tag = block[at]
        at += 1
        kind = tag & 3
        if kind == 0:
            size = tag >> 2
            if size >= 60:
                extra = size - 59
                size = int.from_bytes(block[at : at + extra], "little")
                at += extra
            size += 1
            if at + size > end:
                raise ValueError("a Snappy block ends inside of a literal")
            out += block[at : at + size]
            at += size
            continue
        if kind == 1:
            size = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | int.from_bytes(block[at : at + 1], "little")
            at += 1
        else:
            size = (tag >> 2) + 1
            width = 2 if kind == 2 else 4
            offset = int.from_bytes(block[at : at + width], "little")
            at += width
        if not 0 < offset <= len(out) or at > end:
            raise ValueError("a Snappy block refers to what is not there")
        if offset >= size:
            start = len(out) - offset
            out += out[start : start + size]
        else:  # the copy overlaps what it writes: a repeated pattern
            pattern = bytes(out[-offset:])
            out += (pattern * (size // offset + 1))[:size]
        if len(out) > length:
            break
    if len(out) != length:
        raise ValueError(f"a Snappy block holds {len(out)} bytes in place of {length}")
    return bytes(out)
