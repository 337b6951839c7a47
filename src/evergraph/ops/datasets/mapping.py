"""Datasets that call a function of the graph for each element: map, filter, scan, flat_map, interleave, ..."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from itertools import compress
from typing import Any

from evergraph.framework import errors
from evergraph.ops.datasets.captured import Captured, Function
from evergraph.ops.datasets.context import Call, Context
from evergraph.ops.datasets.dataset import Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.many import Ahead, Many, many
from evergraph.ops.datasets.order import Unary
from evergraph.ops.opdef import kernel_error
from evergraph.ops.processors import processors
from evergraph.ops.running import Running

# Kernels that compute outside Python's lock, or wait: only with one of these a function gains from threads.
PARALLEL = frozenset(
    "PyFunc PyFuncStateless EagerPyFunc ReadFile DecodeCompressed DecodeJpeg DecodeAndCropJpeg DecodePng DecodeGif "
    "DecodeBmp DecodeImage DecodeWav EncodeJpeg EncodePng ResizeBilinear ResizeBicubic ResizeArea "
    "ResizeNearestNeighbor".split()
)


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
        source, function = self.input.iterate(context, name), self.function.bound(context)
        together = many(self.function, self.input.types, context)
        if together is None:
            return _Mapped(source, function, self.preserves)
        return _MappedTogether(source, function, self.preserves, together, self.input.is_free)

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self.function.is_pure

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


class _MappedTogether(_Mapped):
    """The function is computed for many elements at once when many are asked for, or nobody can see them being read."""

    def __init__(
        self, source: Iterator, function: Function, preserves: bool, together: Many, source_is_free: bool
    ) -> None:
        super().__init__(source, function, preserves)
        self._many, self._may_go_ahead = together, source_is_free and together.is_complete and not together.draws
        self._ahead = Ahead(source)
        self._made: deque[Element] = deque()

    def __next__(self) -> Element:
        if not self._made and self._may_go_ahead and self._many.is_small:
            self._make(self._many.block)
        if self._made:
            return self._made.popleft()
        return self._one(self._ahead.next())

    def _one(self, element: Element, given: Element | None = None) -> Element:
        try:
            return tuple(self._function(element) if given is None else self._many.finish(element, given))
        except errors.OutOfRangeError as error:
            raise ends_or_fails(error, self._preserves) from None

    def _make(self, count: int) -> None:
        """Compute up to `count` elements, if that can be done together."""
        elements = self._ahead.block(count)
        rows = self._many.rows(elements)
        if rows is not None:
            self._ahead.taken(len(elements))
            self._made.extend(rows)

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        ahead, together = self._ahead, self._many
        while len(taken) < count:
            if self._made:
                taken.append(self._made.popleft())
                continue
            elements = ahead.block(min(count - len(taken), together.block))
            if not elements:
                ahead.ended()
                return
            rows = together.rows(elements)
            if rows is not None and together.is_complete:
                ahead.taken(len(elements))
                taken.extend(rows)
                continue
            try:
                for i, element in enumerate(elements):
                    ahead.taken(1)
                    taken.append(self._one(element, None if rows is None else rows[i]))
            except StopIteration:
                return


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
        together = many(self.function, self.input.types, context) if self.input.is_free else None
        if together is not None and together.is_complete:
            return _MappedBlocks(context, source, function, calls, self.preserves, together)
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


class _MappedBlocks(Iterator):
    """The function is computed for blocks of elements at once, in several threads. The elements keep their order."""

    def __init__(
        self, context: Context, source: Iterator, function: Function, calls: int, preserves: bool, together: Many
    ) -> None:
        self.context, self._function, self._calls, self._preserves = context, function, calls, preserves
        self._many, self._ahead = together, Ahead(source)
        self._pending: deque[tuple[Call, list[Element]]] = deque()
        self._made: deque[Element] = deque()
        self._left: deque[Element] = deque()  # elements of a block that could not be computed
        self._one_by_one: Iterator | None = None

    def __next__(self) -> Element:
        while True:
            if self._made:
                return self._made.popleft()
            if self._left:
                try:
                    return tuple(self._function(self._left.popleft()))
                except errors.OutOfRangeError as error:
                    raise ends_or_fails(error, self._preserves) from None
            self._start_blocks()
            if not self._pending:
                return self._next_of_the_rest()
            call, elements = self._pending[0]
            rows = call.value(self.context)
            self._pending.popleft()
            if rows is None:
                self._left.extend(elements)
            else:
                self._made.extend(rows)

    def _start_blocks(self) -> None:
        together = self._many
        while len(self._pending) < min(self._calls, processors()) and not together.gave_up:
            elements = self._ahead.block(together.block)
            if not elements:
                return
            self.context.check()
            self._ahead.taken(len(elements))
            self._pending.append((self.context.pool().submit(together.rows, elements), elements))

    def _next_of_the_rest(self) -> Element:
        """The next element when there is no block: the end, or an error of the source, or blocks turned out no good."""
        if not self._many.gave_up:
            self._ahead.ended()
            raise StopIteration
        if self._one_by_one is None:
            source = _Unread(self._ahead)
            self._one_by_one = _MappedAhead(self.context, source, self._function, self._calls, self._preserves)
        return next(self._one_by_one)


class _Unread(Iterator):
    def __init__(self, ahead: Ahead) -> None:
        self._ahead = ahead

    def __next__(self) -> Element:
        return self._ahead.next()


class Filter(Unary):
    kind = "Filter"

    def __init__(self, source: Dataset, function: Captured, stops: bool, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.function, self.stops = function, stops

    def iterator(self, context: Context, name: str) -> Iterator:
        source, predicate = self.input.iterate(context, name), self.function.bound(context)
        if context.statistics is not None and not self.stops:
            return _FilteredAndCounted(source, predicate, context.statistics, context.statistics.name(self))
        together = many(self.function, self.input.types, context)
        if together is None or not together.is_complete or self.stops:
            return _Filtered(source, predicate, self.stops)
        return _FilteredTogether(source, predicate, together, self.input.is_free)

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self.function.is_pure


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
            if self._holds(element):
                return element
            if self._stops:
                self._source = None
                raise StopIteration

    def _holds(self, element: Element) -> bool:
        result = self._predicate(element)
        if len(result) != 1 or getattr(result[0], "size", 1) != 1:
            raise kernel_error(
                "`predicate` must returns a scalar bool tensor."
                if self._stops
                else "Filter predicate `f` must return a scalar bool."
            )
        return bool(result[0])


class _FilteredAndCounted(_Filtered):
    def __init__(self, source: Iterator, predicate: Function, statistics: Any, name: str) -> None:
        super().__init__(source, predicate, False)
        self._statistics, self._name = statistics, name
        self._counts = {"dropped_elements": 0, "filtered_elements": 0}

    def _holds(self, element: Element) -> bool:
        holds = super()._holds(element)
        what = "filtered_elements" if holds else "dropped_elements"
        self._counts[what] += 1
        self._statistics.note(f"{self._name}::{what}", self._counts[what])
        return holds


class _FilteredTogether(_Filtered):
    """The predicate is computed for many elements at once."""

    def __init__(self, source: Iterator, predicate: Function, together: Many, source_is_free: bool) -> None:
        super().__init__(source, predicate, False)
        self._many = together
        self._ahead = Ahead(source)
        self._chosen: deque[Element] = deque()
        self._may_go_ahead = source_is_free and not together.draws

    def __next__(self) -> Element:
        while not self._chosen:
            if not self._may_go_ahead or not self._many.is_small:
                while True:
                    element = self._ahead.next()
                    if self._holds(element):
                        return element
            self._choose(self._many.block)
        return self._chosen.popleft()

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        try:
            while len(taken) < count:
                if self._chosen:
                    taken.append(self._chosen.popleft())
                else:
                    self._choose(self._many.block if self._may_go_ahead else min(count - len(taken), self._many.block))
        except StopIteration:
            return

    def _choose(self, count: int) -> None:
        """Read up to `count` elements and keep those that the predicate is true for."""
        elements = self._ahead.block(count)
        if not elements:
            elements = [self._ahead.next()]  # most often, there is none, or an error
        columns = self._many.columns(elements)
        if columns is None or columns[0].ndim != 1:
            for element in elements:
                self._ahead.taken(1)
                if self._holds(element):
                    self._chosen.append(element)
            return
        self._ahead.taken(len(elements))
        self._many.grow()
        self._chosen.extend(compress(elements, columns[0].tolist()))


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
