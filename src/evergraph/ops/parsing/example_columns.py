"""A batch of serialized `Example`s as one column for each wanted feature.

The records of a batch mostly have the same features in the same order. So the batch is read in lockstep: one NumPy step
reads the same field of all records at once, with the order of the features taken from the first record. A record that
departs from it in any way is read by itself (`example_wire`), which also finds what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_wire import BYTES, FLOATS, INTS

_FEW_RECORDS = 8  # fewer than these are read one by one
_LARGE_RECORD = 1 << 15  # bytes; reading such records is mostly copying, and lockstep would copy twice

_SHIFTS = np.arange(0, 70, 7, dtype=np.uint64)

MISSING = -1
"""The count of a record that does not have the feature."""


class Column(NamedTuple):
    """A feature of all records: the values of one record after another, and how many each record has."""

    values: np.ndarray
    counts: np.ndarray


class WrongKind(ValueError):
    """A record's feature lists something else than is wanted."""

    def __init__(self, record: int, key: bytes, kind: int) -> None:
        super().__init__(record, key, kind)
        self.record, self.key, self.kind = record, key, kind


class MalformedFeature(ValueError):
    """The list of a record's feature cannot be read."""

    def __init__(self, record: int, key: bytes) -> None:
        super().__init__(record, key)
        self.record, self.key = record, key


class MalformedRecord(ValueError):
    """A record is no `Example`."""

    def __init__(self, record: int) -> None:
        super().__init__(record)
        self.record = record


def columns(records: Sequence[bytes], wanted: Sequence[tuple[bytes, int]]) -> list[Column]:
    """Read the `wanted` features, (name, kind) pairs, of a batch of serialized `Example`s.

    Raises:
        MalformedRecord, MalformedFeature, WrongKind: for the first record that cannot be read.
        example_wire.UnknownKind: for a feature that lists something else than bytes, floats or int64s.
    """
    n = len(records)
    if n < _FEW_RECORDS or sum(map(len, records)) > n * _LARGE_RECORD:
        return _one_by_one(records, range(n), wanted)
    lockstep = _Lockstep(records)
    try:
        lockstep.read(wanted)
        together = np.flatnonzero(lockstep.agrees)
        fast = [lockstep.column(i, kind) for i, (_, kind) in enumerate(wanted)] if together.size else []
    except example_wire.Malformed:
        together = np.zeros(0, np.int64)
    if not together.size:
        return _one_by_one(records, range(n), wanted)
    if together.size == n:
        return fast
    alone = np.flatnonzero(~lockstep.agrees).tolist()
    slow = _one_by_one(records, alone, wanted)
    return [_merged(f, together, s, np.asarray(alone)) for f, s in zip(fast, slow)]


def _one_by_one(records: Sequence[bytes], which: Sequence[int], wanted: Sequence[tuple[bytes, int]]) -> list[Column]:
    counts = [np.full(len(which), MISSING, np.int64) for _ in wanted]
    values: list[list[Any]] = [[] for _ in wanted]
    for row, i in enumerate(which):
        data = records[i]
        try:
            found = example_wire.features(data)
        except example_wire.Malformed:
            raise MalformedRecord(i) from None
        for column, (key, kind) in enumerate(wanted):
            span = found.get(key)
            if span is None:
                continue
            seen = example_wire.kind(data, *span)
            if seen is None:
                continue
            if seen != kind:
                raise WrongKind(i, key, seen)
            try:
                part = example_wire.values(data, *span)
            except example_wire.Malformed:
                raise MalformedFeature(i, key) from None
            counts[column][row] = len(part)
            values[column].append(part)
    return [
        Column(_objects([v for part in parts for v in part]) if kind == BYTES else _joined(parts, kind), count)
        for (_, kind), parts, count in zip(wanted, values, counts)
    ]


def _objects(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _joined(parts: list[np.ndarray], kind: int) -> np.ndarray:
    dtype = np.float32 if kind == FLOATS else np.int64
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype)


