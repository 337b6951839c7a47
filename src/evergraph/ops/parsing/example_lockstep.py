"""Many serialized `Example`s read at once: one NumPy step reads the same field of all of them.

    records   0a |Features|                 0a |Features|                 step 1: all records
    entries      0a |entry| 0a |entry|         0a |entry| 0a |entry|      as many steps as a record has features
    values           0a |key| 12 |Feature|         ...                    one step for all entries of all records
    lists                        1a |list|         ...                    one for all wanted features of all records
    strings                         0a |string| 0a ..                     as many steps as a list has strings

The order of the features is free, as it is in files: a map has none. A record that is out of the ordinary (a feature
twice, unknown fields, lists that are not packed, damage) is marked as such and left to be read by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_names import Names
from evergraph.ops.parsing.example_wire import FLOATS, INTS, words

_MOST_FIELDS = 256  # of a record or a list; each takes a step

MISSING = -1
"""The count of a record that does not have the feature."""

_SPARE = 16  # bytes after the last record, so that reading a field there does no harm
_LONG = 14  # bytes; runs that are longer on average are copied one by one (0.11 us), others byte by byte (8 ns)

# How long a field is altogether, by its first two bytes: tag 0a and a length below 128. Others are looked at again.
_SPANS = np.full(1 << 16, 1 << 56, np.int64)
_SPANS[0x0A00:0x0A80] = np.arange(2, 130)


class Column(NamedTuple):
    """A feature of all records: the values of one record after another, and how many each record has."""

    values: np.ndarray
    counts: np.ndarray


def _flip(tag: int) -> int:
    """What changes the first two bytes of a field so that `tag` reads 0a."""
    return (tag ^ 0x0A) << 8


class _Wanted:
    """Features of different names, (name, kind) pairs, in another order: those of ints, of floats, of strings."""

    def __init__(self, wanted: Sequence[tuple[bytes, int]]) -> None:
        self.order = sorted(range(len(wanted)), key=lambda i: -wanted[i][1])
        kinds = [wanted[i][1] for i in self.order]
        self.names = Names([wanted[i][0] for i in self.order])
        self.ints = kinds.count(INTS)
        self.numbers = self.ints + kinds.count(FLOATS)
        self.flips = np.array([_flip(kind) for kind in kinds], np.uint16)


_wanted = lru_cache(64)(_Wanted)


class Lockstep:
    """A batch of records of some sizes, and what is wanted of them: (name, kind) pairs of different names.

    `good` says which records have been as expected so far. Positions in the others mean nothing, but may be read.
    """

    def __init__(self, records: Sequence[bytes], sizes: Sequence[int], wanted: Sequence[tuple[bytes, int]]) -> None:
        self._wanted = _wanted(tuple(wanted))
        self._data = b"".join([*records, bytes(_SPARE + 8 * self._wanted.names.words)])
        self._bytes = np.frombuffer(self._data, np.uint8)
        self._words = words(self._bytes)
        self._heads = np.ndarray((self._bytes.size - 1,), ">u2", self._bytes, strides=(1,))
        lengths = np.array(sizes, np.int64)
        self._ends = lengths.cumsum()
        self._starts = self._ends - lengths
        self.good = np.ones(len(records), bool)

    def columns(self) -> list[Column] | None:
        """The wanted features; None if some records are not good.

        Raises:
            Malformed: if a number is.
        """
        wanted, n = self._wanted, len(self.good)
        place, start, end = self._lists(*self._values(*self._entries()))
        counts = np.full(n * len(wanted.order), MISSING, np.int64)
        counts[place] = 0
        place, start, end, cuts = self._contents(place, start, end)
        numbers = cuts[wanted.numbers]
        whose, string_start, string_end, damaged = self._fields(start[numbers:], end[numbers:])
        if damaged.size:
            self.good[place[numbers:][damaged] % n] = False
        if not _all(self.good):
            return None
        sizes = end - start
        runs = [self._run(start[a:b], sizes[a:b]) for a, b in pairwise(cuts[: wanted.numbers + 1])]
        ints, first_float = wanted.ints, cuts[wanted.ints]
        values, sizes[:first_float] = _ints(runs[:ints], sizes[:first_float], cuts[: ints + 1])
        values += [run.view("<f4") for run in runs[ints:]]
        sizes[first_float:numbers] >>= 2
        sizes[numbers:] = np.bincount(whose, minlength=len(place) - numbers)
        strings = self._strings(whose, string_start, string_end)
        values += _divided(strings, sizes[numbers:], [cut - numbers for cut in cuts[wanted.numbers :]])
        counts[place] = sizes
        found = dict(zip(wanted.order, map(Column, values, counts.reshape(-1, n)), strict=True))
        return [found[i] for i in range(len(found))]

    # Structure

    def _entries(self) -> tuple[np.ndarray, ...]:
        """The entries of the features of all records: whose they are, where they start and end."""
        start, end, ok = self._long_field(self._heads[self._starts], self._starts, self._ends)
        ok &= end == self._ends
        if not _all(ok):
            end = np.where(ok, end, start)
            self.good = ok | (self._starts == self._ends)
        record, start, end, damaged = self._fields(start, end)
        self.good[damaged] = False
        return record, start, end

    def _values(self, record: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
        """The values of entries that are wanted, by feature and record: the place in that order, which feature, where
        the value starts and ends."""
        heads, n = self._heads, len(self.good)
        key_start, key_end, ok = self._field(heads[start], start, end)
        start, value_end, value_ok = self._field(heads[key_end] ^ _flip(0x12), key_end, end)
        self._require(ok & value_ok & (value_end == end), record)
        word = self._words
        which, feature = self._wanted.names.places(key_end - key_start, lambda at: word[key_start + at])
        place = feature * n + record[which]
        order = place.argsort(kind="stable")
        which, place, feature = which[order], place[order], feature[order]
        self._require(place[1:] != place[:-1], place[1:])  # the last of several counts: left to be read alone
        return place, feature, start[which], value_end[which]

    def _lists(
        self, place: np.ndarray, feature: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, ...]:
        """The lists in values: their places, where they start and end. A value without one counts as missing."""
        has_list = start < end
        if not _all(has_list):
            place, feature, start, end = place[has_list], feature[has_list], start[has_list], end[has_list]
        start, list_end, ok = self._field(self._heads[start] ^ self._wanted.flips[feature], start, end)
        self._require(ok & (list_end == end), place)
        return place, start, end

    def _contents(
        self, place: np.ndarray, start: np.ndarray, end: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[int]]:
        """The lists that are not empty: their places, where packed numbers, or all strings, start and end; and where
        the lists of each feature begin, and of the next one, up to the last."""
        wanted, n = self._wanted, len(self.good)
        has_some = start < end
        if not _all(has_some):
            place, start, end = place[has_some], start[has_some], end[has_some]
        cuts = place.searchsorted(np.arange(0, n * len(wanted.order) + 1, n)).tolist()
        ints, numbers = slice(cuts[wanted.ints]), slice(cuts[wanted.numbers])
        floats = slice(ints.stop, numbers.stop)
        inner, inner_end, ok = self._field(self._heads[start[numbers]], start[numbers], end[numbers])
        ok &= inner_end == end[numbers]
        ok[ints] &= self._bytes[end[ints] - 1] < 0x80
        ok[floats] &= end[floats] - inner[floats] & 3 == 0
        self._require(ok, place[numbers])
        start[numbers] = inner
        return place, start, end, cuts

    def _require(self, ok: np.ndarray, place: np.ndarray) -> None:
        """Records of which something is not as expected are not good."""
        if not _all(ok):
            self.good[place[~ok] % len(self.good)] = False

    def _field(self, heads: np.ndarray, at: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Read a length-delimited field at each position: where what it holds starts and ends, and whether there is
        such a field that ends before `limit`.

        Args:
            heads: the first two bytes of each, 0a for the expected tag and the length.
        """
        end = at + _SPANS.take(heads)
        start = at + 2
        ok = end <= limit
        if not _all(ok):
            which = (~ok).nonzero()[0]
            start[which], end[which], ok[which] = self._long_field(heads[which], at[which], limit[which])
        return start, end, ok

    def _long_field(self, heads: np.ndarray, at: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, ...]:
        """`_field` for lengths of any size. Where there is no such field, it starts and ends at its position."""
        word = self._words[at + 1]
        if _all(word & 0x8080 == 0x80):
            start, length = at + 3, word & 0x7F | word >> 1 & 0x3F80
        else:
            stops = ~word & 0x8080808080808080
            size = np.bitwise_count(stops ^ (stops - 1)) >> 3  # one more than how many bytes are above 0x7f
            start, length = at + 1 + size, example_wire.varints(word, size, 8)
            length[stops == 0] = 1 << 56  # it has more than eight bytes
        end = start + length.view(np.int64)
        ok = (end <= limit) & (heads >> 8 == 0x0A)
        if not _all(ok):
            start, end = np.where(ok, start, at), np.where(ok, end, at)
        return start, end, ok

    def _fields(self, at: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The fields `0a ...` that are all there is between positions: whose they are, where what they hold starts and
        ends, step by step; and for which positions there is something else."""
        whose = (at < limit).nonzero()[0]
        if whose.size < at.size:
            at, limit = at[whose], limit[whose]
        damaged = whose[:0]
        if not whose.size:
            return whose, whose, whose, damaged
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        while whose.size:
            start, end, ok = self._field(self._heads[at], at, limit)
            if not _all(ok) or len(found) == _MOST_FIELDS:
                ok &= len(found) < _MOST_FIELDS
                damaged = np.concatenate([damaged, whose[~ok]])
                whose, start, end, limit = whose[ok], start[ok], end[ok], limit[ok]
            found.append((whose, start, end))
            more = end < limit
            if _all(more):
                at = end
            else:
                whose, at, limit = whose[more], end[more], limit[more]
        whose, start, end = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return whose, start, end, damaged

    # Values

    def _run(self, start: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """The bytes at some positions, one after the other."""
        if not sizes.size:
            return np.zeros(0, np.uint8)
        size = int(sizes[0])
        if _all(sizes == size):
            rows = np.ndarray((self._bytes.size - size + 1, size), np.uint8, self._bytes, strides=(1, 1))
            return rows[start].reshape(-1)
        if int(sizes.sum()) < _LONG * sizes.size:
            return self._bytes[ranges(start, sizes)]
        data = self._data
        parts = [data[a:b] for a, b in zip(start.tolist(), (start + sizes).tolist())]
        return np.frombuffer(bytearray().join(parts), np.uint8)

    def _strings(self, whose: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
        order = whose.argsort(kind="stable")
        data = self._data
        return objects([data[a:b] for a, b in zip(start[order].tolist(), end[order].tolist())])


def _ints(runs: list[np.ndarray], sizes: np.ndarray, cuts: list[int]) -> tuple[list[np.ndarray], np.ndarray]:
    """The packed numbers of each feature, and how many there are in each list."""
    if not runs:
        return [], sizes
    encoded = runs[0] if len(runs) == 1 else np.concatenate(runs)
    last = (encoded < 0x80).nonzero()[0]
    if len(last) < len(encoded):
        ended = last.searchsorted(sizes.cumsum())
        sizes = ended.copy()
        sizes[1:] -= ended[:-1]
    return _divided(example_wire.packed_ints(encoded, last), sizes, cuts), sizes


def _divided(values: np.ndarray, counts: np.ndarray, cuts: list[int]) -> list[np.ndarray]:
    """The values of each feature, of which each list has some count; `cuts` says where the lists of each begin."""
    if len(cuts) == 1:
        return []
    before = np.zeros(len(counts) + 1, np.int64)
    counts.cumsum(out=before[1:])
    return [values[a:b] for a, b in pairwise(before[cuts].tolist())]


def _all(flags: np.ndarray) -> bool:
    """Whether all are true; for a hundred of them a seventh of the time of `flags.all()`."""
    return 0 not in flags.tobytes()


def objects(values: list[bytes]) -> np.ndarray:
    return np.fromiter(values, object, len(values))


def ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """`starts[0], starts[0] + 1, ...` (`sizes[0]` of them), then those of the next start, ..."""
    stops = sizes.cumsum()
    found = np.arange(int(stops[-1]) if stops.size else 0)
    found += (starts - stops + sizes).repeat(sizes)
    return found


__all__ = ["MISSING", "Column", "Lockstep", "objects", "ranges"]
