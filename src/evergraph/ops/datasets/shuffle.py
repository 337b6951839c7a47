"""Elements in random order: `ShuffleDataset`, `ShuffleAndRepeatDataset`. The order is TensorFlow's, for the same seeds.

A buffer is kept full; each element given is drawn from it. The buffer may hold elements of several passes over the
input (of `ShuffleAndRepeat`), as *slices*; only elements of the oldest one are drawn, so passes do not mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from evergraph.framework.dtypes import DType
from evergraph.framework.shapes import Shape
from evergraph.ops.datasets.context import Context, Words
from evergraph.ops.datasets.dataset import INFINITE, UNKNOWN, Dataset, Element, Iterator, dataset_op
from evergraph.ops.datasets.order import Unary
from evergraph.ops.datasets.sources import given_seeds
from evergraph.ops.opdef import kernel_error

_MOST_PASSES = 3  # that the buffer holds elements of


class Shuffle(Unary):
    """Args:
    seeds: the seeds of the stream that draws, or (when reshuffling) of the stream that gives each pass its seeds.
    reshuffles: whether each pass has another order.
    count: how many passes over the input make one over this dataset; -1 for no end.
    """

    is_plain = True

    def __init__(
        self,
        source: Dataset,
        size: int,
        seeds: tuple[int, int],
        types: Sequence[DType],
        shapes: Sequence[Shape],
        reshuffles: bool,
        count: int | None = None,
    ) -> None:
        super().__init__(source, types, shapes)
        if size <= 0:
            raise kernel_error("buffer_size must be greater than zero.")
        self.size, self.seeds, self.reshuffles, self.count = size, seeds, reshuffles, count

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "Shuffle" if self.count is None else "ShuffleAndRepeat"

    def iterator(self, context: Context, name: str) -> Iterator:
        seeds = self.seeds
        if self.reshuffles:
            seeds = context.next_seeds(f"{name}::Shuffle::RandomSeedGenerator", *seeds)
        return Shuffled(self.input, context, name, self.size, Words(*seeds), 1 if self.count is None else self.count)

    def cardinality(self) -> int:
        n = self.input.cardinality()
        if self.count == -1:
            return INFINITE
        return n if n in (INFINITE, UNKNOWN) else n * (self.count or 1)


class Shuffled(Iterator):
    def __init__(self, source: Dataset, context: Context, name: str, size: int, words: Words, count: int) -> None:
        self._dataset, self.context, self._name, self._size, self._count = source, context, name, size, count
        self._words = words
        self._source: Iterator | None = None
        self._epoch = 0
        self._buffer: list[Any] = []  # a ring
        self._held = 0
        self._slices: deque[list[int]] = deque([[0, 0]])  # [start, end) of each pass, counted without wrapping

    def __next__(self) -> Element:
        first = False
        if self._source is None and self._epoch == 0:
            first = True
            self._source = self._dataset.iterate(self.context, self._name)
        if self._source is not None and self._held < self._size:
            self._fill(first)
        if not self._held:
            raise StopIteration
        slices, buffer, size = self._slices, self._buffer, self._size
        while slices[0][0] == slices[0][1]:
            slices.popleft()
        start, end = slices[0]
        index = (start + next(self._words) % (end - start)) % size
        element = buffer[index]
        start %= size
        buffer[index] = buffer[start]
        buffer[start] = None
        slices[0][0] += 1
        self._held -= 1
        return element

    def add_to(self, taken: list[Element], count: int) -> None:
        count += len(taken)
        while len(taken) < count:
            if self._source is not None and len(self._slices) == 1 and self._held == self._size - 1:
                if self._add_steadily(taken, count - len(taken)):
                    continue
            elif self._source is None and self._held:
                self._add_last(taken, count - len(taken))
                continue
            try:
                taken.append(self.__next__())
            except StopIteration:
                return

    def _add_steadily(self, taken: list[Element], count: int) -> bool:
        """What `__next__` does again and again while the buffer is full and the source goes on. Whether it did."""
        source, current, size = self._source, self._slices[0], self._size
        assert source is not None
        arrived: list[Element] = []
        try:
            source.add_to(arrived, count)
        finally:
            n, start = len(arrived), current[0]
            numbers = np.arange(start, start + n)
            # One element goes to the last place and one is drawn; the first takes its place, and is the last place
            # then.
            chosen = ((numbers + self._words.take(n) % size) % size).tolist()
            buffer, draw, before = self._buffer, taken.append, (start - 1) % size
            for element, place, at in zip(arrived, chosen, (numbers % size).tolist(), strict=True):
                buffer[before] = element
                draw(buffer[place])
                buffer[place] = buffer[at]
                before = at
            buffer[before] = None
            current[:] = start + n, start + n + size - 1
        return n > 0

    def _add_last(self, taken: list[Element], count: int) -> None:
        """What `__next__` does again and again once the source has ended."""
        slices, size, buffer = self._slices, self._size, self._buffer
        while slices[0][0] == slices[0][1]:
            slices.popleft()
        current = slices[0]
        start, n = current[0], min(count, current[1] - current[0])
        numbers = np.arange(start, start + n)
        chosen = ((numbers + self._words.take(n) % (current[1] - numbers)) % size).tolist()
        for place, at in zip(chosen, (numbers % size).tolist(), strict=True):
            taken.append(buffer[place])
            buffer[place] = buffer[at]
            buffer[at] = None
        current[0] += n
        self._held -= n

    def _fill(self, first: bool) -> None:
        size, slices = self._size, self._slices
        source = self._source
        while source is not None and self._held < size:
            wanted = size - self._held
            arrived: list[Element] = []
            try:
                if wanted == 1:
                    arrived.append(next(source))
                else:
                    source.add_to(arrived, wanted)
            except StopIteration:
                pass
            finally:
                self._put(arrived)
            first = first and not arrived
            if len(arrived) < wanted:
                if first and self._count == -1:
                    return  # an empty input would be gone through for ever
                self._epoch += 1
                slices.append([slices[-1][1], slices[-1][1]])
                source = self._source = self._dataset.iterate(self.context, self._name)
                if self._count != -1 and self._epoch >= self._count:
                    source = self._source = None
            if len(slices) > _MOST_PASSES:
                return

    def _put(self, arrived: list[Element]) -> None:
        """Put elements at the end of the newest slice."""
        buffer, size, current = self._buffer, self._size, self._slices[-1]
        for element in arrived:
            at = current[1] % size
            if at < len(buffer):
                buffer[at] = element
            else:
                buffer.append(element)
            current[1] += 1
        self._held += len(arrived)


@dataset_op("ShuffleDataset")
def shuffle_dataset(
    xp: Any,
    source: Any,
    buffer_size: Any,
    seed: Any,
    seed2: Any,
    *,
    reshuffle_each_iteration: Any,
    output_types: Any,
    output_shapes: Any,
) -> Dataset:
    """The elements in random order, drawn from a buffer of `buffer_size` of them."""
    seeds = given_seeds(seed, seed2)
    return Shuffle(source, int(buffer_size), seeds, output_types, output_shapes, reshuffle_each_iteration)


@dataset_op("ShuffleAndRepeatDataset")
def shuffle_and_repeat_dataset(
    xp: Any, source: Any, buffer_size: Any, seed: Any, seed2: Any, count: Any, *, output_types: Any, output_shapes: Any
) -> Dataset:
    """The elements in random order, `count` times over; the buffer stays full between the passes."""
    if not (int(count) > 0 or int(count) == -1):
        raise kernel_error("count must be greater than zero or equal to -1.")
    return Shuffle(source, int(buffer_size), given_seeds(seed, seed2), output_types, output_shapes, False, int(count))