def _merged(a: Column, a_rows: np.ndarray, b: Column, b_rows: np.ndarray) -> Column:
    """Two columns of different records as one, in the order of the records."""
    counts = np.empty(len(a_rows) + len(b_rows), np.int64)
    counts[a_rows] = a.counts
    counts[b_rows] = b.counts
    sizes = np.maximum(counts, 0)
    starts = np.cumsum(sizes) - sizes
    values = np.empty(int(sizes.sum()), a.values.dtype)
    values[_ranges(starts[a_rows], sizes[a_rows])] = a.values
    values[_ranges(starts[b_rows], sizes[b_rows])] = b.values
    return Column(values, counts)


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`starts[0], starts[0] + 1, ...` (`sizes[0]` of them), then those of the next start, ..."""
    before = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)


class _Lockstep:
    """One position in each record, all moving on together.

    `agrees` says which records have looked as expected so far. The positions of the others mean nothing; they are kept
    inside the buffer, so that reading there does no harm.
    """

    def __init__(self, records: Sequence[bytes]) -> None:
        self._first = records[0]
        self._data = b"".join(records)
        sizes = np.fromiter(map(len, records), np.int64, len(records))
        self._ends = np.cumsum(sizes)
        self._at = self._ends - sizes
        self.agrees = np.ones(len(records), bool)
        self._found: list[Any] = []

    def read(self, wanted: Sequence[tuple[bytes, int]]) -> None:
        """Go through all records; find where the wanted features are."""
        layout = example_wire.features(self._first)
        prefixes = [b"\x0a" + _length(key) + key + b"\x12" for key in layout]
        self._limit = len(self._data)
        padding = max(map(len, prefixes), default=0) + 300  # one step past the last record at most
        self._buffer = np.frombuffer(self._data + bytes(padding), np.uint8)
        self._found = [None] * len(wanted)
        places = {key: i for i, (key, _) in enumerate(wanted)}
        if len(places) < len(wanted):
            raise example_wire.Malformed("a feature is wanted twice")

        self._expect(0x0A)
        self._check(self._field_end() == self._ends)
        for key, prefix in zip(layout, prefixes):
            place = places.get(key)
            if place is not None:
                kind = wanted[place][1]
                short = self._short_feature(prefix, kind)
                if short is not None:
                    self._found[place] = short
                    continue
            self._expect(0x0A)
            entry_end = self._field_end()
            seen = self._windows(len(prefix))[self._at]
            self._check((seen == np.frombuffer(prefix, np.uint8)).all(axis=1))
            self._at = self._at + len(prefix)
            self._clip()
            self._check(self._field_end() == entry_end)
            if place is not None:
                self._expect(kind)
                self._check(self._field_end() == entry_end)
                self._found[place] = self._feature(kind, entry_end)
            self._at = entry_end
            self._clip()
        self._check(self._at == self._ends)

    def column(self, place: int, kind: int) -> Column:
        """The values of a wanted feature, of the records that agree."""
        found = self._found[place]
        which = self.agrees
        if found is None:
            none = _objects([]) if kind == BYTES else _joined([], kind)
            return Column(none, np.full(int(which.sum()), MISSING, np.int64))
        if not which.all():
            found = tuple(part[which] for part in found)
        if kind == BYTES:
            return self._bytes(*found)
        return self._floats(*found) if kind == FLOATS else self._ints(*found)

    # One step of all records

    def _check(self, holds: np.ndarray) -> None:
        self.agrees &= holds

    def _clip(self) -> None:
        np.minimum(self._at, self._limit, out=self._at)

    def _expect(self, byte: int) -> None:
        self.agrees &= self._buffer[self._at] == byte
        self._at = self._at + 1

    def _field_end(self) -> np.ndarray:
        """Read a length; give where what follows ends."""
        length = self._buffer[self._at].astype(np.int64)
        self._at = self._at + 1
        more = length >= 0x80
        if more.any():
            length &= 0x7F
            for shift in (7, 14, 21):
                self._clip()
                byte = self._buffer[self._at]
                length += np.where(more, (byte & 0x7F).astype(np.int64) << shift, 0)
                self._at = self._at + more
                more &= byte >= 0x80
                if not more.any():
                    break
            self.agrees &= ~more
        self._clip()
        end = self._at + length
        self.agrees &= end <= self._ends
        return end

    def _windows(self, width: int) -> np.ndarray:
        """Every run of `width` bytes, as the rows of a view."""
        return np.ndarray((self._buffer.size - width + 1, width), np.uint8, self._buffer, strides=(1, 1))

    def _short_feature(self, prefix: bytes, kind: int) -> tuple[np.ndarray, ...] | None:
        """Where the elements of a list start and end, if all records have a short list with one field: the usual case.

        All four lengths before it are single bytes then, and tell the same.
        """
        m = len(prefix)
        row = np.frombuffer(b"\x0a\0%b\0%c\0\x0a\0" % (prefix, kind), np.uint8)
        seen = self._windows(len(row))[self._at]
        lengths = seen[:, [1, m + 2, m + 4, m + 6]].astype(np.int16)
        entry = lengths[:, 0]
        seen[:, [1, m + 2, m + 4, m + 6]] = 0
        same = (seen == row).all(axis=1) & (lengths == entry[:, None] - np.array([0, m + 1, m + 3, m + 5])).all(axis=1)
        end = self._at + 2 + entry
        good = same & (entry < 0x80) & (end <= self._ends)
        start = self._at + (m + 7)
        if kind == FLOATS:
            good &= (end - start) % 4 == 0
        elif kind == INTS:
            good &= self._buffer[end - 1] < 0x80
        if not (good | ~self.agrees).all():
            return None
        self._at = end
        self._clip()
        return (start, end, end, ~good) if kind == BYTES else (start, end)

    def _feature(self, kind: int, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """Where the elements of a list start and end."""
        is_empty = self._at == end
        self.agrees &= (self._buffer[self._at] == 0x0A) | is_empty
        self._at = self._at + 1
        inner_end = self._field_end()
        if kind == BYTES:
            return self._at, inner_end, end, is_empty
        self._check((inner_end == end) | is_empty)
        start = np.where(is_empty, end, self._at)
        if kind == FLOATS:
            self._check((end - start) % 4 == 0)
        else:
            last = self._buffer[np.clip(end - 1, 0, self._limit)]
            self._check((last < 0x80) | (start == end))
        return start, end

    # Values

    def _bytes(self, start: np.ndarray, first_end: np.ndarray, end: np.ndarray, is_empty: np.ndarray) -> Column:
        data = self._data
        if np.array_equal(first_end, end) and not is_empty.any():
            values = [data[a:b] for a, b in zip(start.tolist(), end.tolist())]
            return Column(_objects(values), np.ones(len(start), np.int64))
        values, counts = [], []
        for a, b, stop, nothing in zip(start.tolist(), first_end.tolist(), end.tolist(), is_empty.tolist()):
            if nothing:
                counts.append(0)
                continue
            rest = example_wire.byte_list(data, b, stop)
            values.append(data[a:b])
            values.extend(rest)
            counts.append(1 + len(rest))
        return Column(_objects(values), np.array(counts, np.int64))

    def _floats(self, start: np.ndarray, end: np.ndarray) -> Column:
        sizes = end - start
        if (sizes == sizes[0]).all():
            rows = self._windows(int(sizes[0]))[start] if sizes[0] else np.zeros((len(sizes), 0), np.uint8)
            return Column(rows.reshape(-1).view("<f4"), sizes // 4)
        at = np.repeat(start, sizes // 4) + 4 * _ranges(np.zeros_like(sizes), sizes // 4)
        return Column(self._windows(4)[at].reshape(-1).view("<f4"), sizes // 4)

    def _ints(self, start: np.ndarray, end: np.ndarray) -> Column:
        sizes = end - start
        if (sizes == 1).all():
            return Column(self._buffer[start].astype(np.int64), sizes)
        if sizes.max() <= 10 and sizes.min() > 0:  # perhaps a single number each
            rows = self._windows(10)[start]
            is_inside = np.arange(10) < sizes[:, None]
            if ((rows >= 0x80) & is_inside).sum() == (sizes - 1).sum():
                bits = np.where(is_inside, rows & 0x7F, 0).astype(np.uint64) << _SHIFTS
                return Column(np.bitwise_or.reduce(bits, axis=1).view(np.int64), np.ones_like(sizes))
        encoded = self._buffer[_ranges(start, sizes)]
        values = example_wire.packed_ints(encoded)
        ends = np.concatenate([[0], np.cumsum(encoded < 0x80)])
        stops = np.cumsum(sizes)
        return Column(values, ends[stops] - ends[stops - sizes])


def _length(data: bytes) -> bytes:
    if len(data) >= 0x80:
        raise example_wire.Malformed("a name too long to be read in lockstep")
    return bytes([len(data)])


__all__ = [
    "BYTES",
    "FLOATS",
    "INTS",
    "MISSING",
    "Column",
    "MalformedFeature",
    "MalformedRecord",
    "WrongKind",
    "columns",
]
