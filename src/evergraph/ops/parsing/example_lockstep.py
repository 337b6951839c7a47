"""Many serialized `Example`s read at once: one NumPy step reads the same field of all of them.

    records   0a |Features|                 0a |Features|                 step 1: all records
    entries      0a |entry| 0a |entry|         0a |entry| 0a |entry|      as many steps as a record has features
    values           0a |key| 12 |Feature|         ...                    one step for all entries of all records
    wanted                       1a |list|         ...                    one for each wanted feature

The order of the features is free, as it is in files: a map has none. A record that is out of the ordinary (a feature
twice, unknown fields, lists that are not packed, damage) is marked as such and left to be read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_wire import BYTES, FLOATS

_MOST_FEATURES = 256  # of a record; each takes a step

MISSING = -1
"""The count of a record that does not have the feature."""

_SHIFTS = np.arange(0, 70, 7, dtype=np.uint64)
_SPARE = 320  # bytes after the last record, so that reading a field that runs over the end does no harm


class Column(NamedTuple):
    """A feature of all records: the values of one record after another, and how many each record has."""

    values: np.ndarray
    counts: np.ndarray


class _Lists(NamedTuple):
    """A wanted feature's lists that are not empty: whose they are, and where their elements are."""

    record: np.ndarray
    start: np.ndarray
    first_end: np.ndarray  # of the first field inside: of the packed numbers, or of the first element of bytes
    end: np.ndarray


