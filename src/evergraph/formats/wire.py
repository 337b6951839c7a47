"""Fields of protobuf's messages, byte by byte: for small messages that are worth no message class.

field   number << 3 | kind   value        kinds: 0 a varint, 1 eight bytes, 2 a length and bytes, 5 four bytes
"""

from __future__ import annotations

from collections.abc import Iterator

from evergraph.formats import varint


def number(field: int, value: int) -> bytes:
    """A field of an integer, which may be negative; zeros are left out.

    >>> number(1, 300).hex(), number(1, 0)
    ('08ac02', b'')
    """
    return varint.encoded(field << 3) + integer(value) if value else b""


def integer(value: int) -> bytes:
    """The bytes of an integer; of a negative one, those of its 64 bits."""
    return varint.encoded(value & 0xFFFF_FFFF_FFFF_FFFF)


def message(field: int, data: bytes) -> bytes:
    """A field of bytes, which may be a text or a message."""
    return varint.encoded(field << 3 | 2) + varint.encoded(len(data)) + data


def signed(value: int) -> int:
    """What an integer of 64 bits stands for where negative ones are possible."""
    return value if value < 1 << 63 else value - (1 << 64)


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a message: number and value, a string of bytes for a text or a message.

    Raises:
        ValueError: for bytes that are no message.
    """
    at, end = 0, len(data)
    while at < end:
        tag, at = varint.decoded(data, at)
        match tag & 7:
            case 0:
                value, at = varint.decoded(data, at)
                yield tag >> 3, value & 0xFFFF_FFFF_FFFF_FFFF
                continue
            case 2:
                size, at = varint.decoded(data, at)
            case 1:
                size = 8
            case 5:
                size = 4
            case kind:
                raise ValueError(f"a field is of unknown kind {kind}")
        if at + size > end:
            raise ValueError("a field ends outside of its message")
        part = data[at : at + size]
        yield tag >> 3, part if tag & 7 == 2 else int.from_bytes(part, "little")
        at += size
