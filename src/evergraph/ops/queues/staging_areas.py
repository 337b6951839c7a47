"""The staging areas that a session holds: values put aside for a later run, in a row or under keys."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running

Values = list[np.ndarray]


def _bytes_of(values: Sequence[Any]) -> int:
    return sum(v.nbytes for v in values if v is not None)


class _Limited:
    """What both kinds share: a lock, and limits on how much they hold.

    Args:
        capacity: how many elements; 0 for any number.
        memory_limit: how many bytes; 0 for any number.
    """

    def __init__(self, capacity: int, memory_limit: int) -> None:
        self.capacity, self.memory_limit = capacity, memory_limit
        self.changed = threading.Condition()
        self.bytes = 0

    def _count(self) -> int:
        raise NotImplementedError

    def size(self) -> int:
        """How many complete elements there are."""
        with self.changed:
            return self._count()

    def _check_fits(self, size: int) -> None:
        if 0 < self.memory_limit < size:
            raise kernel_error(
                f"Attempted to insert tensors with combined size of '{size}' bytes into Staging Area with a memory "
                f"limit of '{self.memory_limit}'.",
                errors.ResourceExhaustedError,
            )

    def _has_room(self, size: int, counts: bool = True) -> bool:
        if self.memory_limit and self.bytes + size > self.memory_limit:
            return False
        return not (counts and self.capacity and self._count() >= self.capacity)


class StagingRow(_Limited):
    """Elements that come out in the order in which they were put in."""

    def __init__(self, capacity: int, memory_limit: int) -> None:
        super().__init__(capacity, memory_limit)
        self._row: deque[Values] = deque()

    def _count(self) -> int:
        return len(self._row)

    def put(self, values: Values, run: Running) -> None:
        """Add an element; waits while there is no room."""
        size = _bytes_of(values)
        self._check_fits(size)
        copied = [np.array(v) for v in values]
        with self.changed:
            run.wait_for(self.changed, lambda: self._has_room(size))
            self.bytes += size
            self._row.append(copied)
            self.changed.notify_all()

    def get(self, run: Running) -> Values:
        """Take the first element; waits while there is none."""
        with self.changed:
            run.wait_for(self.changed, lambda: self._row)
            values = self._row.popleft()
            self.bytes -= _bytes_of(values)
            self.changed.notify_all()
        return values

    def peek(self, index: int, run: Running) -> Values:
        """Look at an element; waits until there is one with this number."""
        with self.changed:
            run.wait_for(self.changed, lambda: 0 <= index < len(self._row))
            return list(self._row[index])

    def clear(self) -> None:
        with self.changed:
            self._row.clear()
            self.bytes = 0
            self.changed.notify_all()


class StagingMap(_Limited):
    """Elements under int64 keys. An element may be put in and taken out in parts.

    Args:
        components: how many an element has.
        ordered: whether `pop_any` gives the smallest key, not the oldest.
    """

    def __init__(self, components: int, capacity: int, memory_limit: int, ordered: bool) -> None:
        super().__init__(capacity, memory_limit)
        self._components, self._ordered = components, ordered
        self._complete: dict[int, list[Any]] = {}
        self._incomplete: dict[int, list[Any]] = {}

    def _count(self) -> int:
        return len(self._complete)

    def incomplete_size(self) -> int:
        """How many elements still lack a part."""
        with self.changed:
            return len(self._incomplete)

    def put(self, key: int, indices: Sequence[int], values: Values, run: Running) -> None:
        """Put in an element, or a part of one; waits while there is no room."""
        _check_order(indices)
        size = _bytes_of(values)
        self._check_fits(size)
        copied = [np.array(v) for v in values]
        with self.changed:
            if len(indices) == self._components:
                run.wait_for(self.changed, lambda: self._has_room(size))
                self._complete.setdefault(key, copied)
            else:
                run.wait_for(self.changed, lambda: self._has_room(size, counts=False))
                self._put_part(key, indices, copied)
            self.bytes += size
            self.changed.notify_all()

    def _put_part(self, key: int, indices: Sequence[int], values: Values) -> None:
        for index in indices:
            self._check_index(key, index)
        parts = self._incomplete.get(key)
        if parts is None:
            parts = [None] * self._components
        for index in indices:
            if parts[index] is not None:
                raise kernel_error(
                    f"The tensor for index '{index}' for key '{key}' was already initialized '{self._components}'."
                )
        for index, value in zip(indices, values, strict=True):
            parts[index] = value
        if any(part is None for part in parts):
            self._incomplete[key] = parts
        else:
            self._incomplete.pop(key, None)
            self._complete.setdefault(key, parts)

    def _check_index(self, key: int, index: int) -> None:
        if not 0 <= index < self._components:
            raise kernel_error(f"Index '{index}' for key '{key}' was out of bounds '{self._components}'.")

    def peek(self, key: int, indices: Sequence[int], run: Running) -> Values:
        """Look at parts of an element; waits until its key is there."""
        _check_order(indices)
        with self.changed:
            run.wait_for(self.changed, lambda: key in self._complete)
            return self._parts(key, indices)

    def pop(self, key: int, indices: Sequence[int], run: Running) -> Values:
        """Take parts of an element out; waits until its key is there."""
        _check_order(indices)
        with self.changed:
            run.wait_for(self.changed, lambda: key in self._complete)
            return self._taken(key, indices)

    def pop_any(self, indices: Sequence[int], run: Running) -> tuple[int, Values]:
        """Take parts of any element out; waits while there is none."""
        _check_order(indices)
        with self.changed:
            run.wait_for(self.changed, lambda: self._complete)
            key = min(self._complete) if self._ordered else next(iter(self._complete))
            return key, self._taken(key, indices)

    def _parts(self, key: int, indices: Sequence[int]) -> Values:
        element = self._complete[key]
        for index in indices:
            self._check_index(key, index)
            if element[index] is None:
                raise kernel_error(f"Tensor at index '{index}' for key '{key}' has already been removed.")
        return [element[index] for index in indices]

    def _taken(self, key: int, indices: Sequence[int]) -> Values:
        values = self._parts(key, indices)
        element = self._complete[key]
        for index in indices:
            element[index] = None
        if all(part is None for part in element):
            del self._complete[key]
        self.bytes -= _bytes_of(values)
        self.changed.notify_all()
        return values

    def clear(self) -> None:
        with self.changed:
            self._complete.clear()
            self._incomplete.clear()
            self.bytes = 0
            self.changed.notify_all()


def _check_order(indices: Sequence[int]) -> None:
    if not len(indices):
        raise kernel_error("Indices are empty")
    if any(a >= b for a, b in itertools.pairwise(indices)):
        raise kernel_error("Indices are not strictly ordered")