class Lockstep:
    """A batch of records.

    `good` says which records have been as expected so far. A position in one of the others may mean nothing; it is kept
    inside the buffer.
    """

    def __init__(self, records: Sequence[bytes]) -> None:
        self._data = b"".join(records)
        self._buffer = np.frombuffer(self._data + bytes(_SPARE), np.uint8)
        self._limit = len(self._data)
        sizes = np.fromiter(map(len, records), np.int64, len(records))
        self._ends = np.cumsum(sizes)
        self._starts = self._ends - sizes
        self.good = np.ones(len(records), bool)
        self._found: list[_Lists] = []

    def read(self, wanted: Sequence[tuple[bytes, int]]) -> None:
        """Find the wanted features, (name, kind) pairs, in all records."""
        record, start, end = self._entries()
        key_start, key_end, value_start, ok = self._keys_and_values(start, end)
        self.good[record[~ok]] = False
        key_size = key_end - key_start
        for key, kind in wanted:
            which = np.flatnonzero(key_size == len(key))
            if key:
                seen = self._windows(len(key))[key_start[which]]
                which = which[(seen == np.frombuffer(key, np.uint8)).all(axis=1)]
            owner = record[which]
            again = owner[1:] == owner[:-1]  # the last of several counts: left to be read alone
            if _some(again):
                self.good[owner[1:][again]] = False
            self._found.append(self._lists(kind, owner, value_start[which], end[which]))

    def column(self, place: int, kind: int) -> Column:
        """The values of a wanted feature, of the good records."""
        found = self._found[place]
        position = np.arange(len(self.good))
        if not _all(self.good):
            chosen = self.good[found.record]
            found = _Lists(*(part[chosen] for part in found))
            position = np.cumsum(self.good) - 1
        counts = np.full(int(np.count_nonzero(self.good)), MISSING, np.int64)
        if not found.record.size:
            return Column(objects([]) if kind == BYTES else np.zeros(0, "<f4" if kind == FLOATS else "<i8"), counts)
        if kind == BYTES:
            values, sizes = self._bytes(found)
        elif kind == FLOATS:
            values, sizes = self._floats(found.start, found.end)
        else:
            values, sizes = self._ints(found.start, found.end)
        counts[position[found.record]] = sizes
        return Column(values, counts)

    # Structure

    def _entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The entries of the features of all records, in their order: whose they are, where they start and end."""
        has_some = self._starts < self._ends
        start, end, ok = self._span(self._starts + 1, self._ends)
        ok &= (self._buffer[self._starts] == 0x0A) & (end == self._ends)
        self.good &= ok | ~has_some
        record = np.flatnonzero(self.good & has_some & (start < end))
        at, limit = start[record], end[record]
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        while record.size:
            start, end, ok = self._span(at + 1, limit)
            ok &= self._buffer[at] == 0x0A
            if not _all(ok) or len(found) == _MOST_FEATURES:
                ok &= len(found) < _MOST_FEATURES
                self.good[record[~ok]] = False
                record, start, end, limit = record[ok], start[ok], end[ok], limit[ok]
            found.append((record, start, end))
            more = end < limit
            if _all(more):
                at = end
            else:
                record, at, limit = record[more], end[more], limit[more]
        if not found:
            nothing = np.zeros(0, np.int64)
            return nothing, nothing, nothing
        record, start, end = (np.concatenate(parts) for parts in zip(*found))
        order = np.argsort(record, kind="stable")
        return record[order], start[order], end[order]

    def _keys_and_values(
        self, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Where the name of each entry starts and ends and its value starts, and whether the entry is well-formed."""
        at = np.minimum(start, self._limit)
        key_start, key_end, ok = self._span(at + 1, end)
        ok &= self._buffer[at] == 0x0A
        at = np.minimum(key_end, self._limit)
        value_start, value_end, value_ok = self._span(at + 1, end)
        ok &= value_ok & (self._buffer[at] == 0x12) & (value_end == end)
        return key_start, key_end, value_start, ok

    def _lists(self, kind: int, record: np.ndarray, start: np.ndarray, end: np.ndarray) -> _Lists:
        """Where the elements are in features of one kind; a record whose list is otherwise is not good."""
        size = end - start
        if not _all(size):  # a feature that lists nothing counts as missing
            record, start, end, size = (part[size > 0] for part in (record, start, end, size))
        head = self._windows(4)[start].view("<u4").reshape(-1)  # kind, length of the list, 0a, length of what is inside
        inner_size = (head >> 24).astype(np.int64)
        usual = (head & 0xFF00FF == kind | 0x0A0000) & (head >> 8 & 0xFF == size - 2) & (size < 0x80)
        usual &= inner_size <= size - 4 if kind == BYTES else inner_size == size - 4
        if _all(usual):  # short lists that are not empty
            inner, ok = start + 4, usual
            inner_end = inner + inner_size
        else:
            list_start, list_end, ok = self._span(start + 1, end)
            ok &= (head & 0xFF == kind) & (list_end == end)
            at = np.minimum(list_start, self._limit)
            is_empty = list_start == end
            inner, inner_end, inner_ok = self._span(at + 1, end)
            inner_ok &= self._buffer[at] == 0x0A
            if kind != BYTES:
                inner_ok &= inner_end == end
            ok &= inner_ok | is_empty
            inner = np.where(is_empty, end, inner)
            inner_end = np.where(is_empty, -1, inner_end)
        if kind == FLOATS:
            ok &= (end - inner) % 4 == 0
        elif kind != BYTES:
            ok &= (self._buffer[np.clip(end - 1, 0, self._limit)] < 0x80) | (inner == end)
        if not _all(ok):
            self.good[record[~ok]] = False
            record, inner, inner_end, end = record[ok], inner[ok], inner_end[ok], end[ok]
        return _Lists(record, inner, inner_end, end)

    def _span(self, at: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a length at each position: where what follows starts and ends, and whether it ends before `limit`."""
        length = self._buffer[at].astype(np.int64)
        at = at + 1
        more = length >= 0x80
        ok = None
        if _some(more):
            length &= 0x7F
            for shift in (7, 14, 21):
                byte = self._buffer[np.minimum(at, self._limit)]
                length += np.where(more, (byte & 0x7F).astype(np.int64) << shift, 0)
                at = at + more
                more &= byte >= 0x80
                if not _some(more):
                    break
            else:
                ok = ~more
        end = at + length
        is_inside = end <= limit
        return at, end, is_inside if ok is None else is_inside & ok

    def _windows(self, width: int) -> np.ndarray:
        """Every run of `width` bytes, as the rows of a view."""
        if width > self._buffer.size:
            raise example_wire.Malformed("longer than all records together")
        return np.ndarray((self._buffer.size - width + 1, width), np.uint8, self._buffer, strides=(1, 1))

    # Values

    def _bytes(self, found: _Lists) -> tuple[np.ndarray, np.ndarray]:
        data = self._data
        starts, ends = found.start.tolist(), found.end.tolist()
        if np.array_equal(found.first_end, found.end):
            return objects([data[a:b] for a, b in zip(starts, ends)]), np.ones(len(starts), np.int64)
        values, counts = [], []
        for a, b, stop in zip(starts, found.first_end.tolist(), ends):
            if b < 0:
                counts.append(0)
                continue
            rest = example_wire.byte_list(data, b, stop)
            values.append(data[a:b])
            values.extend(rest)
            counts.append(1 + len(rest))
        return objects(values), np.array(counts, np.int64)

    def _floats(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = end - start
        if _all(sizes == sizes[0]):
            rows = self._windows(int(sizes[0]))[start] if sizes[0] else np.zeros((len(sizes), 0), np.uint8)
            return rows.reshape(-1).view("<f4"), sizes // 4
        at = np.repeat(start, sizes // 4) + 4 * ranges(np.zeros_like(sizes), sizes // 4)
        return self._windows(4)[at].reshape(-1).view("<f4"), sizes // 4

    def _ints(self, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sizes = end - start
        if _all(sizes == 1):
            return self._buffer[start].astype(np.int64), sizes
        if sizes.max() <= 10 and sizes.min() > 0:  # perhaps a single number each
            rows = self._windows(10)[start]
            is_inside = np.arange(10) < sizes[:, None]
            if np.count_nonzero((rows >= 0x80) & is_inside) == (sizes - 1).sum():
                bits = np.where(is_inside, rows & 0x7F, 0).astype(np.uint64) << _SHIFTS
                return np.bitwise_or.reduce(bits, axis=1).view(np.int64), np.ones_like(sizes)
        encoded = self._buffer[ranges(start, sizes)]
        values = example_wire.packed_ints(encoded)
        ends = np.concatenate([[0], np.cumsum(encoded < 0x80)])
        stops = np.cumsum(sizes)
        return values, ends[stops] - ends[stops - sizes]


def _all(flags: np.ndarray) -> bool:
    """Whether none is 0; for a handful of them a third of the time of `flags.all()`."""
    return int(np.count_nonzero(flags)) == flags.size


def _some(flags: np.ndarray) -> bool:
    return int(np.count_nonzero(flags)) > 0


def objects(values: list[bytes]) -> np.ndarray:
    array = np.empty(len(values), object)
    array[:] = values
    return array


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`starts[0], starts[0] + 1, ...` (`sizes[0]` of them), then those of the next start, ..."""
    before = np.cumsum(sizes) - sizes
    return np.arange(int(sizes.sum())) + np.repeat(starts - before, sizes)


__all__ = ["MISSING", "Column", "Lockstep", "objects", "ranges"]
