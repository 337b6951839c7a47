"""What a checkpoint's index says of its tensors: the messages `BundleEntryProto` and `BundleHeaderProto`.

They are read and written here byte by byte. Making all message classes takes protobuf 25 ms, which is most of what it
would take to look into a checkpoint; and of a list of 20,000 names with their shapes, most shapes are equal.

    entry   1 type   2 shape   3 data file   4 offset   5 size   6 checksum (fixed 32 bits)   7 parts
    header  1 data files   2 byte order   3 version (1 producer   2 oldest reader)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from evergraph.formats import ordered, varint, wire
from evergraph.formats.slices import Slice


@dataclass(slots=True)
class Entry:
    """A tensor, or a part of one; a tensor that is saved in parts has `slices` and no data of its own."""

    dtype: int
    shape: tuple[int, ...]
    shard: int = 0
    offset: int = 0
    size: int = 0
    crc: int = 0
    slices: list[Slice] = field(default_factory=list)

    def encoded(self) -> bytes:
        """The bytes that protobuf makes of it.

        >>> Entry(1, (2, 3), size=24).encoded().hex()
        '0801120812020802120208032818'
        """
        out = encoded_head(self.dtype, self.shape)
        for tag, value in ((b"\x18", self.shard), (b"\x20", self.offset), (b"\x28", self.size)):
            if value:
                out += tag + wire.integer(value)
        if self.crc:
            out += b"\x35" + self.crc.to_bytes(4, "little")
        for part in self.slices:
            out += wire.message(7, b"".join(map(_extent, *part)))
        return out


@dataclass(frozen=True, slots=True)
class Header:
    """How many data files a checkpoint has, and who can read it."""

    shards: int
    endianness: int = 0
    producer: int = 1
    min_consumer: int = 0

    def encoded(self) -> bytes:
        version = wire.number(1, self.producer) + wire.number(2, self.min_consumer)
        return wire.number(1, self.shards) + wire.number(2, self.endianness) + wire.message(3, version)


def decoded(data: bytes) -> Entry:
    """Read an entry.

    Raises:
        ValueError: for bytes that are none.

    >>> decoded(Entry(1, (2, 3), size=24).encoded())
    Entry(dtype=1, shape=(2, 3), shard=0, offset=0, size=24, crc=0, slices=[])
    """
    entry = _decoded_in_order(data)
    if entry is not None:
        return entry
    entry = Entry(0, ())
    seen = set()
    for number, value in wire.fields(data):
        if number in seen and number in (1, 2):  # `type_and_shape` takes the first for the only one
            raise ValueError("an entry has two types or shapes")
        seen.add(number)
        match number, value:
            case 1, int():
                entry.dtype = value
            case 2, bytes():
                entry.shape = _shape(value)
            case 3, int():
                entry.shard = wire.signed(value)
            case 4, int():
                entry.offset = wire.signed(value)
            case 5, int():
                entry.size = wire.signed(value)
            case 6, int():
                entry.crc = value
            case 7, bytes():
                entry.slices.append(_slice(value))
    return entry


def _decoded_in_order(data: bytes) -> Entry | None:
    """An entry as everybody writes it: all fields once, in order, up to a checksum at the end. None for any other."""
    end = len(data) - 5
    if end < 4 or data[0] != 0x08 or data[1] > 0x7F or data[2] != 0x12 or data[end] != 0x35:
        return None
    at = 4 + data[3]
    if at > min(end, 131):  # a length of more bytes, or a wrong one
        return None
    numbers = [0, 0, 0]
    last = -1
    while at < end:
        field = data[at]
        which = (field >> 3) - 3
        if field & 7 or not last < which < 3:
            return None
        last = which
        numbers[which], at = varint.decoded(data, at + 1)
    if at > end:
        return None
    shard, offset, size = numbers
    if max(numbers) >= 1 << 63:
        return None
    return Entry(data[1], _shape(data[4 : 4 + data[3]]), shard, offset, size, int.from_bytes(data[end + 1 :], "little"))


def type_and_shape(data: bytes) -> tuple[int, tuple[int, ...]]:
    """The first two fields of an entry, at a fraction of the time.

    Raises:
        ValueError: for bytes that are no entry.
    """
    if len(data) > 3 and data[0] == 0x08 and data[2] == 0x12 and data[1] < 0x80 and data[3] <= min(127, len(data) - 4):
        return data[1], _shape(data[4 : 4 + data[3]])
    entry = decoded(data)
    return entry.dtype, entry.shape


def decoded_header(data: bytes) -> Header:
    """Read a header.

    Raises:
        ValueError: for bytes that are none.
    """
    top = dict(wire.fields(data))
    version = top.get(3, b"")
    if not isinstance(version, bytes):
        raise ValueError("a version is damaged")
    inner = dict(wire.fields(version))
    numbers = [top.get(1, 0), top.get(2, 0), inner.get(1, 0), inner.get(2, 0)]
    shards, endianness, producer, min_consumer = (wire.signed(n) if isinstance(n, int) else -1 for n in numbers)
    return Header(shards, endianness, producer, min_consumer)


@lru_cache(1024)
def encoded_head(dtype: int, shape: tuple[int, ...]) -> bytes:
    """The start of an entry, which is the same for all tensors of a type and shape."""
    return wire.number(1, dtype) + wire.message(2, b"".join(wire.message(2, wire.number(1, size)) for size in shape))


@lru_cache(1024)
def _shape(data: bytes) -> tuple[int, ...]:
    sizes = []
    for number, value in wire.fields(data):
        if number == 2 and isinstance(value, bytes):
            size = next((v for n, v in wire.fields(value) if n == 1), 0)
            sizes.append(wire.signed(size) if isinstance(size, int) else -1)
        elif number == 3 and value:
            raise ValueError("a tensor of unknown rank cannot be saved")
    if len(sizes) > 254 or any(size < 0 for size in sizes):
        raise ValueError(f"a tensor cannot have the shape {sizes[:300]}")
    return tuple(sizes)


def _slice(data: bytes) -> Slice:
    extents = [
        dict(wire.fields(value)) for number, value in wire.fields(data) if number == 1 and isinstance(value, bytes)
    ]
    found = [(e.get(1, 0), e.get(2, ordered.FULL)) for e in extents]
    numbers = [(start, length) for start, length in found if isinstance(start, int) and isinstance(length, int)]
    if len(numbers) < len(found):
        raise ValueError("a slice is damaged")
    return Slice(tuple(wire.signed(start) for start, _ in numbers), tuple(wire.signed(length) for _, length in numbers))


def _extent(start: int, length: int) -> bytes:
    if length == ordered.FULL:
        return wire.message(1, b"")
    return wire.message(1, wire.number(1, start) + b"\x10" + wire.integer(length))
