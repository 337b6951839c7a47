"""The accumulators that a session holds: they add gradients up until there are enough, and leave out those too old.

A gradient comes with the step at which it was computed, and is dropped if that is before the accumulator's own step.
Taking the sum (or mean) resets it and moves the step on by one.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

import numpy as np

from evergraph.framework import errors, log
from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape, bracket_text
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running


class Accumulator:
    """What both kinds share; a subclass says how gradients add up.

    Args:
        dtype: the type of the gradients.
        shape: their shape, as far as it is known.
        mean: whether to give the mean, not the sum.
    """

    def __init__(self, dtype: DType, shape: Shape, mean: bool) -> None:
        self.dtype, self.shape, self.mean = dtype, shape, mean
        self.count = 0
        self.step = 0
        self.changed = threading.Condition()
        self._line: deque[object] = deque()

    def _add(self, gradient: Any) -> None:
        raise NotImplementedError

    def _result(self) -> Any:
        raise NotImplementedError

    def apply(self, step: int, gradient: Any) -> None:
        """Add a gradient, unless it is too old."""
        with self.changed:
            if step >= self.step:
                self._add(gradient)
                self.count += 1
                self.changed.notify_all()

    def take(self, wanted: int, run: Running) -> Any:
        """The sum or mean of all gradients so far; waits until there are `wanted`."""
        if wanted <= 0:
            raise kernel_error(f"Argument num_required must be positive, but was {wanted}")
        ticket = object()
        with self.changed:
            self._line.append(ticket)
            try:
                run.wait_for(self.changed, lambda: self._line[0] is ticket and self.count >= wanted)
                self.step += 1
                result = self._result()
                self.count = 0
            except errors.CancelledError:
                raise kernel_error("TakeGrad operation was cancelled", errors.CancelledError) from None
            finally:
                self._line.remove(ticket)
                self.changed.notify_all()
        return result

    def set_step(self, step: int) -> None:
        with self.changed:
            if step < self.step:
                log.warn("The accumulator's step goes back from %d to %d.", self.step, step)
            self.step = step


class DenseAccumulator(Accumulator):
    """Adds arrays of one shape."""

    _sum: Any = None

    def _add(self, gradient: np.ndarray) -> None:
        expected = self._sum.shape if self.count else self.shape
        for shape in (expected, self.shape):
            if shape is not None and not _fits(gradient.shape, shape):
                raise kernel_error(
                    f"Shape mismatch: expected {bracket_text(shape)}, got {bracket_text(gradient.shape)}"
                )
        self._sum = self._sum + gradient if self.count else np.array(gradient)

    def _result(self) -> np.ndarray:
        return _divided(self._sum, self.count) if self.mean else self._sum


class SparseAccumulator(Accumulator):
    """Adds rows of a larger array, given by their numbers. A mean is that of each row on its own."""

    _indices: Any = None
    _values: Any = None
    _counts: Any = None

    def _add(self, gradient: tuple[np.ndarray, np.ndarray, np.ndarray | None]) -> None:
        indices, values, whole = gradient
        self._check(indices, values, whole)
        if not self.count:
            self._indices, self._values = indices.tolist(), np.array(values)
            self._counts = np.ones(len(indices), np.int64)
            return
        old, new = _merged(self._indices, indices.tolist())
        known, given = np.array(old, np.int64), np.array(new, np.int64)
        summed = np.zeros((len(old), *values.shape[1:]), values.dtype)
        counts = np.zeros(len(old), np.int64)
        for places, rows, of in ((known, self._values, self._counts), (given, values, np.ones(len(indices), np.int64))):
            there = places >= 0
            summed[there] += rows[places[there]]
            counts[there] += of[places[there]]
        self._indices = [int(indices[n]) if o < 0 else self._indices[o] for o, n in zip(old, new, strict=True)]
        self._values, self._counts = summed, counts

    def _check(self, indices: np.ndarray, values: np.ndarray, whole: np.ndarray | None) -> None:
        if indices.ndim != 1:
            raise kernel_error(f"Input indices should be vector but received shape: {bracket_text(indices.shape)}")
        if values.ndim == 0:
            raise kernel_error("Values cannot be 0-dimensional.")
        if len(values) != len(indices):
            raise kernel_error(f"Expected {len(indices)} non-empty input values, got {len(values)}")
        shape = self.shape or ()
        if whole is not None:
            if len(shape) > whole.size:
                raise kernel_error(f"Shape mismatch: expected shape rank at least {len(shape)}, got {whole.size}")
            for i, (wanted, given) in enumerate(zip(shape, whole.tolist(), strict=False)):
                if wanted is not None and wanted != given:
                    raise kernel_error(f"Shape mismatch: expected shape dim {i} to be {wanted}, got {given}")
        if shape and shape[0] is not None:
            for i, index in enumerate(indices.tolist()):
                if index >= shape[0]:
                    raise kernel_error(
                        f"Shape mismatch: index of slice {i} exceeded limits of shape; index is {index} exceeded "
                        f"{shape[0]}"
                    )
        if self.count:
            if self._values.ndim != values.ndim:
                raise kernel_error(f"Shape mismatch: expected values rank {self._values.ndim}, got {values.ndim}")
            expected: Any = self._values.shape
        else:
            if len(shape) > values.ndim:
                raise kernel_error(f"Shape mismatch: expected values rank at least {len(shape)}, got {values.ndim}")
            expected = shape
        for i in range(1, len(expected)):
            if expected[i] is not None and expected[i] != values.shape[i]:
                raise kernel_error(
                    f"Shape mismatch: expected values dim {i} to be {expected[i]}, got {values.shape[i]}"
                )

    def _result(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        values = self._values
        if self.mean:
            values = _divided(values, self._counts.reshape(-1, *[1] * (values.ndim - 1)))
        rows = self.shape[0] if self.shape and self.shape[0] is not None else -1
        return np.array(self._indices, np.int64), values, np.array([rows, *values.shape[1:]], np.int64)


def _fits(shape: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(w is None or w == s for s, w in zip(shape, wanted, strict=True))


def _divided(total: np.ndarray, count: Any) -> np.ndarray:
    if total.dtype.kind in "iu":
        return np.trunc(total / count).astype(total.dtype)
    return (total / np.asarray(count).astype(total.dtype)).astype(total.dtype)


def _merged(old: list[int], new: list[int]) -> tuple[list[int], list[int]]:
    """Two sorted lists as one: for each entry its place in each list, or -1."""
    i = j = 0
    from_old: list[int] = []
    from_new: list[int] = []
    while i < len(old) or j < len(new):
        takes_old = j == len(new) or (i < len(old) and old[i] <= new[j])
        takes_new = i == len(old) or (j < len(new) and new[j] <= old[i])
        from_old.append(i if takes_old else -1)
        from_new.append(j if takes_new else -1)
        i += takes_old
        j += takes_new
    return from_old, from_new
