"""Variable-length integers: seven bits a byte, the lowest first."""

from __future__ import annotations

_SHORT = [bytes([value]) for value in range(0x80)]


def encoded(value: int) -> bytes:
    """
    Raises:
        ValueError: for a negative integer.

    >>> encoded(300)
    b'\\xac\\x02'
    """
    if 0 <= value < 0x80:
        return _SHORT[value]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decoded(data: bytes | memoryview, position: int) -> tuple[int, int]:
    """The integer at `position`, and the position after it.

    Raises:
        ValueError: if the data ends inside of it, or it has more than 64 bits.

    >>> decoded(b'\\xac\\x02', 0)
    (300, 2)
    """
    value = shift = 0
    while True:
        if position >= len(data) or shift > 63:
            raise ValueError("a length is damaged")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
