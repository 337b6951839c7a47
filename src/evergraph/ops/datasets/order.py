"""Datasets that give the elements of others, in their order: take, skip, repeat, concatenate, zip, shard, prefetch."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.datasets.context import Context
from evergraph.ops.datasets.dataset import INFINITE, UNKNOWN, Dataset, Element, Iterator, dataset_op
from evergraph.ops.opdef import kernel_error


class Unary(Dataset):
    """A dataset over one other, whose elements are of the same kind by default."""

    def __init__(self, source: Dataset, types: Sequence[DType], shapes: Sequence[Shape]) -> None:
        super().__init__(types, shapes, (source,))


class Take(Unary):
    is_plain = True

    def __init__(self, source: Dataset, count: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.count = count

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "EmptyTake" if self.count == 0 else "FiniteTake"

    def iterator(self, context: Context, name: str) -> Iterator:
        if self.count == 0:
            return _Empty()
        return _Taken(self.input.iterate(context, name), self.count)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        return n if self.count < 0 or n == UNKNOWN else self.count if n == INFINITE else min(n, self.count)


class _Empty(Iterator):
    def __next__(self) -> Element:
        raise StopIteration


class _Taken(Iterator):
    def __init__(self, source: Iterator, count: int) -> None:
        self._source: Iterator | None = source
        self._left = count

    def __next__(self) -> Element:
        if self._source is None:
            raise StopIteration
        if self._left:
            element = next(self._source)
            self._left -= 1  # goes below zero for a count of -1: everything
            return element
        self._source = None
        raise StopIteration

    def add_to(self, taken: list[Element], count: int) -> None:
        if self._source is None:
            return
        before = len(taken)
        wanted = count if self._left < 0 else min(count, self._left)
        try:
            self._source.add_to(taken, wanted)
        finally:
            if self._left > 0:
                self._left -= len(taken) - before


class Skip(Unary):
    is_plain = True

    def __init__(self, source: Dataset, count: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.count = count

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "EmptySkip" if self.count < 0 else "FiniteSkip"

    def iterator(self, context: Context, name: str) -> Iterator:
        if self.count < 0:
            return _Empty()
        return _Skipped(self.input.iterate(context, name), self.count)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        return n if n in (INFINITE, UNKNOWN) and self.count >= 0 else 0 if self.count < 0 else max(0, n - self.count)


class _Skipped(Iterator):
    def __init__(self, source: Iterator, count: int) -> None:
        self._source, self._left = source, count

    def __next__(self) -> Element:
        self._skip()
        return next(self._source)

    def _skip(self) -> None:
        while self._left:
            next(self._source)
            self._left -= 1

    def add_to(self, taken: list[Element], count: int) -> None:
        try:
            self._skip()
        except StopIteration:
            return
        self._source.add_to(taken, count)


class Repeat(Unary):
    is_plain = True

    def __init__(self, source: Dataset, count: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.count = count

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "ForeverRepeat" if self.count < 0 else "EmptyRepeat" if self.count == 0 else "FiniteRepeat"

    def iterator(self, context: Context, name: str) -> Iterator:
        if self.count == 0:
            return _Empty()
        return _Repeated(self.input, context, name, self.count)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        if self.count < 0:
            return 0 if n == 0 else INFINITE
        return 0 if self.count == 0 else n if n in (INFINITE, UNKNOWN) else n * self.count


class _Repeated(Iterator):
    def __init__(self, source: Dataset, context: Context, name: str, count: int) -> None:
        self._dataset, self.context, self._name, self._left = source, context, name, count
        self._source: Iterator | None = source.iterate(context, name)
        self._fresh = True  # nothing came from the current pass yet

    def __next__(self) -> Element:
        while self._source is not None:
            try:
                element = next(self._source)
            except StopIteration:
                self._left -= 1
                if self._left == 0 or self._left < 0 and self._fresh:
                    self._source = None
                    break
                self._source = self._dataset.iterate(self.context, self._name)
                self._fresh = True
            else:
                self._fresh = False
                return element
        raise StopIteration

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        while len(taken) < count and self._source is not None:
            before = len(taken)
            try:
                self._source.add_to(taken, count - before)
            finally:
                if len(taken) > before:
                    self._fresh = False
            if len(taken) < count:
                try:
                    taken.append(self.__next__())
                except StopIteration:
                    return


class Concatenate(Dataset):
    kind = "Concatenate"
    is_plain = True

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Concatenated(self.inputs, context, name)

    def cardinality(self) -> int:
        counts = [d.cardinality() for d in self.inputs]
        return INFINITE if INFINITE in counts else UNKNOWN if UNKNOWN in counts else sum(counts)


class _Concatenated(Iterator):
    def __init__(self, sources: Sequence[Dataset], context: Context, name: str) -> None:
        self._sources, self.context, self._name = sources, context, name
        self._at = 0
        self._current = sources[0].iterate(context, f"{name}[0]")

    def __next__(self) -> Element:
        while self._at < len(self._sources):
            try:
                return next(self._current)
            except StopIteration:
                self._at += 1
                if self._at < len(self._sources):
                    self._current = self._sources[self._at].iterate(self.context, f"{self._name}[{self._at}]")
        raise StopIteration


class Zip(Dataset):
    kind = "Zip"
    is_plain = True

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Zipped([d.iterate(context, f"{name}[{i}]") for i, d in enumerate(self.inputs)])

    def cardinality(self) -> int:
        counts = [d.cardinality() for d in self.inputs]
        known = [n for n in counts if n != INFINITE]
        return UNKNOWN if UNKNOWN in counts else min(known, default=INFINITE)


class _Zipped(Iterator):
    def __init__(self, sources: list[Iterator]) -> None:
        self._sources = sources

    def __next__(self) -> Element:
        if not self._sources:
            raise StopIteration
        element: list[Any] = []
        try:
            for source in self._sources:
                element += next(source)
        except StopIteration:
            self._sources = []
            raise
        return tuple(element)


class Shard(Unary):
    is_plain = True
    kind = "Shard"

    def __init__(self, source: Dataset, shards: int, index: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self._shards, self._index = shards, index

    def iterator(self, context: Context, name: str) -> Iterator:
        return _Shards(self.input.iterate(context, name), self._shards, self._index)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        return n if n in (INFINITE, UNKNOWN) else n // self._shards + (1 if self._index < n % self._shards else 0)


class _Shards(Iterator):
    def __init__(self, source: Iterator, shards: int, index: int) -> None:
        self._source, self._shards = source, shards
        self._skip = index

    def __next__(self) -> Element:
        while self._skip:
            next(self._source)
            self._skip -= 1
        element = next(self._source)
        self._skip = self._shards - 1
        return element


class Prefetch(Unary):
    """Elements are made ahead, in a thread. A size of -1 leaves the number to us."""

    kind = "Prefetch"
    OURS = 4

    def __init__(self, source: Dataset, size: int, types: Any, shapes: Any) -> None:
        super().__init__(source, types, shapes)
        self.size = size

    def iterator(self, context: Context, name: str) -> Iterator:
        source = self.input.iterate(context, name)
        if self.size == 0:
            return source
        return Prefetched(context, source, self.OURS if self.size < 0 else self.size, self.input.is_free)

    def cardinality(self) -> int:
        return self.input.cardinality()


_AT_ONCE = 3e-4  # s; a run that only fetches an element takes a third of it


class _Buffer:
    """What the thread and the iterator share; the iterator itself must be free to go."""

    def __init__(self, source: Iterator, size: int, may_wait: bool) -> None:
        self.source, self.size, self.may_wait = source, size, may_wait
        self.condition = threading.Condition()
        self.items: deque[tuple[bool, Any]] = deque()  # (whether it is an element, the element or an error)
        self.ended = self.left = False
        self.is_making = False  # somebody is at the source
        self.sleeps = False  # the thread

    def make(self, notifies: bool = True) -> None:
        """Put the next item in; whoever does this has set `is_making`."""
        item: tuple[bool, Any] | None = None
        try:
            item = True, next(self.source)
        except StopIteration:
            pass
        except BaseException as error:
            item = False, error
        with self.condition:
            if item is None:
                self.ended = True
            else:
                self.items.append(item)
            self.is_making = False
            if notifies:
                self.condition.notify_all()


class Prefetched(Iterator):
    """Whoever finds nothing there while the thread is not at work makes the next element, and the thread is left asleep
    when the elements are asked for one right after the other: it would only be in the way, as one thread runs Python at
    a time, and switching takes longer than most elements. That is not for sources that may wait: waiting for the thread
    can be cancelled."""

    def __init__(self, context: Context, source: Iterator, size: int, is_free: bool) -> None:
        self.context = context
        self._buffer = _Buffer(source, size, not is_free)
        self._started = False
        self._given_at = 0.0  # when the last element was given

    @property
    def capacity(self) -> int:
        return self._buffer.size

    @property
    def ready(self) -> int:
        """How many elements are there already."""
        return len(self._buffer.items)

    def __next__(self) -> Element:
        is_at_once = time.perf_counter() - self._given_at < _AT_ONCE
        try:
            return self._next(is_at_once and not self._buffer.may_wait)
        finally:
            self._given_at = time.perf_counter()

    def _next(self, leaves_asleep: bool) -> Element:
        buffer = self._buffer
        if not self._started:
            self._started = True
            context = self.context
            context.start(lambda: _fill(context, buffer), "prefetch")
        with buffer.condition:
            while not buffer.items:
                if buffer.ended:
                    raise StopIteration
                if not (buffer.is_making or buffer.may_wait):
                    self.context.check()
                    buffer.is_making = True
                    break
                self.context.wait_for(
                    buffer.condition,
                    lambda: buffer.items or buffer.ended or not (buffer.is_making or buffer.may_wait),
                )
            else:
                return self._taken(leaves_asleep)
        buffer.make(not leaves_asleep)
        return self._next(leaves_asleep)

    def _taken(self, leaves_asleep: bool) -> Element:
        buffer = self._buffer
        is_element, item = buffer.items.popleft()
        if buffer.sleeps and not leaves_asleep:
            buffer.condition.notify_all()
        if is_element:
            return item
        raise item

    def __del__(self) -> None:
        buffer = self._buffer
        buffer.left = True
        if buffer.condition.acquire(blocking=False):
            buffer.condition.notify_all()
            buffer.condition.release()


def _fill(context: Context, buffer: _Buffer) -> None:
    condition, items = buffer.condition, buffer.items
    while True:
        with condition:
            while (buffer.is_making or len(items) >= buffer.size) and not buffer.left and not context.is_closed:
                # The iterator may be collected while its thread waits: then nobody can be sure to wake it.
                buffer.sleeps = True
                condition.wait(1.0)
            buffer.sleeps = False
            if buffer.left or buffer.ended or context.is_closed:
                return
            buffer.is_making = True
        buffer.make()


# Ops


@dataset_op("TakeDataset")
def take_dataset(xp: Any, source: Any, count: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The first `count` elements; all of them for -1."""
    return Take(source, int(count), output_types, output_shapes)


