"""Datasets of datasets, and elements sorted by what functions say: window, group_by_window, group_by_reducer, ..."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework import errors
from evergraph.ops.datasets.captured import Captured, Function
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.nesting import OfDatasets
from evergraph.ops.datasets.order import Unary
from evergraph.ops.datasets.stacking import batch_of
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running


class Listed(Dataset):
    """Elements that are there already."""

    kind = "Window"

    def __init__(self, elements: Sequence[Element], types: Any, shapes: Any) -> None:
        super().__init__(types, shapes)
        self._elements = elements

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Rest(self._elements)

    def cardinality(self) -> int:
        return len(self._elements)


class _Rest(Iterator):
    def __init__(self, elements: Sequence[Element]) -> None:
        self._rest = iter(elements)

    def __next__(self) -> Element:
        return next(self._rest)


class Window(Unary):
    kind = "Window"

    def __init__(
        self, source: Dataset, size: int, shift: int, stride: int, drops: bool, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, types, shapes)
        if size <= 0:
            raise kernel_error("Window size must be greater than zero.")
        if shift <= 0:
            raise kernel_error("Window shift must be greater than zero.")
        if stride <= 0:
            raise kernel_error("Window stride must be greater than zero.")
        self.size, self.shift, self.stride, self.drops = size, shift, stride, drops

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Windows(self.input.iterate(context, name), self)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        if n < 0:
            return n
        if not self.drops:
            return -(-n // self.shift)
        span = (self.size - 1) * self.stride + 1
        return (n - span) // self.shift + 1 if n >= span else 0


class _Windows(Iterator):
    def __init__(self, source: Iterator, dataset: Window) -> None:
        self._source: Iterator | None = source
        self._dataset = dataset
        self._buffer: list[Any] = []  # elements, and errors in their places

    def __next__(self) -> Element:
        d = self._dataset
        span = (d.size - 1) * d.stride + 1
        while self._source is not None and len(self._buffer) < span:
            self._pull(self._buffer)
        if not self._buffer or d.drops and len(self._buffer) < span:
            raise StopIteration
        chosen = self._buffer[: span : d.stride]
        missing = d.shift - len(self._buffer)
        del self._buffer[: d.shift]
        for _ in range(missing):
            if self._source is None:
                break
            self._pull([])
        for element in chosen:
            if isinstance(element, Exception):
                raise element
        source = d.input
        columns = zip(*chosen, strict=True)
        return tuple(
            [
                Listed(list(zip(column, strict=True)), (source.types[i],), (source.shapes[i],))
                for i, column in enumerate(columns)
            ]
        )

    def _pull(self, into: list[Any]) -> None:
        assert self._source is not None
        try:
            into.append(next(self._source))
        except StopIteration:
            self._source = None
        except Exception as error:
            into.append(error)


class GroupByWindow(OfDatasets):
    kind = "GroupByWindow"

    def __init__(
        self, source: Dataset, key: Captured, reduce: Captured, size: Captured, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, types, shapes)
        self.functions = key, reduce, size

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Groups(context, self.input.iterate(context, name), self, name)


def _integer(results: list[Any], what: str) -> int:
    if len(results) != 1 or getattr(results[0], "size", 1) != 1:
        raise kernel_error(f"`{what}` must return a scalar int64.")
    return int(results[0])


class _Groups(Iterator):
    def __init__(self, context: Context, source: Iterator, dataset: GroupByWindow, name: str) -> None:
        self.context, self._dataset, self._name = context, dataset, name
        self._source: Iterator | None = source
        self._key, self._reduce, self._size = (f.bound(context) for f in dataset.functions)
        self._sizes: dict[int, int] = {}
        self._groups: dict[int, list[Element]] = {}
        self._current: Iterator | None = None

    def __next__(self) -> Element:
        while True:
            if self._current is not None:
                try:
                    return next(self._current)
                except StopIteration:
                    self._current = None
            full = self._full_group()
            if full is None:
                raise StopIteration
            self._flush(full)

    def _full_group(self) -> int | None:
        """The key of a group that is to be given: a full one, or at the end any, the smallest key first."""
        while self._source is not None:
            try:
                element = next(self._source)
            except StopIteration:
                self._source = None
                break
            key = _integer(self._key(element), "key_func")
            size = self._sizes.get(key)
            if size is None:
                size = _integer(self._size([np.int64(key)]), "window_size_func")
                if size <= 0:
                    raise kernel_error(f"Window size must be greater than zero, but got {size}.")
                self._sizes[key] = size
            group = self._groups.setdefault(key, [])
            group.append(element)
            if len(group) == size:
                return key
        return min(self._groups, default=None)

    def _flush(self, key: int) -> None:
        source = self._dataset.input
        group = Listed(self._groups.pop(key), source.types, source.shapes)
        made = self._dataset.made(self._reduce([np.int64(key), group]), "`reduce_func`")
        self._current = made.iterate(self.context, f"{self._name}::Reduce")


class GroupByReducer(Unary):
    kind = "GroupByReducer"

    def __init__(self, source: Dataset, functions: Sequence[Captured], types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.functions = functions

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Reduced(self.input.iterate(context, name), *(f.bound(context) for f in self.functions))


class _Reduced(Iterator):
    def __init__(self, source: Iterator, key: Function, init: Function, reduce: Function, finalize: Function) -> None:
        self._source: Iterator | None = source
        self._key, self._init, self._reduce, self._finalize = key, init, reduce, finalize
        self._states: dict[int, list[Any]] = {}
        self._keys: list[int] = []

    def __next__(self) -> Element:
        while self._source is not None:
            try:
                element = next(self._source)
            except StopIteration:
                self._source = None
                self._keys = sorted(self._states, reverse=True)
                break
            key = _integer(self._key(element), "key_func")
            if key not in self._states:
                self._states[key] = self._init([np.int64(key)])
            self._states[key] = self._reduce([*self._states[key], *element])
        if not self._keys:
            raise StopIteration
        return tuple(self._finalize(self._states.pop(self._keys.pop())))


class DirectedInterleave(Dataset):
    """Elements of several datasets; the first input says which one each comes from."""

    kind = "DirectedInterleave"

    def iterator(self, context: Context, name: str) -> Iterator:
        selector = self.inputs[0].iterate(context, f"{name}.selector")
        return _Directed(selector, [d.iterate(context, f"{name}[{i}]") for i, d in enumerate(self.inputs[1:])])


class _Directed(Iterator):
    def __init__(self, selector: Iterator, sources: list[Iterator]) -> None:
        self._selector: Iterator | None = selector
        self._sources: list[Iterator | None] = list(sources)
        self._active = len(sources)

    def __next__(self) -> Element:
        while self._selector is not None:
            try:
                (choice,) = next(self._selector)
            except StopIteration:
                self._selector = None
                break
            chosen = int(choice)
            if not 0 <= chosen < len(self._sources):
                raise kernel_error(f"Selector index out of range: {chosen} >= {len(self._sources)}")
            source = self._sources[chosen]
            if source is None:
                continue
            try:
                return next(source)
            except StopIteration:
                self._sources[chosen] = None
                self._active -= 1
                if not self._active:
                    self._selector = None
        raise StopIteration


class IgnoreErrors(Unary):
    kind = "IgnoreErrors"

    def iterator(self, context: Context, name: str) -> Iterator:
        return _WithoutErrors(self.input.iterate(context, name))


class _WithoutErrors(Iterator):
    def __init__(self, source: Iterator) -> None:
        self._source = source

    def __next__(self) -> Element:
        while True:
            try:
                return next(self._source)
            except errors.CancelledError:
                raise
            except errors.OpError:
                continue


class Unique(Unary):
    kind = "Unique"

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Distinct(self.input.iterate(context, name))


class _Distinct(Iterator):
    def __init__(self, source: Iterator) -> None:
        self._source = source
        self._seen: set[Any] = set()

    def __next__(self) -> Element:
        while True:
            element = next(self._source)
            value = element[0]
            key = (
                value
                if type(value) is bytes
                else (value.shape, value.tobytes() if value.dtype != object else str(value))
            )
            if key not in self._seen:
                self._seen.add(key)
                return element


# Ops


@dataset_op("WindowDataset")
def window_dataset(
    xp: Any,
    source: Any,
    size: Any,
    shift: Any,
    stride: Any,
    drop_remainder: Any,
    *,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Windows of elements, each component a dataset."""
    return Window(source, int(size), int(shift), int(stride), bool(drop_remainder), output_types, output_shapes)


