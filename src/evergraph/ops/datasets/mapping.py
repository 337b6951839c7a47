"""Datasets that call a function of the graph for each element: map, filter, scan, flat_map, interleave, ..."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from evergraph.framework import errors
from evergraph.framework.operation import Operation
from evergraph.ops.datasets.context import Call, Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, as_array, dataset_op
from evergraph.ops.datasets.order import Unary
from evergraph.ops.opdef import kernel_error
from evergraph.ops.running import Running

Function = Callable[[Sequence[Any]], list[Any]]

# Kernels that compute outside Python's lock, or wait: only with one of these a function gains from threads.
PARALLEL = frozenset(
    "PyFunc PyFuncStateless EagerPyFunc ReadFile DecodeCompressed DecodeJpeg DecodeAndCropJpeg DecodePng DecodeGif DecodeBmp "
    "DecodeImage DecodeWav EncodeJpeg EncodePng ResizeBilinear ResizeBicubic ResizeArea ResizeNearestNeighbor".split()
)


class Captured:
    """A function of a graph's library with the values it captured: those follow the arguments of each call."""

    def __init__(self, run: Running, function: Any, values: Sequence[Any]) -> None:
        self.graph, self.function = run.op.graph, function
        self.values = list(values)
        if any(value is None for value in self.values):
            self._check_references(run.op)

    def _check_references(self, op: Operation) -> None:
        """A variable without value may be captured as a resource, which the body reads; not by its value."""
        for t in op.inputs:
            if t.dtype._is_ref_dtype:
                raise kernel_error(f"Attempting to use uninitialized value {t.op.name}", errors.FailedPreconditionError)

    def bound(self, context: Context) -> Function:
        """The function of an element, in a context."""
        function, values = context.function(self.graph, self.function), self.values

        def call(element: Sequence[Any]) -> list[Any]:
            arguments = [as_array(c) if type(c) is bytes else c for c in element]
            return function(arguments + values if values else arguments)

        return call

    def op_types(self) -> set[str]:
        """The types of the ops in the function's body, when that was built in this process."""
        body = self.graph._functions.get(getattr(self.function, "name", self.function))
        return {op.type for op in getattr(body, "_ops", ())}


def ends_or_fails(error: errors.OutOfRangeError, preserves: bool) -> Exception:
    """What an `OutOfRangeError` of a function means: the end of the dataset, unless that must keep its size."""
    if preserves:
        return kernel_error(f"Function invocation produced OutOfRangeError: {error.message}")
    return StopIteration()


