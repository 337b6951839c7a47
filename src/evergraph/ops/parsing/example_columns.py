"""A batch of serialized `Example`s as one column for each wanted feature.

Records of a batch whose layout has come before are read together as the rows of a matrix (`example_templates`), others
field by field (`example_lockstep`), those that are out of the ordinary one by one (`example_wire`), which also finds
what is wrong with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import dtypes
from evergraph.ops.datasets.aligned import aligned
from evergraph.ops.parsing import example_wire
from evergraph.ops.parsing.example_lockstep import MISSING, Column, Lockstep, objects, ranges
from evergraph.ops.parsing.example_templates import templates
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
    sizes = list(map(len, records))
    if n < _FEW_RECORDS or sum(sizes) > n * _LARGE_RECORD:
        return _one_by_one(records, range(n), wanted)
    groups, rest = templates(tuple(wanted)).groups(records, sizes)
    if not groups:
        return _in_lockstep(records, sizes, wanted)
    if groups[0][1] is None:
        template, _, rows = groups[0]
        return [_column(template.values(i, kind, rows), kind, n) for i, (_, kind) in enumerate(wanted)]
    numbers: list[Any] = [which for _, which, _ in groups]
    others: list[Column] = []
    if rest:
        rest.sort()
        numbers.append(rest)
        others = _some(records, rest, wanted)
    found = []
    for i, (_, kind) in enumerate(wanted):
        parts = [template.values(i, kind, rows) for template, _, rows in groups]
        table = _table(n, numbers, parts, others[i] if rest else None)
        if table is None:
            columns_of_one = [_column(part, kind, len(rows)) for part, (_, _, rows) in zip(parts, groups)]
            found.append(_merged(numbers, [*columns_of_one, others[i]] if rest else columns_of_one))
        else:
            found.append(_column(table, kind, n))
    return found


def _column(values: np.ndarray | None, kind: int, n: int) -> Column:
    """Values of `n` records, [n, count], as a column; None stands for a feature that they do not have."""
    if values is None:
        return Column(objects([]) if kind == BYTES else _joined([], kind), np.full(n, MISSING, np.int64))
    return Column(values.reshape(-1), np.full(n, values.shape[1], np.int64))


def _table(n: int, numbers: Sequence[Any], parts: list[np.ndarray | None], other: Column | None) -> np.ndarray | None:
    """Values of different records as one array, [n, count], if they all have the same number of them."""
    first = parts[0]
    if first is None or any(part is None or part.shape[1] != first.shape[1] for part in parts):
        return None
    width = first.shape[1]
    if other is not None and (other.counts != width).any():
        return None
    table = aligned((n, width), dtypes.string if first.dtype == object else dtypes.as_dtype(first.dtype))
    for which, part in zip(numbers, parts):
        table[which] = part
    if other is not None:
        table[numbers[-1]] = other.values.reshape(-1, width)
    return table


def _some(records: Sequence[bytes], which: list[int], wanted: Sequence[tuple[bytes, int]]) -> list[Column]:
    """The columns of some records. Errors name their numbers among all."""
    if len(which) < _FEW_RECORDS:
        return _one_by_one(records, which, wanted)
    try:
        return _in_lockstep([records[i] for i in which], [len(records[i]) for i in which], wanted)
    except (MalformedRecord, MalformedFeature, WrongKind) as error:
        raise type(error)(which[error.record], *error.args[1:]) from None


def _in_lockstep(records: Sequence[bytes], sizes: Sequence[int], wanted: Sequence[tuple[bytes, int]]) -> list[Column]:
    n = len(records)
    if not wanted or len({key for key, _ in wanted}) < len(wanted):
        return _one_by_one(records, range(n), wanted)
    lockstep = Lockstep(records, sizes, wanted)
    try:
        found = lockstep.columns()
        if found is not None:
            return found
        together = np.flatnonzero(lockstep.good).tolist()
        if together:
            found = Lockstep([records[i] for i in together], [sizes[i] for i in together], wanted).columns()
    except example_wire.Malformed:
        pass
    if found is None:
        return _one_by_one(records, range(n), wanted)
    alone = np.flatnonzero(~lockstep.good).tolist()
    slow = _one_by_one(records, alone, wanted)
    return [_merged([together, alone], both) for both in zip(found, slow)]


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


def _merged(numbers: Sequence[Any], parts: Sequence[Column]) -> Column:
    """Columns of different records as one, in the order of the records.

    Args:
        numbers: those of the records of each part.
    """
    order = np.argsort(np.concatenate(numbers))  # where each record is in the parts, one after the other
    counts = np.concatenate([part.counts for part in parts])
    values = np.concatenate([part.values for part in parts])
    sizes = np.maximum(counts, 0)
    starts = np.cumsum(sizes) - sizes
    return Column(values[ranges(starts[order], sizes[order])], counts[order])


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