class SlidingBatches(Unary):
    kind = "SlidingWindow"

    def __init__(self, source: Dataset, window: Window, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._window = window

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Slid(_Windows(self.input.iterate(context, name), self._window), self.input)


class _Slid(Iterator):
    def __init__(self, windows: _Windows, source: Dataset) -> None:
        self._windows, self._source = windows, source

    def __next__(self) -> Element:
        rows = zip(*(window._elements for window in next(self._windows)), strict=True)
        return batch_of([tuple(part[0] for part in row) for row in rows], self._source.types)


@dataset_op("SlidingWindowDataset")
def sliding_window_dataset(
    xp: Any,
    source: Any,
    window_size: Any,
    window_shift: Any,
    window_stride: Any,
    *,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Batches of full windows of elements."""
    window = Window(source, int(window_size), int(window_shift), int(window_stride), True, output_types, output_shapes)
    return SlidingBatches(source, window, output_types, output_shapes)


@dataset_op("GroupByWindowDataset", session=True)
def group_by_window_dataset(
    xp: Any,
    source: Any,
    key_captured: Any,
    reduce_captured: Any,
    size_captured: Any,
    *,
    run: Running,
    key_func: Any,
    reduce_func: Any,
    window_size_func: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Elements gathered by a key; each full group goes through a function."""
    return GroupByWindow(
        source,
        Captured(run, key_func, key_captured),
        Captured(run, reduce_func, reduce_captured),
        Captured(run, window_size_func, size_captured),
        output_types,
        output_shapes,
    )


def _group_by_reducer(
    xp: Any,
    source: Any,
    key_captured: Any,
    init_captured: Any,
    reduce_captured: Any,
    finalize_captured: Any,
    *,
    run: Running,
    key_func: Any,
    init_func: Any,
    reduce_func: Any,
    finalize_func: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Elements reduced by key."""
    functions = [
        Captured(run, key_func, key_captured),
        Captured(run, init_func, init_captured),
        Captured(run, reduce_func, reduce_captured),
        Captured(run, finalize_func, finalize_captured),
    ]
    return GroupByReducer(source, functions, output_types, output_shapes)


group_by_reducer_dataset = dataset_op("GroupByReducerDataset", session=True)(_group_by_reducer)
experimental_group_by_reducer_dataset = dataset_op("ExperimentalGroupByReducerDataset", session=True)(_group_by_reducer)


@dataset_op("DirectedInterleaveDataset")
def directed_interleave_dataset(
    xp: Any, selector: Any, sources: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """Elements of several datasets, as another dataset says."""
    return DirectedInterleave(output_types, output_shapes, (selector, *sources))


@dataset_op("IgnoreErrorsDataset")
def ignore_errors_dataset(xp: Any, source: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The elements that can be made."""
    return IgnoreErrors(source, output_types, output_shapes)


@dataset_op("UniqueDataset")
def unique_dataset(xp: Any, source: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The elements that did not come before."""
    return Unique(source, output_types, output_shapes)