class Map(Unary):
    kind = "Map"

    def __init__(self, source: Dataset, function: Captured, preserves: bool, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.function, self.preserves = function, preserves

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Mapped(self.input.iterate(context, name), self.function.bound(context), self.preserves)

    def cardinality(self) -> int:
        return self.input.cardinality()


class _Mapped(Iterator):
    def __init__(self, source: Iterator, function: Function, preserves: bool) -> None:
        self._source, self._function, self._preserves = source, function, preserves

    def __next__(self) -> Element:
        element = next(self._source)
        try:
            return tuple(self._function(element))
        except errors.OutOfRangeError as error:
            raise ends_or_fails(error, self._preserves) from None


class ParallelMap(Map):
    """A map with several calls under way; the elements keep their order, unless it is sloppy."""

    kind = "ParallelMap"
    is_sloppy = False

    def __init__(
        self, source: Dataset, function: Captured, calls: int, preserves: bool, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, function, preserves, types, shapes)
        self.calls = calls

    def iterator(self, context: Context, name: str) -> Iterator:
        calls = self.calls if self.calls > 0 else 2 * (os.cpu_count() or 1)
        if calls == 1 or self.function.op_types().isdisjoint(PARALLEL):
            return super().iterator(context, name)
        source, function = self.input.iterate(context, name), self.function.bound(context)
        made = _MappedAhead(context, source, function, calls, self.preserves)
        made.is_sloppy = self.is_sloppy
        return made


class _MappedAhead(Iterator):
    is_sloppy = False

    def __init__(self, context: Context, source: Iterator, function: Function, calls: int, preserves: bool) -> None:
        self.context, self._function, self._calls, self._preserves = context, function, calls, preserves
        self._source: Iterator | None = source
        self._pending: deque[Call | Exception] = deque()

    def __next__(self) -> Element:
        pending = self._pending
        while self._source is not None and len(pending) < self._calls:
            try:
                element = next(self._source)
            except StopIteration:
                self._source = None
            except Exception as error:
                pending.append(error)
            else:
                self.context.check()
                pending.append(self.context.pool().submit(self._function, element))
        if not pending:
            raise StopIteration
        if self.is_sloppy:
            self._put_first_done_first()
        first = pending[0]
        if isinstance(first, Exception):
            pending.popleft()
            raise first
        try:
            return tuple(first.value(self.context))
        except errors.OutOfRangeError as error:
            raise ends_or_fails(error, self._preserves) from None
        finally:
            if first.is_done:
                pending.popleft()

    def _put_first_done_first(self) -> None:
        """Wait until any call is done, and bring it to the front."""
        pending = self._pending
        calls = self.context.pool().done

        def done() -> int | None:
            return next((i for i, call in enumerate(pending) if isinstance(call, Exception) or call.is_done), None)

        with calls:
            self.context.wait_for(calls, lambda: done() is not None)
        place = done()
        if place:
            chosen = pending[place]
            del pending[place]
            pending.appendleft(chosen)


class Filter(Unary):
    kind = "Filter"

    def __init__(self, source: Dataset, function: Captured, stops: bool, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.function, self.stops = function, stops

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Filtered(self.input.iterate(context, name), self.function.bound(context), self.stops)


class _Filtered(Iterator):
    """The elements that a predicate is true for; with `stops`, those before the first that it is false for."""

    def __init__(self, source: Iterator, predicate: Function, stops: bool) -> None:
        self._source: Iterator | None = source
        self._predicate, self._stops = predicate, stops

    def __next__(self) -> Element:
        if self._source is None:
            raise StopIteration
        while True:
            try:
                element = next(self._source)
            except StopIteration:
                self._source = None
                raise
            result = self._predicate(element)
            if len(result) != 1 or getattr(result[0], "size", 1) != 1:
                raise kernel_error(
                    "`predicate` must returns a scalar bool tensor."
                    if self._stops
                    else "Filter predicate `f` must return a scalar bool."
                )
            if bool(result[0]):
                return element
            if self._stops:
                self._source = None
                raise StopIteration


class Scan(Unary):
    kind = "Scan"

    def __init__(
        self, source: Dataset, state: Sequence[Any], function: Captured, preserves: bool, types: Any, shapes: Any
    ) -> None:
        super().__init__(source, types, shapes)
        self._state, self.function, self._preserves = list(state), function, preserves

    def iterator(self, context: Context, name: str) -> Iterator:
        source, function = self.input.iterate(context, name), self.function.bound(context)
        return _Scanned(source, function, self._state, self._preserves)

    def cardinality(self) -> int:
        return self.input.cardinality()


class _Scanned(Iterator):
    def __init__(self, source: Iterator, function: Function, state: list[Any], preserves: bool) -> None:
        self._source, self._function, self._state, self._preserves = source, function, state, preserves

    def __next__(self) -> Element:
        element = next(self._source)
        n = len(self._state)
        try:
            results = self._function([*self._state, *element])
        except errors.OutOfRangeError as error:
            raise ends_or_fails(error, self._preserves) from None
        self._state = results[:n]
        return tuple(results[n:])


class Generator(Dataset):
    """Elements that functions of the graph make, one a call: one function begins, one goes on, one ends."""

    kind = "Generator"

    def __init__(self, begin: Captured, go_on: Captured, end: Captured, types: Any, shapes: Any) -> None:
        super().__init__(types, shapes)
        self._functions = begin, go_on, end

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Generated(*(f.bound(context) for f in self._functions))


class _Generated(Iterator):
    def __init__(self, begin: Function, go_on: Function, end: Function) -> None:
        self._begin, self._go_on, self._end = begin, go_on, end
        self._state: list[Any] | None = None
        self._ended = False

    def __next__(self) -> Element:
        if self._state is None:
            self._state = self._begin([])
        if self._ended:
            raise StopIteration
        try:
            return tuple(self._go_on(self._state))
        except errors.OutOfRangeError:
            self._ended = True
            self._end(self._state)
            raise StopIteration from None

    def __del__(self) -> None:
        if self._state is not None and not self._ended:
            try:
                self._end(self._state)
            except Exception:  # nobody is there to hear of it
                return


# Ops


@dataset_op("MapDataset", session=True)
def map_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    *,
    run: Running,
    f: Any,
    preserve_cardinality: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """A function of each element."""
    return Map(source, Captured(run, f, captured), preserve_cardinality, output_types, output_shapes)


@dataset_op("ExperimentalMapDataset", session=True)
def experimental_map_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    *,
    run: Running,
    f: Any,
    preserve_cardinality: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """A function of each element."""
    return Map(source, Captured(run, f, captured), preserve_cardinality, output_types, output_shapes)


@dataset_op("ParallelMapDataset", session=True)
def parallel_map_dataset(
    xp: Any,
    source: Any,
    captured: Any,
    num_parallel_calls: Any,
    *,
    run: Running,
    f: Any,
    preserve_cardinality: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """A function of each element, several at once."""
    calls = int(num_parallel_calls)
    if not (calls > 0 or calls == -1):
        raise kernel_error("num_parallel_calls must be greater than zero.")
    return ParallelMap(source, Captured(run, f, captured), calls, preserve_cardinality, output_types, output_shapes)


@dataset_op("FilterDataset", session=True)
def filter_dataset(
    xp: Any, source: Any, captured: Any, *, run: Running, predicate: Any, output_types: Any, output_shapes: Any
) -> Dataset:
    """The elements that a predicate is true for."""
    return Filter(source, Captured(run, predicate, captured), False, output_types, output_shapes)


@dataset_op("TakeWhileDataset", session=True)
def take_while_dataset(
    xp: Any, source: Any, captured: Any, *, run: Running, predicate: Any, output_types: Any, output_shapes: Any
) -> Dataset:
    """The elements before the first that a predicate is false for."""
    return Filter(source, Captured(run, predicate, captured), True, output_types, output_shapes)


@dataset_op("ScanDataset", session=True)
def scan_dataset(
    xp: Any,
    source: Any,
    initial_state: Any,
    captured: Any,
    *,
    run: Running,
    f: Any,
    preserve_cardinality: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """A function of a state and each element, which gives the next state and an element."""
    return Scan(source, initial_state, Captured(run, f, captured), preserve_cardinality, output_types, output_shapes)


@dataset_op("GeneratorDataset", session=True)
def generator_dataset(
    xp: Any,
    init_captured: Any,
    next_captured: Any,
    finalize_captured: Any,
    *,
    run: Running,
    init_func: Any,
    next_func: Any,
    finalize_func: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """Elements that functions make."""
    return Generator(
        Captured(run, init_func, init_captured),
        Captured(run, next_func, next_captured),
        Captured(run, finalize_func, finalize_captured),
        output_types,
        output_shapes,
    )
