"""A batch of serialized `Example`s as one column for each wanted feature.

The records of a batch are read together (`example_lockstep`), those that are out of the ordinary one by one
(`example_wire`), which also finds what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_lockstep import MISSING, Column, Lockstep, objects, ranges
from evergraph.ops.parsing.example_wire import BYTES, FLOATS, INTS

_FEW_RECORDS = 8  # fewer than these are read one by one
_LARGE_RECORD = 1 << 15  # bytes; reading such records is mostly copying, and lockstep would copy twice


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
    lockstep = Lockstep(records)
    try:
        lockstep.read(wanted)
        together = np.flatnonzero(lockstep.good)
        fast = [lockstep.column(i, kind) for i, (_, kind) in enumerate(wanted)] if together.size else []
    except example_wire.Malformed:
        together = np.zeros(0, np.int64)
    if not together.size:
        return _one_by_one(records, range(n), wanted)
    if together.size == n:
        return fast
    alone = np.flatnonzero(~lockstep.good).tolist()
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
        Column(objects([v for part in parts for v in part]) if kind == BYTES else _joined(parts, kind), count)
        for (_, kind), parts, count in zip(wanted, values, counts)
    ]


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
    values[ranges(starts[a_rows], sizes[a_rows])] = a.values
    values[ranges(starts[b_rows], sizes[b_rows])] = b.values
    return Column(values, counts)


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
