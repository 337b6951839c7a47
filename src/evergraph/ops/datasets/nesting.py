"""Datasets whose function makes datasets: flat_map, interleave and its parallel forms."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from evergraph.ops.datasets.captured import Captured
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.order import Unary
from evergraph.ops.datasets.readers import Files
from evergraph.ops.datasets.reading_ahead import ReadAhead
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running


class OfDatasets(Unary):
    """A dataset whose function makes datasets. What rewrites this one rewrites those too."""

    rewrite: Callable[[Dataset], Dataset] | None = None

    def made(self, results: Sequence[Any], what: str = "Function") -> Dataset:
        """The dataset that a call of the function gave."""
        if len(results) != 1 or not isinstance(results[0], Dataset):
            raise kernel_error(f"{what} must return a single scalar of dtype DT_VARIANT.")
        return results[0] if self.rewrite is None else self.rewrite(results[0])


class FlatMap(OfDatasets):
    kind = "FlatMap"

    def __init__(self, source: Dataset, function: Captured, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.function = function

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self.function.is_pure

    def iterator(self, context: Context, name: str) -> Iterator:
        return _FlatMapped(context, self, name)


class _FlatMapped(Iterator):
    def __init__(self, context: Context, dataset: FlatMap, name: str) -> None:
        self.context, self._dataset, self._name = context, dataset, name
        self._source: Iterator | None = dataset.input.iterate(context, name)
        self._function = dataset.function.bound(context)
        self._current: Iterator | None = None
        self._number = 0

    def __next__(self) -> Element:
        while self._source is not None:
            if self._current is None:
                self._advance()
                continue
            try:
                return next(self._current)
            except StopIteration:
                self._current = None
        raise StopIteration

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        while self._source is not None and len(taken) < count:
            if self._current is None:
                self._advance()
                continue
            self._current.add_to(taken, count - len(taken))
            if len(taken) < count:
                self._current = None

    def _advance(self) -> None:
        assert self._source is not None
        try:
            element = next(self._source)
        except StopIteration:
            self._source = None
            return
        inner = self._dataset.made(self._function(element))
        self._current = inner.iterate(self.context, f"{self._name}[{self._number}]")
        self._number += 1


class Interleave(OfDatasets):
    """Datasets that a function makes, taken in turn: `block` elements of each of `cycle` that are open at once."""

    def __init__(
        self, kind: str, source: Dataset, function: Captured, cycle: int, block: int, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, types, shapes)
        if cycle == -1:
            cycle = os.cpu_count() or 1
        if cycle <= 0:
            raise kernel_error("`cycle_length` must be > 0")
        if block <= 0:
            raise kernel_error("`block_length` must be > 0")
        self.kind, self.function, self.cycle, self.block = kind, function, cycle, block

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self.function.is_pure

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Interleaved(context, self, name)


class _Interleaved(Iterator):
    def __init__(self, context: Context, dataset: Interleave, name: str) -> None:
        self.context, self._dataset, self._name = context, dataset, name
        self._source: Iterator | None = dataset.input.iterate(context, name)
        self._function = dataset.function.bound(context)
        self._open: list[Iterator | None] = [None] * dataset.cycle
        self._count = 0  # of those that are open
        self._slot = self._given = 0
        self._block = dataset.block

    def __next__(self) -> Element:
        while self._source is not None or self._count:
            slot = self._slot
            current = self._open[slot]
            if current is not None:
                try:
                    element = next(current)
                except StopIteration:
                    self._open[slot] = None
                    self._count -= 1
                    self._move_on()
                    continue
                except Exception:
                    if self._dataset.kind != "Interleave":
                        self._count_one()  # a parallel one takes an error for an element
                    raise
                self._given += 1
                if self._given == self._block:
                    self._move_on()
                return element
            if self._source is None:
                self._move_on()
                continue
            try:
                argument = next(self._source)
                inner = self._dataset.made(self._function(argument))
                opened = inner.iterate(self.context, f"{self._name}[{slot}]")
                if isinstance(inner, Files) and inner.is_compressed and self._dataset.kind != "Interleave":
                    opened = ReadAhead(self.context, opened)
            except StopIteration:
                self._source = None
                continue
            except Exception as error:
                if self._dataset.kind == "Interleave":
                    raise
                opened = _Failure(error)
            self._open[slot] = opened
            self._count += 1
        raise StopIteration

    def _count_one(self) -> None:
        self._given += 1
        if self._given == self._block:
            self._move_on()

    def _move_on(self) -> None:
        self._given = 0
        self._slot = (self._slot + 1) % len(self._open)


class _Failure(Iterator):
    """What stands for a dataset that could not be made: an error, in the place of its only element."""

    def __init__(self, error: Exception) -> None:
        self._error: Exception | None = error

    def __next__(self) -> Element:
        error, self._error = self._error, None
        raise error or StopIteration


# Ops


@dataset_op("FlatMapDataset", session=True)
def flat_map_dataset(
    xp: Any, source: Any, captured: Any, *, run: Running, f: Any, output_types: Any, output_shapes: Any
) -> Dataset:
    """The elements of the datasets that a function makes, one dataset after the other."""
    return FlatMap(source, Captured(run, f, captured), output_types, output_shapes)


@dataset_op("InterleaveDataset", session=True)
def interleave_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    cycle_length: Any,
    block_length: Any,
    *,
    run: Running,
    f: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """The elements of the datasets that a function makes, several datasets in turn."""
    function = Captured(run, f, captured)
    return Interleave("Interleave", source, function, int(cycle_length), int(block_length), output_types, output_shapes)


@dataset_op("ParallelInterleaveDatasetV2", session=True)
def parallel_interleave_dataset_v2(
    xp: Any,
    source: Any,
    captured: Any,
    cycle_length: Any,
    block_length: Any,
    num_parallel_calls: Any,
    *,
    run: Running,
    f: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """`InterleaveDataset`, with calls in parallel; the order is the same."""
    cycle, calls = int(cycle_length), int(num_parallel_calls)
    if not (calls > 0 or calls == -1):
        raise kernel_error("num_parallel_calls must be greater than zero.")
    if calls > (cycle if cycle > 0 else os.cpu_count() or 1):
        raise kernel_error("num_parallel_calls must less than or equal to cycle_length.")
    function = Captured(run, f, captured)
    return Interleave("ParallelInterleaveV2", source, function, cycle, int(block_length), output_types, output_shapes)


@dataset_op("ParallelInterleaveDataset", session=True)
def parallel_interleave_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    cycle_length: Any,
    block_length: Any,
    sloppy: Any,
    buffer_output_elements: Any,
    prefetch_input_elements: Any,
    *,
    run: Running,
    f: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """`InterleaveDataset`, reading ahead. The order is that of a dataset that never has to wait."""
    if int(buffer_output_elements) <= 0:
        raise kernel_error("`buffer_output_elements` must be > 0")
    if int(prefetch_input_elements) < 0:
        raise kernel_error("`prefetch_input_elements` must be >= 0")
    cycle = int(cycle_length)
    if cycle <= 0:
        raise kernel_error("`cycle_length` must be > 0")
    function = Captured(run, f, captured)
    return Interleave("ParallelInterleave", source, function, cycle, int(block_length), output_types, output_shapes)
