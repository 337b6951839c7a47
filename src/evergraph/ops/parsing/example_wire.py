"""Reading one serialized `Example`, byte by byte.

An `Example` is a map from feature names to lists of bytes, floats or int64s:

    0a <length> Features                      Example.features
      0a <length> entry                       one entry of the map, any number of them
        0a <length> key    12 <length> Feature
          0a|12|1a <length> list              bytes_list, float_list or int64_list
            bytes:  0a <length> bytes, repeated
            floats: 0a <length> 4 bytes each  or  0d 4 bytes, repeated
            ints:   0a <length> varints       or  08 varint, repeated

As in TF, the last of several features of one name counts, and of a feature the first list.
"""

from __future__ import annotations

import numpy as np

BYTES, FLOATS, INTS = 0x0A, 0x12, 0x1A
"""The first byte of a feature says what it lists."""

# The bits of the first so many bytes of a word that belong to a number.
_SEVEN_BITS = np.array([int.from_bytes(b"\x7f" * n, "little") for n in range(9)], np.uint64)

_BLOCK = 4096  # numbers that are decoded together: what is computed for them stays in the cache

# How those bits are brought together: of each two bytes, then of each four, then of all.
_HALVES = (
    (0x007F007F007F007F, 0x7F007F007F007F00, 1),
    (0x00003FFF00003FFF, 0x3FFF00003FFF0000, 2),
    (0x000000000FFFFFFF, 0x0FFFFFFF00000000, 4),
)


class Malformed(ValueError):
    """The bytes are no `Example`."""


class UnknownKind(Malformed):
    """A feature lists something else than bytes, floats or int64s."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The unsigned number that starts at `at`, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        if byte < 0x80:
            return value | byte << shift, at
        value |= (byte & 0x7F) << shift
        shift += 7
    raise Malformed("a number is cut off or too long")


def span(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Where the contents of a length-delimited field start and end."""
    if at < end and data[at] < 0x80:
        start, stop = at + 1, at + 1 + data[at]
    else:
        length, start = varint(data, at, end)
        stop = start + length
    if stop > end:
        raise Malformed("a field is longer than what holds it")
    return start, stop


def features(data: bytes) -> dict[bytes, tuple[int, int]]:
    """Where the `Feature` of each name is in a serialized `Example`.

    Raises:
        Malformed: if the bytes are no `Example`.
    """
    found: dict[bytes, tuple[int, int]] = {}
    at, end = 0, len(data)
    while at < end:
        if data[at] != 0x0A:
            at = _skipped(data, at, end)
            continue
        at, stop = span(data, at + 1, end)
        while at < stop:
            if data[at] != 0x0A:
                raise Malformed("expected an entry of the features")
            at, entry_end = span(data, at + 1, stop)
            if at >= entry_end or data[at] != 0x0A:
                raise Malformed("expected the name of a feature")
            at, key_end = span(data, at + 1, entry_end)
            if key_end >= entry_end or data[key_end] != 0x12:
                raise Malformed("expected the value of a feature")
            start, value_end = span(data, key_end + 1, entry_end)
            if value_end != entry_end:
                raise Malformed("more than a name and a value in an entry of the features")
            found[data[at:key_end]] = start, value_end
            at = value_end
    return found


def _skipped(data: bytes, at: int, end: int) -> int:
    """The position after a field that an `Example` does not have."""
    tag, at = varint(data, at, end)
    match tag & 7:
        case 0:
            _, at = varint(data, at, end)
        case 1:
            at += 8
        case 2:
            _, at = span(data, at, end)
        case 5:
            at += 4
        case _:
            raise Malformed("a field of an unknown kind")
    if not tag >> 3 or at > end:
        raise Malformed("a field is cut off")
    return at


def kind(data: bytes, at: int, end: int) -> int | None:
    """What a `Feature` lists: `BYTES`, `FLOATS`, `INTS`, or None if it is empty."""
    if at == end:
        return None
    if data[at] not in (BYTES, FLOATS, INTS):
        raise UnknownKind("Unsupported datatype.")
    return data[at]