@dataset_op("SkipDataset")
def skip_dataset(xp: Any, source: Any, count: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """All but the first `count` elements; none for -1."""
    return Skip(source, int(count), output_types, output_shapes)


@dataset_op("RepeatDataset")
def repeat_dataset(xp: Any, source: Any, count: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """The dataset `count` times over; without end for -1."""
    return Repeat(source, int(count), output_types, output_shapes)


@dataset_op("ConcatenateDataset")
def concatenate_dataset(xp: Any, source: Any, other: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """One dataset after the other."""
    return Concatenate(output_types, output_shapes, (source, other))


@dataset_op("ZipDataset")
def zip_dataset(xp: Any, sources: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """Elements of several datasets side by side, until the first of them ends."""
    return Zip(output_types, output_shapes, sources)


@dataset_op("ShardDataset")
def shard_dataset(
    xp: Any, source: Any, num_shards: Any, index: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """Every `num_shards`-th element, from element `index` on."""
    shards, at = int(num_shards), int(index)
    if shards <= 0:
        raise kernel_error(f"Number of shards must be greater than zero (currently num_shards = {shards}).")
    if not 0 <= at < shards:
        raise kernel_error(f"Index must be between 0 and {shards - 1} (currently index = {at}).")
    return Shard(source, shards, at, output_types, output_shapes)


@dataset_op("PrefetchDataset")
def prefetch_dataset(xp: Any, source: Any, buffer_size: Any, *, output_types: Any, output_shapes: Any) -> Dataset:
    """Elements made ahead."""
    size = int(buffer_size)
    if size < -1:
        raise kernel_error("buffer_size must be >= 0 or set buffer_size to be -1 for auto-tuning")
    return Prefetch(source, size, output_types, output_shapes)