def values(data: bytes, at: int, end: int) -> list[bytes] | np.ndarray:
    """The elements of a `Feature` that is not empty: a list of bytes, an array of float32 or of int64."""
    what = data[at]
    at, end = span(data, at + 1, end)
    if what == BYTES:
        return byte_list(data, at, end)
    if what == FLOATS:
        return _floats(data, at, end)
    return _ints(data, at, end)


def byte_list(data: bytes, at: int, end: int) -> list[bytes]:
    found = []
    while at < end:
        if data[at] != 0x0A:
            raise Malformed("expected an element of a list of bytes")
        at, stop = span(data, at + 1, end)
        found.append(data[at:stop])
        at = stop
    return found


def _floats(data: bytes, at: int, end: int) -> np.ndarray:
    if at == end:
        return np.zeros(0, np.float32)
    if data[at] == 0x0A:
        at, stop = span(data, at + 1, end)
        if (stop - at) % 4:
            raise Malformed("a list of floats has a part of one")
        return np.frombuffer(data, "<f4", (stop - at) // 4, at)
    n, rest = divmod(end - at, 5)
    single = np.frombuffer(data, np.dtype([("tag", "u1"), ("value", "<f4")]), n, at)
    if rest or np.any(single["tag"] != 0x0D):
        raise Malformed("expected an element of a list of floats")
    return single["value"].copy()


def _ints(data: bytes, at: int, end: int) -> np.ndarray:
    found: list[int] = []
    if at == end:
        return np.zeros(0, np.int64)
    if data[at] == 0x0A:
        at, end = span(data, at + 1, end)
        if end - at > 64:
            encoded = np.frombuffer(data, np.uint8, end - at, at)
            return packed_ints(encoded, np.flatnonzero(encoded < 0x80))
        while at < end:
            value, at = varint(data, at, end)
            found.append(value)
    else:
        while at < end:
            if data[at] != 0x08:
                raise Malformed("expected an element of a list of ints")
            value, at = varint(data, at + 1, end)
            found.append(value)
    return np.array([v & 0xFFFFFFFFFFFFFFFF for v in found], np.uint64).view(np.int64)


def packed_ints(encoded: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Decode varints that follow each other: uint8 in, int64 out; `last` says where the last byte of each is."""
    if last.size == encoded.size:
        return encoded.astype(np.int64)
    if not last.size or last[-1] != encoded.size - 1:
        raise Malformed("a number is cut off")
    padded = np.zeros(encoded.size + 7, np.uint8)
    padded[: encoded.size] = encoded
    first = np.zeros_like(last)
    np.add(last[:-1], 1, out=first[1:])
    if last.size <= _BLOCK:
        return _ints_between(padded, first, last)
    blocks = [slice(at, at + _BLOCK) for at in range(0, last.size, _BLOCK)]
    return np.concatenate([_ints_between(padded, first[block], last[block]) for block in blocks])


def _ints_between(padded: np.ndarray, first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """The varints whose first and last bytes are given."""
    sizes = last - first
    sizes += 1
    longest = int(sizes.max())
    if longest <= 8:
        return varints(words(padded)[first], sizes, longest).view(np.int64)
    if longest > 10:
        raise Malformed("a number is too long")
    numbers = varints(words(padded)[first], np.minimum(sizes, 8), 8)
    for place in range(8, longest):
        which = np.flatnonzero(sizes > place)
        numbers[which] |= (padded[first[which] + place] & 0x7F).astype(np.uint64) << 7 * place
    return numbers.view(np.int64)


def varints(heads: np.ndarray, sizes: np.ndarray, longest: int) -> np.ndarray:
    """Unsigned numbers of some numbers of bytes, up to eight, each at the beginning of a word."""
    bits = _SEVEN_BITS.take(sizes)
    bits &= heads
    for low, high, shift in _HALVES[: (longest - 1).bit_length()]:
        upper = bits & high
        upper >>= shift
        bits &= low
        bits |= upper
    return bits


def words(data: np.ndarray) -> np.ndarray:
    """The word, uint64, that begins at each byte, but the last seven."""
    return np.ndarray((data.size - 7,), "<u8", data, strides=(1,))


__all__ = [
    "BYTES",
    "FLOATS",
    "INTS",
    "Malformed",
    "UnknownKind",
    "byte_list",
    "features",
    "kind",
    "packed_ints",
    "span",
    "values",
    "varints",
    "words",
]
